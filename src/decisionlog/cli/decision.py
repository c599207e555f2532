"""One decision in lines: in two or three of them when it went well, and else all there is to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from decisionlog import Decision, DecisionType, Evaluation, Option, Outcome
from decisionlog.cli.look import (
    BAD,
    CHOSEN,
    FAILURE,
    GAP,
    GOOD,
    LIVE,
    ODD,
    OTHER,
    PENDING,
    QUIET,
    STRONG,
    across,
    bar,
    cut,
    hang,
    has_failed,
    mark,
)
from decisionlog.cli.outline import Place
from decisionlog.cli.output import Screen
from decisionlog.cli.text import counted, data, duration, one_line, percent, safe

_NARROW = 90
_ID_WIDTH = 24
_TRACEBACK_LINES = 8
_TEXT_LINES = 8
_DATA_LINES = 2


def choice(decision: Decision) -> Text:
    """What was decided: the intent, and the option chosen."""
    text = Text(one_line(decision.intent) or "(no intent)")
    if decision.chosen_option_id is not None:
        text.append(" → ", QUIET).append(one_line(decision.chosen_option_id), LIVE)
        if decision.options and decision.chosen_option is None:
            text.append(" (not among the options)", ODD)
    return text


def decision_lines(place: Place, screen: Screen, *, full: bool) -> Iterator[Text]:
    """A decision in its place of the outline; `full` leaves nothing out."""
    decision, outcome = place.decision, place.decision.outcome
    rest = Text(place.rest, QUIET)
    yield from _head(place, screen, rest)
    if not full and not has_failed(decision):
        yield from _brief(decision, screen, rest)
        return
    lines = None if full else _TEXT_LINES
    if outcome is not None:
        yield from _what_came_of_it(outcome, screen, rest, lines)
    else:
        yield from hang(screen, rest, rest, Text("no outcome", PENDING.style))
    if decision.reasoning:
        because = Text.assemble(("because ", QUIET), safe(decision.reasoning))
        yield from hang(screen, rest, rest, because, lines=lines)
    for option in decision.options:
        yield from _option(option, decision, screen, rest, lines)
    yield from _facts(decision, screen, rest, full)
    if outcome is not None and outcome.traceback:
        yield from _traceback(outcome.traceback, screen, rest, full)


def _head(place: Place, screen: Screen, rest: Text) -> Iterator[Text]:
    decision, outcome = place.decision, place.decision.outcome
    state = mark(decision)
    what = choice(decision)
    if has_failed(decision):
        what.stylize(STRONG)
    facts = [duration(outcome.latency_ms)] if outcome else []
    if outcome and outcome.tokens_used:
        facts.append(counted(outcome.tokens_used, "token"))
    facts += [decision.node_id, decision.id]
    if place.is_flattened:
        facts.append(f"in {decision.parent_id}")
    meta = Text(one_line(GAP.join(facts)).replace("  ", GAP), QUIET)
    first = Text.assemble((place.first, QUIET), state.text, " ")
    if line := across(screen, first + what, meta):
        yield line
        return
    yield from hang(screen, first, rest, what)
    yield cut(Text.assemble(rest, meta), screen.width)


def _brief(decision: Decision, screen: Screen, rest: Text) -> Iterator[Text]:
    """A line for what came of it, and one for why it was chosen."""
    outcome = decision.outcome
    if outcome is None:
        yield from hang(screen, rest, rest, Text("no outcome", PENDING.style))
    elif outcome.summary or outcome.error:
        yield from hang(screen, rest, rest, Text(one_line(outcome.summary or outcome.error or "")), lines=1)
    if decision.reasoning:
        yield from hang(screen, rest, rest, Text(one_line(decision.reasoning), QUIET), lines=1)
