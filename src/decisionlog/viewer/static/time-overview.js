// The shape of a run at a glance, above the axis: how much ran at once, and where failures lie.
import { html, useMemo } from './html.js';
import { activityOf } from './timeline-model.js';

const BINS = 240;
const HEIGHT = 26;
const MARK = 5;

export function TimeOverview({ outline, length, span }) {
  const { active, failed } = useMemo(() => activityOf(outline, length, BINS), [outline, length]);
  const most = active.reduce((a, b) => Math.max(a, b), 1);
  const area = active.map((n, i) => `V${(HEIGHT - MARK - 1) * (1 - n / most)}H${i + 1}`).join('');
  const marks = failed.map((n, i) => (n > 0 ? `M${i} ${HEIGHT - MARK}h1v${MARK}h-1z` : '')).join('');
  const isZoomed = span.to - span.from < length * 0.999;
  return html`<svg class="overview" viewBox=${`0 0 ${BINS} ${HEIGHT}`} preserveAspectRatio="none" role="img"
      aria-label=${`Over the whole run: at most ${most} decisions at once; failures are marked below`}>
    <path class="overview-area" d=${`M0 ${HEIGHT - MARK - 1}${area}V${HEIGHT - MARK - 1}z`} />
    <path class="overview-marks" d=${marks} />
    ${isZoomed && html`<rect class="overview-span" x=${(span.from / length) * BINS} y="0" width=${Math.max(1, ((span.to - span.from) / length) * BINS)} height=${HEIGHT} />`}
  </svg>`;
}
