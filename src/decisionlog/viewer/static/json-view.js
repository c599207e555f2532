// Any JSON as a tree that folds; what is folded is not in the document.
import { html, useState } from './html.js';
import { CopyButton } from './parts.js';

const KEYS_SHOWN = 100;
const LONG = 400;

/**
 * @param {{value: unknown, open?: number}} props `open`: how many levels are open at first
 */
export function JsonView({ value, open = 1 }) {
  return html`<div class="json"><${JsonNode} value=${value} open=${open} /></div>`;
}

function JsonNode({ name, value, open }) {
  const isTree = value !== null && typeof value === 'object' && Object.keys(value).length > 0;
  return isTree ? html`<${JsonTree} name=${name} value=${value} open=${open} />` : html`<div class="json-line"><${JsonName} name=${name} /><${JsonLeaf} value=${value} /></div>`;
}

function JsonName({ name }) {
  return name === undefined ? null : html`<span class="json-name">${name}</span><span class="json-mark">: </span>`;
}

function JsonTree({ name, value, open }) {
  const [isOpen, setOpen] = useState(open > 0);
  const [shown, setShown] = useState(KEYS_SHOWN);
  const isList = Array.isArray(value);
  const keys = Object.keys(value);
  return html`<div>
    <button class="json-fold" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <span class="json-caret" aria-hidden="true">▸</span><${JsonName} name=${name} /><span class="json-mark">${isOpen ? (isList ? '[' : '{') : preview(value, isList, keys)}</span>
    </button>
    ${isOpen && html`<div class="json-inner">
      ${keys.slice(0, shown).map((key) => html`<${JsonNode} key=${key} name=${key} value=${value[key]} open=${open - 1} />`)}
      ${keys.length > shown && html`<button class="link-button" onClick=${() => setShown(shown + 10 * KEYS_SHOWN)}>${(keys.length - shown).toLocaleString('en')} more</button>`}
    </div>
    <span class="json-mark json-end">${isList ? ']' : '}'}</span>`}
  </div>`;
}

function preview(value, isList, keys) {
  if (isList) return `[ ${value.length} ${value.length === 1 ? 'item' : 'items'} ]`;
  const names = keys.slice(0, 3).join(', ');
  return `{ ${names.length > 60 ? `${names.slice(0, 60)}…` : names}${keys.length > 3 ? `, … ${keys.length} keys` : ''} }`;
}

function JsonLeaf({ value }) {
  const [isWhole, setWhole] = useState(false);
  if (value === null || typeof value === 'boolean') return html`<span class="json-word">${String(value)}</span>`;
  if (typeof value === 'number') return html`<span class="json-number">${String(value)}</span>`;
  if (typeof value === 'object') return html`<span class="json-mark">${Array.isArray(value) ? '[ ]' : '{ }'}</span>`;
  const isLong = value.length > LONG;
  return html`<span class="json-text">${isLong && !isWhole ? `${value.slice(0, LONG)}…` : value}</span>${isLong && html` <button class="link-button" aria-expanded=${isWhole} onClick=${() => setWhole(!isWhole)}>${isWhole ? 'less' : `all ${value.length.toLocaleString('en')} characters`}</button>`}`;
}

/** A titled value that starts folded, with a button to copy it. */
export function FoldedJson({ title, value, open = false, levels = 2 }) {
  const [isOpen, setOpen] = useState(open);
  return html`<section class="folded">
    <div class="folded-head">
      <button class="fold-button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}><span class="json-caret" aria-hidden="true">▸</span>${title}</button>
      ${isOpen && html`<${CopyButton} text=${() => JSON.stringify(value, null, 2)} />`}
    </div>
    ${isOpen && html`<${JsonView} value=${value} open=${levels} />`}
  </section>`;
}

/** Whether there is something to show. */
export function isFilled(value) {
  if (value === null || value === undefined || value === '') return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}
