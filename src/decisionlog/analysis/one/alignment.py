"""Two sequences aligned, so that what was put in or left out of one does not shift the rest.

The best alignment by score (Needleman and Wunsch) is sought where the sequences differ, as long as
they are short enough for it. Longer ones are first pinned down by the longest common subsequence of
their levels, exact ones before coarser ones, which takes a machine word for 64 cells: so two runs
of 50,000 decisions take seconds, whatever is in them. `difflib` would be shorter to write; it takes
the longest block first, though, and then lives with what is left beside it: retries, which repeat
themselves, come out misaligned.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from math import isqrt
from typing import Generic, TypeVar

T = TypeVar("T", bound=tuple[str, ...])

Pair = tuple[int, int]
_CELLS = 250_000
"""How large a table of scores may be: about half a second's worth."""
_ALL_CELLS = 1_000_000
_BITS = 10**10
"""How large a table of bits may be: some seconds' worth."""


def align(
    a: Sequence[T],
    b: Sequence[T],
    score: Callable[[T, T], float],
    levels: Sequence[Callable[[T], Hashable]],
) -> list[Pair]:
    """Which elements of `a` and `b` belong together: pairs of positions, both rising.

    Args:
        a: Elements; equal ones always fit each other best.
        b: The others.
        score: How well two fit; those with 0 or less never become a pair.
        levels: What two elements have in common that fit well, the closest fit first.
    """
    # From both sides the same: whichever comes first in this order is the one called `a`.
    if (len(a), list(a)) > (len(b), list(b)):
        return [(i, j) for j, i in align(b, a, score, levels)]
    aligner = _Aligner(a, b, score, levels)
    return sorted(aligner.between(range(len(a)), range(len(b)), 0))


class _Aligner(Generic[T]):
    def __init__(
        self,
        a: Sequence[T],
        b: Sequence[T],
        score: Callable[[T, T], float],
        levels: Sequence[Callable[[T], Hashable]],
    ) -> None:
        self._levels = levels
        self._cells_left = _ALL_CELLS
        self._a, self._b = a, b
        self._score = score

    def between(self, rows: range, columns: range, level: int) -> Iterator[Pair]:
        """Align a part of each."""
        # A stack and not recursion: there may be as many gaps as there are elements.
        stack = [(rows, columns, level)]
        while stack:
            rows, columns, level = stack.pop()
            ends, rows, columns = self._trimmed(rows, columns)
            yield from ends
            cells = len(rows) * len(columns)
            if not cells:
                continue
            if cells <= min(_CELLS, self._cells_left):
                self._cells_left -= cells
                yield from self._best(rows, columns)
            elif cells > _BITS:
                stack += _halves(rows, columns, level)
            elif level < len(self._levels):
                pairs = self._common(rows, columns, self._levels[level])
                yield from pairs
                stack += _gaps(rows, columns, pairs, level + 1)

    def _trimmed(self, rows: range, columns: range) -> tuple[list[Pair], range, range]:
        """The pairs at both ends that are equal, and what is left between."""
        shorter = min(len(rows), len(columns))
        head = 0
        while head < shorter and self._a[rows[head]] == self._b[columns[head]]:
            head += 1
        tail = 0
        while tail < shorter - head and self._a[rows[-1 - tail]] == self._b[columns[-1 - tail]]:
            tail += 1
        pairs = [(rows[i], columns[i]) for i in range(head)]
        pairs += [(rows[-1 - i], columns[-1 - i]) for i in range(tail)]
        return pairs, rows[head : len(rows) - tail], columns[head : len(columns) - tail]

    def _best(self, rows: range, columns: range) -> Iterator[Pair]:
        """The pairs of the alignment with the highest score."""
        known: dict[object, list[float]] = {}
        best = [0.0] * (len(columns) + 1)
        ways: list[bytearray] = []
        for i in rows:
            one = self._a[i]
            fits = known.get(one)
            if fits is None:
                fits = known[one] = [self._score(one, self._b[j]) for j in columns]
            way = bytearray(len(columns))
            row = [0.0]
            left = 0.0
            for j, fit in enumerate(fits):
                above = best[j + 1]
                if fit > 0 and (both := best[j] + fit) > above and both > left:
                    way[j] = 1
                    left = both
                elif above >= left:
                    way[j] = 2
                    left = above
                row.append(left)
            best = row
            ways.append(way)
        i, j = len(rows), len(columns)
        while i and j:
            way_here = ways[i - 1][j - 1]
            if way_here == 1:
                yield rows[i - 1], columns[j - 1]
            i -= way_here > 0
            j -= way_here < 2

    def _common(self, rows: range, columns: range, level: Callable[[T], Hashable]) -> list[Pair]:
        """The longest common subsequence of the keys."""
        keys: dict[object, int] = {}
        left = [keys.setdefault(level(self._a[i]), len(keys)) for i in rows]
        right = [keys.setdefault(level(self._b[j]), len(keys)) for j in columns]
        return [(rows[i], columns[j]) for i, j in common_subsequence(left, right)]


def _halves(rows: range, columns: range, level: int) -> Iterator[tuple[range, range, int]]:
    middle, across = len(rows) // 2, len(columns) // 2
    yield rows[:middle], columns[:across], level
    yield rows[middle:], columns[across:], level


def _gaps(
    rows: range, columns: range, pairs: list[Pair], level: int
) -> Iterator[tuple[range, range, int]]:
    i, j = rows.start, columns.start
    for row, column in (*pairs, (rows.stop, columns.stop)):
        if row > i and column > j:
            yield range(i, row), range(j, column), level
        i, j = row + 1, column + 1


def common_subsequence(a: Sequence[int], b: Sequence[int]) -> list[Pair]:
    """A longest common subsequence, as pairs of positions.

    A row of the table is an integer with a bit for each element of `b` (Hyyrö, "Bit-parallel
    LCS-length computation revisited"); every so many rows one is kept, and the others are made
    again when they are walked back through, so memory grows with the square root.

    >>> common_subsequence([1, 2, 3, 4], [2, 9, 4])
    [(1, 0), (3, 2)]
    """
    places: dict[int, int] = {}
    for j, key in enumerate(b):
        places[key] = places.get(key, 0) | 1 << j
    full = (1 << len(b)) - 1

    def rows(row: int, keys: Sequence[int]) -> Iterator[int]:
        for key in keys:
            yield row
            found = row & places.get(key, 0)
            row = ((row + found) | (row - found)) & full
        yield row

    step = isqrt(len(a)) + 1
    kept = [row for i, row in enumerate(rows(full, a)) if not i % step]
    pairs: list[Pair] = []
    j = len(b) - 1
    for block in range((len(a) - 1) // step, -1, -1):
        first = block * step
        keys = a[first : first + step]
        here = list(rows(kept[block], keys))
        for i in range(len(keys) - 1, -1, -1):
            # A bit is unset where its column adds to the length: by the row that matches it.
            while j >= 0 and here[i + 1] >> j & 1:
                j -= 1
            if j < 0:
                break
            if here[i] >> j & 1:
                pairs.append((first + i, j))
                j -= 1
    pairs.reverse()
    return pairs
