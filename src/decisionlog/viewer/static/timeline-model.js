// The decisions of a run as rows of a timeline: nested, folded, filtered, on an axis of time. Pure functions.

/**
 * The rows in the order of an outline, each followed by those made inside it.
 * @returns {{row: object, depth: number, size: number, end: number}[]} `size`: how many are inside; `end`: index behind the last of them
 */
export function outlineOf(decisions) {
  const ids = new Set(decisions.map((row) => row.id));
  const inside = new Map();
  const roots = [];
  for (const row of decisions) {
    if (row.parent_id && row.parent_id !== row.id && ids.has(row.parent_id)) {
      if (!inside.has(row.parent_id)) inside.set(row.parent_id, []);
      inside.get(row.parent_id).push(row);
    } else roots.push(row);
  }
  const outline = [];
  const seen = new Set();
  // With a stack of our own: decisions may be nested deeper than calls can be.
  const visit = (root) => {
    const stack = [{ row: root, depth: 0 }];
    while (stack.length) {
      const top = stack.pop();
      if (top.closes !== undefined) {
        const entry = outline[top.closes];
        entry.end = outline.length;
        entry.size = entry.end - top.closes - 1;
        continue;
      }
      if (seen.has(top.row.id)) continue;
      seen.add(top.row.id);
      outline.push({ row: top.row, depth: top.depth, size: 0, end: outline.length + 1 });
      const children = inside.get(top.row.id);
      if (!children) continue;
      stack.push({ closes: outline.length - 1 });
      for (let i = children.length - 1; i >= 0; i -= 1) stack.push({ row: children[i], depth: top.depth + 1 });
    }
  };
  roots.forEach(visit);
  // Those in a circle of parents, which no sound writer makes.
  if (seen.size < decisions.length) decisions.forEach((row) => seen.has(row.id) || visit(row));
  return outline;
}

function fits(row, { failedOnly, node, words }) {
  if (failedOnly && row.state !== 'failure' && !row.problems) return false;
  if (node && row.node_id !== node) return false;
  if (!words.length) return true;
  const text = `${row.id}\n${row.intent}\n${row.node_id}\n${row.chosen_option_id ?? ''}\n${row.chosen ?? ''}\n${row.error ?? ''}\n${row.summary ?? ''}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/**
 * The rows to show. Under a filter, those in which a fitting one lies are kept, marked as context.
 * @param {Set<string>} folded ids of decisions whose inside is hidden
 */
export function visibleRows(outline, folded, { failedOnly = false, node = '', text = '' } = {}) {
  const filter = { failedOnly, node, words: text.toLowerCase().split(/\s+/).filter(Boolean) };
  const isFiltered = failedOnly || node !== '' || filter.words.length > 0;
  const rows = [];
  let matches = 0;
  if (!isFiltered) {
    for (let i = 0; i < outline.length;) {
      const entry = outline[i];
      const isFolded = entry.size > 0 && folded.has(entry.row.id);
      rows.push({ ...entry, isFolded, isContext: false });
      i = isFolded ? entry.end : i + 1;
    }
    return { rows, matches: outline.length };
  }
  const around = [];
  for (let i = 0; i < outline.length; i += 1) {
    while (around.length && around.at(-1).end <= i) around.pop();
    const entry = outline[i];
    if (fits(entry.row, filter)) {
      matches += 1;
      for (const each of around) {
        if (each.isShown) continue;
        each.isShown = true;
        rows.push({ ...each.entry, isFolded: false, isContext: true });
      }
      rows.push({ ...entry, isFolded: false, isContext: false });
      if (entry.size) around.push({ end: entry.end, entry, isShown: true });
    } else if (entry.size) around.push({ end: entry.end, entry, isShown: false });
  }
  return { rows, matches };
}

/** How long the axis is, in ms: to the run's end, or to the last thing known. */
export function lengthOf(decisions, durationMs, elapsedMs) {
  let end = Math.max(durationMs ?? 0, elapsedMs ?? 0);
  for (const row of decisions) end = Math.max(end, (row.start_ms ?? 0) + (row.latency_ms ?? 0));
  return end || 1;
}

/** Round times within a span, a handful of them. */
export function ticksOf(from, to, wanted) {
  const span = to - from;
  const rough = span / Math.max(1, wanted);
  const units = rough >= 60_000 ? [60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000] : null;
  let step = units?.find((unit) => unit >= rough);
  if (!step) {
    const power = 10 ** Math.floor(Math.log10(rough));
    step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999);
  }
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to + step / 1e6 && ticks.length < 50; at += step) ticks.push(at);
  return ticks;
}

/** Where the next failure lies, from an index, in a direction; -1: nowhere. */
export function nextFailure(rows, from, step) {
  for (let i = from + step; i >= 0 && i < rows.length; i += step) if (rows[i].row.state === 'failure') return i;
  return -1;
}

/** The decisions around one, to be unfolded so that it is seen. */
export function parentsOf(outline, id) {
  const around = [];
  for (let i = 0; i < outline.length; i += 1) {
    while (around.length && around.at(-1).end <= i) around.pop();
    if (outline[i].row.id === id) return around.map((entry) => entry.row.id);
    if (outline[i].size) around.push(outline[i]);
  }
  return [];
}

/**
 * How busy the run was over its time: for each of `bins` equal parts, how many decisions ran at most
 * at once (only those with none inside, so that nothing counts twice), and how many failed.
 */
export function activityOf(outline, length, bins) {
  const edges = new Float64Array(bins + 1);
  const failed = new Float64Array(bins);
  const binOf = (ms) => Math.max(0, Math.min(bins - 1, Math.floor((ms / length) * bins)));
  for (const { row, size } of outline) {
    const start = row.start_ms ?? 0;
    const end = start + (row.latency_ms ?? 0);
    if (row.state === 'failure') failed[binOf(end)] += 1;
    if (size > 0) continue;
    edges[binOf(start)] += 1;
    edges[binOf(end) + 1] -= 1;
  }
  const active = [];
  for (let i = 0, now = 0; i < bins; i += 1) {
    now += edges[i];
    active.push(now);
  }
  return { active, failed: Array.from(failed) };
}
