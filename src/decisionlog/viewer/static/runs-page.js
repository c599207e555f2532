// The list of runs.
import { classes, html, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from './html.js';
import { useDocument } from './documents.js';
import { counted, formatCount } from './format.js';
import { useKeys } from './keyboard.js';
import { useEvents } from './live.js';
import { Empty, Loading, Trouble } from './parts.js';
import { addressOf, navigate, runAddress } from './router.js';
import { createRunList } from './run-list.js';
import { RunRow, RunRowBlank } from './run-row.js';
import { RunsFilters } from './runs-filters.js';
import { scroller, useIsNarrow, useNow, useWindow } from './scrolling.js';

const LIST_COLUMNS = [
  ['status', 'Status', 'status'], ['goal', 'Goal', 'goal'], ['started', 'Started', 'started'], ['duration', 'Took', 'took number'],
  ['decisions', 'Decisions', 'decisions number'], ['success', 'Success', 'success'], ['tokens', 'Tokens', 'tokens number'], ['problems', 'Problems', 'problems number'],
];

/** How many rows are asked for before they come into view. */
const AHEAD = 120;

/** How often the list is asked for anew while the server still reads the runs. */
const READING_MS = 2000;

/** Where one was in a list, for coming back to it. */
const places = new Map();

/** The next visit of the list begins at its top. */
export function forgetPlace() {
  places.clear();
}

export function RunsPage({ params }) {
  const address = params.toString();
  const [, redraw] = useReducer((n) => n + 1, 0);
  const list = useMemo(() => createRunList(params, redraw), [address]);
  useEffect(() => list.close, [list]);

  const body = useRef(null);
  const isNarrow = useIsNarrow();
  const rowHeight = isNarrow ? 84 : 48;
  const total = list.length;
  const { first, last, scrollTo } = useWindow(body, total, rowHeight);
  const isSomeRunning = range(first, last).some((index) => list.rowAt(index)?.status === 'running');
  const now = useNow(isSomeRunning ? 1000 : null);
  const [cursor, setCursor] = useState(() => places.get(address)?.cursor ?? null);

  useEffect(() => list.need(Math.max(0, first - AHEAD), last + AHEAD), [list, first, last, list.total, list.version]);
  const arrived = useKeptPlace(address, list, cursor);
  const ahead = useAnchoredRows(list, rowHeight, arrived);

  const reload = () => {
    const isAtTop = scroller().scrollTop < 4;
    list.reload(first, last, isAtTop ? null : firstSeen(body.current, rowHeight));
  };
  useEvents('/api/events', { runs: useThrottled(reload) });

  const open = (row) => row && navigate(runAddress(row.run_id));
  const cursorIndex = cursor === null ? -1 : indexOf(list, cursor, first, last);
  const move = (to) => {
    if (!total) return false;
    const index = Math.max(0, Math.min(total - 1, to));
    scrollTo(index, { headroom: stickyHeight() });
    const row = list.rowAt(index);
    if (row) setCursor({ index, id: row.run_id });
    return true;
  };
  useEffect(() => {
    // The focus follows the cursor, so that a screen reader tells the row and Enter opens it.
    if (cursor) body.current?.querySelector(`[data-index="${cursorIndex}"] a`)?.focus({ preventScroll: true });
  }, [cursor, cursorIndex]);
  const start = () => Math.ceil(Math.max(0, firstSeen(body.current, rowHeight)));
  const down = () => move(cursorIndex < 0 ? start() : cursorIndex + 1);
  const up = () => move(cursorIndex < 0 ? start() : cursorIndex - 1);
  useKeys({
    j: down, ArrowDown: down, k: up, ArrowUp: up, Home: () => move(0), End: () => move(total - 1),
    o: () => open(list.rowAt(cursorIndex)),
    '/': () => document.getElementById('search')?.focus(),
    Escape: () => {
      if (document.activeElement?.id === 'search') document.activeElement.blur();
      else setCursor(null);
    },
  });

  const isFiltered = ['goal', 'status', 'since', 'until', 'tag', 'q'].some((name) => params.has(name));
  return html`<main id="content" tabindex="-1">
    <div class="runs">
      <h1 class="unseen">Runs</h1>
      <div class="runs-top">
        <${RunsFilters} params=${params} list=${list} />
        ${total > 0 && html`<${ColumnHeads} params=${params} />`}
      </div>
      ${ahead > 0 && html`<button class="new-runs" onClick=${() => { scroller().scrollTop = 0; reload(); }}>${counted(ahead, 'new run')} above</button>`}
      ${list.error && html`<${Trouble} error=${list.error} what="The list" onRetry=${() => { list.error = null; list.need(first, last); redraw(); }} />`}
      ${list.total === null && !list.error && html`<${Loading} what="Reading the runs" />`}
      ${list.total === 0 && html`<${NoRuns} isFiltered=${isFiltered} list=${list} />`}
      <div class="runs-body" role=${total ? 'table' : undefined} aria-label=${total ? 'Runs' : undefined} aria-rowcount=${total || undefined} ref=${body} style=${{ height: `${total * rowHeight}px` }}>
        ${range(first, last).map((index) => {
          const row = list.rowAt(index);
          const top = index * rowHeight;
          if (!row) return html`<${RunRowBlank} key=${`blank-${index}`} index=${index} top=${top} />`;
          return html`<${RunRow} key=${row.run_id} row=${row} index=${index} top=${top} now=${row.status === 'running' ? now : 0}
            class=${classes(cursorIndex === index && 'is-current', list.fresh.has(row.run_id) && 'is-fresh')} onFocus=${setCursor} />`;
        })}
      </div>
    </div>
  </main>`;
}

/**
 * For what the server says of its list. While it is still being read for the first time, what is in
 * view hardly changes, and asking again would only slow the reading down.
 */
function useThrottled(reload) {
  const last = useRef(0);
  return ({ indexed, of }) => {
    const isReading = indexed < of;
    if (isReading && Date.now() - last.current < READING_MS) return;
    last.current = Date.now();
    reload();
  };
}

function range(first, last) {
  return Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
}

/** The first row that is seen whole, as a fraction of rows. */
function firstSeen(body, rowHeight) {
  const top = scroller().getBoundingClientRect().top + stickyHeight();
  return Math.max(0, Math.ceil((top - body.getBoundingClientRect().top) / rowHeight));
}

/** How much of the view the filters cover, where they stay in it. */
function stickyHeight() {
  const top = document.querySelector('.runs-top');
  return top && getComputedStyle(top).position === 'sticky' ? top.offsetHeight : 0;
}

/** The cursor belongs to a run, which may have moved. */
function indexOf(list, cursor, first, last) {
  if (list.rowAt(cursor.index)?.run_id === cursor.id) return cursor.index;
  for (let i = first; i < last; i += 1) if (list.rowAt(i)?.run_id === cursor.id) return i;
  return cursor.index;
}

/** Keeps what one reads where it is while rows come in above; tells how many did. */
function useAnchoredRows(list, rowHeight, arrived) {
  const [ahead, setAhead] = useState(0);
  useLayoutEffect(() => {
    if (!list.shift) return;
    const { shift } = list;
    list.shift = 0;
    scroller().scrollTop += shift * rowHeight;
    if (shift > 0) setAhead((n) => n + shift);
  });
  useEffect(() => {
    const box = scroller();
    const onScroll = () => box.scrollTop < 4 && setAhead(0);
    box.addEventListener('scroll', onScroll, { passive: true });
    return () => box.removeEventListener('scroll', onScroll);
  }, [arrived]);
  return ahead;
}

/** Brings one back to where one was in the list under these filters. */
function useKeptPlace(address, list, cursor) {
  const latest = useRef(cursor);
  latest.current = cursor;
  const [arrived, setArrived] = useState(false);
  const isKnown = list.total !== null;
  useLayoutEffect(() => {
    if (!isKnown) return;
    const place = places.get(address);
    if (place) scroller().scrollTop = place.top;
    setArrived(true);
  }, [address, isKnown]);
  useEffect(() => {
    const box = scroller();
    const onScroll = () => isKnown && places.set(address, { top: box.scrollTop, cursor: latest.current });
    box.addEventListener('scroll', onScroll, { passive: true });
    return () => box.removeEventListener('scroll', onScroll);
  }, [address, isKnown]);
  return arrived;
}

function ColumnHeads({ params }) {
  const sort = params.get('sort') ?? 'started';
  const order = params.get('order') ?? 'desc';
  const addressFor = (name) => {
    const next = new URLSearchParams(params);
    next.set('sort', name);
    next.set('order', sort === name && order === 'desc' ? 'asc' : 'desc');
    if (next.get('sort') === 'started' && next.get('order') === 'desc') ['sort', 'order'].forEach((key) => next.delete(key));
    return addressOf('runs', null, next);
  };
  return html`<div class="run-row run-heads">
    ${LIST_COLUMNS.map(([name, label, cell]) => html`<span class=${`cell-${cell}`}>
      <a href=${addressFor(name)} class=${classes('sort', sort === name && 'is-sorted')} title=${`Sort by ${label.toLowerCase()}`}>${label}${sort === name && html`<span class="sort-mark">${order === 'desc' ? '↓' : '↑'}<span class="unseen">, ${order === 'desc' ? 'descending' : 'ascending'}</span></span>`}</a>
    </span>`)}
  </div>`;
}

function NoRuns({ isFiltered, list }) {
  const { data: info } = useDocument('/api/info');
  if (list.indexed < list.of) return html`<${Empty} title="None so far"><p>${formatCount(list.indexed)} of ${counted(list.of, 'run')} looked at.</p><//>`;
  if (isFiltered) return html`<${Empty} title="No run fits these filters"><p><a class="button" href="#/runs">Clear the filters</a></p><//>`;
  return html`<${Empty} title="No runs here yet">
    <p>Runs appear here by themselves as soon as an agent records one in this directory. To see some now:</p>
    <pre>decisionlog demo --out=${info?.directory ?? 'DIRECTORY'}</pre>
  <//>`;
}
