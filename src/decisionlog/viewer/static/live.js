// What the server says by itself.
import { useEffect, useRef, useState } from './html.js';
import { isReport } from './api.js';

/** After a refusal the stream is tried again, less and less often. */
const RETRY_MS = 2000;
const LONGEST_RETRY_MS = 60_000;

/**
 * Listens to a stream of events while the tab is visible. (A browser allows six connections to a
 * host, so hidden tabs must not hold any.) On coming back, `onOpen` tells to catch up.
 * @param {string|null} path null: nothing to listen to
 * @param {Object<string, function(object): void>} handlers by name of the event
 * @returns {boolean} whether the stream is open
 */
export function useEvents(path, handlers) {
  const [isOpen, setOpen] = useState(false);
  const latest = useRef(handlers);
  latest.current = handlers;
  useEffect(() => {
    if (!path || isReport) return undefined;
    let source = null;
    let timer = null;
    let wait = RETRY_MS;
    let ended = false;
    const close = () => {
      clearTimeout(timer);
      source?.close();
      source = null;
      setOpen(false);
    };
    const open = () => {
      if (source || ended || document.hidden) return;
      source = new EventSource(path);
      source.onopen = () => {
        wait = RETRY_MS;
        setOpen(true);
        latest.current.onOpen?.();
      };
      source.onerror = () => {
        setOpen(false);
        if (source?.readyState === EventSource.CLOSED) {
          close();
          timer = setTimeout(open, wait);
          wait = Math.min(2 * wait, LONGEST_RETRY_MS);
        }
      };
      for (const name of ['runs', 'changed', 'ended']) {
        source.addEventListener(name, (event) => {
          if (name === 'ended') {
            ended = true;
            close();
          }
          latest.current[name]?.(JSON.parse(event.data || '{}'));
        });
      }
    };
    const onVisibility = () => (document.hidden ? close() : open());
    document.addEventListener('visibilitychange', onVisibility);
    open();
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      close();
    };
  }, [path]);
  return isOpen;
}
