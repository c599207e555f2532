// The options of each place: how often they were taken, and what came of it.
import { html, useState } from './html.js';
import { counted, formatCompact, formatCount, formatDuration, formatP, formatPercent, formatPoints } from './format.js';
import { Examples } from './goal-suggestions.js';
import { RateLine, rateText } from './parts.js';

const PLACES = 6;
const OPTIONS_PER_PLACE = 12;

export function OptionPlaces({ options }) {
  const [shown, setShown] = useState(PLACES);
  const places = options?.places ?? [];
  if (!places.length) return html`<section class="block"><h2>Options</h2><p class="faint">No options were chosen.</p></section>`;
  return html`<section class="block" aria-labelledby="options-title">
    <h2 id="options-title">Options and what came of them</h2>
    ${places.slice(0, shown).map((place) => html`<${PlaceTable} place=${place} />`)}
    ${places.length > shown && html`<button class="link-button" onClick=${() => setShown(places.length)}>${counted(places.length - shown, 'more place')}</button>`}
    ${options.places_left_out > 0 && shown >= places.length && html`<p class="faint">${counted(options.places_left_out, 'more place')} with fewer decisions</p>`}
  </section>`;
}

function PlaceTable({ place }) {
  const [isOpen, setOpen] = useState(false);
  const ranked = place.options.toSorted((a, b) => b.chosen - a.chosen);
  const shown = isOpen ? ranked : ranked.slice(0, OPTIONS_PER_PLACE);
  const hasTokens = place.options.some((option) => option.tokens?.p95 > 0);
  return html`<section class="place">
    <h3>${place.intent ?? 'Whatever it decides'} <span class="faint">at ${place.node_id} · ${counted(place.decisions, 'decision')}</span></h3>
    ${place.positions && html`<p class="faint">An id only says where in a list an option stood, so these are not compared with each other.</p>`}
    <div class="scrolls" tabindex="0" role="group" aria-label=${`Options of ${place.intent ?? place.node_id}`}><table class="data options-table">
      <thead><tr><th scope="col">Option</th><th scope="col" class="number chosen-cell">Chosen</th><th scope="col" class="success-cell">Decision succeeded</th><th scope="col" class="success-cell">Run succeeded</th><th scope="col" class="number took-cell">Typically took</th>${hasTokens && html`<th scope="col" class="number tokens-cell">Tokens</th>`}</tr></thead>
      <tbody>${shown.map((option) => html`<tr>
          <td class="option-cell"><strong>${option.option_id}</strong>${option.regret && html`<${RegretNote} regret=${option.regret} />`}</td>
          <td class="number">${formatCount(option.chosen)} <span class="faint">of ${formatCount(option.offered)}</span></td>
          <td class="success-cell"><${RateCell} rate=${option.success} /></td>
          <td class="success-cell"><${RateCell} rate=${option.run_success} /></td>
          <td class="number" title=${option.latency_ms ? `95% took no longer than ${formatDuration(option.latency_ms.p95)}` : undefined}>${formatDuration(option.latency_ms?.median)}</td>
          ${hasTokens && html`<td class="number">${formatCompact(option.tokens?.median)}</td>`}
        </tr>`)}</tbody>
    </table></div>
    ${ranked.length > shown.length && html`<button class="link-button" onClick=${() => setOpen(true)}>all ${counted(ranked.length, 'option')}</button>`}
  </section>`;
}

function RateCell({ rate }) {
  if (rate.rate === null || rate.rate === undefined) return html`<span class="faint">not known</span>`;
  return html`<span class="rate-cell" title=${rateText(rate)}><${RateLine} rate=${rate.rate} low=${rate.interval?.low} high=${rate.interval?.high} /><span class="number">${formatPercent(rate.rate)}</span><span class="faint">${rate.succeeded} of ${rate.count}</span></span>`;
}

function RegretNote({ regret }) {
  return html`<span class="regret"><span class="pill is-odd">regret</span> ${regret.better_option_id} does better: ${formatPoints(regret.difference.estimate)} for ${regret.of}s <span class="faint">(${formatP(regret.p_value)})</span> <${Examples} examples=${regret.examples} /></span>`;
}
