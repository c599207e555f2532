// Keys that work anywhere on a page, and the help that lists them.
import { html, useEffect, useRef } from './html.js';
import { Icon } from './icons.js';

/** What is in force, the newest last: a dialog's keys come before those of the page below it. */
const layers = [];

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target) && event.key !== 'Escape') return;
  for (const layer of layers.toReversed()) {
    const handler = layer.current.keys[event.key];
    if (handler && handler(event) !== false) {
      event.preventDefault();
      return;
    }
    if (layer.current.isModal) return;
  }
});

/**
 * Handles keys while the component is there.
 * @param {Object<string, function(KeyboardEvent): (boolean|void)>} keys by `event.key`; a handler that returns false did nothing
 */
export function useKeys(keys, { isModal = false } = {}) {
  const layer = useRef(null);
  layer.current = { keys, isModal };
  useEffect(() => {
    layers.push(layer);
    return () => layers.splice(layers.indexOf(layer), 1);
  }, []);
}

const HELP = [
  ['Everywhere', [['?', 'this help'], ['g', 'runs'], ['G', 'goals'], ['t', 'light or dark'], ['Esc', 'close, or back to the list']]],
  ['Lists and timelines', [
    ['j  k', 'down, up'], ['Enter', 'open'], ['/', 'search'], ['Home  End', 'first, last'],
  ]],
  ['A run', [
    ['n  p', 'next, previous failure'], ['h  l', 'fold, unfold'], ['f', 'failures only'], ['z  x', 'zoom to the decision, whole run'], ['c', 'compare with another run'],
  ]],
];

export function KeyboardHelp({ onClose }) {
  const dialog = useRef(null);
  useKeys({ Escape: onClose, '?': onClose }, { isModal: true });
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.focus();
    return () => before?.focus?.();
  }, []);
  return html`<div class="veil" onClick=${(event) => event.target === event.currentTarget && onClose()}>
    <div class="dialog" role="dialog" aria-modal="true" aria-label="Keyboard" tabindex="-1" ref=${dialog}>
      <header><h2>Keyboard</h2><button class="quiet-button" onClick=${onClose} aria-label="Close"><${Icon} name="close" /></button></header>
      <div class="help">
        ${HELP.map(([title, keys]) => html`<section>
          <h3>${title}</h3>
          <dl>${keys.map(([names, what]) => html`<div><dt>${names.split('  ').map((name) => html`<kbd>${name}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>
        </section>`)}
      </div>
    </div>
  </div>`;
}
