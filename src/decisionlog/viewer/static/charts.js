// Charts on a canvas, in the colours of the page. Each has a table that says the same.
import { html, useEffect, useRef, useState } from './html.js';
import { useTheme } from './theme.js';

/** The colours in force. A canvas knows no variables, so an element resolves them. */
function colours() {
  const of = (name) => {
    // One for each: where motion is reduced, an element that had another colour still shows that.
    const probe = document.body.appendChild(document.createElement('span'));
    probe.style.color = `var(${name})`;
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
  return { accent: of('--accent'), band: of('--accent-faint'), text: of('--text-2'), line: of('--line'), surface: of('--surface') };
}

/** Draws the 95 % intervals of a dataset, given as `low` and `high` of its points. */
const whiskers = {
  id: 'whiskers',
  beforeDatasetsDraw(chart) {
    chart.data.datasets.forEach((dataset, i) => {
      if (!dataset.whiskers || !chart.isDatasetVisible(i)) return;
      const { ctx, scales } = chart;
      ctx.save();
      ctx.strokeStyle = dataset.borderColor;
      ctx.globalAlpha = 0.55;
      ctx.lineWidth = 1.5;
      for (const { x, low, high } of dataset.data) {
        if (low === null || low === undefined) continue;
        const [px, top, bottom] = [scales.x.getPixelForValue(x), scales.y.getPixelForValue(high), scales.y.getPixelForValue(low)];
        ctx.beginPath();
        ctx.moveTo(px, top);
        ctx.lineTo(px, bottom);
        for (const y of [top, bottom]) {
          ctx.moveTo(px - 3, y);
          ctx.lineTo(px + 3, y);
        }
        ctx.stroke();
      }
      ctx.restore();
    });
  },
};

/**
 * @param {{label: string, describe: function(object): object, table: {heads: string[], rows: string[][]}, depends: unknown}} props
 *   `describe` makes the configuration of Chart.js from the colours; `depends` is what it is made of
 */
export function ChartBox({ label, describe, table, depends }) {
  const canvas = useRef(null);
  const theme = useTheme();
  const [isTable, setTable] = useState(false);
  useEffect(() => {
    const paint = colours();
    const font = { family: getComputedStyle(document.body).fontFamily, size: 11 };
    const axis = ({ grid, ticks, title, ...rest }) => ({
      grid: { color: paint.line, drawTicks: false, ...grid }, border: { display: false },
      ticks: { color: paint.text, font, padding: 6, maxRotation: 0, autoSkipPadding: 16, ...ticks },
      title: title ? { ...title, color: paint.text, font } : undefined, ...rest,
    });
    const { data, x, y, tooltip } = describe(paint);
    const chart = new Chart(canvas.current, {
      type: 'line', data, plugins: [whiskers],
      options: {
        animation: false, clip: 8, responsive: true, maintainAspectRatio: false, layout: { padding: { top: 6, right: 8 } },
        scales: { x: axis(x), y: axis(y) },
        plugins: { legend: { display: false }, tooltip: { displayColors: false, callbacks: tooltip } },
      },
    });
    return () => chart.destroy();
  }, [theme, depends]);
  return html`<figure class="chart">
    <div class="chart-canvas"><canvas ref=${canvas} role="img" aria-label=${label}></canvas></div>
    <button class="link-button" aria-expanded=${isTable} onClick=${() => setTable(!isTable)}>${isTable ? 'hide the table' : 'as a table'}</button>
    ${isTable && html`<table class="data"><thead><tr>${table.heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
      <tbody>${table.rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table>`}
  </figure>`;
}
