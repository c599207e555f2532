"""One run: what it was about, decision by decision, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from decisionlog import Decision, Problem, Run, RunStatus
from decisionlog.cli.decision import DecisionView, Depth, error, traceback
from decisionlog.cli.look import (
    FAILURE,
    NOTE,
    ODD,
    QUIET,
    SEVERITY,
    STATUS,
    STRONG,
    Mark,
    across,
    hang,
    has_failed,
)
from decisionlog.cli.outline import outline, with_parents
from decisionlog.cli.output import Screen
from decisionlog.cli.text import data, duration, local, number, one_line, percent, safe, since, zone
from decisionlog.wording import counted

_LABEL = 11
_DATA_LINES = 2
_TEXT_LINES = 8
_RANK = {"critical": 0, "warning": 1, "minor": 2}
MANY = 300
"""How many decisions a terminal gets to see when nobody said how many."""


def story(
    run: Run,
    screen: Screen,
    *,
    depth: Depth = Depth.USUAL,
    failed: bool = False,
    limit: int | None = None,
) -> Iterator[Text]:
    """All of a run: its head, its decisions and its problems.

    `failed` leaves out the decisions which did not fail, but for those in which others did.
    """
    yield from head(run, screen, full=depth is Depth.FULL)
    shown: Sequence[Decision] = run.decisions
    if failed:
        kept = with_parents([each.id for each in shown if has_failed(each)], shown)
        shown = [each for each in shown if each.id in kept]
    if shown:
        yield heading("Decisions that failed, and where" if failed else "Decisions")
        yield from decisions(shown, screen, depth=depth, limit=limit)
    elif failed:
        yield heading("No decision failed")
    if run.problems:
        yield heading("Problems")
        for problem in run.problems:
            yield from problem_lines(problem, screen)
    yield from _reservations(run, screen)


def head(run: Run, screen: Screen, *, full: bool) -> Iterator[Text]:
    """What a run was about and what came of it, without its decisions."""
    yield from title(run, screen, full=full)
    yield Text()
    for label, text in _facts(run):
        first = Text(f"  {label:{_LABEL}}", QUIET)
        lines = _DATA_LINES if label in ("input", "output") and not full else None
        yield from hang(screen, first, Text(" " * first.cell_len), text, lines=lines)


def title(run: Run, screen: Screen, *, full: bool) -> Iterator[Text]:
    """The goal of a run, how it ended, and what was said of it."""
    mark = STATUS[run.status]
    name = Text.assemble(
        mark.text,
        " ",
        (one_line(run.goal_id) or "(no goal)", STRONG),
        " ",
        (str(run.status), f"{STRONG} {mark.style}"),
    )
    run_id = Text(run.id, QUIET)
    indent, lines = Text("  "), None if full else _TEXT_LINES
    if line := across(screen, name, run_id):
        yield line
    else:
        yield from hang(screen, Text(), indent, name)
        yield from hang(screen, indent, indent, run_id)
    for words in (run.goal_description, run.narrative):
        if words:
            yield from hang(screen, indent, indent, Text(safe(words)), lines=lines)
    if run.error:
        yield from hang(screen, indent, indent, error(run.error_type, run.error), lines=lines)
    if run.traceback:
        yield from traceback(run.traceback, screen, indent, full=full)


def _facts(run: Run) -> Iterator[tuple[str, Text]]:
    if run.started_at:
        yield "started", Text(f"{local(run.started_at)} {zone(run.started_at)}{_lasted(run)}")
    metrics = run.metrics
    counts = {
        "succeeded": metrics.successful_decisions,
        "failed": metrics.failed_decisions,
        "cancelled": metrics.cancelled_decisions,
        "without an outcome": metrics.pending_decisions,
    }
    detail = ", ".join(f"{number(count)} {what}" for what, count in counts.items() if count)
    rate = f" (success rate {percent(metrics.success_rate)})" if counts["failed"] else ""
    made = number(metrics.total_decisions)
    yield "decisions", Text(f"{made}: {detail}{rate}" if detail else made)
    if run.problems:
        severities = Counter(problem.severity for problem in run.problems)
        ordered = sorted(severities.items(), key=lambda each: _RANK.get(each[0], len(_RANK)))
        yield "problems", Text(", ".join(_of_severity(*each) for each in ordered))
    if metrics.total_tokens:
        yield "tokens", Text(number(metrics.total_tokens))
    costs = [each.outcome.cost_usd for each in run.decisions if each.outcome]
    if cost := sum(filter(None, costs)):
        yield "cost", Text(f"${cost:,.6g}")
    if metrics.nodes_executed:
        yield "nodes", Text(one_line(", ".join(metrics.nodes_executed)))
    if run.tags:
        yield "tags", Text(one_line(", ".join(f"{key}={run.tags[key]}" for key in run.tags)))
    if run.parent_run_id:
        within = f", decision {run.parent_decision_id}" if run.parent_decision_id else ""
        yield "inside", Text(one_line(f"run {run.parent_run_id}{within}"))
    if run.input_data is not None:
        yield "input", Text(data(run.input_data))
    if run.output_data is not None:
        yield "output", Text(data(run.output_data))
    if run.host:
        yield "recorded", Text(one_line(f"on {run.host} by process {run.pid}"))


def _of_severity(severity: str, count: int) -> str:
    noun = "warning"
    return counted(count, noun) if severity == noun else f"{number(count)} {one_line(severity)}"


def _lasted(run: Run) -> str:
    if run.duration_ms is not None:
        return f", took {duration(run.duration_ms)}"
    if run.started_at is None:
        return ""
    if run.status == RunStatus.RUNNING:
        return f", {duration(since(run.started_at))} ago"
    last = _last_sign_of_life(run)
    return f", last heard of at {local(last, '%H:%M:%S')}" if last else ""


def _last_sign_of_life(run: Run) -> datetime | None:
    made = [each.timestamp for each in run.decisions]
    ended = [each.outcome.timestamp for each in run.decisions if each.outcome]
    reported = [each.timestamp for each in run.problems]
    return max((*made, *ended, *reported), default=None, key=lambda time: time.isoformat())


def decisions(
    shown: Sequence[Decision],
    screen: Screen,
    *,
    depth: Depth = Depth.USUAL,
    limit: int | None = None,
    roots: Sequence[Decision] | None = None,
) -> Iterator[Text]:
    """Decisions as an outline, those which failed at length."""
    if limit is None:
        limit = len(shown) if screen.piped else MANY
    widest = min(screen.width // 3, 60)
    for at, place in enumerate(outline(shown, widest=widest, roots=roots)):
        if limit and at == limit:
            left = f"{counted(len(shown) - limit, 'decision')} more: --limit 0 shows them all"
            yield Text.assemble(NOTE.text, f" {left}, --failed those which failed")
            break
        yield from DecisionView(place, screen, depth).lines()


def problem_lines(problem: Problem, screen: Screen) -> Iterator[Text]:
    """What went wrong, why, and what to do about it."""
    mark = SEVERITY.get(problem.severity, Mark("·", QUIET))
    first = Text.assemble(mark.text, (f" {one_line(problem.severity)} ", mark.style))
    what = Text(safe(problem.description))
    if problem.decision_id:
        what.append(f"  {one_line(problem.decision_id)}", QUIET)
    rest = Text("  ")
    yield from hang(screen, first, rest, what)
    for label, text in (("cause", problem.root_cause), ("fix", problem.suggested_fix)):
        if text:
            yield from hang(screen, Text(f"  {label:6}", QUIET), Text(" " * 8), Text(safe(text)))


def _reservations(run: Run, screen: Screen) -> Iterator[Text]:
    """What to bear in mind: parts of the run are missing here."""
    notes: list[tuple[Mark, str]] = []
    if run.lost_records:
        notes.append((FAILURE, f"{counted(run.lost_records, 'record')} lost, as its writer noted"))
    for damage in run.damage:
        where = f"line {damage.line} of the file: " if damage.line else "the file: "
        notes.append((FAILURE, where + one_line(damage.reason)))
    if run.unknown:
        unknown = f"{counted(len(run.unknown), 'record')} not understood; --json shows them"
        notes.append((NOTE, unknown))
    if run.status == RunStatus.INTERRUPTED:
        notes.append((NOTE, "the run never ended: its process is gone"))
    if notes:
        yield heading("Not all of it is here")
    for mark, note in notes:
        yield from hang(screen, mark.text + Text(" "), Text("  "), Text(note, ODD))


def heading(text: str) -> Text:
    """What the lines below are about."""
    return Text(f"\n{text}", f"{STRONG}")
