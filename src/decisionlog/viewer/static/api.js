// Where documents come from: the server, or, in a report, the page itself.

export const isReport = document.body.dataset.mode === 'report';

const embedded = isReport ? JSON.parse(document.getElementById('documents').textContent) : {};

/** What the API answers with instead of a document. `type` is the name of the error in Python. */
export class ApiError extends Error {
  constructor(status, type, message) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

/** Whether `get(path)` can succeed: in a report, only for what is embedded. */
export function isAvailable(path) {
  return !isReport || Object.hasOwn(embedded, path);
}

/**
 * The document at a path of the API.
 * @param {string} path such as "/api/runs/run_1"
 * @param {AbortSignal} [signal]
 * @throws {ApiError}
 */
export async function get(path, signal) {
  if (isReport) {
    if (!isAvailable(path)) throw new ApiError(404, 'NotInReport', 'This report does not hold it.');
    return embedded[path];
  }
  let response;
  try {
    response = await fetch(path, { signal, headers: { Accept: 'application/json' } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'NotReachable', 'The viewer does not answer. Is `decisionlog view` still running?');
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  if (response.status === 401) {
    throw new ApiError(401, 'NotAllowed', 'This page is no longer let in. Open the address that `decisionlog view` printed.');
  }
  const { type = 'Error', message = `The viewer answered with status ${response.status}.` } = body?.error ?? {};
  throw new ApiError(response.status, type, message);
}

/** The path of a run, or of something that belongs to it. */
export function runPath(run, ...rest) {
  return ['/api/runs', run, ...rest.map(encodeURIComponent)].map((part, i) => (i === 1 ? encodeURIComponent(part) : part)).join('/');
}

export function decisionPath(run, decision) {
  return runPath(run, 'decisions', decision);
}

export function goalPath(goal) {
  return `/api/goal?id=${encodeURIComponent(goal)}`;
}

export function goalRunsPath(goal) {
  return `/api/runs?goal=${encodeURIComponent(goal)}&limit=100`;
}
