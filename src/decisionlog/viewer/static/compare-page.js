// Two runs side by side, and where they first part.
import { classes, html, useEffect, useLayoutEffect, useMemo, useRef, useState } from './html.js';
import { runPath } from './api.js';
import { Divergence, MetricTable, SettingTable } from './compare-parts.js';
import { alignedPlaces, foldAlike } from './compare-model.js';
import { useDocument } from './documents.js';
import { counted, formatStamp } from './format.js';
import { useKeys } from './keyboard.js';
import { Empty, Loading, LongText, Trouble } from './parts.js';
import { compareAddress, Link, navigate, runAddress } from './router.js';
import { scroller, useIsNarrow, useWindow } from './scrolling.js';
import { StateIcon, StatusBadge } from './status.js';

export function ComparePage({ a, b }) {
  const { data, error, retry } = useDocument(a && b ? `/api/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}` : null);
  const first = useDocument(a ? runPath(a) : null);
  const second = useDocument(b ? runPath(b) : null);
  const trouble = error ?? first.error ?? second.error;
  useEffect(() => {
    document.title = 'Two runs compared – decisionlog';
  }, []);
  useKeys({ Escape: () => (a ? navigate(runAddress(a)) : false) });
  if (!a || !b) {
    return html`<main id="content" tabindex="-1"><${Empty} title="Which two runs?"><p>Open a run, and choose “Compare with…” there.</p><p><a class="button" href="#/runs">To the runs</a></p><//></main>`;
  }
  const isReady = data && first.data && second.data;
  return html`<main id="content" tabindex="-1"><div class="compare">
    <header class="page-head"><h1>Two runs compared</h1><span class="spacer"></span><${Link} class="button" to=${compareAddress(b, a)}>Swap<//></header>
    ${trouble && html`<${Trouble} error=${trouble} what="The comparison" onRetry=${() => [retry, first.retry, second.retry].forEach((each) => each())} />`}
    ${!isReady && !trouble && html`<${Loading} what="Aligning the two runs" />`}
    ${isReady && html`<${Comparison} comparison=${data.comparison} heads=${[data.a, data.b]} rows=${[first.data.decisions, second.data.decisions]} />`}
  </div></main>`;
}

function Comparison({ comparison, heads, rows }) {
  const places = useMemo(() => alignedPlaces(comparison, ...rows), [comparison, ...rows]);
  return html`
    <div class="pair">${heads.map((run, i) => html`<section class="pair-side">
      <p class="pair-name"><span class="side-mark">${'AB'[i]}</span><${StatusBadge} status=${run.status} /><a href=${runAddress(run.id)}>${run.goal_id || run.id}</a></p>
      <p class="faint">${formatStamp(run.started_at)} · ${run.id}</p>
      <${LongText} text=${run.narrative} limit=${300} />
    </section>`)}</div>
    <${Divergence} comparison=${comparison} />
    <${AlignedList} places=${places} runs=${[comparison.a, comparison.b]} />
    <div class="two">
      <${MetricTable} metrics=${comparison.metrics} />
      <${SettingTable} settings=${comparison.settings} />
    </div>`;
}

function AlignedList({ places, runs }) {
  const isNarrow = useIsNarrow();
  const [opened, setOpened] = useState(() => new Set());
  const items = useMemo(() => foldAlike(places, opened), [places, opened]);
  const rowHeight = isNarrow ? 60 : 36;
  const body = useRef(null);
  const { first, last, scrollTo } = useWindow(body, items.length, rowHeight);
  const [cursor, setCursor] = useState(() => places.find((place) => place.isDivergence)?.key ?? null);
  const index = items.findIndex((item) => item.key === cursor);
  const differing = places.filter((place) => place.kinds.length).length;

  useLayoutEffect(() => {
    // The first divergence is what one came for: in view from the start.
    if (index >= 0) scrollTo(index, { headroom: 80 });
  }, []);
  const go = (step, isWanted) => {
    for (let i = index + step; i >= 0 && i < items.length; i += step) {
      if (!isWanted(items[i])) continue;
      setCursor(items[i].key);
      scrollTo(i, { headroom: 80 });
      return true;
    }
    return false;
  };
  const differs = (item) => Boolean(item.place?.kinds.length);
  const any = () => true;
  const open = () => {
    const item = items[index];
    if (!item) return false;
    if (item.folded) setOpened(new Set(opened).add(item.key));
    else navigate(item.place.a ? runAddress(runs[0], item.place.a.id) : runAddress(runs[1], item.place.b.id));
    return true;
  };
  useKeys({
    n: () => go(1, differs), p: () => go(-1, differs), j: () => go(1, any), k: () => go(-1, any), o: open,
    Enter: (event) => (event.target === document.body || event.target === scroller() ? open() : false),
  });
  if (!places.length) return html`<${Empty} title="Neither run made a decision" />`;
  return html`<section class="block" aria-labelledby="aligned-title">
    <div class="title-line"><h2 id="aligned-title">Decision by decision</h2><span class="total">${differing ? `${counted(differing, 'place')} of ${places.length.toLocaleString('en')} differ${differing === 1 ? 's' : ''}` : 'no difference'}</span></div>
    <div class="aligned" role="table" aria-label="Decisions of both runs" aria-rowcount=${items.length} ref=${body} style=${{ height: `${items.length * rowHeight}px` }}>
      ${items.slice(first, last).map((item, i) => html`<${PlaceRow} key=${item.key} item=${item} index=${first + i} top=${(first + i) * rowHeight} runs=${runs} isCurrent=${item.key === cursor} onUnfold=${() => setOpened(new Set(opened).add(item.key))} />`)}
    </div>
  </section>`;
}

function PlaceRow({ item, index, top, runs, isCurrent, onUnfold }) {
  const at = { transform: `translateY(${top}px)` };
  if (item.folded) {
    return html`<div class=${classes('aligned-row is-folded', isCurrent && 'is-current')} role="row" aria-rowindex=${index + 1} style=${at}><span role="cell"><button class="link-button" onClick=${onUnfold}>${counted(item.folded, 'alike decision')}</button></span></div>`;
  }
  const { a, b, kinds, isDivergence, depth } = item.place;
  return html`<div class=${classes('aligned-row', kinds.length > 0 && 'is-different', isDivergence && 'is-divergence', isCurrent && 'is-current')} role="row" aria-rowindex=${index + 1} data-divergence=${isDivergence || undefined} style=${at}>
    <${PlaceSide} row=${a} run=${runs[0]} other=${b} depth=${depth} />
    <${PlaceSide} row=${b} run=${runs[1]} other=${a} depth=${depth} />
    <span class="aligned-kinds" role="cell">${isDivergence ? html`<span class="pill is-strong">first divergence</span>` : kinds.map((kind) => html`<span class="pill">${kind}</span>`)}</span>
  </div>`;
}

function PlaceSide({ row, run, other, depth }) {
  if (!row) return html`<span class="aligned-side is-absent" role="cell"><span class="faint">no counterpart</span></span>`;
  const isOther = other && other.chosen_option_id !== row.chosen_option_id;
  return html`<span class="aligned-side" role="cell" style=${{ paddingLeft: `${Math.min(depth, 8) * 14 + 8}px` }}>
    <${StateIcon} state=${row.state} /><a class="line-intent" href=${runAddress(run, row.id)} title=${row.intent}>${row.intent || row.id}</a>
    ${row.chosen_option_id && html`<span class=${classes('line-chosen', isOther && 'is-other')}>→ ${row.chosen_option_id}</span>`}
  </span>`;
}
