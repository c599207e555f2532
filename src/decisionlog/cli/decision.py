"""One decision in lines: a few of them when all went well, and else all there is to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from rich.cells import cell_len
from rich.text import Text

from decisionlog import Decision, DecisionType, Evaluation, Option, Outcome
from decisionlog.cli.look import (
    BAD,
    CHOSEN,
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
from decisionlog.cli.text import data, duration, one_line, percent, safe
from decisionlog.wording import counted

_NARROW = 90
_ID_WIDTH = 24
_TEXT_LINES = 8
_FRAMES = 3
_DATA_LINES = 2


class Depth(Enum):
    """How much is told of a decision that failed."""

    OPTIONS = "why it was made, the options, and the error"
    USUAL = "all that matters, each with an end"
    FULL = "everything, also of decisions that did not fail"


def choice(decision: Decision) -> Text:
    """What was decided: the intent, and the option chosen."""
    text = Text(one_line(decision.intent) or "(no intent)")
    if decision.chosen_option_id is not None:
        text.append(" → ", QUIET).append(one_line(decision.chosen_option_id), LIVE)
        if decision.options and decision.chosen_option is None:
            text.append(" (not among the options)", ODD)
    return text


def error(kind: str | None, text: str | None) -> Text:
    """What an exception said, after its type."""
    what = Text()
    if kind:
        what.append(f"{one_line(kind.rsplit('.', 1)[-1])}: ", f"{STRONG} {BAD}")
    return what.append(safe(text or ""), BAD)


def traceback(text: str, screen: Screen, rest: Text, *, full: bool) -> Iterator[Text]:
    """Where an exception came from: the last frames, or all."""
    lines = safe(text).rstrip("\n").split("\n")
    for line in lines if full else lines[-_FRAMES:]:
        yield from hang(screen, rest, rest, Text(line, QUIET))


class DecisionView:
    """A decision in its place of the outline."""

    def __init__(self, place: Place, screen: Screen, depth: Depth) -> None:
        self.place = place
        self.decision = place.decision
        self.screen = screen
        self.full = depth is Depth.FULL
        self.short = depth is Depth.OPTIONS
        self.rest = Text(place.rest, QUIET)

    def lines(self) -> Iterator[Text]:
        """All of them, top to bottom."""
        yield from self._head()
        if self.full or has_failed(self.decision):
            yield from self._at_length()
        else:
            yield from self._in_brief()

    def _head(self) -> Iterator[Text]:
        place, decision, outcome = self.place, self.decision, self.decision.outcome
        what = choice(decision)
        if has_failed(decision):
            what.stylize(STRONG)
        facts = [duration(outcome.latency_ms)] if outcome and outcome.latency_ms else []
        if outcome and outcome.tokens_used:
            facts.append(counted(outcome.tokens_used, "token"))
        facts += [one_line(decision.node_id), one_line(decision.id)]
        if place.is_flattened:
            facts.append(f"in {one_line(decision.parent_id or '')}")
        meta = Text(GAP.join(facts), QUIET)
        first = Text.assemble((place.first, QUIET), mark(decision).text, " ")
        if line := across(self.screen, first + what, meta):
            yield line
        else:
            yield from hang(self.screen, first, self.rest, what)
            yield cut(self.rest + meta, self.screen.width)

    def _in_brief(self) -> Iterator[Text]:
        outcome = self.decision.outcome
        if outcome is None:
            yield from self._body(Text("no outcome", PENDING.style))
        elif came_of_it := outcome.summary or outcome.error:
            yield from self._body(Text(one_line(came_of_it)), 1)
        if self.decision.reasoning:
            yield from self._body(Text(f"because {one_line(self.decision.reasoning)}", QUIET), 1)

    def _at_length(self) -> Iterator[Text]:
        decision, outcome = self.decision, self.decision.outcome
        if outcome is None:
            yield from self._body(Text("no outcome", PENDING.style))
        else:
            yield from self._what_came_of_it(outcome)
        if decision.reasoning:
            yield from self._labelled("because", safe(decision.reasoning), _TEXT_LINES)
        for option in decision.options:
            yield from self._option(option)
        if self.short:
            return
        if self.full and decision.decision_type != DecisionType.CUSTOM:
            yield from self._labelled("type", decision.decision_type)
        if decision.active_constraints:
            yield from self._labelled("within", one_line("; ".join(decision.active_constraints)))
        if decision.input_context:
            yield from self._labelled("given", data(decision.input_context), _DATA_LINES)
        if decision.supersedes:
            yield from self._labelled("instead of", one_line(decision.supersedes))
        if decision.evaluation:
            yield from self._labelled("judged", _judgement(decision.evaluation), _TEXT_LINES)
        if outcome is not None and outcome.traceback:
            yield from traceback(outcome.traceback, self.screen, self.rest, full=self.full)

    def _what_came_of_it(self, outcome: Outcome) -> Iterator[Text]:
        if outcome.summary:
            yield from self._body(Text(safe(outcome.summary)), _TEXT_LINES)
        if outcome.error or outcome.error_type:
            yield from self._body(error(outcome.error_type, outcome.error), _TEXT_LINES)
        for label, value in (
            ("result", outcome.result),
            ("changed", outcome.state_changes),
            ("attributes", outcome.attributes),
        ):
            if value not in (None, {}):
                yield from self._labelled(label, data(value), _DATA_LINES)
        if outcome.model or outcome.cost_usd is not None:
            cost = "" if outcome.cost_usd is None else f"${outcome.cost_usd:,.6g}"
            yield from self._labelled("model", f"{one_line(outcome.model or '?')} {cost}".rstrip())

    def _option(self, option: Option) -> Iterator[Text]:
        chosen = option.id == self.decision.chosen_option_id
        ids = [cell_len(one_line(each.id)) for each in self.decision.options]
        width = min(_ID_WIDTH, max(ids))
        name = cut(Text(one_line(option.id), LIVE if chosen else ""), width)
        name.append(" " * (width - name.cell_len))
        first = Text.assemble(
            self.rest,
            (CHOSEN if chosen else OTHER).text,
            " ",
            name,
            GAP,
            (bar(option.confidence), LIVE if chosen else QUIET),
            f" {option.confidence:.2f}",
            GAP,
        )
        parts = [Text(one_line(option.description), "" if chosen else QUIET)]
        if not self.short:
            parts += [_point("+ ", GOOD, each) for each in option.pros]
            parts += [_point("- ", BAD, each) for each in option.cons]
        rest = self.rest + Text(" " * 4)
        if self.screen.width < _NARROW:
            yield first
            first = rest
        else:
            rest = self.rest + Text(" " * (first.cell_len - self.rest.cell_len))
        body = _packed([part for part in parts if part], self.screen.width - rest.cell_len)
        if body or first is not rest:
            yield from hang(self.screen, first, rest, body, lines=self._limit(_TEXT_LINES))

    def _labelled(self, label: str, text: str, lines: int | None = None) -> Iterator[Text]:
        yield from self._body(Text.assemble((f"{label} ", QUIET), text), lines)

    def _body(self, text: Text, lines: int | None = None) -> Iterator[Text]:
        lines = None if lines is None else self._limit(lines)
        yield from hang(self.screen, self.rest, self.rest, text, lines=lines)

    def _limit(self, lines: int) -> int | None:
        return None if self.full else lines


def _point(sign: str, style: str, text: str) -> Text:
    return Text.assemble((sign, style), (one_line(text), QUIET))


def _packed(parts: Sequence[Text], width: int) -> Text:
    """The parts one after the other, a line broken within one only if that alone is too long."""
    lines = [Text()]
    for part in parts:
        if lines[-1] and lines[-1].cell_len + len(GAP) + part.cell_len > width:
            lines.append(Text())
        lines[-1].append(GAP if lines[-1] else "").append_text(part)
    return Text("\n").join(lines)


def _judgement(evaluation: Evaluation) -> str:
    parts = [
        "in line with the goal" if evaluation.goal_aligned else "not in line with the goal",
        f"quality {percent(evaluation.outcome_quality)}",
    ]
    if evaluation.better_option_existed or evaluation.better_option_id:
        better = one_line(evaluation.better_option_id or "another option")
        why = f" ({one_line(evaluation.why_better)})" if evaluation.why_better else ""
        parts.append(f"{better} would have been better{why}")
    if evaluation.explanation:
        parts.append(safe(evaluation.explanation))
    return ", ".join(parts)
