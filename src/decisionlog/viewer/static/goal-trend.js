// Success over time: by day where there are several, and run by run.
import { html, useMemo } from './html.js';
import { runPath } from './api.js';
import { ChartBox } from './charts.js';
import { formatDuration, formatPercent, formatStamp } from './format.js';
import { rateText } from './parts.js';
import { Link, runAddress } from './router.js';
import { STATUSES } from './status.js';

export function SuccessOverTime({ trend, rows }) {
  return html`<section class="block" aria-labelledby="time-title">
    <h2 id="time-title">Success over time</h2>
    ${trend.length > 1 && html`<${TrendChart} trend=${trend} />`}
    ${rows.length > 0 && html`<${RunStrip} rows=${rows} />`}
    ${trend.length < 2 && !rows.length && html`<p class="faint">There is too little to show.</p>`}
  </section>`;
}

function periodName({ first_day: first, last_day: last }) {
  return first === last ? first : `${first} to ${last}`;
}

function TrendChart({ trend }) {
  const table = useMemo(() => ({ heads: ['Days', 'Runs', 'Success'], rows: trend.map((each) => [periodName(each), each.runs, rateText(each.success)]) }), [trend]);
  const describe = ({ accent, band, surface }) => {
    const line = (values, own) => ({ data: values, borderWidth: 0, pointRadius: 0, fill: false, spanGaps: true, tension: 0, ...own });
    return {
      data: {
        labels: trend.map((each) => each.first_day),
        datasets: [
          line(trend.map((each) => each.success.interval?.low ?? null), {}),
          line(trend.map((each) => each.success.interval?.high ?? null), { fill: '-1', backgroundColor: band }),
          line(trend.map((each) => each.success.rate), { borderColor: accent, borderWidth: 2, pointRadius: trend.length > 40 ? 0 : 3, pointBackgroundColor: surface, pointBorderColor: accent, pointBorderWidth: 2 }),
        ],
      },
      x: { grid: { display: false } },
      y: { min: 0, max: 1, ticks: { callback: (value) => formatPercent(value), stepSize: 0.25 } },
      tooltip: { title: ([item]) => (item ? periodName(trend[item.dataIndex]) : ''), label: (item) => (item.datasetIndex === 2 ? rateText(trend[item.dataIndex].success) : '') },
    };
  };
  return html`<${ChartBox} label=${`Success rate over ${trend.length} periods; the table holds the same figures`} describe=${describe} table=${table} depends=${trend} />`;
}

/** The newest runs, the oldest of them first; what did not succeed stands higher. */
function RunStrip({ rows }) {
  const oldestFirst = rows.toReversed();
  return html`<div class="strip-box">
    <p class="faint">${rows.length === 1 ? 'One run' : `The newest ${rows.length} runs, the last one on the right`}. Tall: it did not succeed.</p>
    <ul class="strip" aria-label="Runs, the oldest first">${oldestFirst.map((row) => html`<li>
      <${Link} class=${`strip-run is-${row.status} fill-${STATUSES[row.status]?.tone ?? 'quiet'}`} to=${runAddress(row.run_id)} needs=${runPath(row.run_id)}
        title=${`${row.status}, ${formatStamp(row.started_at)}, ${formatDuration(row.duration_ms)}\n${row.narrative ?? ''}`}><span class="unseen">${row.status}, ${formatStamp(row.started_at)}</span><//>
    </li>`)}</ul>
  </div>`;
}
