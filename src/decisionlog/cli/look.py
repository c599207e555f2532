"""How things look, each in one place: the marks of states, bars, hanging lines and columns.

A state has a mark besides its colour, so that it can be told without colours as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.text import Text

from decisionlog import Decision, RunStatus
from decisionlog.cli.output import Screen

GOOD, BAD, ODD, LIVE, QUIET, STRONG = "green", "red", "yellow", "cyan", "dim", "bold"
GAP = "  "
_NARROWEST = 24


class Mark(NamedTuple):
    """A state: one character, and a colour."""

    sign: str
    style: str

    @property
    def text(self) -> Text:
        return Text(self.sign, self.style)


SUCCESS, FAILURE = Mark("✓", GOOD), Mark("✗", BAD)
CANCELLED, PENDING, NOTE = Mark("⊘", "magenta"), Mark("…", ODD), Mark("!", ODD)
CHOSEN, OTHER = Mark("●", LIVE), Mark("○", QUIET)

STATUS = {
    RunStatus.RUNNING: Mark("►", LIVE),
    RunStatus.COMPLETED: SUCCESS,
    RunStatus.FAILED: FAILURE,
    RunStatus.STUCK: Mark("◆", BAD),
    RunStatus.CANCELLED: CANCELLED,
    RunStatus.INTERRUPTED: NOTE,
}
SEVERITY = {"critical": FAILURE, "warning": NOTE}
OUTCOME = {"success": SUCCESS, "failure": FAILURE, "cancelled": CANCELLED, "pending": PENDING}
"""By the words that the analysis has for it."""


def mark(decision: Decision) -> Mark:
    """What came of a decision."""
    if decision.outcome is None:
        return PENDING
    if decision.outcome.success:
        return SUCCESS
    return CANCELLED if decision.outcome.cancelled else FAILURE


def has_failed(decision: Decision) -> bool:
    """It has an outcome, which is neither a success nor the end of somebody's patience."""
    return mark(decision) is FAILURE


def bar(share: float, width: int = 8) -> str:
    """A share from 0 to 1.

    >>> bar(0.75)
    '██████░░'
    """
    full = round(min(1.0, max(0.0, share)) * width)
    return "█" * full + "░" * (width - full)


def hang(
    screen: Screen, first: Text, rest: Text, body: Text, *, lines: int | None = None
) -> Iterator[Text]:
    """A text as lines that fit: `first` before the first of them, `rest` before the others.

    `lines` is how many there may be at most; a pipe gets them all, as they are.
    """
    width = max(_NARROWEST, screen.width - max(first.cell_len, rest.cell_len))
    if screen.piped:
        parts = list(body.split("\n", allow_blank=True))
    elif lines == 1:
        parts = [cut(body, width)]
    else:
        if lines is not None:
            body = body[: 4 * width * lines]  # breaking up a megabyte takes its time
        parts = list(body.wrap(screen.console, width, overflow="fold"))
        if lines is not None and len(parts) > lines:
            parts = parts[:lines]
            parts[-1].truncate(width - 1)
            parts[-1].rstrip()
            parts[-1].append("…")
    for at, part in enumerate(parts):
        part.rstrip()
        yield Text.assemble(rest if at else first, part)


def across(screen: Screen, left: Text, right: Text) -> Text | None:
    """Two texts at both ends of one line; None when they don't fit on one."""
    room = screen.width - left.cell_len - right.cell_len
    if screen.piped:
        return Text.assemble(left, GAP, right)
    return Text.assemble(left, " " * room, right) if room >= len(GAP) else None


def decided(intent: Text, chosen: Text, room: int) -> Text:
    """An intent and what was chosen; it is the intent that is cut when both don't fit."""
    if not chosen:
        return cut(intent, room)
    left = room - len(" → ") - chosen.cell_len
    return Text.assemble(cut(intent, max(left, room // 3)), (" → ", QUIET), chosen)


def fitting(lines: Iterable[Text], screen: Screen) -> Iterator[Text]:
    """The lines, none of them longer than the screen is wide."""
    for line in lines:
        yield line if screen.piped else cut(line, screen.width)


class Column(NamedTuple):
    """A column of a table: its title, and a cell for each row."""

    title: str
    cells: Sequence[Text]
    right: bool = False


def columns(table: Sequence[Column]) -> Iterator[Text]:
    """A line with the titles, then one for each row."""
    titles = [Text(column.title, STRONG) for column in table]
    rows = zip(*(column.cells for column in table), strict=True)
    widths = [_width(column) for column in table]
    for row in (titles, *rows):
        line = Text()
        for cell, width, column in zip(row, widths, table, strict=True):
            room = " " * (width - cell.cell_len)
            line.append(GAP if line else "")
            line.append_text(Text.assemble(room, cell) if column.right else cell)
            line.append("" if column.right else room)
        line.rstrip()
        yield line


def width_of(table: Sequence[Column]) -> int:
    """How much room the columns take."""
    return sum(_width(column) + len(GAP) for column in table) - len(GAP)


def _width(column: Column) -> int:
    return max(Text(column.title).cell_len, *(cell.cell_len for cell in column.cells), 0)


def cut(text: Text, width: int) -> Text:
    """The text, or its beginning and an ellipsis."""
    if text.cell_len > width:
        text.truncate(width, overflow="ellipsis")
    return text
