// A decision opened: what it was for, what it chose among, and what came of it.
import { html, useEffect, useRef } from './html.js';
import { decisionPath } from './api.js';
import { DecisionOptions } from './decision-options.js';
import { DecisionOutcome } from './decision-outcome.js';
import { useDocument } from './documents.js';
import { formatCompact, formatCost, formatDuration, formatOffset, unslug } from './format.js';
import { Icon } from './icons.js';
import { FoldedJson, isFilled } from './json-view.js';
import { CopyButton, Loading, LongText, Trouble } from './parts.js';
import { ProblemText } from './problems.js';
import { runAddress } from './router.js';
import { StateIcon } from './status.js';

export function DecisionPanel({ run, id, decisions, onOpen, onClose }) {
  const row = decisions.find((each) => each.id === id);
  const { data: document, error, retry, refresh } = useDocument(decisionPath(run.id, id), { keep: true });
  const panel = useRef(null);
  const scrolled = useRef(null);
  const seq = row?.seq;
  const seenSeq = useRef({ id, seq });
  useEffect(() => {
    // A live decision that got its outcome, or an evaluation, is read again.
    const seen = seenSeq.current;
    if (seen.id === id && seen.seq !== undefined && seen.seq !== seq) refresh();
    seenSeq.current = { id, seq };
  }, [id, seq]);
  useEffect(() => {
    scrolled.current?.scrollTo(0, 0);
  }, [id]);
  useEffect(() => {
    // Only where it covers the page does it take the focus; beside the timeline, that keeps it.
    if (matchMedia('(max-width: 1099px)').matches) panel.current.focus();
  }, []);
  const current = document?.decision.id === id ? document : null;
  return html`<aside class="panel" aria-label=${`Decision ${id}`} tabindex="-1" ref=${panel} data-decision=${current ? id : undefined}>
    <header class="panel-head">
      <button class="quiet-button panel-back" onClick=${onClose} aria-label="Close the decision" title="Close (Esc)"><${Icon} name="close" /></button>
      ${row && html`<${StateIcon} state=${row.state} word />`}
      <code>${id}</code>
      ${row && row.node_id !== 'unknown' && html`<span class="pill" title="Node">${row.node_id}</span>`}
      ${row && html`<span class="pill is-kind">${unslug(row.decision_type)}</span>`}
      <span class="spacer"></span>
      <${CopyButton} text=${() => location.href} label="Copy link" />
      <${Step} to=${neighbour(decisions, id, -1)} icon="up" label="Previous decision" onOpen=${onOpen} />
      <${Step} to=${neighbour(decisions, id, 1)} icon="down" label="Next decision" onOpen=${onOpen} />
    </header>
    <div class="panel-body" ref=${scrolled} tabindex="0" role="group" aria-label="What was decided">
      ${error && html`<${Trouble} error=${error} what="The decision" onRetry=${retry} />`}
      ${!document && !error && html`<${Loading} what="Reading the decision" />`}
      ${document && !error && html`<${Details} run=${run} document=${document} row=${row} isOld=${!current} />`}
    </div>
  </aside>`;
}

function neighbour(decisions, id, step) {
  const index = decisions.findIndex((each) => each.id === id);
  return index < 0 ? undefined : decisions[index + step]?.id;
}

function Step({ to, icon, label, onOpen }) {
  return html`<button class="quiet-button" disabled=${!to} onClick=${() => onOpen(to, { replace: true })} aria-label=${label} title=${label}><${Icon} name=${icon} /></button>`;
}

function Details({ run, document, row, isOld }) {
  const { decision, problems = [], records = [], children = [] } = document;
  const outcome = decision.outcome;
  const chosen = (decision.options ?? []).find((option) => option.id === decision.chosen_option_id);
  return html`<div class=${isOld ? 'is-old' : ''}>
    <h2 class="intent">${decision.intent ? html`<${LongText} text=${decision.intent} limit=${400} key=${decision.id} />` : 'A decision without an intent'}</h2>
    <${Figures} row=${row} outcome=${outcome} decision=${decision} />
    <${Choice} decision=${decision} chosen=${chosen} />
    <${DecisionOptions} options=${decision.options ?? []} chosen=${decision.chosen_option_id} key=${decision.id} />
    <${DecisionOutcome} outcome=${outcome} run=${run} />
    ${problems.length > 0 && html`<section class="part"><h3>Problems</h3>${problems.map((problem) => html`<${ProblemText} problem=${problem} />`)}</section>`}
    <${EvaluationPart} evaluation=${decision.evaluation} />
    ${isFilled(decision.active_constraints) && html`<section class="part"><h3>Constraints</h3><ul class="plain-list">${decision.active_constraints.map((each) => html`<li>${each}</li>`)}</ul></section>`}
    <${Relatives} run=${run} decision=${decision} children=${children} />
    <div class="part">
      ${isFilled(decision.input_context) && html`<${FoldedJson} title="Context" value=${decision.input_context} open />`}
      ${isFilled(decision.extra) && html`<${FoldedJson} title="Further fields" value=${decision.extra} />`}
      ${records.length > 0 && html`<${FoldedJson} title=${`Raw records (${records.length})`} value=${records} levels=${2} />`}
    </div>
  </div>`;
}

function Figures({ row, outcome, decision }) {
  const facts = [
    ['Started', row && formatOffset(row.start_ms)],
    ['Took', outcome ? formatDuration(outcome.latency_ms ?? 0) : 'pending'],
    ['Tokens', outcome?.tokens_used ? tokensText(outcome) : null],
    ['Cost', outcome?.cost_usd !== undefined && outcome?.cost_usd !== null ? formatCost(outcome.cost_usd) : null],
    ['Model', outcome?.model],
    ['Options', (decision.options ?? []).length],
  ].filter(([, value]) => value !== null && value !== undefined && value !== '');
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div class="fact"><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function tokensText({ tokens_used: all, input_tokens: input, output_tokens: output }) {
  const parts = [input !== undefined && input !== null && `${formatCompact(input)} in`, output !== undefined && output !== null && `${formatCompact(output)} out`].filter(Boolean);
  return `${formatCompact(all)}${parts.length ? ` (${parts.join(', ')})` : ''}`;
}

function Choice({ decision, chosen }) {
  if (!decision.chosen_option_id && !decision.reasoning) return html`<p class="choice is-none">Nothing has been chosen${decision.outcome ? '.' : ' so far.'}</p>`;
  return html`<section class="choice">
    <p class="choice-title"><span class="label">Chose</span>${decision.chosen_option_id ? html`<strong>${decision.chosen_option_id}</strong>` : html`<span class="faint">nothing</span>`}
      ${decision.chosen_option_id && !chosen && html` <span class="pill is-odd">not among the options</span>`}</p>
    ${decision.reasoning ? html`<${LongText} text=${decision.reasoning} class="reasoning" key=${decision.id} />` : html`<p class="faint">No reasoning was recorded.</p>`}
  </section>`;
}

function EvaluationPart({ evaluation }) {
  if (!evaluation) return null;
  const share = (x) => `${Math.round((x ?? 0) * 100)}%`;
  return html`<section class="part"><h3>Evaluation</h3>
    <dl class="facts">
      <div class="fact"><dt>Aligned with the goal</dt><dd>${evaluation.goal_aligned ? 'yes' : 'no'}, ${share(evaluation.alignment_score)}</dd></div>
      <div class="fact"><dt>Quality of the outcome</dt><dd>${share(evaluation.outcome_quality)}</dd></div>
      ${evaluation.contributed_to_success !== null && evaluation.contributed_to_success !== undefined && html`<div class="fact"><dt>Contributed to success</dt><dd>${evaluation.contributed_to_success ? 'yes' : 'no'}</dd></div>`}
    </dl>
    ${evaluation.better_option_existed && html`<p>Better: <strong>${evaluation.better_option_id ?? 'another option'}</strong>${evaluation.why_better && `, ${evaluation.why_better}`}</p>`}
    <${LongText} text=${evaluation.explanation} />
  </section>`;
}

function Relatives({ run, decision, children }) {
  const links = [
    decision.parent_id && ['Inside', [decision.parent_id]],
    decision.supersedes && ['Replaces', [decision.supersedes]],
    children.length > 0 && [`Made inside it (${children.length})`, children.slice(0, 20)],
  ].filter(Boolean);
  if (!links.length) return null;
  return html`<section class="part refs-part">${links.map(([label, ids]) => html`<p class="refs"><span class="label">${label}</span>${ids.map((each) => html`<a class="ref" href=${runAddress(run.id, each)}>${each}</a>`)}</p>`)}</section>`;
}
