// Whether the agent's confidence means what it says.
import { html, useMemo } from './html.js';
import { ChartBox } from './charts.js';
import { counted, formatP, formatPercent } from './format.js';
import { rateText } from './parts.js';

const VERDICTS = {
  overconfident: 'Overconfident: it succeeds less often than it says.',
  underconfident: 'Underconfident: it succeeds more often than it says.',
  miscalibrated: 'Miscalibrated: right on average, but not at every level of confidence.',
  'in line': 'In line: what it says is about what comes of it.',
};

export function Calibration({ calibration }) {
  const known = calibration && calibration.brier !== null;
  return html`<section class="block" aria-labelledby="calibration-title">
    <h2 id="calibration-title">Confidence against outcome</h2>
    ${known ? html`
      <p><strong>${VERDICTS[calibration.verdict] ?? 'Too little to tell.'}</strong> It said ${formatPercent(calibration.confidence)} on average, and was ${rateText(calibration.success)} over ${counted(calibration.count, 'decision')}${calibration.p_value !== null && html` <span class="faint">(${formatP(calibration.p_value)} if the two were alike)</span>`}.</p>
      <${CalibrationChart} curve=${calibration.curve} />
      <p class="faint">Brier score ${calibration.brier.toFixed(3)} (always saying the mean rate: ${calibration.brier_of_base_rate.toFixed(3)}), expected calibration error ${formatPercent(calibration.ece)}</p>`
    : html`<p class="faint">No decision has both a confidence and an outcome.</p>`}
  </section>`;
}

function CalibrationChart({ curve }) {
  const table = useMemo(() => ({
    heads: ['Confidence', 'Said on average', 'Was', 'If it were right'],
    rows: curve.map((bin) => [`${bin.low.toFixed(1)} to ${bin.high.toFixed(1)}`, formatPercent(bin.confidence), rateText(bin.success), formatP(bin.p_value)]),
  }), [curve]);
  const describe = ({ accent, text }) => ({
    data: {
      datasets: [
        { data: [{ x: 0, y: 0 }, { x: 1, y: 1 }], borderColor: text, borderDash: [4, 4], borderWidth: 1, pointRadius: 0, pointHitRadius: 0 },
        {
          data: curve.filter((bin) => bin.success.rate !== null).map((bin) => ({ x: bin.confidence, y: bin.success.rate, low: bin.success.interval?.low, high: bin.success.interval?.high, bin })),
          borderColor: accent, backgroundColor: accent, borderWidth: 1.5, pointRadius: 4, whiskers: true, tension: 0,
        },
      ],
    },
    x: { type: 'linear', min: 0, max: 1, ticks: { callback: formatPercent, stepSize: 0.25 }, title: { display: true, text: 'it said' } },
    y: { min: 0, max: 1, ticks: { callback: formatPercent, stepSize: 0.25 }, title: { display: true, text: 'it was' } },
    tooltip: { title: () => '', label: ({ raw }) => (raw.bin ? `said ${formatPercent(raw.x)}, was ${rateText(raw.bin.success)}` : '') },
  });
  return html`<${ChartBox} label="Success rate by confidence; on the dashed line confidence would be right. The table holds the same figures." describe=${describe} table=${table} depends=${curve} />`;
}
