// The first divergence in full, and the figures of two runs beside each other.
import { classes, html } from './html.js';
import { formatCompact, formatCost, formatDuration, formatPercent, formatPoints, unslug } from './format.js';
import { Icon } from './icons.js';
import { JsonView } from './json-view.js';
import { LongText, Meter } from './parts.js';
import { runAddress } from './router.js';
import { StateIcon } from './status.js';

const OPTIONS_PER_SIDE = 12;

export function Divergence({ comparison }) {
  const { divergence } = comparison;
  if (!divergence) {
    return html`<section class="why tone-line-quiet"><div class="why-main"><h2>Where they part</h2><p class="headline is-calm">They made the same choices${comparison.only_in_a.length + comparison.only_in_b.length > 0 ? ' wherever both came by' : ''}.</p></div></section>`;
  }
  const { a, b } = divergence;
  return html`<section class="why tone-line-live divergence" aria-labelledby="divergence-title"><div class="why-main">
    <h2 id="divergence-title">Where they first part</h2>
    <p class="headline">${a.intent}: A chose ${a.chosen_option_id ?? 'nothing'}, B chose ${b.chosen_option_id ?? 'nothing'}</p>
    <div class="pair"><${DivergentSide} mark="A" side=${a} run=${comparison.a} only=${divergence.options_only_in_a} /><${DivergentSide} mark="B" side=${b} run=${comparison.b} only=${divergence.options_only_in_b} /></div>
  </div></section>`;
}

function DivergentSide({ mark, side, run, only }) {
  const options = side.options ?? [];
  return html`<section class="pair-side">
    <p class="pair-name"><span class="side-mark">${mark}</span><${StateIcon} state=${side.outcome} word /><a class="ref" href=${runAddress(run, side.decision_id)}>${side.decision_id}</a></p>
    <ul class="side-options">${options.slice(0, OPTIONS_PER_SIDE).map((option) => html`<li class=${classes(option.id === side.chosen_option_id && 'is-chosen')}>
      <span class="option-id">${option.id}${option.id === side.chosen_option_id && html`<span class="chosen-mark"><${Icon} name="check" />chosen</span>`}${only.includes(option.id) && html` <span class="pill">only here</span>`}</span>
      <span class="confidence"><${Meter} value=${option.confidence} /><span class="number">${(option.confidence ?? 0).toFixed(2)}</span></span>
    </li>`)}</ul>
    ${options.length > OPTIONS_PER_SIDE && html`<p class="faint">and ${options.length - OPTIONS_PER_SIDE} more</p>`}
    <${LongText} text=${side.reasoning} class="reasoning" limit=${400} />
    ${side.error && html`<div class="error-box"><${LongText} text=${side.error} limit=${300} /></div>`}
  </section>`;
}

function formatOf(name) {
  if (name.endsWith('_ms') || name.includes('latency') || name.includes('duration')) return formatDuration;
  if (name.includes('rate')) return formatPercent;
  if (name.includes('cost')) return formatCost;
  return formatCompact;
}

export function MetricTable({ metrics }) {
  const shown = metrics.filter((metric) => (metric.a ?? 0) !== 0 || (metric.b ?? 0) !== 0);
  if (!shown.length) return null;
  return html`<section class="block" aria-labelledby="metrics-title"><h2 id="metrics-title">Figures</h2>
    <table class="data"><thead><tr><th scope="col"><span class="unseen">Figure</span></th><th scope="col" class="number">A</th><th scope="col" class="number">B</th><th scope="col" class="number">Difference</th></tr></thead>
    <tbody>${shown.map((metric) => {
      const format = formatOf(metric.name);
      return html`<tr><th scope="row">${unslug(metric.name.replace(/_ms$/, ''))}</th><td class="number">${format(metric.a)}</td><td class="number">${format(metric.b)}</td><td class="number">${differenceText(metric.difference, format === formatPercent ? formatPoints : format)}</td></tr>`;
    })}</tbody></table></section>`;
}

function differenceText(difference, format) {
  if (difference === null || difference === undefined) return '–';
  if (difference === 0) return html`<span class="faint">same</span>`;
  return `${difference > 0 ? '+' : '−'}${format(Math.abs(difference)).replace(/^\+/, '')}`;
}

export function SettingTable({ settings }) {
  if (!settings.length) return html`<section class="block"><h2>Before the first decision</h2><p class="faint">The goal, the input and the tags were the same.</p></section>`;
  return html`<section class="block" aria-labelledby="settings-title"><h2 id="settings-title">Before the first decision</h2>
    <table class="data"><thead><tr><th scope="col"><span class="unseen">What</span></th><th scope="col">A</th><th scope="col">B</th></tr></thead>
    <tbody>${settings.map((each) => html`<tr><th scope="row">${each.name}</th><td><${JsonView} value=${each.a} /></td><td><${JsonView} value=${each.b} /></td></tr>`)}</tbody></table></section>`;
}
