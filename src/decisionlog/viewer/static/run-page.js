// A run: what happened, why, and the decisions it made.
import { classes, html, useEffect, useState } from './html.js';
import { isReport } from './api.js';
import { DecisionPanel } from './decision-panel.js';
import { FoldedJson, isFilled } from './json-view.js';
import { useKeys } from './keyboard.js';
import { Empty, Loading, Trouble } from './parts.js';
import { Problems } from './problems.js';
import { addressOf, navigate, runAddress } from './router.js';
import { useExplanation, useRun } from './run-data.js';
import { RunHead } from './run-head.js';
import { useMedia } from './scrolling.js';
import { Timeline } from './timeline.js';
import { Why } from './why.js';

export function RunPage({ id, params }) {
  const data = useRun(id);
  const { run, decisions, problems } = data;
  const explanation = useExplanation(id, data);
  const chosen = params.get('decision');
  const [isComparing, setComparing] = useState(false);
  const isOverlay = useMedia('(max-width: 1099px)');
  const openDecision = (decision, options) => navigate(runAddress(id, decision), options);
  const close = () => openDecision(undefined);

  useEffect(() => {
    if (run) document.title = `${run.status}: ${run.goal_id || run.id} – decisionlog`;
  }, [run?.status, run?.goal_id]);
  useKeys({
    Escape: () => {
      if (chosen) close();
      else if (isReport) return false;
      else navigate(addressOf('runs'));
      return true;
    },
    c: () => setComparing(true),
  });

  if (data.error) return html`<main id="content" tabindex="-1"><${NoRun} id=${id} error=${data.error} onRetry=${data.retry} /></main>`;
  if (!run) return html`<main id="content" tabindex="-1"><${Loading} what="Reading the run" /></main>`;
  const panel = chosen && html`<${DecisionPanel} run=${run} id=${chosen} decisions=${decisions} onOpen=${openDecision} onClose=${close} />`;
  return html`
    <main id="content" tabindex="-1" class=${classes(chosen && 'has-panel')} inert=${Boolean(chosen && isOverlay)}>
      <div class="run">
        <${RunHead} run=${run} decisions=${decisions} problems=${problems} isLive=${data.isLive} contrast=${explanation.data?.contrast} isComparing=${isComparing} onComparing=${setComparing} />
        <${Why} run=${run} state=${explanation} />
        <${Problems} problems=${problems} run=${run.id} />
        <${RunData} run=${run} />
        <${Timeline} run=${run} decisions=${decisions} chosen=${chosen} onOpen=${openDecision} />
      </div>
    </main>
    ${panel}`;
}

function NoRun({ id, error, onRetry }) {
  if (error.status !== 404) return html`<${Trouble} error=${error} what="The run" onRetry=${onRetry} />`;
  return html`<${Empty} title="There is no such run">
    <p><code>${id}</code> is not in this directory. It may have been deleted or pruned.</p>
    <p><a class="button" href="#/runs">To the runs</a></p>
  <//>`;
}

/** What went in and came out, and the error that ended it. */
function RunData({ run }) {
  const parts = [
    ['Input', run.input_data], ['Output', run.output_data], ['Traceback', run.traceback],
    ['Damage in the file', run.damage], ['Further fields', run.extra],
  ].filter(([, value]) => isFilled(value));
  if (!parts.length) return null;
  return html`<div class="run-data">${parts.map(([title, value]) => (title === 'Traceback'
    ? html`<${FoldedText} title=${title} text=${value} />`
    : html`<${FoldedJson} title=${title} value=${value} />`))}</div>`;
}

function FoldedText({ title, text }) {
  const [isOpen, setOpen] = useState(false);
  return html`<section class="folded">
    <div class="folded-head"><button class="fold-button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}><span class="json-caret" aria-hidden="true">▸</span>${title}</button></div>
    ${isOpen && html`<pre class="traceback" tabindex="0">${text}</pre>`}
  </section>`;
}
