// Addresses: everything that one sees has one, after the #, so that a report opened from disk has them too.
import { html, useEffect, useState } from './html.js';
import { isAvailable } from './api.js';

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** `#/runs/RUN?decision=dec_3` → `{page: 'runs', id: 'RUN', params, address}`. An id may be empty: that of a goal. */
export function parseAddress(hash) {
  const address = hash.replace(/^#/, '') || (document.body.dataset.start ?? '#/runs').slice(1);
  const [path, query = ''] = address.split(/\?(.*)/s);
  const [page, id] = path.replace(/^\//, '').split('/').map(decoded);
  return { page: page || 'runs', id: id ?? null, params: new URLSearchParams(query), address };
}

export function useRoute() {
  const [route, setRoute] = useState(() => parseAddress(location.hash));
  useEffect(() => {
    const onChange = () => setRoute(parseAddress(location.hash));
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return route;
}

/** Goes to an address; `replace`: without a step to go back to. */
export function navigate(address, { replace = false } = {}) {
  // location.replace, and not the history API, which browsers refuse to pages from disk.
  if (replace) location.replace(address);
  else location.hash = address;
}

/** An address; parameters that are empty are left out. */
export function addressOf(page, id, params = {}) {
  const query = params instanceof URLSearchParams ? params : new URLSearchParams();
  if (!(params instanceof URLSearchParams)) {
    for (const [name, value] of Object.entries(params)) {
      for (const each of [value].flat()) if (each !== null && each !== undefined && each !== '') query.append(name, each);
    }
  }
  const tail = query.toString();
  return `#/${page}${id === null || id === undefined ? '' : `/${encodeURIComponent(id)}`}${tail ? `?${tail}` : ''}`;
}

export function runAddress(run, decision) {
  return addressOf('runs', run, { decision });
}

export function goalAddress(goal) {
  return addressOf('goals', goal);
}

/** The list of a goal's runs. */
export function goalRunsAddress(goal) {
  return addressOf('runs', null, new URLSearchParams({ goal }));
}

export function compareAddress(a, b) {
  return addressOf('compare', null, { a, b });
}

/**
 * A link within the page. `needs` is the document behind it: in a report that does not hold it,
 * there is plain text instead.
 */
export function Link({ to, needs, children, ...rest }) {
  if (needs && !isAvailable(needs)) return html`<span class=${rest.class} title=${rest.title}>${children}</span>`;
  return html`<a href=${to} ...${rest}>${children}</a>`;
}
