"""A run while it goes on: each record as a line, as soon as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from decisionlog import Decision, Outcome, Problem
from decisionlog.cli.decision import choice
from decisionlog.cli.look import (
    BAD,
    CANCELLED,
    FAILURE,
    GAP,
    LIVE,
    NOTE,
    OTHER,
    QUIET,
    SEVERITY,
    STATUS,
    STRONG,
    SUCCESS,
    Mark,
    cut,
    hang,
)
from decisionlog.cli.output import Screen
from decisionlog.cli.text import data, duration, local, one_line, safe, zone
from decisionlog.records import AnyRecord, Choice, Gap, RunEnded, RunStarted
from decisionlog.wording import counted

_STEP = "  "
_DEEPEST = 8
_OTHER_RECORD = Mark("·", QUIET)


class Ticker:
    """Tells what each record says, and remembers what the later ones are about."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._depths: dict[str, int] = {}
        self._intents: dict[str, str] = {}
        self.has_ended = False

    def lines(self, record: AnyRecord) -> Iterator[Text]:
        """A record in a line; the run's end with what came of it."""
        match record:
            case RunStarted():
                head = Text.assemble((one_line(record.goal_id), STRONG))
                if record.goal_description:
                    head.append(f"{GAP}{one_line(record.goal_description)}")
                yield Text(f"{record.run_id}, times in {zone(record.timestamp)}", QUIET)
                yield self._line(record.timestamp, Mark("►", LIVE), head)
            case Decision():
                depth = 0
                if record.parent_id is not None:
                    depth = self._depths.get(record.parent_id, -1) + 1
                self._depths[record.id] = depth
                self._intents[record.id] = record.intent
                what = choice(record)
                if record.reasoning:
                    what.append(f"{GAP}{one_line(record.reasoning)}", QUIET)
                yield self._line(record.timestamp, OTHER, what, record.id)
            case Choice():
                what = Text.assemble("→ ", (one_line(record.chosen_option_id), LIVE))
                what.append(f"{GAP}{one_line(record.reasoning)}", QUIET)
                yield self._line(record.timestamp, OTHER, what, record.decision_id)
            case Outcome():
                yield self._outcome(record)
            case Problem():
                mark = SEVERITY.get(record.severity, _OTHER_RECORD)
                what = Text.assemble((f"{one_line(record.severity)} ", mark.style))
                what.append(one_line(record.description))
                yield self._line(record.timestamp, mark, what, record.decision_id)
            case Gap():
                lost = f"{counted(record.count, 'record')} lost: {one_line(record.reason)}"
                yield self._line(record.timestamp, FAILURE, Text(lost, BAD))
            case RunEnded():
                self.has_ended = True
                mark = STATUS[record.status]
                what = Text(f"{record.status} after {duration(record.duration_ms)}", mark.style)
                yield self._line(record.timestamp, mark, what)
                if record.narrative:
                    indent = Text(_STEP)
                    yield from hang(self._screen, indent, indent, Text(safe(record.narrative)))
            case _:
                yield self._line(None, _OTHER_RECORD, Text(data(record), QUIET))

    def _outcome(self, record: Outcome) -> Text:
        mark = SUCCESS if record.success else CANCELLED if record.cancelled else FAILURE
        what = Text(one_line(self._intents.pop(record.decision_id, "")))
        came_of_it = record.summary if record.success else record.error or record.summary
        if came_of_it:
            what.append(f"{GAP}{one_line(came_of_it)}", mark.style)
        if record.latency_ms:
            what.append(f"{GAP}{duration(record.latency_ms)}", QUIET)
        return self._line(record.timestamp, mark, what, record.decision_id)

    def _line(
        self, time: datetime | None, mark: Mark, what: Text, decision_id: str | None = None
    ) -> Text:
        """The time and the decision on the left, where the eye finds them, then what happened."""
        line = Text()
        line.append(local(time, "%H:%M:%S.%f")[:-3] if time else "", QUIET).append(GAP)
        if decision_id is not None:
            depth = min(self._depths.get(decision_id, 0), _DEEPEST)
            line.append(_STEP * (depth + 1))
        line.append_text(mark.text).append(" ")
        if decision_id is not None:
            line.append(f"{one_line(decision_id)} ", QUIET)
        line.append_text(what)
        return line if self._screen.piped else cut(line, self._screen.width)

    def ending(self) -> Iterator[Text]:
        """What to say when there is nothing more to come."""
        if not self.has_ended:
            yield Text.assemble(NOTE.text, " interrupted: the run never ended, its process is gone")
