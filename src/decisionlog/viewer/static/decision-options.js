// The options side by side; many of them as a list.
import { classes, html, useEffect, useMemo, useRef, useState } from './html.js';
import { Icon } from './icons.js';
import { JsonView, isFilled } from './json-view.js';
import { LongText, Meter } from './parts.js';

/** Up to here they stand in columns, which can be compared at a glance. */
const MOST_COLUMNS = 8;
const LISTED = 40;

export function DecisionOptions({ options, chosen }) {
  if (!options.length) return html`<section class="part"><h3>Options</h3><p class="faint">No options were recorded: only what was chosen.</p></section>`;
  return html`<section class="part options-part"><h3>${options.length === 1 ? 'The only option' : `${options.length} options`}</h3>
    ${options.length <= MOST_COLUMNS ? html`<${OptionColumns} options=${options} chosen=${chosen} />` : html`<${OptionList} options=${options} chosen=${chosen} />`}
  </section>`;
}

function OptionColumns({ options, chosen }) {
  const box = useRef(null);
  useEffect(() => {
    const mine = box.current.querySelector('.is-chosen');
    if (mine && mine.offsetLeft + mine.offsetWidth > box.current.clientWidth) box.current.scrollLeft = mine.offsetLeft - 24;
  }, []);
  const names = ['id', 'confidence', 'description', 'pros', 'cons', 'more'];
  return html`<div class="options" ref=${box} tabindex="0" role="group" aria-label="Options side by side" style=${{ '--options': options.length, '--parts': names.length }}>
    ${options.map((option) => html`<article class=${classes('option', option.id === chosen && 'is-chosen')} data-option=${option.id}>
      <header class="option-head"><span class="option-id">${option.id || '(no id)'}</span>${option.id === chosen && html`<span class="chosen-mark"><${Icon} name="check" />chosen</span>`}</header>
      <${Confidence} value=${option.confidence} />
      <div class="option-text">${option.description}</div>
      <${Points} points=${option.pros} sign="+" word="for it" />
      <${Points} points=${option.cons} sign="−" word="against it" />
      <${Action} option=${option} />
    </article>`)}
  </div>`;
}

function Confidence({ value }) {
  if (value === null || value === undefined) return html`<div class="confidence faint">no confidence</div>`;
  return html`<div class="confidence" title="The agent's own estimate that it leads to success"><${Meter} value=${value} /><span class="number">${value.toFixed(2)}</span><span class="unseen">confidence</span></div>`;
}

function Points({ points, sign, word }) {
  if (!points?.length) return html`<ul class="points"></ul>`;
  return html`<ul class=${classes('points', sign === '+' ? 'is-pro' : 'is-con')} aria-label=${word}>${points.map((point) => html`<li><span class="sign" aria-hidden="true">${sign}</span>${point}</li>`)}</ul>`;
}

function Action({ option }) {
  const [isOpen, setOpen] = useState(false);
  const hasAction = option.action_type && option.action_type !== 'unknown';
  const hasMore = isFilled(option.action_params) || isFilled(option.extra);
  if (!hasAction && !hasMore) return html`<div class="action"></div>`;
  return html`<div class="action">
    ${hasMore
      ? html`<button class="link-button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${hasAction ? option.action_type : 'more'} …</button>`
      : html`<span class="faint">${option.action_type}</span>`}
    ${isOpen && isFilled(option.action_params) && html`<${JsonView} value=${option.action_params} open=${2} />`}
    ${isOpen && isFilled(option.extra) && html`<${JsonView} value=${option.extra} open=${2} />`}
  </div>`;
}

function OptionList({ options, chosen }) {
  const [isWhole, setWhole] = useState(false);
  const ranked = useMemo(() => options.toSorted((a, b) => (b.id === chosen) - (a.id === chosen) || (b.confidence ?? 0) - (a.confidence ?? 0)), [options, chosen]);
  const shown = isWhole ? ranked : ranked.slice(0, LISTED);
  return html`<div class="option-list">
    ${shown.map((option) => html`<${OptionLine} option=${option} isChosen=${option.id === chosen} />`)}
    ${ranked.length > shown.length && html`<button class="link-button" onClick=${() => setWhole(true)}>all ${options.length} options</button>`}
  </div>`;
}

function OptionLine({ option, isChosen }) {
  const [isOpen, setOpen] = useState(isChosen);
  return html`<article class=${classes('option-line', isChosen && 'is-chosen')} data-option=${option.id}>
    <button class="option-line-head" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <span class="json-caret" aria-hidden="true">▸</span>
      <span class="option-id">${option.id || '(no id)'}</span>
      ${isChosen && html`<span class="chosen-mark"><${Icon} name="check" />chosen</span>`}
      <span class="option-line-text">${option.description}</span>
      <${Confidence} value=${option.confidence} />
    </button>
    ${isOpen && html`<div class="option-line-body"><${LongText} text=${option.description} /><${Points} points=${option.pros} sign="+" word="for it" /><${Points} points=${option.cons} sign="−" word="against it" /><${Action} option=${option} /></div>`}
  </article>`;
}
