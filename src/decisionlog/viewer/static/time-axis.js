// The axis above the bars. Dragging along it zooms in.
import { html, useRef, useState } from './html.js';
import { formatDuration } from './format.js';
import { ticksOf } from './timeline-model.js';

const SHORTEST_DRAG_PX = 5;

export function TimeAxis({ span, whole, onZoom }) {
  const axis = useRef(null);
  const [drag, setDrag] = useState(null);
  const share = (event) => {
    const box = axis.current.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  const onDown = (event) => {
    if (event.button !== 0) return;
    axis.current.setPointerCapture(event.pointerId);
    setDrag({ a: share(event), b: share(event) });
  };
  const onMove = (event) => drag && setDrag({ ...drag, b: share(event) });
  const onUp = () => {
    if (!drag) return;
    setDrag(null);
    const [low, high] = [Math.min(drag.a, drag.b), Math.max(drag.a, drag.b)];
    if ((high - low) * axis.current.clientWidth < SHORTEST_DRAG_PX) return;
    const length = span.to - span.from;
    onZoom({ from: span.from + low * length, to: span.from + high * length });
  };
  const wanted = Math.max(2, Math.floor((axis.current?.clientWidth ?? 500) / 110));
  const at = (ms) => `${((ms - span.from) / (span.to - span.from)) * 100}%`;
  return html`<div class="axis-line">
    <span class="axis-side">Decision</span>
    <span class="axis-node">Node</span>
    <div class="axis" ref=${axis} onPointerDown=${onDown} onPointerMove=${onMove} onPointerUp=${onUp} onDblClick=${() => onZoom(null)} title="Drag to zoom, double-click for the whole run" aria-hidden="true">
      ${ticksOf(span.from, span.to, wanted).map((ms) => html`<span class="tick" style=${{ left: at(ms) }}>${ms === 0 ? '0' : formatDuration(ms)}</span>`)}
      ${drag && html`<span class="drag" style=${{ left: `${Math.min(drag.a, drag.b) * 100}%`, width: `${Math.abs(drag.b - drag.a) * 100}%` }}></span>`}
      ${span.to < whole.to && html`<span class="unseen">zoomed</span>`}
    </div>
  </div>`;
}
