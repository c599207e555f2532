// A run in the list.
import { html, memo } from './html.js';
import { formatCompact, formatCount, formatDuration, formatPercent } from './format.js';
import { Icon } from './icons.js';
import { Ago, Meter } from './parts.js';
import { runAddress } from './router.js';
import { StatusBadge } from './status.js';

export const RunRow = memo(RunInList, ['row', 'index', 'top', 'now', 'class']);

function RunInList({ row, index, top, now, class: className, onFocus }) {
  const took = row.duration_ms ?? (row.status === 'running' && row.started_at ? Math.max(0, now - Date.parse(row.started_at)) : null);
  const tags = Object.entries(row.tags ?? {}).slice(0, 4);
  return html`<div class=${`run-row ${className}`} role="row" aria-rowindex=${index + 1} data-index=${index} data-status=${row.status} style=${{ transform: `translateY(${top}px)` }}>
    <span class="cell-status" role="cell"><${StatusBadge} status=${row.status} /></span>
    <span class="cell-goal" role="cell">
      <span class="goal-line"><a class="run-link" href=${runAddress(row.run_id)} onFocus=${() => onFocus({ index, id: row.run_id })} title=${row.goal_description || undefined}>${row.goal_id || '(no goal)'}</a>
      ${tags.map(([key, value]) => html`<span class="tag">${key}=${value}</span>`)}</span>
      <span class="narrative">${row.narrative || row.goal_description}</span>
    </span>
    <span class="cell-started" role="cell"><${Ago} time=${row.started_at} /></span>
    <span class="cell-took number" role="cell">${formatDuration(took)}</span>
    <span class="cell-decisions number" role="cell">${formatCount(row.decisions)}<span class="unit"> ${row.decisions === 1 ? 'decision' : 'decisions'}</span></span>
    <span class="cell-success" role="cell">${row.success_rate !== null && html`<${Meter} value=${row.success_rate} tone="plain" />`}<span class="number">${formatPercent(row.success_rate)}</span></span>
    <span class="cell-tokens number" role="cell">${row.tokens ? formatCompact(row.tokens) : html`<span class="faint">–</span>`}</span>
    <span class="cell-problems number" role="cell">${row.problems ? html`<span class="tone-odd with-icon"><${Icon} name="triangle" />${formatCount(row.problems)}<span class="unit"> ${row.problems === 1 ? 'problem' : 'problems'}</span></span>` : html`<span class="faint">–</span>`}</span>
  </div>`;
}

/** Holds the place of a row that is on its way. */
export function RunRowBlank({ index, top }) {
  return html`<div class="run-row is-blank" aria-hidden="true" data-index=${index} style=${{ transform: `translateY(${top}px)` }}><span class="blank" /><span class="blank wide" /></div>`;
}
