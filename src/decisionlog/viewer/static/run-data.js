// A run as the page holds it: read once, then kept up to date with what changed.
import { useEffect, useRef, useState } from './html.js';
import { get, runPath } from './api.js';
import { useDocument } from './documents.js';
import { useEvents } from './live.js';

/** How often, at most, the explanation of a run in progress is asked for again. */
const EXPLAIN_EVERY_MS = 2000;

/**
 * @returns {{run, decisions, problems, seq, error, retry, isLive}} `decisions` in the order in which they were made; `run` null while it comes
 */
export function useRun(id) {
  const first = useDocument(runPath(id));
  const [grown, setGrown] = useState(null);
  const state = grown && grown.of === first.data ? grown.now : first.data;
  const latest = useRef(null);
  latest.current = { first: first.data, state };
  const busy = useRef({ isAsking: false, again: false });

  const catchUp = async () => {
    if (busy.current.isAsking) {
      busy.current.again = true;
      return;
    }
    const { first: of, state: known } = latest.current;
    if (!known) return;
    busy.current.isAsking = true;
    try {
      const news = await get(`${runPath(id)}?after=${known.seq}`);
      if (latest.current.first === of) setGrown({ of, now: merged(known, news) });
    } catch {
      // The next event, or the stream's reopening, asks again.
    } finally {
      busy.current.isAsking = false;
      if (busy.current.again) {
        busy.current.again = false;
        setTimeout(catchUp);
      }
    }
  };

  const isRunning = state?.run.status === 'running';
  const isOpen = useEvents(isRunning ? runPath(id, 'events') : null, { onOpen: catchUp, changed: catchUp, ended: catchUp });
  return { ...(state ?? { run: null, decisions: [], problems: [], seq: 0 }), error: first.error, retry: first.retry, isLive: isRunning && isOpen };
}

/** What was known with what changed since; rows that did not change stay the same objects. */
function merged(known, news) {
  return {
    run: news.run,
    decisions: withChanges(known.decisions, news.decisions),
    problems: withChanges(known.problems, news.problems),
    seq: Math.max(known.seq, news.seq),
  };
}

function withChanges(old, changed) {
  if (!changed.length) return old;
  const at = new Map(old.map((each, i) => [each.id, i]));
  const all = [...old];
  for (const each of changed) {
    if (at.has(each.id)) all[at.get(each.id)] = each;
    else {
      at.set(each.id, all.length);
      all.push(each);
    }
  }
  return all;
}

/** Why the run failed; asked for again, now and then, while there is more to explain. */
export function useExplanation(id, { run, decisions, problems }) {
  const state = useDocument(run ? runPath(id, 'explanation') : null, { keep: true });
  const failures = decisions.reduce((n, row) => n + (row.state === 'failure'), 0);
  const mark = run ? `${run.status} ${failures} ${problems.length}` : null;
  const asked = useRef(null);
  useEffect(() => {
    if (!mark) return undefined;
    if (asked.current === null) asked.current = mark;
    if (asked.current === mark) return undefined;
    const timer = setTimeout(() => {
      asked.current = mark;
      state.refresh();
    }, run.status === 'running' ? EXPLAIN_EVERY_MS : 0);
    return () => clearTimeout(timer);
  }, [mark]);
  return state;
}
