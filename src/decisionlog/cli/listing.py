"""Many runs at a glance: the table of `ls`, and what `check` found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.text import Text

from decisionlog import RunCheck, RunStatus, RunSummary
from decisionlog.cli.look import (
    BAD,
    FAILURE,
    GOOD,
    NOTE,
    ODD,
    QUIET,
    STATUS,
    STRONG,
    SUCCESS,
    Column,
    columns,
    cut,
    width_of,
)
from decisionlog.cli.output import Screen
from decisionlog.cli.select import handle
from decisionlog.cli.text import duration, local, number, one_line, percent, since, zone
from decisionlog.wording import counted

_DAY, _MINUTE = "%Y-%m-%d %H:%M:%S", "%m-%d %H:%M"


class _Layout(NamedTuple):
    """What a line holds of a run; the narrative gets one of its own where there is no room."""

    clock: str
    status: bool = False
    decisions: bool = False
    success: bool = False
    problems: bool = False
    narrative: int = 0


_LAYOUTS = (
    _Layout(_DAY, True, True, True, True, narrative=60),
    _Layout(_DAY, True, True, True, True),
    _Layout(_MINUTE, True, True, True, True),
    _Layout(_MINUTE, False, True, True, True),
    _Layout(_MINUTE, False, True, True),
    _Layout(_MINUTE, False, True),
    _Layout(_MINUTE),
)


def table(summaries: Sequence[RunSummary], screen: Screen) -> Iterator[Text]:
    """The runs, one a line, with as much of each as there is room for."""
    layout, table = _LAYOUTS[0], list[Column]()
    for layout in _LAYOUTS:
        table = _columns(summaries, screen, layout)
        if width_of(table) + layout.narrative <= screen.width:
            break
    if layout.narrative:
        table.append(Column("NARRATIVE", [_narrative(each) for each in summaries]))
    lines = columns(table)
    yield cut(next(lines), screen.width)
    for line, each in zip(lines, summaries, strict=True):
        yield cut(line, screen.width)
        if each.narrative and not layout.narrative:
            yield cut(Text("  ") + _narrative(each), screen.width)


def _columns(summaries: Sequence[RunSummary], screen: Screen, layout: _Layout) -> list[Column]:
    zones = sorted({zone(each.started_at) for each in summaries if each.started_at})
    started = f"STARTED ({', '.join(zones)})" if zones else "STARTED"

    def column(title: str, cell: Callable[[RunSummary], Text], *, right: bool = False) -> Column:
        return Column(title, [cell(each) for each in summaries], right)

    table = [
        column("STATUS" if layout.status else "", lambda each: _status(each, layout.status)),
        column("RUN", lambda each: _name(each, screen)),
        column("GOAL", lambda each: _goal(each, screen)),
        column(started, lambda each: _started(each, layout.clock, len(zones) > 1)),
        column("TOOK", _took, right=True),
    ]
    if layout.decisions:
        table.append(column("DECISIONS", _decisions, right=True))
    if layout.success:
        table.append(column("SUCCESS", _success, right=True))
    if layout.problems:
        table.append(column("PROBLEMS", _problems, right=True))
    return table


def _status(each: RunSummary, in_words: bool) -> Text:
    mark = STATUS[each.status]
    return Text(f"{mark.sign} {each.status}" if in_words else mark.sign, mark.style)


def _name(each: RunSummary, screen: Screen) -> Text:
    if screen.piped:
        return Text(each.run_id)
    return cut(Text(handle(each.run_id), STRONG), max(12, screen.width // 5))


def _goal(each: RunSummary, screen: Screen) -> Text:
    goal = Text(one_line(each.goal_id))
    if screen.piped:
        return goal
    return cut(goal, max(16, screen.width // 6))


def _started(each: RunSummary, clock: str, with_zone: bool) -> Text:
    if each.started_at is None:
        return Text()
    text = local(each.started_at, clock)
    return Text(f"{text} {zone(each.started_at)}" if with_zone else text)


def _took(each: RunSummary) -> Text:
    if each.duration_ms is None and each.status == RunStatus.RUNNING and each.started_at:
        return Text(duration(since(each.started_at)), STATUS[each.status].style)
    return Text(duration(each.duration_ms))


def _decisions(each: RunSummary) -> Text:
    return Text(number(each.decision_count))


def _success(each: RunSummary) -> Text:
    rate = each.success_rate
    style = "" if rate is None else GOOD if rate >= 0.8 else ODD if rate >= 0.5 else BAD
    return Text(percent(rate), style)


def _problems(each: RunSummary) -> Text:
    style = BAD if each.critical_problems else ODD if each.problem_count else QUIET
    return Text(number(each.problem_count), style)


def _narrative(each: RunSummary) -> Text:
    return Text(one_line(each.narrative), QUIET)


def is_whole(check: RunCheck) -> bool:
    """Nothing is damaged, and nothing was lost."""
    return not check.damage and not check.lost_records


def verdict(check: RunCheck, directory: Path) -> Iterator[Text]:
    """What there is to say about a file; nothing when all is well."""
    path = str(directory / "runs" / f"{check.run_id}.jsonl")
    for damage in check.damage:
        place = f"{path}:{damage.line}" if damage.line else path
        yield Text.assemble(FAILURE.text, f" {place}: ", (one_line(damage.reason), BAD))
    if check.lost_records:
        lost = f"{counted(check.lost_records, 'record')} lost, as its writer noted"
        yield Text.assemble(FAILURE.text, f" {path}: ", (lost, BAD))
    live = check.status == RunStatus.RUNNING
    notes = [] if live or check.status != RunStatus.INTERRUPTED else ["interrupted: it never ended"]
    if check.torn_bytes and check.status in (RunStatus.RUNNING, RunStatus.INTERRUPTED):
        torn = f"{number(check.torn_bytes)} bytes of a record at the end"
        notes.append(f"{torn} that is being written" if live else f"{torn} that was not finished")
    if notes:
        yield Text.assemble(NOTE.text, f" {path}: ", (", ".join(notes), QUIET))


def balance(checks: Sequence[RunCheck], directory: Path) -> Text:
    """All of it in a line."""
    records = sum(check.records for check in checks)
    bad = sum(not is_whole(check) for check in checks)
    checked = f" {counted(len(checks), 'run')} in {directory}, {counted(records, 'record')}: "
    if bad:
        return Text.assemble(FAILURE.text, checked, (f"{number(bad)} not whole", BAD))
    return Text.assemble(SUCCESS.text, checked, ("all whole", GOOD))
