// The filters above the list of runs. They live in the address, so that a view can be sent to somebody.
import { html, useEffect, useRef, useState } from './html.js';
import { useDocument } from './documents.js';
import { counted, formatCount } from './format.js';
import { Icon } from './icons.js';
import { addressOf, navigate } from './router.js';
import { PERIODS } from './run-list.js';
import { STATUSES } from './status.js';

const SEARCH_DELAY_MS = 180;

export function RunsFilters({ params, list }) {
  const change = (name, values, { keepsEmpty = false, ...options } = {}) => {
    const next = new URLSearchParams(params);
    next.delete(name);
    [values].flat().filter((value) => value || keepsEmpty).forEach((value) => next.append(name, value));
    navigate(addressOf('runs', null, next), options);
  };
  return html`<div class="filters">
    <div class="filter-line">
      <${Search} value=${params.get('q') ?? ''} onChange=${(text) => change('q', text, { replace: true })} />
      <${GoalFilter} chosen=${params.get('goal')} onChange=${(goal) => change('goal', goal, { keepsEmpty: goal !== null })} />
      <${PeriodFilter} params=${params} onChange=${change} />
      <${TagFilter} tags=${params.getAll('tag')} onChange=${(tags) => change('tag', tags)} />
    </div>
    <div class="filter-line">
      <${StatusFilter} chosen=${params.getAll('status')} counts=${list.statuses} onChange=${(statuses) => change('status', statuses)} />
      <span class="spacer"></span>
      <span class="total" role="status">${list.total === null ? '' : counted(list.length, 'run')}${list.indexed < list.of && ` · ${formatCount(list.indexed)} of ${formatCount(list.of)} indexed`}</span>
    </div>
  </div>`;
}

function Search({ value, onChange }) {
  const [text, setText] = useState(value);
  const timer = useRef(null);
  const typed = useRef(value);
  useEffect(() => {
    // The address changed by other means than typing here.
    if (value !== typed.current) {
      typed.current = value;
      setText(value);
    }
  }, [value]);
  const onInput = (event) => {
    const next = event.currentTarget.value;
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      typed.current = next.trim();
      onChange(next.trim());
    }, SEARCH_DELAY_MS);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<label class="search"><${Icon} name="search" /><span class="unseen">Search runs</span>
    <input id="search" type="search" placeholder="Search goals, narratives, tags" autocomplete="off" spellcheck=${false} value=${text} onInput=${onInput} />
    <kbd aria-hidden="true">/</kbd>
  </label>`;
}

function StatusFilter({ chosen, counts, onChange }) {
  const toggle = (status) => onChange(chosen.includes(status) ? chosen.filter((each) => each !== status) : [...chosen, status]);
  return html`<div class="statuses" role="group" aria-label="Status">
    ${Object.entries(STATUSES).filter(([status]) => counts[status] || chosen.includes(status)).map(([status, { icon, tone }]) => html`
      <button class="chip" aria-pressed=${chosen.includes(status)} onClick=${() => toggle(status)}>
        <span class=${`status tone-${tone}`}><${Icon} name=${icon} /></span>${status}<span class="chip-count">${formatCount(counts[status] ?? 0)}</span>
      </button>`)}
    ${chosen.length > 0 && html`<button class="link-button" onClick=${() => onChange([])}>all statuses</button>`}
  </div>`;
}

/** `chosen` is null for all goals; a goal may have an empty id. */
function GoalFilter({ chosen, onChange }) {
  const { data } = useDocument('/api/goals');
  const goals = (data?.goals ?? []).slice(0, 500);
  const isListed = chosen === null || goals.some((goal) => goal.goal_id === chosen);
  const pick = ({ currentTarget: { selectedIndex: at } }) => onChange(at === 0 ? null : [...(isListed ? [] : [chosen]), ...goals.map((goal) => goal.goal_id)][at - 1]);
  return html`<label class="field"><span class="unseen">Goal</span>
    <select onChange=${pick}>
      <option selected=${chosen === null}>All goals</option>
      ${!isListed && html`<option selected>${chosen || '(no goal)'}</option>`}
      ${goals.map((goal) => html`<option value=${goal.goal_id} selected=${goal.goal_id === chosen}>${goal.goal_id || '(no goal)'} (${formatCount(goal.runs)})</option>`)}
    </select>
  </label>`;
}

function PeriodFilter({ params, onChange }) {
  const since = params.get('since') ?? '';
  const until = params.get('until') ?? '';
  const isOwn = Boolean(until) || (since !== '' && !Object.hasOwn(PERIODS, since));
  const [isOpen, setOpen] = useState(isOwn);
  const pick = (event) => {
    const { value } = event.currentTarget;
    setOpen(value === 'own');
    if (value !== 'own') onChange('since', value);
  };
  const pickDay = (name, hour) => (event) => {
    const day = event.currentTarget.value;
    onChange(name, day && new Date(`${day}T${hour}`).toISOString());
  };
  return html`<label class="field"><span class="unseen">Started</span>
      <select onChange=${pick}>
        <option value="" selected=${!since && !isOpen}>Any time</option>
        ${Object.entries(PERIODS).map(([name, [label]]) => html`<option value=${name} selected=${since === name}>${capital(label)}</option>`)}
        <option value="own" selected=${isOpen || isOwn}>Between…</option>
      </select>
    </label>
    ${(isOpen || isOwn) && html`<span class="between">
      <label class="field"><span class="unseen">From</span><input type="date" value=${localDay(since)} onChange=${pickDay('since', '00:00:00')} /></label>
      <span>to</span>
      <label class="field"><span class="unseen">To</span><input type="date" value=${localDay(until)} onChange=${pickDay('until', '23:59:59.999')} /></label>
      ${(since || until) && html`<button class="link-button" onClick=${() => { setOpen(false); navigate(addressOf('runs', null, without(params, 'since', 'until'))); }}>any time</button>`}
    </span>`}`;
}

function without(params, ...names) {
  const next = new URLSearchParams(params);
  names.forEach((name) => next.delete(name));
  return next;
}

function localDay(time) {
  const date = new Date(time);
  if (!time || Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function TagFilter({ tags, onChange }) {
  const [text, setText] = useState('');
  const add = (event) => {
    event.preventDefault();
    const tag = text.trim();
    if (!tag.includes('=')) return;
    setText('');
    if (!tags.includes(tag)) onChange([...tags, tag]);
  };
  return html`<form class="tags" onSubmit=${add}>
    <label class="field"><span class="unseen">Tag</span><input type="text" placeholder="Tag: key=value" value=${text} onInput=${(event) => setText(event.currentTarget.value)} /></label>
    ${tags.map((tag) => html`<button type="button" class="chip" aria-label=${`Remove tag ${tag}`} onClick=${() => onChange(tags.filter((each) => each !== tag))}>${tag}<${Icon} name="close" /></button>`)}
  </form>`;
}
