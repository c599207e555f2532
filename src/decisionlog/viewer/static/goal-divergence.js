// Where the runs of a goal part: the tree of their choices, with how often each way succeeds.
import { classes, html, useState } from './html.js';
import { runPath } from './api.js';
import { counted, formatP, formatPercent, shortId } from './format.js';
import { RateLine, rateText } from './parts.js';
import { Link, runAddress } from './router.js';

const OPEN_LEVELS = 3;
const BRANCHES_SHOWN = 8;
const OTHER_SPLITS = 3;

export function DivergenceTree({ divergence }) {
  const split = divergence?.divergence;
  return html`<section class="block" aria-labelledby="part-title">
    <h2 id="part-title">Where runs part</h2>
    ${split ? html`<${SplitText} split=${split} others=${divergence.splits.slice(1, 1 + OTHER_SPLITS)} />` : html`<p class="faint">No choice separates the runs that succeed from those that fail${divergence?.looked_at ? ` (${counted(divergence.looked_at, 'split')} looked at)` : ''}.</p>`}
    ${divergence?.tree.length > 0 && html`<ul class="branches" aria-label="The choices, in their order">${divergence.tree.slice(0, 30).map((branch) => html`<${BranchItem} branch=${branch} level=${0} />`)}</ul>`}
  </section>`;
}

function SplitText({ split, others }) {
  const after = split.path.at(-1);
  return html`<div class="split">
    <p>They part at decision ${split.step}${after && html`, after <strong>${after.option_id ?? 'no choice'}</strong> at ${after.node_id}`} <span class="faint">(${formatP(split.p_value)})</span>:</p>
    <ul class="branches is-split">${split.branches.map((branch) => html`<li class="branch"><${BranchLine} branch=${branch} /></li>`)}</ul>
    ${others.length > 0 && html`<p class="faint">They also part at ${others.map((each) => `decision ${each.step}${each.path.length ? `, after ${each.path.at(-1).option_id ?? 'no choice'}` : ''} (${formatP(each.p_value)})`).join('; ')}.</p>`}
  </div>`;
}

function BranchItem({ branch, level }) {
  const [isOpen, setOpen] = useState(level < OPEN_LEVELS);
  const [isWhole, setWhole] = useState(false);
  const inner = isWhole ? branch.branches : branch.branches.slice(0, BRANCHES_SHOWN);
  return html`<li class="branch">
    <${BranchLine} branch=${branch} fold=${branch.branches.length > 0 && html`<button class="fold-mark" aria-expanded=${isOpen} aria-label=${`What followed ${branch.choice.option_id ?? 'no choice'}`} onClick=${() => setOpen(!isOpen)}>▸</button>`} />
    ${isOpen && inner.length > 0 && html`<ul class="branches">${inner.map((each) => html`<${BranchItem} branch=${each} level=${level + 1} />`)}
      ${branch.branches.length > inner.length && html`<li><button class="link-button" onClick=${() => setWhole(true)}>${branch.branches.length - inner.length} more</button></li>`}</ul>`}
  </li>`;
}

function BranchLine({ branch, fold }) {
  const { choice, success } = branch;
  return html`<div class=${classes('branch-line', !fold && 'is-leaf')}>${fold}
    <span class="branch-text"><strong>${choice.option_id ?? 'no choice'}</strong> <span class="faint">${choice.intent ?? 'decides'} · ${choice.node_id}${choice.failures_before > 0 && ` · after ${choice.failures_before > 1 ? 'two or more failures' : 'a failure'}`}</span></span>
    <span class="branch-rate" title=${rateText(success)}><${RateLine} rate=${success.rate} low=${success.interval?.low} high=${success.interval?.high} /><span class="number">${formatPercent(success.rate)}</span><span class="faint">${success.succeeded} of ${success.count} runs</span></span>
    <${Link} class="ref" to=${runAddress(branch.example)} needs=${runPath(branch.example)} title=${branch.example}>${shortId(branch.example)}<//>
  </div>`;
}
