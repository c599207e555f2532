// How runs and decisions stand, in word, shape and colour.
import { html } from './html.js';
import { Icon } from './icons.js';

/** Of a run; the order is that of the filter bar. */
export const STATUSES = {
  failed: { icon: 'cross', tone: 'bad' },
  stuck: { icon: 'diamond', tone: 'bad' },
  interrupted: { icon: 'bolt', tone: 'odd' },
  cancelled: { icon: 'slash', tone: 'quiet' },
  running: { icon: 'ring', tone: 'live' },
  completed: { icon: 'check', tone: 'good' },
};

/** Of a decision. */
export const STATES = {
  success: { icon: 'check', tone: 'good', word: 'succeeded' },
  failure: { icon: 'cross', tone: 'bad', word: 'failed' },
  cancelled: { icon: 'slash', tone: 'quiet', word: 'cancelled' },
  pending: { icon: 'ring', tone: 'live', word: 'pending' },
};

export const SEVERITIES = {
  critical: { icon: 'octagon', tone: 'bad' },
  warning: { icon: 'triangle', tone: 'odd' },
  minor: { icon: 'dot', tone: 'quiet' },
};

const UNKNOWN = { icon: 'dot', tone: 'quiet' };

function lookUp(table, name) {
  return Object.hasOwn(table, name) ? table[name] : UNKNOWN;
}

export function StatusBadge({ status, class: className }) {
  const { icon, tone } = lookUp(STATUSES, status);
  return html`<span class=${`status tone-${tone} ${className ?? ''}`}><${Icon} name=${icon} /><span>${status}</span></span>`;
}

export function StateIcon({ state, word }) {
  const look = lookUp(STATES, state);
  return html`<span class=${`status tone-${look.tone}`}>
    <${Icon} name=${look.icon} label=${word ? undefined : look.word ?? state} />${word && html`<span>${look.word ?? state}</span>`}
  </span>`;
}

export function SeverityIcon({ severity, word }) {
  const { icon, tone } = lookUp(SEVERITIES, severity);
  return html`<span class=${`status tone-${tone}`}>
    <${Icon} name=${icon} label=${word ? undefined : `${severity} problem`} />${word && html`<span>${severity}</span>`}
  </span>`;
}

/** How an outcome of `Analysis` is called there: its word is the state. */
export function toneOfState(state) {
  return lookUp(STATES, state).tone;
}
