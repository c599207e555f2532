"""Many runs at a glance: the table of `ls`, and what `check` found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

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
)
from decisionlog.cli.output import Screen
from decisionlog.cli.select import handle
from decisionlog.cli.text import counted, duration, local, number, one_line, percent, since, zone

_WIDE = 140
"""From here on a line has room for the narrative as well."""
_MIDDLE = 92
_NARROW = 72


def table(summaries: Sequence[RunSummary], screen: Screen) -> Iterator[Text]:
    """The runs, one a line; on a screen that is not wide, the narrative has a line of its own."""
    width = screen.width
    zones = sorted({zone(each.started_at) for each in summaries if each.started_at})
    started = f"STARTED ({', '.join(zones)})" if zones else "STARTED"
    clock = "%Y-%m-%d %H:%M:%S" if width >= _MIDDLE else "%m-%d %H:%M"

    def column(title: str, cell: Callable[[RunSummary], Text], *, right: bool = False) -> Column:
        return Column(title, [cell(each) for each in summaries], right)

    table = [
        column("STATUS" if width >= _MIDDLE else "", lambda each: _status(each, width)),
        column("RUN", lambda each: _name(each, screen)),
        column("GOAL", lambda each: _goal(each, screen)),
        column(started, lambda each: _started(each, clock, len(zones) > 1)),
        column("TOOK", _took, right=True),
        column("DECISIONS", lambda each: Text(number(each.decision_count)), right=True),
    ]
    if width >= _NARROW:
        table.append(column("SUCCESS", _success, right=True))
    if width >= _MIDDLE:
        table.append(column("PROBLEMS", _problems, right=True))
    if width >= _WIDE:
        table.append(column("NARRATIVE", _narrative))
    lines = columns(table)
    yield cut(next(lines), width)
    for line, each in zip(lines, summaries, strict=True):
        yield cut(line, width)
        if width < _WIDE and each.narrative:
            yield cut(Text.assemble("  ", _narrative(each)), width)


def _status(each: RunSummary, width: int) -> Text:
    mark = STATUS[each.status]
    return Text(f"{mark.sign} {each.status}" if width >= _MIDDLE else mark.sign, mark.style)


def _name(each: RunSummary, screen: Screen) -> Text:
    if screen.piped:
        return Text(each.run_id)
    return cut(Text(handle(each.run_id), STRONG), 16 if screen.width < _WIDE else 32)


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
