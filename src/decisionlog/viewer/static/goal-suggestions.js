// What to change, each with the evidence for it.
import { classes, html } from './html.js';
import { runPath } from './api.js';
import { formatP, formatPercent, formatPoints, shortId, unslug } from './format.js';
import { RateLine, rateText } from './parts.js';
import { Link, runAddress } from './router.js';

export function GoalSuggestions({ suggestions, calibration }) {
  if (!suggestions?.length) {
    return html`<section class="block"><h2>What to change</h2><p class="faint">Nothing that these runs support. More runs, or more options tried, may tell.</p></section>`;
  }
  return html`<section class="block" aria-labelledby="change-title">
    <h2 id="change-title">What to change</h2>
    <ol class="suggestions">${suggestions.map((each) => html`<li class="suggestion">
      <div class="suggestion-head">
        <span class=${classes('pill', each.priority === 'high' && 'is-strong')}>${each.priority}</span>
        <span class="pill is-kind">${unslug(each.type)}</span>
        <strong class="suggestion-target">${each.target}</strong>
        ${each.expected_gain && html`<span class="gain" title="If the difference is all due to this">${formatPoints(each.expected_gain.estimate)} <span class="faint">for ${each.gain_of}s (${formatPoints(each.expected_gain.interval.low)} to ${formatPoints(each.expected_gain.interval.high)})</span></span>`}
      </div>
      <p class="suggestion-reason">${each.reason}</p>
      <${EvidenceLine} suggestion=${each} calibration=${calibration} />
    </li>`)}</ol>
  </section>`;
}

/** What the two rates of the evidence are rates of. A target ends in "→ BETTER instead of WORSE". */
function ratesOf({ type, target, evidence }, calibration) {
  const [, better, worse] = /→ ([^→]+) instead of (.+)$/s.exec(target) ?? [];
  if (type === 'calibrate') return [[calibration?.confidence ? `said ${formatPercent(calibration.confidence)}, succeeded` : 'succeeded', evidence.with_it]];
  if (type === 'prefer_option' || type === 'change_path') return [[better ?? 'instead', evidence.without_it], [worse ?? 'as chosen', evidence.with_it]];
  return [['runs with it', evidence.with_it], ['the others', evidence.without_it]];
}

function EvidenceLine({ suggestion, calibration }) {
  const { evidence } = suggestion;
  const rates = ratesOf(suggestion, calibration).filter(([, rate]) => rate);
  return html`<div class="evidence">
    ${rates.map(([label, rate]) => html`<span class="evidence-rate"><span class="label">${label}</span><${RateLine} rate=${rate.rate} low=${rate.interval?.low} high=${rate.interval?.high} /><span class="number">${formatPercent(rate.rate)}</span><span class="unseen">${rateText(rate)}</span> <span class="faint">${rate.succeeded} of ${rate.count}</span></span>`)}
    <span class="faint">${formatP(evidence.p_value)}</span>
    <${Examples} examples=${evidence.examples} />
  </div>`;
}

/** Links to the runs, and the decisions in them, that a finding rests on. */
export function Examples({ examples, limit = 3 }) {
  const known = (examples ?? []).filter(Boolean).slice(0, limit);
  return known.map((each) => html`<${Link} class="ref" to=${runAddress(each.run_id, each.decision_id ?? undefined)} needs=${runPath(each.run_id)} title=${each.run_id}>${each.decision_id ? `${each.decision_id} in ` : ''}${shortId(each.run_id)}<//>`);
}
