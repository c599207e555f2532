// Numbers and times for people.

const count = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const stamp = new Intl.DateTimeFormat('en-GB', {
  year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short',
});

export const NOTHING = '–';

export function formatCount(n) {
  return n === null || n === undefined ? NOTHING : count.format(n);
}

/** 12,345,678 as 12.3M; what is small stays exact. */
export function formatCompact(n) {
  if (n === null || n === undefined) return NOTHING;
  return Math.abs(n) < 10_000 ? count.format(n) : compact.format(n);
}

/** "1 run", "2 runs" */
export function counted(n, noun, plural = `${noun}s`) {
  return `${formatCount(n)} ${n === 1 ? noun : plural}`;
}

export function formatPercent(rate) {
  return rate === null || rate === undefined ? NOTHING : `${Math.round(rate * 100)}%`;
}

function rounded(value, digits) {
  return Number(value.toFixed(digits)).toString();
}

/** Milliseconds with the unit that suits them: 0.14 ms, 403 ms, 1.28 s, 2 min 5 s, 3 h 10 min. */
export function formatDuration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return NOTHING;
  if (ms < 0) return `−${formatDuration(-ms)}`;
  if (ms < 0.005) return '0 ms';
  if (ms < 10) return `${rounded(ms, ms < 1 ? 2 : 1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${rounded(ms / 1000, 2)} s`;
  if (ms < 59_950) return `${rounded(ms / 1000, 1)} s`;
  const seconds = Math.round(ms / 1000);
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${days} d${hours ? ` ${hours} h` : ''}`;
  if (hours) return `${hours} h${minutes ? ` ${minutes} min` : ''}`;
  return `${minutes} min${seconds % 60 ? ` ${seconds % 60} s` : ''}`;
}

/** In dollars; small amounts keep two significant digits. */
export function formatCost(usd) {
  if (usd === null || usd === undefined) return NOTHING;
  if (usd === 0) return '$0';
  return usd >= 1 ? `$${usd.toFixed(2)}` : `$${Number(usd.toPrecision(2))}`;
}

export function formatStamp(time) {
  const date = new Date(time);
  return time && !Number.isNaN(date.getTime()) ? stamp.format(date) : NOTHING;
}

/** "just now", "5 min ago", "3 h ago", "2 d ago"; from a month on the date. */
export function formatAgo(time, now) {
  const date = new Date(time);
  if (!time || Number.isNaN(date.getTime())) return NOTHING;
  const seconds = (now - date.getTime()) / 1000;
  if (seconds < -60) return formatDay(date, now);
  if (seconds < 45) return 'just now';
  if (seconds < 3570) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  if (isRecent(time, now)) return `${Math.round(seconds / 86_400)} d ago`;
  return formatDay(date, now);
}

/** Whether `formatAgo` says more of it than the day. */
export function isRecent(time, now) {
  const age = now - Date.parse(time);
  return age >= -60_000 && age < 30 * 86_400_000;
}

function formatDay(date, now) {
  const sameYear = date.getFullYear() === new Date(now).getFullYear();
  return date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: sameYear ? undefined : 'numeric' });
}

/** A point in a run: "+403 ms". */
export function formatOffset(ms) {
  return ms === null || ms === undefined ? NOTHING : `+${formatDuration(Math.max(0, ms))}`;
}

/** A probability of chance: "p = 0.012", "p < 0.0001". */
export function formatP(p) {
  if (p === null || p === undefined) return '';
  return p < 0.0001 ? 'p < 0.0001' : `p = ${Number(p.toPrecision(2))}`;
}

/** A difference of rates in points: "+12 points". */
export function formatPoints(difference) {
  const points = Math.round(difference * 100);
  return `${points > 0 ? '+' : points < 0 ? '−' : ''}${Math.abs(points)} ${Math.abs(points) === 1 ? 'point' : 'points'}`;
}

/** The part of an id that tells it from others: "run_20261125_105950_e2cdf2e9" → "e2cdf2e9". */
export function shortId(run) {
  const tail = /^run_\d{8}_\d{6}_([0-9a-f]{8})/.exec(run);
  return tail ? tail[1] : run;
}

/** "tool_selection" → "tool selection" */
export function unslug(text) {
  return String(text).replaceAll('_', ' ');
}
