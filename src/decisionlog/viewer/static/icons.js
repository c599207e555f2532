// Small pictures. A status differs in shape as well as in colour.
import { html } from './html.js';

const SHAPES = {
  check: html`<circle cx="8" cy="8" r="6.25" /><path d="M5.2 8.3l2 2 3.6-4.2" />`,
  cross: html`<circle class="fill" cx="8" cy="8" r="7" /><path class="on-fill" d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8" />`,
  diamond: html`<path class="fill" d="M8 .8l7.2 7.2L8 15.2.8 8z" /><path class="on-fill" d="M5.4 8h5.2" />`,
  slash: html`<circle cx="8" cy="8" r="6.25" /><path d="M3.8 12.2l8.4-8.4" />`,
  ring: html`<circle cx="8" cy="8" r="6.25" stroke-dasharray="3 2.6" /><circle class="fill" cx="8" cy="8" r="2.2" />`,
  bolt: html`<path class="fill" d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" /><path class="on-fill" d="M8.8 3.6L5.9 8.4h4.2l-2.9 4" />`,
  octagon: html`<path class="fill" d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" /><path class="on-fill" d="M8 4.2v4.6M8 11.4v.3" />`,
  triangle: html`<path class="fill" d="M8 1.4l7 12.4H1z" /><path class="on-fill" d="M8 6v3.6M8 11.7v.2" />`,
  dot: html`<circle cx="8" cy="8" r="5.5" /><path d="M8 5.4v3M8 10.6v.2" />`,
  caret: html`<path d="M6 4l4 4-4 4" />`,
  close: html`<path d="M4 4l8 8M12 4l-8 8" />`,
  up: html`<path d="M8 13V3M4 7l4-4 4 4" />`,
  down: html`<path d="M8 3v10M4 9l4 4 4-4" />`,
  search: html`<circle cx="7" cy="7" r="4.5" /><path d="M10.5 10.5L14 14" />`,
  link: html`<path d="M6.5 9.5l3-3M7 4.8l1.4-1.4a3 3 0 014.2 4.2L11.2 9M9 11.2l-1.4 1.4a3 3 0 01-4.2-4.2L4.8 7" />`,
  sun: html`<circle cx="8" cy="8" r="3" /><path d="M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8L13 13M3 13l1.2-1.2M11.8 4.2L13 3" />`,
  moon: html`<path d="M13.5 9.6A6 6 0 016.4 2.5a6 6 0 107.1 7.1z" />`,
  question: html`<circle cx="8" cy="8" r="6.25" /><path d="M6.2 6.2a1.9 1.9 0 113 1.6c-.8.5-1.2.8-1.2 1.5M8 11.5v.2" />`,
  compare: html`<path d="M6 2v12M10 2v12M2 5h4M10 5h4M2 9h4M10 11h4" />`,
  fork: html`<path d="M2 8h4l4-4h4M6 8l4 4h4" />`,
};

/** A picture; without a `label` it is decoration. */
export function Icon({ name, label, class: className }) {
  const role = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' };
  return html`<svg class=${`icon ${className ?? ''}`} viewBox="0 0 16 16" ...${role}>${SHAPES[name]}</svg>`;
}
