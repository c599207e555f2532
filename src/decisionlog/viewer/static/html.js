// The one place that knows the vendored globals.

export const { h, render, Fragment } = preact;
export const { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useReducer } = preactHooks;

/** Markup as a tagged template. What is put in becomes text or an attribute, never markup. */
export const html = htm.bind(h);

/** Class names, those that are falsy left out. */
export function classes(...names) {
  return names.filter(Boolean).join(' ');
}
