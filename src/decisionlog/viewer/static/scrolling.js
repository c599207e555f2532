// Long lists: only the rows in view are in the document.
import { useCallback, useEffect, useLayoutEffect, useState } from './html.js';

/** More than what is seen, so that a turn of the wheel shows rows and not gaps. */
const OVERSCAN = 12;

/** The element that the page scrolls in. */
export function scroller() {
  return document.getElementById('content');
}

/** Whether a media query holds. */
export function useMedia(query) {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const onChange = () => setMatches(list.matches);
    onChange();
    list.addEventListener('change', onChange);
    return () => list.removeEventListener('change', onChange);
  }, [query]);
  return matches;
}

export function useIsNarrow() {
  return useMedia('(max-width: 720px)');
}

/**
 * Which of `count` rows of equal height are in view. The rows lie in an element of height `count *
 * rowHeight`, somewhere within the scroller.
 * @param {{current: HTMLElement}} body the element that holds the rows
 * @returns {{first: number, last: number, scrollTo: function(number, object=): void}} `last` is not included
 */
export function useWindow(body, count, rowHeight) {
  const [range, setRange] = useState({ first: 0, last: Math.min(count, 60) });
  const measure = useCallback(() => {
    const box = scroller();
    if (!box || !body.current) return;
    const above = box.getBoundingClientRect().top - body.current.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / rowHeight) - OVERSCAN);
    const last = Math.min(count, Math.ceil((above + box.clientHeight) / rowHeight) + OVERSCAN);
    const bounded = { first: Math.min(first, count), last: Math.max(last, Math.min(first, count)) };
    setRange((old) => (old.first === bounded.first && old.last === bounded.last ? old : bounded));
  }, [count, rowHeight]);
  useLayoutEffect(measure);
  useEffect(() => {
    const box = scroller();
    const resize = new ResizeObserver(measure);
    resize.observe(box);
    if (box.firstElementChild) resize.observe(box.firstElementChild);
    box.addEventListener('scroll', measure, { passive: true });
    return () => {
      resize.disconnect();
      box.removeEventListener('scroll', measure);
    };
  }, [measure]);
  const scrollTo = useCallback((index, { centre = false, headroom = 0 } = {}) => {
    const box = scroller();
    if (!box || !body.current) return;
    const view = box.getBoundingClientRect();
    const top = body.current.getBoundingClientRect().top - view.top + box.scrollTop + index * rowHeight;
    if (centre) box.scrollTop = top - (box.clientHeight - rowHeight) / 2;
    else if (top < box.scrollTop + headroom) box.scrollTop = top - headroom;
    else if (top + rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + rowHeight - box.clientHeight;
    measure();
  }, [rowHeight, measure]);
  return { first: Math.min(range.first, count), last: Math.min(range.last, count), scrollTo };
}

/** The current time, which moves on every `period` ms; null: it stands still. */
export function useNow(period) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!period) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), period);
    return () => clearInterval(timer);
  }, [period]);
  return now;
}
