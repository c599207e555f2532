// What came of a decision.
import { html } from './html.js';
import { FoldedJson, JsonView, isFilled } from './json-view.js';
import { LongText } from './parts.js';
import { StateIcon } from './status.js';

export function stateOf(outcome) {
  if (!outcome) return 'pending';
  if (outcome.cancelled) return 'cancelled';
  return outcome.success ? 'success' : 'failure';
}

export function DecisionOutcome({ outcome, run }) {
  if (!outcome) {
    return html`<section class="part"><h3>Outcome</h3><p class="outcome-line"><${StateIcon} state="pending" word /> ${run.status === 'running' ? 'It is still at work.' : 'None was recorded: whether it worked is not known.'}</p></section>`;
  }
  const isText = typeof outcome.result === 'string';
  return html`<section class="part outcome">
    <h3>Outcome</h3>
    <div class="outcome-line"><${StateIcon} state=${stateOf(outcome)} word />${outcome.summary && html`<${LongText} text=${outcome.summary} />`}</div>
    ${outcome.error && html`<div class="error-box"><${LongText} text=${outcome.error} />${outcome.error_type && html`<code class="error-type">${outcome.error_type}</code>`}</div>`}
    ${!outcome.error && outcome.error_type && html`<div class="error-box"><code class="error-type">${outcome.error_type}</code></div>`}
    ${outcome.traceback && html`<details class="traceback-box" open=${outcome.traceback.length < 1500}><summary>Traceback</summary><pre class="traceback" tabindex="0">${outcome.traceback}</pre></details>`}
    ${isFilled(outcome.result) && html`<div class="sub-part"><h4>Result</h4>${isText ? html`<${LongText} text=${outcome.result} />` : html`<${JsonView} value=${outcome.result} open=${2} />`}</div>`}
    ${isFilled(outcome.state_changes) && html`<div class="sub-part"><h4>State changes</h4><${JsonView} value=${outcome.state_changes} open=${2} /></div>`}
    ${isFilled(outcome.attributes) && html`<${FoldedJson} title="Attributes" value=${outcome.attributes} />`}
    ${isFilled(outcome.extra) && html`<${FoldedJson} title="Further fields of the outcome" value=${outcome.extra} />`}
  </section>`;
}
