// Small parts that every page uses.
import { html, useEffect, useRef, useState } from './html.js';
import { formatAgo, formatPercent, formatStamp } from './format.js';
import { Icon } from './icons.js';
import { useNow } from './scrolling.js';

/** What went wrong with getting a document, quietly, and a way to try again. */
export function Trouble({ error, onRetry, what = 'This' }) {
  return html`<div class="trouble" role="status">
    <p><strong>${what} could not be read.</strong> ${error.message}</p>
    ${onRetry && html`<button class="button" onClick=${onRetry}>Try again</button>`}
  </div>`;
}

/** Seen only when it takes longer than a moment (the styles delay it). */
export function Loading({ what = 'Reading' }) {
  return html`<p class="loading" role="status">${what}…</p>`;
}

/** Why there is nothing, and what to do about it. */
export function Empty({ title, children }) {
  return html`<div class="empty"><h2>${title}</h2>${children}</div>`;
}

/** "5 min ago", with the exact time on hover and for screen readers' time element. */
export function Ago({ time }) {
  const now = useNow(30_000);
  return html`<time datetime=${time ?? ''} title=${formatStamp(time)}>${formatAgo(time, now)}</time>`;
}

export function CopyButton({ text, label = 'Copy', class: className }) {
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    if (!isDone) return undefined;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [isDone]);
  // There is none in a page from disk.
  if (!navigator.clipboard) return null;
  const copy = () => navigator.clipboard.writeText(typeof text === 'function' ? text() : text).then(() => setDone(true), () => {});
  return html`<button class=${`link-button ${className ?? ''}`} onClick=${copy}>${isDone ? 'Copied' : label}</button>`;
}

/** A share from 0 to 1 as a bar; the number beside it says the same. */
export function Meter({ value, tone = 'accent', class: className }) {
  const width = `${Math.max(0, Math.min(1, value ?? 0)) * 100}%`;
  return html`<span class=${`meter ${className ?? ''}`} aria-hidden="true"><span class=${`meter-fill fill-${tone}`} style=${{ width }}></span></span>`;
}

/** A rate with its 95 % interval, as a dot on a line from 0 to 1. */
export function RateLine({ rate, low, high, mark }) {
  if (rate === null || rate === undefined) return html`<span class="rate-line is-empty" aria-hidden="true"></span>`;
  const at = (x) => `${Math.max(0, Math.min(1, x)) * 100}%`;
  return html`<span class="rate-line" aria-hidden="true">
    ${low !== undefined && low !== null && html`<span class="rate-span" style=${{ left: at(low), width: `calc(${at(high)} - ${at(low)})` }}></span>`}
    ${mark !== undefined && mark !== null && html`<span class="rate-mark" style=${{ left: at(mark) }}></span>`}
    <span class="rate-dot" style=${{ left: at(rate) }}></span>
  </span>`;
}

/** A rate of `Analysis` in words: "62% (51–72%; 48 of 77)". */
export function rateText(rate) {
  if (!rate || rate.rate === null || rate.rate === undefined) return 'not known';
  const range = rate.interval ? `${Math.round(rate.interval.low * 100)}–${Math.round(rate.interval.high * 100)}%; ` : '';
  return `${formatPercent(rate.rate)} (${range}${rate.succeeded} of ${rate.count})`;
}

/** Text that may be very long: cut after some lines, with a way to see all of it. */
export function LongText({ text, limit = 600, class: className }) {
  const [isOpen, setOpen] = useState(false);
  if (!text) return null;
  const isLong = text.length > limit;
  return html`<div class=${`prose ${className ?? ''}`}>${isLong && !isOpen ? `${text.slice(0, limit)}…` : text}${isLong && html` <button class="link-button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? 'less' : `all ${text.length.toLocaleString('en')} characters`}</button>`}</div>`;
}

/** A button that opens a list below it; it closes on Escape, on leaving and on a click elsewhere. */
export function Menu({ label, icon, isOpen, onToggle, children }) {
  const box = useRef(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    box.current.querySelector('.menu a, .menu button, .menu input')?.focus();
    const onPointer = (event) => box.current?.contains(event.target) || onToggle(false);
    const onKey = (event) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      onToggle(false);
      box.current?.querySelector('button').focus();
    };
    const node = box.current;
    document.addEventListener('pointerdown', onPointer);
    node.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('pointerdown', onPointer);
      node.removeEventListener('keydown', onKey);
    };
  }, [isOpen]);
  return html`<div class="menu-box" ref=${box}>
    <button class="button" aria-expanded=${isOpen} onClick=${() => onToggle(!isOpen)}>${icon && html`<${Icon} name=${icon} />`}${label}</button>
    ${isOpen && html`<div class="menu">${children}</div>`}
  </div>`;
}
