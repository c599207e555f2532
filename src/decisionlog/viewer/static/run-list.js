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
  const list = {
    total: null, indexed: 0, of: 0, statuses: {}, error: null,
    /** How far the rows moved since they were last shown, and ids that were not there before. */
    shift: 0, fresh: new Set(),
    rowAt: (index) => rows.get(index),
    need, reload, close,
  };
  let rows = new Map();
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

  /** Sees to it that these rows come; requests for rows that are out of view by now are given up. */
  function need(first, last) {
    const wanted = new Set();
    for (let chunk = Math.floor(first / CHUNK); chunk * CHUNK < Math.max(last, 1); chunk += 1) wanted.add(chunk);
    for (const [chunk, controller] of requests) {
      if (!wanted.has(chunk)) {
        controller.abort();
        requests.delete(chunk);
      }
    }
    for (const chunk of wanted) {
      const from = Math.max(chunk * CHUNK, first);
      const to = Math.min((chunk + 1) * CHUNK, Math.max(last, 1), list.total ?? Infinity);
      let isThere = true;
      for (let i = from; i < to && isThere; i += 1) isThere = rows.has(i);
      if (isThere && list.total !== null) continue;
      if (requests.has(chunk)) continue;
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
    requests.forEach((request) => request.abort());
    requests = new Map([[-1, controller]]);
    const anchorId = anchor === null ? null : rows.get(anchor)?.run_id;
    const known = new Set([...rows.values()].map((row) => row.run_id));
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
      rows = new Map();
      take(answer, offset);
      list.shift = index < 0 ? 0 : offset + index - anchor;
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
