// Why a run failed: the headline, the causes with their evidence, and what to try.
import { classes, html, useState } from './html.js';
import { compareAddress, Link, runAddress } from './router.js';
import { runPath } from './api.js';
import { counted, formatP, formatPercent, unslug } from './format.js';
import { Loading, LongText, Trouble } from './parts.js';
import { STATUSES, StateIcon } from './status.js';

const CAUSES_SHOWN = 5;
const SUGGESTIONS_SHOWN = 3;
/** Above this probability a difference may be chance: that of the analysis. */
const CHANCE = 0.02;

const RELATIONS = { inside: 'inside', attempt: 'an attempt before', replaced: 'was replaced', failed: 'failed before', before: 'just before', here: 'here' };

const QUESTIONS = { failed: 'Why it failed', stuck: 'Why it got stuck', interrupted: 'Why it stopped', cancelled: 'Why it was cancelled', running: 'So far', completed: 'What went wrong on the way' };

export function Why({ run, state }) {
  const { data, error, retry } = state;
  if (error && !data) return html`<section class="why"><${Trouble} error=${error} what="The explanation" onRetry=${retry} /></section>`;
  // What went wrong takes room when it comes: that is kept free, so that nothing moves.
  if (!data) return html`<section class=${classes('why is-waiting', run.status !== 'completed' && run.status !== 'running' && 'is-tall')}><${Loading} what="Looking for causes" /></section>`;
  const tone = STATUSES[run.status]?.tone ?? 'quiet';
  const went = run.status === 'completed' || run.status === 'running';
  const isMute = went && !data.causes.length;
  const hasSide = data.suggestions.length > 0 || Boolean(data.contrast) || data.elsewhere.length > 0 || Boolean(data.ending);
  return html`<section class=${classes('why', `tone-line-${tone}`, hasSide && 'has-side')} aria-labelledby="why-title">
    <div class="why-main">
      <h2 id="why-title" class=${classes(isMute && 'unseen')}>${QUESTIONS[run.status] ?? 'Why'}</h2>
      <p class=${classes('headline', went && 'is-calm')} data-testid="headline">${data.headline}</p>
      <${LongText} text=${newSentences(run.narrative, data.headline)} class="narrative-whole" />
      <${Causes} causes=${data.causes} more=${data.more_causes} run=${run.id} headline=${data.headline} isCalm=${went} />
      ${data.caveats.length > 0 && html`<ul class="caveats">${data.caveats.map((each) => html`<li>${each}</li>`)}</ul>`}
    </div>
    ${hasSide && html`<${Aside} data=${data} run=${run} />`}
  </section>`;
}

/** What a text says that the headline (which may be cut) does not say already. */
function newSentences(text, headline) {
  if (!text) return '';
  const isTold = (sentence) => headline.includes(sentence.trim().slice(0, 60));
  return text.split(/(?<=[.!?]) (?=\p{L})/u).filter((sentence) => !isTold(sentence)).join(' ');
}

function Causes({ causes, more, run, headline, isCalm }) {
  const [shown, setShown] = useState(CAUSES_SHOWN);
  if (!causes.length) return null;
  // The headline already says the first cause, as a rule: its evidence then follows at once.
  const lead = !isCalm && headline.includes(causes[0].summary) ? causes[0] : null;
  const rest = (lead ? causes.slice(1) : causes).slice(0, shown);
  return html`
    ${lead && html`<div class="lead"><${CauseBody} cause=${lead} run=${run} headline=${headline} /></div>`}
    ${lead && rest.length > 0 && html`<h3 class="causes-title">Further candidates, the weaker evidence below</h3>`}
    <ol class="causes">
      ${rest.map((cause, i) => html`<li key=${`${cause.kind} ${cause.summary} ${i}`}><${CauseItem} cause=${cause} run=${run} isFirst=${i === 0 && !isCalm && !lead} /></li>`)}
    </ol>
    ${causes.length > shown && html`<button class="link-button" onClick=${() => setShown(causes.length)}>${counted(causes.length - shown, 'further cause')}</button>`}
    ${more > 0 && shown >= causes.length && html`<p class="faint">and ${counted(more, 'more cause')} with weaker evidence</p>`}`;
}

function CauseItem({ cause, run, isFirst }) {
  const [isOpen, setOpen] = useState(isFirst);
  const error = cause.error && !cause.summary.includes(cause.error) ? cause.error : null;
  return html`<div class=${classes('cause', cause.recovered && 'is-recovered', isOpen && 'is-open')}>
    <button class="cause-head" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <span class="json-caret" aria-hidden="true">▸</span>
      <span class="cause-text"><span class="cause-summary">${cause.summary}</span>${error && html`<span class="cause-error">${error}</span>`}</span>
      ${cause.recovered && html`<span class="pill">made up for</span>`}
      <span class="pill is-kind">${unslug(cause.kind)}</span>
    </button>
    ${isOpen && html`<${CauseBody} cause=${cause} run=${run} />`}
  </div>`;
}

function CauseBody({ cause, run, headline = '' }) {
  return html`<div class="cause-body">
    ${cause.reasons.length > 0 && html`<ul class="reasons">${cause.reasons.map((reason) => html`<li>${reason}</li>`)}</ul>`}
    ${cause.chain.length > 0 && html`<${Chain} links=${cause.chain} run=${run} headline=${headline} />`}
    <${DecisionRefs} ids=${cause.decision_ids} count=${cause.kind === 'problem' ? cause.decision_ids.length : cause.count} run=${run} />
  </div>`;
}

/** The way to the decision to look at. */
function Chain({ links, run, headline }) {
  return html`<ol class="chain" aria-label="How it came to it">
    ${links.map((link) => html`<li class=${classes('chain-link', link.relation === 'here' && 'is-here', link.relation === 'inside' && 'is-inside')}>
      <span class="chain-relation">${RELATIONS[link.relation] ?? link.relation}</span>
      <${StateIcon} state=${link.outcome} />
      <span class="chain-text"><a href=${runAddress(run, link.decision_id)}>${link.summary || link.decision_id}</a>${link.error && !headline.includes(link.error) && html`<span class="chain-error">${link.error}</span>`}</span>
    </li>`)}
  </ol>`;
}

function DecisionRefs({ ids, count, run }) {
  if (ids.length < 2) return null;
  return html`<p class="refs"><span class="label">Look at</span>${ids.slice(0, 12).map((id) => html`<a class="ref" href=${runAddress(run, id)}>${id}</a>`)}${count > 12 && html`<span class="faint">of ${counted(count, 'decision')}</span>`}</p>`;
}

function Aside({ data, run }) {
  return html`<div class="why-side">
    ${data.suggestions.length > 0 && html`<${ToTry} suggestions=${data.suggestions} run=${run.id} />`}
    ${data.contrast && html`<${LikeIt} contrast=${data.contrast} run=${run.id} />`}
    ${data.elsewhere.length > 0 && html`<${ElsewhereList} found=${data.elsewhere} run=${run.id} runs=${data.compared_with.length} />`}
    ${data.ending && html`<${EndedSo} ending=${data.ending} run=${run.id} />`}
  </div>`;
}

const SUGGESTION_WORDS = { fix: 'fix', judgement: 'as judged', elsewhere: 'did better', option: 'not tried', context: 'context', constraint: 'constraint', time: 'time', record: 'record' };

function ToTry({ suggestions, run }) {
  const [isOpen, setOpen] = useState(false);
  const shown = isOpen ? suggestions : suggestions.slice(0, SUGGESTIONS_SHOWN);
  return html`<section class="to-try">
    <h3>What to try</h3>
    <ul>${shown.map((each) => html`<li>
      <span class="to-try-kind">${SUGGESTION_WORDS[each.type] ?? unslug(each.type)}</span>
      <span class="to-try-text">${each.type !== 'fix' && html`<strong>${each.target}</strong> `}${each.reason} <${SuggestionRefs} suggestion=${each} run=${run} /></span>
    </li>`)}</ul>
    ${suggestions.length > SUGGESTIONS_SHOWN && html`<button class="link-button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? 'fewer' : `${suggestions.length - SUGGESTIONS_SHOWN} more`}</button>`}
  </section>`;
}

function SuggestionRefs({ suggestion, run }) {
  const elsewhere = suggestion.evidence.filter((id) => id.includes('/')).slice(0, 3);
  return html`
    ${suggestion.decision_id && html`<a class="ref" href=${runAddress(run, suggestion.decision_id)}>${suggestion.decision_id}</a>`}
    ${elsewhere.map((id) => html`<${FarRef} id=${id} />`)}`;
}

/** A decision of another run, "run/decision". */
export function FarRef({ id }) {
  const [run, decision] = id.split('/');
  return html`<${Link} class="ref" to=${runAddress(run, decision)} needs=${runPath(run)} title=${id}>${decision ?? run} in ${run.slice(-6)}<//>`;
}

function LikeIt({ contrast, run }) {
  const { divergence } = contrast;
  return html`<section>
    <h3>The completed run most like it</h3>
    <p>${divergence
      ? html`At <a class="ref" href=${runAddress(run, divergence.a.decision_id)}>${divergence.a.decision_id}</a> it chose <strong>${divergence.b.chosen_option_id ?? 'nothing'}</strong> where this one chose <strong>${divergence.a.chosen_option_id ?? 'nothing'}</strong>. `
      : 'It made the same choices. '}
      <${Link} to=${compareAddress(run, contrast.run_id)} needs=${`/api/compare?a=${encodeURIComponent(run)}&b=${encodeURIComponent(contrast.run_id)}`}>Compare the two<//></p>
  </section>`;
}

function EndedSo({ ending, run }) {
  return html`<section>
    <h3>Runs that ended with the same choice</h3>
    <p>After <strong>${ending.option_id}</strong> (<a class="ref" href=${runAddress(run, ending.decision_id)}>${ending.decision_id}</a>) ${counted(ending.runs_completed, 'run')} of ${ending.runs} completed, after other last choices ${ending.others_completed} of ${ending.others}. <span class="faint">(${formatP(ending.p_value)}${ending.p_value > CHANCE ? '; that may be chance' : ''})</span></p>
  </section>`;
}

function ElsewhereList({ found, run, runs }) {
  return html`<section>
    <h3>The same choices in ${counted(runs, 'other run')}</h3>
    <ul class="elsewhere">${found.slice(0, 6).map((each) => {
      const known = each.succeeded + each.failed;
      return html`<li><a class="ref" href=${runAddress(run, each.decision_id)}>${each.decision_id}</a> <strong>${each.option_id}</strong> ${known ? html`succeeded ${each.succeeded} of ${known} times <span class="faint">(${formatPercent(each.succeeded / known)})</span>` : html`was chosen ${counted(each.chosen, 'time')}`}</li>`;
    })}</ul>
  </section>`;
}
