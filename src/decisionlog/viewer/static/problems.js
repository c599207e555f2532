// What was reported to have gone wrong.
import { html, useState } from './html.js';
import { counted } from './format.js';
import { runAddress } from './router.js';
import { SeverityIcon } from './status.js';

const PROBLEMS_SHOWN = 3;
const RANK = ['critical', 'warning', 'minor'];

export function Problems({ problems, run }) {
  const [isOpen, setOpen] = useState(false);
  if (!problems.length) return null;
  const ranked = problems.toSorted((a, b) => RANK.indexOf(a.severity) - RANK.indexOf(b.severity));
  const shown = isOpen ? ranked.slice(0, 500) : ranked.slice(0, PROBLEMS_SHOWN);
  return html`<section class="problems" aria-labelledby="problems-title">
    <h2 id="problems-title">Problems</h2>
    <ul>${shown.map((problem) => html`<li key=${problem.id}><${ProblemText} problem=${problem} run=${run} /></li>`)}</ul>
    ${problems.length > PROBLEMS_SHOWN && html`<button class="link-button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? 'fewer' : `all ${counted(problems.length, 'problem')}`}</button>`}
  </section>`;
}

export function ProblemText({ problem, run }) {
  return html`<div class="problem">
    <${SeverityIcon} severity=${problem.severity} word />
    <div class="problem-text">
      <p>${problem.description}${problem.decision_id && run && html` <a class="ref" href=${runAddress(run, problem.decision_id)}>${problem.decision_id}</a>`}</p>
      ${problem.root_cause && html`<p><span class="label">Cause</span>${problem.root_cause}</p>`}
      ${problem.suggested_fix && html`<p><span class="label">Fix</span>${problem.suggested_fix}</p>`}
    </div>
  </div>`;
}
