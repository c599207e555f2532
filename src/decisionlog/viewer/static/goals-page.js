// All goals, at a glance.
import { html, useEffect } from './html.js';
import { useDocument } from './documents.js';
import { counted, formatCount, formatPercent } from './format.js';
import { useEvents } from './live.js';
import { Ago, Empty, Loading, RateLine, Trouble } from './parts.js';
import { useKeys } from './keyboard.js';
import { goalAddress, goalRunsAddress } from './router.js';
import { STATUSES } from './status.js';

const GOALS_SHOWN = 1000;

export function GoalsPage() {
  const { data, error, retry, refresh } = useDocument('/api/goals?prepare=1', { keep: true });
  useEvents('/api/events', { runs: refresh });
  useEffect(() => {
    document.title = 'Goals – decisionlog';
  }, []);
  const move = (step) => {
    const links = [...document.querySelectorAll('.goal-link')];
    const at = links.indexOf(document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, at < 0 ? 0 : at + step))]?.focus();
  };
  useKeys({ j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1) });
  return html`<main id="content" tabindex="-1"><div class="goals">
    <header class="page-head"><h1>Goals</h1>${data && html`<span class="total">${counted(data.goals.length, 'goal')}</span>`}</header>
    ${error && html`<${Trouble} error=${error} what="The goals" onRetry=${retry} />`}
    ${!data && !error && html`<${Loading} what="Reading the goals" />`}
    ${data && !data.goals.length && html`<${Empty} title="No goals yet"><p>A goal appears here with its first run.</p><//>`}
    ${data && data.goals.length > 0 && html`<${GoalTable} goals=${data.goals.slice(0, GOALS_SHOWN)} />`}
    ${data && data.goals.length > GOALS_SHOWN && html`<p class="faint">The first ${formatCount(GOALS_SHOWN)}; the list of runs can be filtered by any.</p>`}
  </div></main>`;
}

function GoalTable({ goals }) {
  return html`<table class="data goal-table">
    <thead><tr><th scope="col">Goal</th><th scope="col" class="number">Runs</th><th scope="col" class="ended-head">How they ended</th><th scope="col" class="success-head">Success, with its 95% interval</th><th scope="col">Last started</th></tr></thead>
    <tbody>${goals.map((goal) => html`<tr key=${goal.goal_id}>
      <td class="goal-name"><a class="goal-link" href=${goalAddress(goal.goal_id)}>${goal.goal_id || '(no goal)'}</a><span class="narrative" title=${goal.goal_description}>${goal.goal_description}</span></td>
      <td class="number"><a href=${goalRunsAddress(goal.goal_id)}>${formatCount(goal.runs)}</a></td>
      <td><${StatusBar} statuses=${goal.statuses} /></td>
      <td class="success-cell">${goal.success ? html`<${RateLine} rate=${goal.success.rate} low=${goal.success.low} high=${goal.success.high} /><span class="number">${formatPercent(goal.success.rate)}</span> <span class="faint">${goal.success.k} of ${goal.success.n}</span>` : html`<span class="faint">not known</span>`}</td>
      <td class="nowrap"><${Ago} time=${goal.last_started_at} /></td>
    </tr>`)}</tbody>
  </table>`;
}

/** How many runs ended how, as a bar and in words. */
export function StatusBar({ statuses }) {
  const known = Object.keys(STATUSES).filter((status) => statuses[status]);
  const total = known.reduce((sum, status) => sum + statuses[status], 0);
  const words = known.map((status) => `${formatCount(statuses[status])} ${status}`).join(', ');
  return html`<span class="status-bar-box" title=${words}>
    <span class="status-bar" aria-hidden="true">${known.map((status) => html`<span class=${`fill-${STATUSES[status].tone} part-${status}`} style=${{ flexGrow: statuses[status] / total }}></span>`)}</span>
    <span class="status-words">${words}</span>
  </span>`;
}
