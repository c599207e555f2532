// The top of a run's page: what it was about, how it ended, and its figures.
import { html, useState } from './html.js';
import { goalPath, isReport, runPath } from './api.js';
import { CompareMenu } from './compare-menu.js';
import { counted, formatCompact, formatCost, formatCount, formatDuration, formatPercent, formatStamp, isRecent } from './format.js';
import { Ago, CopyButton, Meter } from './parts.js';
import { goalAddress, Link, runAddress } from './router.js';
import { useNow } from './scrolling.js';
import { StatusBadge } from './status.js';

const TAGS_SHOWN = 6;

export function RunHead({ run, decisions, problems, isLive, contrast, isComparing, onComparing }) {
  const isRunning = run.status === 'running';
  const now = useNow(isRunning ? 250 : null);
  const took = run.duration_ms ?? (isRunning && run.started_at ? Math.max(0, now - Date.parse(run.started_at)) : null);
  const rate = successRate(run.metrics);
  return html`<header class="run-head">
    <nav class="crumbs" aria-label="Where this is">
      ${!isReport && html`<a href="#/runs">Runs</a><span class="crumb-mark">/</span>`}
      <${Link} to=${goalAddress(run.goal_id)} needs=${goalPath(run.goal_id)} title="All runs of this goal">${run.goal_id || '(no goal)'}<//>
      <span class="crumb-mark">/</span><code class="run-id">${run.id}</code>
      <${CopyButton} text=${run.id} label="Copy id" />
    </nav>
    <div class="title-line">
      <${StatusBadge} status=${run.status} class="status-large" />
      <h1 class="clamped" title=${run.goal_description || undefined}>${run.goal_description || run.goal_id || 'A run without a goal'}</h1>
      ${isLive && html`<span class="live"><span class="live-dot"></span>live</span>`}
      <span class="spacer"></span>
      ${!isReport && html`<${CompareMenu} run=${run} contrast=${contrast} isOpen=${isComparing} onToggle=${onComparing} />`}
    </div>
    <dl class="facts">
      <${Fact} name="Started">${isRecent(run.started_at, Date.now()) ? html`<${Ago} time=${run.started_at} /> <span class="faint">${formatStamp(run.started_at)}</span>` : formatStamp(run.started_at)}<//>
      <${Fact} name="Took">${formatDuration(took)}<//>
      <${Fact} name="Decisions">${formatCount(run.metrics.total_decisions)} <${Tally} metrics=${run.metrics} /><//>
      ${rate !== null && html`<${Fact} name="Success"><${Meter} value=${rate} tone="plain" /> ${formatPercent(rate)}<//>`}
      ${problems.length > 0 && html`<${Fact} name="Problems">${formatCount(problems.length)}<//>`}
      ${run.tokens ? html`<${Fact} name="Tokens"><span title=${formatCount(run.tokens)}>${formatCompact(run.tokens)}</span><//>` : null}
      ${run.cost_usd !== null && run.cost_usd !== undefined && html`<${Fact} name="Cost">${formatCost(run.cost_usd)}<//>`}
      <${Tags} tags=${Object.entries(run.tags ?? {})} />
      ${run.parent_run_id && html`<${Fact} name="Part of"><${Link} to=${runAddress(run.parent_run_id, run.parent_decision_id ?? undefined)} needs=${runPath(run.parent_run_id)}>${run.parent_run_id}<//><//>`}
      ${run.lost_records > 0 && html`<${Fact} name="Lost">${counted(run.lost_records, 'record')}<//>`}
    </dl>
  </header>`;
}

function Fact({ name, children }) {
  return html`<div class="fact"><dt>${name}</dt><dd>${children}</dd></div>`;
}

function Tags({ tags }) {
  const [isOpen, setOpen] = useState(false);
  const shown = isOpen ? tags : tags.slice(0, TAGS_SHOWN);
  return html`${shown.map(([key, value]) => html`<${Fact} name=${key}><span class="fact-tag" title=${value}>${value}</span><//>`)}
    ${tags.length > shown.length && html`<${Fact} name="Tags"><button class="link-button" onClick=${() => setOpen(true)}>${tags.length - shown.length} more</button><//>`}`;
}

function successRate({ successful_decisions: good, failed_decisions: bad }) {
  return good + bad ? good / (good + bad) : null;
}

function Tally({ metrics }) {
  const parts = [
    [metrics.failed_decisions, 'failed'], [metrics.cancelled_decisions, 'cancelled'], [metrics.pending_decisions, 'pending'],
  ].filter(([n]) => n > 0);
  return parts.length ? html`<span class="faint">${parts.map(([n, word]) => `${formatCount(n)} ${word}`).join(', ')}</span>` : null;
}
