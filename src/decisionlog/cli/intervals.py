"""Rates with their intervals, and all else that answers of many runs have, as columns.

A bar goes from 0 to 100 %; the interval lies on it, with the rate as a dot: `··├──●─┤···`. Colour
says only what the interval says: green where all of it is above what it is compared with, red
where all of it is below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from rich.text import Text

from decisionlog.cli.look import BAD, GAP, GOOD, QUIET, STRONG, Column, columns, cut, width_of
from decisionlog.cli.output import Screen
from decisionlog.cli.select import handle
from decisionlog.cli.text import number, one_line

if TYPE_CHECKING:
    from decisionlog.analysis.many.places import Example
    from decisionlog.analysis.many.stats import Rate
    from decisionlog.analysis.proportion import Interval

WIDTH = 11
"""Of a bar: with an odd number, a half has a cell of its own."""
_HALF = 0.5
ROWS = 10
"""How many of a kind are shown, where they are a part of the answer only."""
_TEXT = 24
"""Room that a long text is given at the least, rather than another column."""


def bar(rate: float, interval: Interval, style: str = "", *, said: float | None = None) -> Text:
    """The interval on its way from 0 to 100 %; `said` is where it was expected, if it was."""
    cells, styles = ["·"] * WIDTH, [QUIET] * WIDTH
    low, middle, high = map(_cell, (interval.low, rate, interval.high))
    for place in range(low, high + 1):
        cells[place], styles[place] = "─", style
    if low < middle:
        cells[low] = "├"
    if middle < high:
        cells[high] = "┤"
    if said is not None:
        cells[_cell(said)], styles[_cell(said)] = "○", STRONG
    cells[middle], styles[middle] = "●", style
    drawn = zip(cells, styles, strict=True)
    parts = [
        (style, "".join(cell for cell, _ in run)) for style, run in groupby(drawn, itemgetter(1))
    ]
    return Text.assemble(*((text, style) for style, text in parts))


def _cell(share: float) -> int:
    return min(WIDTH - 1, max(0, int(share * WIDTH)))


def judged(interval: Interval | None, against: float | None = None) -> str:
    """The colour of an interval, compared with a rate, or else with a half."""
    limit = _HALF if against is None else against
    if interval is None:
        return QUIET
    return GOOD if interval.low > limit else BAD if interval.high < limit else ""


def share(rate: float | None) -> str:
    """A rate in whole percents; 0 and 100 only when it is none or all.

    >>> [share(rate) for rate in (0.0, 0.001, 0.585, 0.999, 1.0)]
    ['0 %', '1 %', '58 %', '99 %', '100 %']
    """
    if rate is None:
        return ""
    whole = round(100 * rate)
    return f"{whole if rate in (0, 1) else min(99, max(1, whole))} %"


def rates(
    title: str, each: Sequence[Rate], style: Callable[[Rate], str] | None = None
) -> list[Column]:
    """Three columns: bars, rates, and how many of how many."""
    bars: list[Text] = []
    shares: list[Text] = []
    counts: list[Text] = []
    for rate in each:
        colour = style(rate) if style else judged(rate.interval)
        if rate.rate is None or rate.interval is None:
            bars.append(Text("·" * WIDTH, QUIET))
            counts.append(Text())
        else:
            bars.append(bar(rate.rate, rate.interval, colour))
            counts.append(Text(f"{number(rate.succeeded)} of {number(rate.count)}", QUIET))
        shares.append(Text(share(rate.rate), colour))
    return [Column(title, bars), Column("", shares, True), Column("", counts, True)]


def names(title: str, texts: Sequence[str], screen: Screen) -> Column:
    """Short texts, which come first in a line."""
    room = max(16, screen.width // 3)
    return Column(title, [cut(Text(one_line(text)), room) for text in texts])


def table(screen: Screen, every: Sequence[Column], text: Column | None = None) -> Iterator[Text]:
    """The columns that say anything, the last of them only where there is room; then a text that
    takes the rest.
    """
    shown = [column for column in every if any(column.cells)]
    spare = len(GAP) + min(_TEXT, width_of([text])) if text else 0
    while len(shown) > 2 and width_of(shown) + spare > screen.width:
        shown.pop()
    for line in columns([*shown, text] if text else shown):
        yield cut(line, screen.width)


def more(every: Sequence[object]) -> Iterator[Text]:
    """What was left out of a part of an answer."""
    if len(every) > ROWS:
        yield Text(f"and {number(len(every) - ROWS)} more", QUIET)


def seen(examples: Sequence[Example]) -> Column:
    """Runs to look at, by their short names."""
    return Column("SEE", [Text(handle(example.run_id), QUIET) for example in examples])


def texts(title: str, texts: Sequence[str]) -> Column:
    """Long texts, which come last in a line."""
    return Column(title, [Text(one_line(text)) for text in texts])


def right(title: str, texts: Sequence[str]) -> Column:
    """Short texts and numbers, aligned to the right."""
    return Column(title, [Text(text) for text in texts], True)


def numbers(title: str, values: Sequence[int | None]) -> Column:
    """Numbers; nothing where there is none."""
    return right(title, ["" if value is None else number(value) for value in values])
