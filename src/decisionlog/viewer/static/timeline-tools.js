// What narrows the timeline down.
import { html, useMemo } from './html.js';
import { formatCount } from './format.js';
import { Icon } from './icons.js';

export function TimelineTools({ decisions, filter, onFilter, shown, outline, folded, onFold, isZoomed, onWhole, follow }) {
  const nodes = useMemo(() => countsByNode(decisions), [decisions]);
  const failed = useMemo(() => decisions.reduce((n, row) => n + (row.state === 'failure'), 0), [decisions]);
  const isNested = outline.some((entry) => entry.size > 0);
  const foldAll = () => onFold(folded.size ? new Set() : new Set(outline.filter((entry) => entry.size > 0).map((entry) => entry.row.id)));
  return html`<div class="timeline-tools">
    <h2 id="timeline-title">Decisions</h2>
    <span class="total" role="status">${shown}</span>
    <span class="spacer"></span>
    ${isZoomed && html`<button class="button" onClick=${onWhole}>Whole run</button>`}
    ${follow && html`<button class="chip" aria-pressed=${follow.isOn} onClick=${follow.toggle}><${Icon} name="down" />follow</button>`}
    ${isNested && html`<button class="link-button" onClick=${foldAll}>${folded.size ? 'unfold all' : 'fold all'}</button>`}
    ${failed > 0 && html`<button class="chip" aria-pressed=${filter.failedOnly} onClick=${() => onFilter({ ...filter, failedOnly: !filter.failedOnly })}>
      <span class="status tone-bad"><${Icon} name="cross" /></span>failed only<span class="chip-count">${formatCount(failed)}</span>
    </button>`}
    ${nodes.length > 1 && html`<label class="field"><span class="unseen">Node</span>
      <select onChange=${(event) => onFilter({ ...filter, node: event.currentTarget.value })}>
        <option value="" selected=${!filter.node}>All nodes</option>
        ${nodes.map(([node, n]) => html`<option value=${node} selected=${node === filter.node}>${node} (${formatCount(n)})</option>`)}
      </select>
    </label>`}
    <label class="search"><${Icon} name="search" /><span class="unseen">Search decisions</span>
      <input id="timeline-search" type="search" placeholder="Search decisions" autocomplete="off" spellcheck=${false} value=${filter.text}
        onInput=${(event) => onFilter({ ...filter, text: event.currentTarget.value })} onKeyDown=${(event) => event.key === 'Escape' && (event.preventDefault(), event.currentTarget.blur())} />
      <kbd aria-hidden="true">/</kbd>
    </label>
  </div>`;
}

function countsByNode(decisions) {
  const counts = new Map();
  for (const row of decisions) counts.set(row.node_id, (counts.get(row.node_id) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, 300);
}
