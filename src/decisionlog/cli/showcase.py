"""The demo in the terminal: a bar while it runs, then what it recorded and how to look further."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import anyio
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column as Room
from rich.text import Text

from decisionlog import Decision, Run, RunStatus, RunStore, RunSummary
from decisionlog.cli import listing, select, story
from decisionlog.cli.decision import Depth
from decisionlog.cli.look import LIVE, QUIET, STRONG, Column, columns, hang, has_failed, width_of
from decisionlog.cli.outline import outline
from decisionlog.cli.output import Screen, stderr
from decisionlog.cli.text import one_line
from decisionlog.demo import DemoReport, run_demo
from decisionlog.demo import Progress as Step
from decisionlog.wording import counted


def perform(out: Path, *, runs: int, seed: int) -> DemoReport:
    """Run the demo; the bar is for whoever watches, and leaves no trace."""
    screen = stderr()
    bar = Progress(
        SpinnerColumn(),
        BarColumn(bar_width=None, table_column=Room(ratio=1, max_width=40)),
        TextColumn("{task.completed}/{task.total} files, {task.fields[runs]} runs", markup=False),
        TimeElapsedColumn(),
        TextColumn(
            "{task.description}",
            style=QUIET,
            markup=False,
            table_column=Room(no_wrap=True, ratio=2),
        ),
        console=screen.console,
        transient=True,
        expand=True,
    )
    with nullcontext() if screen.piped else bar:
        task = bar.add_task("", total=None, runs=f"0/{runs}")

        def progress(step: Step) -> None:
            bar.update(
                task,
                completed=step.files_done,
                total=step.files,
                description=one_line(step.news),
                runs=f"{step.runs_done}/{step.runs}",
            )

        async def main() -> DemoReport:
            return await run_demo(out, runs=runs, seed=seed, progress=progress)

        return anyio.run(main)


def complaint(report: DemoReport) -> str:
    """What went wrong with the recording, if anything."""
    if report.lost:
        return f"{counted(report.lost, 'record')} could not be written to {report.directory!r}"
    return "" if report.records else "nothing was recorded; is DECISIONLOG_DISABLED set?"


def review(report: DemoReport, screen: Screen, *, program: str) -> Iterator[Text]:
    """The runs, one of the failures step by step, and what to type next."""
    if not report.records:
        return
    summaries, failures = anyio.run(_read, report)
    yield from listing.table(summaries, screen)
    yield Text(
        f"\n{counted(len(report.runs), 'run')} and {counted(report.records, 'record')} in "
        f"{report.seconds:.1f} s, recorded in {report.directory}",
        QUIET,
    )
    run_id = select.LAST
    if failure := clearest(failures):
        run, root = failure
        run_id = select.handle(run.id)
        happened = "get stuck" if run.status == RunStatus.STUCK else "fail"
        title = Text(f"\nWhy did {one_line(run.goal_id)} {happened}?", STRONG)
        yield title.append(f"  {run_id}", f"not bold {QUIET}")
        yield from hang(screen, Text("  "), Text("  "), Text(one_line(run.narrative)))
        yield Text()
        yield from story.decisions(run.decisions, screen, roots=[root], depth=Depth.OPTIONS)
        yield Text()
        for problem in run.problems:
            if problem.decision_id in (root.id, None):
                yield from story.problem_lines(problem, screen)
    yield Text("\nLook further", STRONG)
    place = _quoted(report.directory)
    commands = {
        f"view {place}": "see in the browser why it failed, and what the agent chose from",
        f"check {place}": "is every record whole and in its place?",
        f"tail {place}": "follow the newest run while an agent is at work",
        f"ls {place}": "all runs, the newest first",
        f"show {run_id} {place}": "one of them, decision by decision",
        f"why {run_id} {place}": "why it failed, and what could be done",
    }
    table = [
        Column("", [Text.assemble(f"  {program} ", (each, LIVE)) for each in commands]),
        Column("", [Text(what, QUIET) for what in commands.values()]),
    ]
    if width_of(table) > screen.width:  # a command must stay whole, to be copied
        del table[1]
    yield from islice(columns(table), 1, None)


async def _read(report: DemoReport) -> tuple[list[RunSummary], list[Run]]:
    store = RunStore(report.directory)
    summaries = [await store.summary(each.run_id) for each in report.runs]
    failed = [each for each in summaries if each.status in (RunStatus.FAILED, RunStatus.STUCK)]
    return summaries, [await store.load(each.run_id) for each in failed]


def clearest(failures: Sequence[Run]) -> tuple[Run, Decision] | None:
    """The failure that takes the fewest words: a decision to which a critical problem was
    reported, if there is one, with what was tried inside it.
    """
    ranked: list[tuple[bool, bool, int, Run, Decision]] = []
    for run in failures:
        critical = {each.decision_id for each in run.problems if each.severity == "critical"}
        for root in run.decisions:
            steps = sum(1 for _ in outline(run.decisions, widest=0, roots=[root])) - 1
            if root.parent_id is None and steps > 1:
                ranked.append((root.id not in critical, not has_failed(root), steps, run, root))
    if not ranked:
        return None
    *_, run, root = min(ranked, key=lambda each: each[:3])
    return run, root


def _quoted(directory: str) -> str:
    return f'"{directory}"' if os.name == "nt" else shlex.quote(directory)
