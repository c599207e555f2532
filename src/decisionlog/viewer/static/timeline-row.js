// One decision of the timeline: what it was, and its bar.
import { classes, html, memo } from './html.js';
import { formatDuration, formatOffset } from './format.js';
import { SeverityIcon, StateIcon } from './status.js';

const DEEPEST_INDENT = 14;
const LABEL_PX = 76;

export const TimelineRow = memo(DecisionRow, ['entry', 'top', 'from', 'to', 'end', 'isChosen', 'isTabStop', 'isRunning', 'trackWidth']);

function DecisionRow({ entry, top, from, to, end, isChosen, isTabStop, isRunning, trackWidth, onOpen, onFold, onFocus }) {
  const { row, depth, size, isFolded, isContext } = entry;
  const toggle = (event) => {
    event.stopPropagation();
    onFold(row.id, !isFolded);
  };
  return html`<div class=${classes('line', isChosen && 'is-chosen', isContext && 'is-context', `is-${row.state}`)} role="treeitem" data-id=${row.id} data-state=${row.state}
      aria-level=${depth + 1} aria-expanded=${size ? !isFolded : undefined} aria-selected=${isChosen} tabindex=${isTabStop ? 0 : -1}
      style=${{ transform: `translateY(${top}px)` }} onClick=${() => onOpen(row.id)} onFocus=${() => onFocus(row.id)}>
    <span class="line-name" style=${{ paddingLeft: `${Math.min(depth, DEEPEST_INDENT) * 16 + 4}px` }}>
      ${size ? html`<span class=${classes('fold', !isFolded && 'is-open')} onClick=${toggle} aria-hidden="true" title=${isFolded ? `Show the ${size} inside` : 'Fold'}>▸</span>` : html`<span class="fold"></span>`}
      <${StateIcon} state=${row.state} />
      <span class="line-intent" title=${row.intent}>${row.intent || row.id}</span>
      ${row.chosen_option_id && html`<span class="line-chosen" title=${row.chosen || undefined}><span class="arrow" aria-label="chose">→</span> ${row.chosen_option_id}</span>`}
      ${isFolded && html`<span class="pill">${size} inside</span>`}
      ${row.problems > 0 && html`<${SeverityIcon} severity=${row.severity ?? 'warning'} />`}
      ${depth >= DEEPEST_INDENT && html`<span class="faint">level ${depth + 1}</span>`}
    </span>
    <span class="line-node" title=${row.node_id}>${row.node_id === 'unknown' ? '' : row.node_id}</span>
    <${Bar} row=${row} from=${from} to=${to} end=${end} isRunning=${isRunning} trackWidth=${trackWidth} />
  </div>`;
}

function Bar({ row, from, to, end, isRunning, trackWidth }) {
  const start = row.start_ms ?? 0;
  const stop = row.latency_ms === null || row.latency_ms === undefined ? (isRunning ? end : start) : start + row.latency_ms;
  const span = to - from;
  const left = Math.max(0, ((start - from) / span) * 100);
  const right = Math.min(100, ((stop - from) / span) * 100);
  const label = row.latency_ms === null || row.latency_ms === undefined ? 'pending' : formatDuration(row.latency_ms);
  if (start > to || stop < from) {
    return html`<span class="track"><span class=${classes('bar-label faint', start > to && 'is-left')} style=${start > to ? { right: '0' } : { left: '0' }}>${start > to ? `${formatOffset(start)} →` : `← ${formatOffset(start)}`}</span></span>`;
  }
  // The label stands behind the bar, or before it, or, where there is room in neither place, over its end.
  const isBehind = (1 - right / 100) * trackWidth >= LABEL_PX;
  const isOver = !isBehind && (left / 100) * trackWidth < LABEL_PX;
  const place = isBehind ? { left: `calc(${right}% + 8px)` } : isOver ? { right: '0' } : { right: `calc(${100 - left}% + 6px)` };
  return html`<span class="track">
    <span class=${`bar bar-${row.state}`} style=${{ left: `min(${left}%, 100% - 3px)`, width: `max(3px, ${Math.max(0, right - left)}%)` }}></span>
    <span class=${classes('bar-label', isOver && 'is-over')} style=${place}>${label}</span>
  </span>`;
}
