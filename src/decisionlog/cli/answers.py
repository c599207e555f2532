"""What many runs say, on a terminal; what goes to a pipe is the text of the answers themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from rich.text import Text

from decisionlog.analysis.many.calibration import Calibration
from decisionlog.analysis.many.changes import Changes
from decisionlog.analysis.many.choices import OptionPattern, Options, Place, Quantiles
from decisionlog.analysis.many.divergence import Divergence
from decisionlog.analysis.many.patterns import Goals, NodePattern, Nodes, Patterns
from decisionlog.analysis.many.stats import Rate
from decisionlog.analysis.many.suggestions import Suggestion
from decisionlog.cli import findings
from decisionlog.cli.intervals import (
    ROWS,
    bar,
    judged,
    more,
    names,
    numbers,
    rates,
    right,
    seen,
    share,
    table,
    texts,
)
from decisionlog.cli.look import BAD, GAP, GOOD, ODD, QUIET, STATUS, STRONG, Column, cut, hang
from decisionlog.cli.output import Screen
from decisionlog.cli.story import heading
from decisionlog.cli.text import duration, number, one_line
from decisionlog.model import RunStatus
from decisionlog.wording import counted

_PLACES = 20


def view(answer: Any, screen: Screen) -> Iterator[Text] | None:
    """An answer as lines that fit the screen; None if it has no view."""
    match answer:
        case Goals():
            return _goals(answer, screen)
        case Patterns():
            return _patterns(answer, screen)
        case Nodes():
            return _nodes(answer.nodes, screen) if answer.nodes else None
        case Options():
            return _options(answer, screen) if answer.places else None
        case Calibration():
            return findings.calibration(answer, screen) if answer.brier is not None else None
        case Divergence():
            return findings.divergence(answer, screen)
        case Changes():
            return findings.changes(answer, screen) if answer.steps else None
        case [Suggestion(), *_]:
            return chain.from_iterable(
                findings.suggestion(each, screen, first=each is answer[0]) for each in answer
            )
        case _:
            return None


def _goals(answer: Goals, screen: Screen) -> Iterator[Text]:
    goals = answer.goals
    return table(
        screen,
        [
            names("GOAL", [goal.goal_id for goal in goals], screen),
            *rates("SUCCESS OF RUNS", [goal.success for goal in goals]),
            right("MEDIAN TIME", [duration(goal.duration_ms) for goal in goals]),
            numbers("DECISIONS", [goal.decisions for goal in goals]),
            numbers("UNDECIDED", [goal.undecided or None for goal in goals]),
            numbers("TOKENS", [goal.tokens for goal in goals]),
            right("COST", [_dollars(goal.cost_usd) for goal in goals]),
        ],
    )


def _patterns(answer: Patterns, screen: Screen) -> Iterator[Text]:
    title = Text(one_line(answer.goal_id) or "(no goal)", STRONG)
    for status, n in answer.statuses.items():
        mark = STATUS[RunStatus(status)]
        title.append(GAP).append(f"{mark.sign} {number(n)} {status}", mark.style)
    yield from hang(screen, Text(), Text(GAP), title)
    yield from hang(screen, Text(), Text(GAP), _one_rate(answer.success))

    def against(rate: Rate) -> str:
        return judged(rate.interval, answer.success.rate)

    if causes := answer.causes[:ROWS]:
        yield heading("Why runs fail")
        shares = [Rate(each.runs, 0, each.runs, each.share, each.interval) for each in causes]
        drawn = rates("SHARE", shares, lambda rate: "")[:2]
        yield from table(
            screen,
            [
                numbers("RUNS", [each.runs for each in causes]),
                *drawn,
                seen([each.example for each in causes]),
            ],
            Column("CAUSE", [_cause(each.cause, each.succeeded_too) for each in causes]),
        )
        yield from more(answer.causes)
    if errors := answer.errors[:ROWS]:
        yield heading("Errors of decisions")
        yield from table(
            screen,
            [
                numbers("DECISIONS", [each.decisions for each in errors]),
                numbers("RUNS", [each.runs for each in errors]),
                names("NODE", [each.node_id for each in errors], screen),
                seen([each.example for each in errors]),
            ],
            texts("ERROR", [each.error or "(no text)" for each in errors]),
        )
        yield from more(answer.errors)
    if answer.nodes:
        yield heading("Nodes")
        yield from _nodes(answer.nodes[:ROWS], screen)
        yield from more(answer.nodes)
    if types := answer.decision_types:
        yield heading("Types of decision")
        first = names("TYPE", [each.decision_type for each in types], screen)
        yield from table(screen, [first, *rates("SUCCESS", [each.success for each in types])])
    if endings := answer.endings[:ROWS]:
        yield heading("The last choice of runs")
        chosen = [f"{each.node_id} → {each.option_id}" for each in endings]
        drawn = rates("SUCCESS OF RUNS", [each.success for each in endings], against)
        examples = seen([each.example for each in endings])
        yield from table(screen, [*drawn, examples], texts("CHOICE", chosen))
        yield from more(answer.endings)
    if trend := answer.trend:
        yield heading("Over time")
        days = [
            each.first_day + (f" to {each.last_day}" if each.last_day != each.first_day else "")
            for each in trend
        ]
        drawn = rates("SUCCESS OF RUNS", [each.success for each in trend], against)
        yield from table(screen, [names("DAYS", days, screen), *drawn])


def _nodes(nodes: Sequence[NodePattern], screen: Screen) -> Iterator[Text]:
    return table(
        screen,
        [
            names("NODE", [node.node_id for node in nodes], screen),
            *rates("SUCCESS", [node.success for node in nodes]),
            numbers("FAILED", [node.failed for node in nodes]),
            right("TOKENS IN VAIN", [_part(n.tokens_in_vain, n.tokens) for n in nodes]),
            right("TIME IN VAIN", [_part(n.latency_ms_in_vain, n.latency_ms) for n in nodes]),
            numbers("DECISIONS", [node.decisions for node in nodes]),
            numbers("RUNS", [node.runs for node in nodes]),
        ],
    )


def _options(answer: Options, screen: Screen) -> Iterator[Text]:
    for at, place in enumerate(answer.places[:_PLACES]):
        if at:
            yield Text()
        yield from _place(place, screen)
    if left := len(answer.places[_PLACES:]) + answer.places_left_out:
        more = f"\n{counted(left, 'more place')} with fewer decisions; --node NODE asks for one"
        yield Text(more, QUIET)


def _place(place: Place, screen: Screen) -> Iterator[Text]:
    title = Text.assemble((one_line(place.node_id), STRONG), ": ")
    title.append(one_line(place.intent or "whatever it decides"))
    title.append(f"{GAP}{counted(place.decisions, 'decision')}", QUIET)
    yield cut(title, screen.width)
    if place.positions:
        yield cut(
            Text("an id is a place in a list here: options are not compared", QUIET), screen.width
        )
    shown = place.options[:ROWS]
    better = {each.regret.better_option_id for each in place.options if each.regret}
    yield from table(
        screen,
        [
            names("OPTION", [each.option_id for each in shown], screen),
            *_marked(shown, better),
            numbers("CHOSEN", [each.chosen for each in shown]),
            numbers("OFFERED", [each.offered for each in shown]),
            right("RUN SUCCESS", [share(each.run_success.rate) for each in shown]),
            right("MEDIAN TIME", [_median(each.latency_ms, time=True) for each in shown]),
            right("TOKENS", [_median(each.tokens, time=False) for each in shown]),
        ],
    )
    yield from more(place.options)
    for each in place.options:
        if each.regret:
            told = Text(one_line(f"{each.option_id}: {each.regret}"))
            yield from hang(screen, Text("! ", ODD), Text(GAP), told)


def _marked(options: Sequence[OptionPattern], better: set[str]) -> list[Column]:
    """Red for an option that another beats, green for one that does; no colour by itself."""
    colours = {
        id(each.success): BAD if each.regret else GOOD if each.option_id in better else ""
        for each in options
    }
    return rates("SUCCESS", [each.success for each in options], lambda rate: colours[id(rate)])


def _one_rate(rate: Rate) -> Text:
    if rate.rate is None or rate.interval is None:
        return Text("success not known yet", QUIET)
    colour = judged(rate.interval)
    bounds = f"{share(rate.interval.low)} to {share(rate.interval.high)}"
    counts = f"{number(rate.succeeded)} of {number(rate.count)}"
    return Text.assemble(
        "success ", bar(rate.rate, rate.interval, colour), " ", (share(rate.rate), colour),
        (f"{GAP}{bounds}; {counts}", QUIET),
    )  # fmt: skip


def _cause(cause: str | None, succeeded_too: int) -> Text:
    text = Text(one_line(cause)) if cause else Text("no cause recorded", QUIET)
    if succeeded_too:
        text.append(f" (and {counted(succeeded_too, 'run')} that succeeded)", QUIET)
    return text


def _part(part: float | None, whole: float | None) -> str:
    return share(part / whole) if part is not None and whole else ""


def _median(value: Quantiles | None, *, time: bool) -> str:
    if value is None:
        return ""
    return duration(value.median) if time else number(round(value.median)) if value.median else ""


def _dollars(cost: float | None) -> str:
    return "" if cost is None else f"${cost:,.2f}"
