// Why runs of a goal fail, and which nodes waste time and tokens.
import { html, useState } from './html.js';
import { counted, formatCompact, formatCount, formatDuration, formatPercent } from './format.js';
import { Examples } from './goal-suggestions.js';
import { Meter, RateLine, rateText } from './parts.js';

const GROUPS_SHOWN = 4;
const ENDINGS_SHOWN = 6;

export function FailureGroups({ patterns }) {
  const { causes, errors } = patterns;
  return html`<section class="block" aria-labelledby="fail-title">
    <h2 id="fail-title">Why runs fail</h2>
    ${causes.length ? html`<${Limited} items=${causes} noun="cause" render=${(cause) => html`<li class="group">
        <div class="group-line"><${Meter} value=${cause.share} tone="bad" /><span class="number" title="Of the runs that did not succeed">${formatPercent(cause.share)}</span><span class="faint">${counted(cause.runs, 'run')}</span><${Examples} examples=${[cause.example]} /></div>
        <p class="group-text">${cause.cause ?? 'no cause recorded'}${cause.succeeded_too > 0 && html` <span class="faint">${counted(cause.succeeded_too, 'run')} had it and succeeded all the same</span>`}</p>
      </li>`} />` : html`<p class="faint">No run failed.</p>`}
    ${errors.length > 0 && html`<h3>Errors of decisions</h3>
      <${Limited} items=${errors} noun="error" render=${(each) => html`<li class="group">
        <p class="group-text"><span class="error-text">${each.error}</span> <span class="faint">at ${each.node_id}: ${counted(each.decisions, 'decision')} of ${counted(each.runs, 'run')}, of which ${formatCount(each.failed_runs)} did not succeed either</span> <${Examples} examples=${[each.example]} /></p>
      </li>`} />`}
  </section>`;
}

function Limited({ items, noun, render }) {
  const [isOpen, setOpen] = useState(false);
  return html`<ul class="groups">${(isOpen ? items : items.slice(0, GROUPS_SHOWN)).map(render)}</ul>
    ${items.length > GROUPS_SHOWN && html`<button class="link-button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? 'fewer' : `all ${counted(items.length, noun)}`}</button>`}`;
}

/** The last choices of runs, with how often those runs succeeded. */
export function Endings({ endings }) {
  const [isOpen, setOpen] = useState(false);
  if (!endings?.length) return null;
  const shown = isOpen ? endings : endings.slice(0, ENDINGS_SHOWN);
  return html`<section class="block" aria-labelledby="endings-title">
    <h2 id="endings-title">The last choice of runs</h2>
    <ul class="branches">${shown.map((each) => html`<li class="branch"><div class="branch-line">
      <span class="branch-text"><strong>${each.option_id}</strong> <span class="faint">${each.node_id}</span></span>
      <span class="branch-rate" title=${rateText(each.success)}><${RateLine} rate=${each.success.rate} low=${each.success.interval?.low} high=${each.success.interval?.high} /><span class="number">${formatPercent(each.success.rate)}</span><span class="faint">${each.success.succeeded} of ${each.success.count} runs</span></span>
      <${Examples} examples=${[each.example]} />
    </div></li>`)}</ul>
    ${endings.length > shown.length && html`<button class="link-button" onClick=${() => setOpen(true)}>all ${counted(endings.length, 'choice')}</button>`}
  </section>`;
}

export function NodeTable({ nodes }) {
  const [isOpen, setOpen] = useState(false);
  if (!nodes.length) return null;
  const shown = isOpen ? nodes : nodes.slice(0, 12);
  const hasTokens = nodes.some((node) => node.tokens > 0);
  return html`<section class="block" aria-labelledby="nodes-title">
    <h2 id="nodes-title">Where time${hasTokens ? ' and tokens are' : ' is'} spent in vain</h2>
    <div class="scrolls" tabindex="0" role="group" aria-label="Nodes"><table class="data">
      <thead><tr><th scope="col">Node</th><th scope="col" class="number">Decisions</th><th scope="col">Success</th><th scope="col">Time in vain</th>${hasTokens && html`<th scope="col">Tokens in vain</th>`}</tr></thead>
      <tbody>${shown.map((node) => html`<tr>
        <td>${node.node_id}</td>
        <td class="number">${formatCount(node.decisions)}</td>
        <td class="success-cell" title=${rateText(node.success)}><${RateLine} rate=${node.success.rate} low=${node.success.interval?.low} high=${node.success.interval?.high} /><span class="number">${formatPercent(node.success.rate)}</span></td>
        <td><${Waste} part=${node.latency_ms_in_vain} of=${node.latency_ms} format=${formatDuration} /></td>
        ${hasTokens && html`<td><${Waste} part=${node.tokens_in_vain} of=${node.tokens} format=${formatCompact} /></td>`}
      </tr>`)}</tbody>
    </table></div>
    ${nodes.length > shown.length && html`<button class="link-button" onClick=${() => setOpen(true)}>all ${counted(nodes.length, 'node')}</button>`}
  </section>`;
}

function Waste({ part, of, format }) {
  if (!of) return html`<span class="faint">–</span>`;
  return html`<span class="waste"><${Meter} value=${part / of} tone="bad" /><span class="number">${format(part)}</span><span class="faint">of ${format(of)}</span></span>`;
}
