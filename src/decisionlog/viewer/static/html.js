// The one place that knows the vendored globals.

export const { h, render, Fragment } = preact;
export const { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useReducer } = preactHooks;

/** Markup as a tagged template. What is put in becomes text or an attribute, never markup. */
export const html = htm.bind(h);

/**
 * A component that is drawn anew only when one of these properties is another one than before. The
 * others, handlers, must do the same whichever drawing they come from.
 * @param {string[]} names
 */
export function memo(component, names) {
  return function Memo(props) {
    this.shouldComponentUpdate = (next) => names.some((name) => next[name] !== this.props[name]);
    return h(component, props);
  };
}

/** Class names, those that are falsy left out. */
export function classes(...names) {
  return names.filter(Boolean).join(' ');
}
