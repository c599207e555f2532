// Documents of the API as state of a component.
import { useCallback, useEffect, useState } from './html.js';
import { get } from './api.js';

/**
 * A document, fetched when the path changes. While a new one comes, `data` is null; with `keep`, it
 * stays the old one, so that paging through things does not flash.
 * @param {string|null} path null: none is wanted
 */
export function useDocument(path, { keep = false } = {}) {
  const [state, setState] = useState({ path: null, data: null, error: null });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (!path) return undefined;
    const controller = new AbortController();
    get(path, controller.signal).then(
      (data) => !controller.signal.aborted && setState({ path, data, error: null }),
      (error) => !controller.signal.aborted && setState({ path, data: null, error }),
    );
    return () => controller.abort();
  }, [path, attempt]);
  const retry = useCallback(() => {
    setState((old) => ({ ...old, error: null }));
    setAttempt((n) => n + 1);
  }, []);
  const refresh = useCallback(() => setAttempt((n) => n + 1), []);
  const isCurrent = state.path === path;
  const data = isCurrent || keep ? state.data : null;
  const error = isCurrent ? state.error : null;
  return { data, error, isLoading: Boolean(path) && !error && !(isCurrent && data), retry, refresh };
}

/** A value that the page takes over only once it has not changed for a moment. */
export function useSettled(value, delay) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delay);
    return () => clearTimeout(timer);
  }, [value, delay]);
  return settled;
}
