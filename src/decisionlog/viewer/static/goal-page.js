// A goal: what its runs, taken together, say about the agent.
import { html, useEffect } from './html.js';
import { goalPath, goalRunsPath, isReport } from './api.js';
import { Calibration } from './goal-calibration.js';
import { DivergenceTree } from './goal-divergence.js';
import { Endings, FailureGroups, NodeTable } from './goal-failures.js';
import { OptionPlaces } from './goal-options.js';
import { GoalSuggestions } from './goal-suggestions.js';
import { SuccessOverTime } from './goal-trend.js';
import { StatusBar } from './goals-page.js';
import { useDocument } from './documents.js';
import { counted } from './format.js';
import { useKeys } from './keyboard.js';
import { Empty, Loading, RateLine, Trouble, rateText } from './parts.js';
import { addressOf, goalRunsAddress, navigate } from './router.js';

export function GoalPage({ id }) {
  const { data, error, retry } = useDocument(goalPath(id));
  const { data: listed } = useDocument(goalRunsPath(id));
  const rows = listed?.runs ?? [];
  const description = rows.find((row) => row.goal_description)?.goal_description;
  useEffect(() => {
    document.title = `${id || '(no goal)'} – decisionlog`;
  }, [id]);
  useKeys({ Escape: () => (isReport ? false : navigate(addressOf('goals'))) });
  return html`<main id="content" tabindex="-1"><div class="goal">
    <header class="goal-head">
      ${!isReport && html`<nav class="crumbs" aria-label="Where this is"><a href="#/goals">Goals</a><span class="crumb-mark">/</span><span>${id || '(no goal)'}</span></nav>`}
      <div class="title-line"><h1 class="clamped" title=${description}>${description || id || '(no goal)'}</h1><span class="spacer"></span>
        ${!isReport && html`<a class="button" href=${goalRunsAddress(id)}>Its runs</a>`}</div>
      ${data && html`<${GoalFigures} patterns=${data.patterns} />`}
    </header>
    ${error && html`<${NoAnalysis} error=${error} onRetry=${retry} id=${id} />`}
    ${!data && !error && html`<${Loading} what="Looking at all runs of this goal" />`}
    ${data && html`<${Answers} data=${data} rows=${rows} />`}
    ${!data && rows.length > 0 && html`<${SuccessOverTime} trend=${[]} rows=${rows} />`}
  </div></main>`;
}

function GoalFigures({ patterns }) {
  return html`<dl class="facts">
    <div class="fact"><dt>Runs</dt><dd>${counted(patterns.runs, 'run')}</dd></div>
    <div class="fact"><dt>Success</dt><dd class="with-rate"><${RateLine} rate=${patterns.success?.rate} low=${patterns.success?.interval?.low} high=${patterns.success?.interval?.high} /><span>${rateText(patterns.success)}</span></dd></div>
    <div class="fact"><dt>How they ended</dt><dd><${StatusBar} statuses=${patterns.statuses} /></dd></div>
  </dl>`;
}

function Answers({ data, rows }) {
  const time = html`<${SuccessOverTime} trend=${data.patterns.trend} rows=${rows} />`;
  // Beside suggestions, which take room, stands the rest; else both sides are about as long.
  const hasSuggestions = data.suggestions.length > 0;
  return html`
    <div class="two">
      <div><${GoalSuggestions} suggestions=${data.suggestions} calibration=${data.calibration} />${!hasSuggestions && time}</div>
      <div>${hasSuggestions && time}<${FailureGroups} patterns=${data.patterns} /></div>
    </div>
    <${DivergenceTree} divergence=${data.divergence} />
    <${Endings} endings=${data.patterns.endings} />
    <${OptionPlaces} options=${data.options} />
    <div class="two">
      <${Calibration} calibration=${data.calibration} />
      <${NodeTable} nodes=${data.nodes?.nodes ?? []} />
    </div>`;
}

function NoAnalysis({ error, onRetry, id }) {
  if (error.status === 501) {
    return html`<${Empty} title="This page needs the analysis of many runs"><p>${error.message}</p><pre>pip install "decisionlog[analysis]"</pre><p><a class="button" href=${goalRunsAddress(id)}>The runs of this goal</a></p><//>`;
  }
  if (error.status === 404) return html`<${Empty} title="No run has this goal"><p>${error.message}</p><p><a class="button" href="#/goals">To the goals</a></p><//>`;
  return html`<${Trouble} error=${error} what="The goal" onRetry=${onRetry} />`;
}
