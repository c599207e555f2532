// The list of runs as the page holds it: the rows that were looked at, at their places among all.
import { get } from './api.js';

const CHUNK = 200;
const AROUND = 60;

/** What the list starts with, for each choice of "since" in an address. */
export const PERIODS = { '1h': ['last hour', 3600e3], '24h': ['last 24 hours', 86400e3], '7d': ['last 7 days', 7 * 86400e3], '30d': ['last 30 days', 30 * 86400e3] };

function queryOf(params) {
  const query = new URLSearchParams();
  for (const [name, value] of params) {
    if (name === 'since' && Object.hasOwn(PERIODS, value)) query.append(name, new Date(Date.now() - PERIODS[value][1]).toISOString());
    else if (['goal', 'status', 'since', 'until', 'tag', 'q', 'sort', 'order'].includes(name)) query.append(name, value);
  }
  return query;
}

/**
 * A list under the filters of an address. `onChange` is called when there is something new to show.
 * @param {URLSearchParams} params
 */
export function createRunList(params, onChange) {
  // Unfiltered and newest first, all runs have their place from the start, read or not.
  const isWhole = [...queryOf(params).keys()].every((name) => name === 'order' || name === 'sort') && (params.get('sort') ?? 'started') === 'started' && params.get('order') !== 'asc';
  const list = {
    total: null, indexed: 0, of: 0, statuses: {}, error: null,
    /** How many rows there are to scroll through; `total` of them are known. */
    get length() { return isWhole ? Math.max(list.total ?? 0, list.of) : list.total ?? 0; },
    /** Goes up when rows that were there may be others. */
    version: 0,
    /** How far the rows moved since they were last shown, and ids that were not there before. */
    shift: 0, fresh: new Set(),
    rowAt: (index) => rows.get(index) ?? old.get(index),
    need, reload, close,
  };
  let rows = new Map();
  /** Rows as they were before the last reload, shown until they are read again. */
  let old = new Map();
  let requests = new Map();
  let isReloading = false;
  let again = null;

  function ask(offset, limit, signal) {
    const query = queryOf(params);
    query.set('offset', offset);
    query.set('limit', limit);
    return get(`/api/runs?${query}`, signal);
  }

  function take(answer, offset) {
    Object.assign(list, { total: answer.total, indexed: answer.indexed, of: answer.of, statuses: answer.statuses, error: null });
    answer.runs.forEach((row, i) => rows.set(offset + i, row));
  }

  /** Whether the rows in view of a chunk are there, or cannot be yet. */
  function isThere(chunk, first, last) {
    const to = Math.min((chunk + 1) * CHUNK, last, list.total);
    for (let i = Math.max(chunk * CHUNK, first); i < to; i += 1) if (!rows.has(i)) return false;
    return true;
  }

  /** Sees to it that these rows come; requests for rows that are out of view by now are given up. */
  function need(first, last) {
    const wanted = new Set();
    for (let chunk = Math.floor(first / CHUNK); chunk * CHUNK < Math.max(last, 1); chunk += 1) wanted.add(chunk);
    for (const [chunk, controller] of requests) {
      if (chunk >= 0 && !wanted.has(chunk)) {
        controller.abort();
        requests.delete(chunk);
      }
    }
    for (const chunk of wanted) {
      if (requests.has(chunk) || (list.total !== null && isThere(chunk, first, last))) continue;
      const controller = new AbortController();
      requests.set(chunk, controller);
      ask(chunk * CHUNK, CHUNK, controller.signal).then(
        (answer) => {
          if (controller.signal.aborted) return;
          requests.delete(chunk);
          take(answer, chunk * CHUNK);
          onChange();
        },
        (error) => {
          if (controller.signal.aborted) return;
          requests.delete(chunk);
          list.error = error;
          onChange();
        },
      );
    }
  }

  /**
   * Gets the rows in view anew.
   * @param {number|null} anchor the row that must stay where it is seen; null: none, one is at the top
   */
  async function reload(first, last, anchor) {
    if (isReloading) {
      again = [first, last, anchor];
      return;
    }
    isReloading = true;
    const controller = new AbortController();
    requests.set(-1, controller);
    const anchorId = anchor === null ? null : list.rowAt(anchor)?.run_id;
    const known = new Set([...old.values(), ...rows.values()].map((row) => row.run_id));
    try {
      let offset = Math.max(0, first - AROUND);
      const limit = Math.min(1000, last - offset + AROUND);
      let answer = await ask(offset, limit, controller.signal);
      const grown = list.total === null ? 0 : answer.total - list.total;
      if (anchorId && grown > 0 && !answer.runs.some((row) => row.run_id === anchorId)) {
        offset = Math.max(0, offset + grown);
        answer = await ask(offset, limit, controller.signal);
      }
      if (controller.signal.aborted) return;
      const index = anchorId ? answer.runs.findIndex((row) => row.run_id === anchorId) : -1;
      list.shift = index < 0 ? 0 : offset + index - anchor;
      // What is on its way has been asked for at places that hold other rows by now.
      requests.forEach((request, chunk) => chunk >= 0 && request.abort());
      requests = new Map();
      const moved = index < 0 && grown > 0 && isWhole && list.indexed === list.of ? grown : list.shift;
      old = new Map([...old, ...rows].map(([place, row]) => [place + moved, row]));
      rows = new Map();
      take(answer, offset);
      list.version += 1;
      list.fresh = new Set(known.size ? answer.runs.filter((row) => !known.has(row.run_id)).map((row) => row.run_id) : []);
      onChange();
    } catch (error) {
      if (controller.signal.aborted) return;
      list.error = error;
      onChange();
    } finally {
      requests.delete(-1);
      isReloading = false;
      if (again && !controller.signal.aborted) {
        const next = again;
        again = null;
        reload(...next);
      }
    }
  }

  function close() {
    requests.forEach((request) => request.abort());
    requests = new Map();
  }

  return list;
}
