// Two runs as one list of places, and what is alike folded away. Pure functions.
import { outlineOf } from './timeline-model.js';

/** So many alike places stay in view around one that differs. */
const CONTEXT = 2;

/**
 * @returns {{a: object|null, b: object|null, kinds: string[], isDivergence: boolean, key: string}[]} in the order of the first run, those that only the second has put in where they came
 */
export function alignedPlaces(comparison, rowsA, rowsB) {
  const partner = new Map(comparison.aligned.map(([a, b]) => [a, b]));
  const known = new Map(rowsB.map((row) => [row.id, row]));
  const paired = new Set(comparison.aligned.map(([, b]) => b));
  const differences = new Map(comparison.differences.map((each) => [each.a.decision_id, each]));
  const divergence = comparison.divergence?.a.decision_id;
  const places = [];
  const at = new Map();
  for (const { row, depth } of outlineOf(rowsA)) {
    const b = known.get(partner.get(row.id)) ?? null;
    if (b) at.set(b.id, places.length);
    const kinds = b ? differences.get(row.id)?.kinds ?? [] : ['only in A'];
    places.push({ a: row, b, depth, kinds, isDivergence: row.id === divergence, key: row.id });
  }
  const inserted = new Map();
  let after = -1;
  for (const { row, depth } of outlineOf(rowsB)) {
    if (at.has(row.id)) after = at.get(row.id);
    else if (!paired.has(row.id)) {
      if (!inserted.has(after)) inserted.set(after, []);
      inserted.get(after).push({ a: null, b: row, depth, kinds: ['only in B'], isDivergence: false, key: `b ${row.id}` });
    }
  }
  const all = [...(inserted.get(-1) ?? [])];
  places.forEach((place, i) => all.push(place, ...(inserted.get(i) ?? [])));
  return all;
}

/**
 * The list with long stretches of what is alike folded to one item each.
 * @param {Set<string>} opened keys of stretches that were unfolded
 */
export function foldAlike(places, opened) {
  const items = [];
  for (let i = 0; i < places.length;) {
    if (places[i].kinds.length) {
      items.push({ place: places[i], key: places[i].key });
      i += 1;
      continue;
    }
    let end = i;
    while (end < places.length && !places[end].kinds.length) end += 1;
    const from = i === 0 ? i : i + CONTEXT;
    const to = end === places.length ? end : end - CONTEXT;
    const key = `fold ${places[i].key}`;
    const isFolded = to - from > 2 && !opened.has(key);
    for (let k = i; k < end; k += 1) {
      if (isFolded && k === from) {
        items.push({ folded: to - from, key });
        k = to - 1;
      } else items.push({ place: places[k], key: places[k].key });
    }
    i = end;
  }
  return items;
}
