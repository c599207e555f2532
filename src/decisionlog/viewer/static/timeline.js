// The decisions of a run, nested, with bars on a common axis of time.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from './html.js';
import { useSettled } from './documents.js';
import { counted } from './format.js';
import { useKeys } from './keyboard.js';
import { Empty } from './parts.js';
import { scroller, useIsNarrow, useNow, useWindow } from './scrolling.js';
import { TimeAxis } from './time-axis.js';
import { TimeOverview } from './time-overview.js';
import { lengthOf, nextFailure, outlineOf, parentsOf, visibleRows } from './timeline-model.js';
import { TimelineRow } from './timeline-row.js';
import { TimelineTools } from './timeline-tools.js';

/** Fewer than this are seen at a glance anyway. */
const OVERVIEW_FROM = 30;

const NO_FILTER = { failedOnly: false, node: '', text: '' };

export function Timeline({ run, decisions, chosen, onOpen }) {
  const isNarrow = useIsNarrow();
  const isRunning = run.status === 'running';
  const [filter, setFilter] = useState(NO_FILTER);
  const settled = useSettled(filter, filter.text ? 120 : 0);
  const [folded, setFolded] = useState(() => new Set());
  const outline = useMemo(() => outlineOf(decisions), [decisions]);
  const { rows, matches } = useMemo(() => visibleRows(outline, folded, settled), [outline, folded, settled]);

  const now = useNow(isRunning ? 250 : null);
  const elapsed = isRunning && run.started_at ? Math.max(0, now - Date.parse(run.started_at)) : null;
  const length = useMemo(() => lengthOf(decisions, run.duration_ms, null), [decisions, run.duration_ms]);
  const [zoom, setZoom] = useState(null);
  // A run left open for hours must not shrink its bars to nothing: time goes on for a while only.
  const whole = { from: 0, to: Math.max(length, Math.min(elapsed ?? 0, length * 1.5 + 2000)) };
  const span = zoom ?? whole;

  const rowHeight = isNarrow ? 52 : 32;
  const body = useRef(null);
  const { first, last, scrollTo } = useWindow(body, rows.length, rowHeight);
  const [cursor, setCursor] = useState(chosen);
  const cursorIndex = useMemo(() => rows.findIndex((entry) => entry.row.id === cursor), [rows, cursor]);
  const headroom = () => document.querySelector('.timeline-top')?.offsetHeight ?? 0;

  const focusRow = (id) => requestAnimationFrame(() => body.current?.querySelector(`[data-id="${CSS.escape(id)}"]`)?.focus({ preventScroll: true }));
  const go = (index) => {
    if (index < 0 || index >= rows.length) return false;
    const { id } = rows[index].row;
    setCursor(id);
    scrollTo(index, { headroom: headroom() });
    if (chosen) onOpen(id, { replace: true });
    else focusRow(id);
    return true;
  };
  const trackWidth = useTrackWidth(body);
  const follow = useFollowing(isRunning, rows.length);
  useShownDecision({ chosen, outline, rows, setFolded, setCursor, setFilter, scrollTo, isReady: rows.length > 0 });

  const fold = (id, isFolded) => setFolded((old) => {
    const next = new Set(old);
    if (isFolded) next.add(id);
    else next.delete(id);
    return next;
  });
  const current = cursorIndex < 0 ? null : rows[cursorIndex];
  const left = () => {
    if (!current) return false;
    if (current.size && !current.isFolded && !isFiltered(filter)) fold(current.row.id, true);
    else for (let i = cursorIndex - 1; i >= 0; i -= 1) if (rows[i].depth < current.depth) return go(i);
    return true;
  };
  const right = () => {
    if (!current) return false;
    if (current.isFolded) fold(current.row.id, false);
    else if (current.size) go(cursorIndex + 1);
    return true;
  };
  const inTree = (handler) => (event) => (body.current?.contains(event.target) ? handler() : false);
  const down = () => go(cursorIndex < 0 ? firstInView(body.current, rowHeight) : cursorIndex + 1);
  const up = () => go(cursorIndex < 0 ? firstInView(body.current, rowHeight) : cursorIndex - 1);
  const failure = (step) => go(nextFailure(rows, cursorIndex < 0 && step < 0 ? rows.length : cursorIndex, step));
  useKeys({
    j: down, k: up, n: () => failure(1), p: () => failure(-1), h: left, l: right,
    ArrowDown: inTree(down), ArrowUp: inTree(up), ArrowLeft: inTree(left), ArrowRight: inTree(right),
    Home: inTree(() => go(0)), End: inTree(() => go(rows.length - 1)),
    Enter: (event) => (current && (body.current.contains(event.target) || event.target === document.body || event.target === scroller()) ? onOpen(current.row.id) : false),
    ' ': inTree(() => current && onOpen(current.row.id)),
    o: () => current && onOpen(current.row.id),
    f: () => setFilter((old) => ({ ...old, failedOnly: !old.failedOnly })),
    z: () => current && setZoom(around(current.row, whole)),
    x: () => setZoom(null),
    '/': () => document.getElementById('timeline-search')?.focus(),
  });

  if (!decisions.length) {
    return html`<section class="timeline"><h2>Decisions</h2><${Empty} title="No decisions">
      <p>${isRunning ? 'None so far. They appear here as they are made.' : 'This run recorded none.'}</p>
    <//></section>`;
  }
  const shown = isFiltered(settled) ? `${counted(matches, 'decision')} of ${decisions.length.toLocaleString('en')}` : counted(decisions.length, 'decision');
  return html`<section class="timeline" aria-labelledby="timeline-title">
    <div class="timeline-top">
      <${TimelineTools} decisions=${decisions} filter=${filter} onFilter=${setFilter} shown=${shown} outline=${outline} folded=${folded} onFold=${setFolded} isZoomed=${zoom !== null} onWhole=${() => setZoom(null)} follow=${follow} />
      ${decisions.length >= OVERVIEW_FROM && html`<div class="overview-line"><${TimeOverview} outline=${outline} length=${whole.to} span=${span} /></div>`}
      <${TimeAxis} span=${span} whole=${whole} onZoom=${setZoom} />
    </div>
    ${rows.length === 0 && html`<${Empty} title="No decision fits"><p><button class="button" onClick=${() => setFilter(NO_FILTER)}>Clear the filter</button></p><//>`}
    <div class="timeline-body" role="tree" aria-label="Decisions" ref=${body} style=${{ height: `${rows.length * rowHeight}px` }}>
      ${drawn(first, last, cursorIndex).map((i) => [i, rows[i]]).map(([i, entry]) => html`<${TimelineRow} key=${entry.row.id} entry=${entry} top=${i * rowHeight} from=${span.from} to=${span.to} end=${whole.to}
        isChosen=${entry.row.id === chosen} isTabStop=${i === (cursorIndex < 0 ? first : cursorIndex)} isRunning=${isRunning} trackWidth=${trackWidth}
        onOpen=${onOpen} onFold=${fold} onFocus=${setCursor} />`)}
    </div>
  </section>`;
}

/**
 * Which rows are in the document: those in view, and that of the cursor wherever it is. With it the focus
 * would go, when the explanation above comes in late and moves everything, or somebody scrolls.
 */
function drawn(first, last, cursorIndex) {
  const inView = Array.from({ length: last - first }, (_, i) => first + i);
  if (cursorIndex < 0 || (cursorIndex >= first && cursorIndex < last)) return inView;
  return cursorIndex < first ? [cursorIndex, ...inView] : [...inView, cursorIndex];
}

function isFiltered({ failedOnly, node, text }) {
  return failedOnly || node !== '' || text !== '';
}

function firstInView(body, rowHeight) {
  const top = scroller().getBoundingClientRect().top + (document.querySelector('.timeline-top')?.offsetHeight ?? 0);
  return Math.max(0, Math.ceil((top - body.getBoundingClientRect().top) / rowHeight));
}

/** How wide the bars' part of a row is, for where a label has room. */
function useTrackWidth(body) {
  const [width, setWidth] = useState(400);
  useLayoutEffect(() => {
    const now = body.current?.querySelector('.track')?.clientWidth;
    if (now && now !== width) setWidth(now);
  });
  return width;
}

/**
 * Keeps the newest decision of a run in progress in view, once asked to, until one scrolls up.
 * @returns {{isOn: boolean, toggle: function(): void}|null} null: there is nothing to follow
 */
function useFollowing(isRunning, count) {
  const [isOn, setOn] = useState(false);
  useLayoutEffect(() => {
    if (isOn && isRunning) scroller().scrollTop = scroller().scrollHeight;
  }, [isOn, isRunning, count]);
  useEffect(() => {
    if (!isOn) return undefined;
    const box = scroller();
    const onWheel = (event) => event.deltaY < 0 && setOn(false);
    const onKey = (event) => ['ArrowUp', 'PageUp', 'Home', 'k', 'p'].includes(event.key) && setOn(false);
    box.addEventListener('wheel', onWheel, { passive: true });
    document.addEventListener('keydown', onKey);
    return () => {
      box.removeEventListener('wheel', onWheel);
      document.removeEventListener('keydown', onKey);
    };
  }, [isOn]);
  return isRunning ? { isOn, toggle: () => setOn(!isOn) } : null;
}

/** A span with a little around a decision, so that its neighbours are seen too. */
function around(row, whole) {
  const length = row.latency_ms ?? whole.to - row.start_ms;
  const margin = Math.max(length * 0.15, whole.to / 1e6);
  return { from: Math.max(0, row.start_ms - margin), to: Math.min(whole.to, row.start_ms + length + margin) };
}

/** Brings the decision that the address names into view, whatever hides it. */
function useShownDecision({ chosen, outline, rows, setFolded, setCursor, setFilter, scrollTo, isReady }) {
  const shownFor = useRef(null);
  useLayoutEffect(() => {
    if (!chosen || !isReady || shownFor.current === chosen) return;
    const index = rows.findIndex((entry) => entry.row.id === chosen);
    if (index >= 0) {
      shownFor.current = chosen;
      setCursor(chosen);
      if (isTimelineSeen() && !isInView(chosen)) scrollTo(index, { centre: true });
      return;
    }
    if (!outline.some((entry) => entry.row.id === chosen)) return;
    const parents = parentsOf(outline, chosen);
    setFolded((old) => new Set([...old].filter((id) => !parents.includes(id))));
    setFilter(NO_FILTER);
  }, [chosen, rows, isReady]);
  useEffect(() => {
    if (!chosen) shownFor.current = null;
  }, [chosen]);
}

/** Whoever reads the explanation above must not be taken away from it. */
function isTimelineSeen() {
  const top = document.querySelector('.timeline-top')?.getBoundingClientRect().bottom ?? Infinity;
  return top < scroller().getBoundingClientRect().bottom - 160;
}

function isInView(id) {
  const row = document.querySelector(`[data-id="${CSS.escape(id)}"]`)?.getBoundingClientRect();
  const view = scroller().getBoundingClientRect();
  const covered = document.querySelector('.timeline-top')?.getBoundingClientRect().bottom ?? view.top;
  return Boolean(row) && row.top >= Math.max(view.top, covered) && row.bottom <= view.bottom;
}
