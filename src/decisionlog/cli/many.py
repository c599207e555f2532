"""The commands that look at many runs. They need the extra `analysis`, and say so without it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from rich.console import Console
from rich.text import Text

from decisionlog.cli import arguments, select
from decisionlog.cli.look import hang
from decisionlog.cli.output import put_json, stdout
from decisionlog.model import printable

if TYPE_CHECKING:
    from decisionlog.analysis.many import Analysis

_goal_argument = click.argument("goal", metavar="GOAL")
_goal_option = click.option("--goal", metavar="GOAL", help="Only runs with this goal id.")
_node_option = click.option("--node", metavar="NODE", help="Only decisions of this node.")
_json = arguments.json_option("the answer as JSON")
_NOTHING = "The runs support no suggestion."


def _answer(directory: str | None, as_json: bool, ask: Callable[[Analysis], Any]) -> None:
    """Print what the runs of a directory say: run files, or what `export parquet` made of them."""
    path = select.existing(select.directory_of(directory))
    from decisionlog.analysis import Analysis  # it takes a while, and may not be there
    from decisionlog.analysis.many.sandbox import Answer

    with Analysis(path) as analysis:
        found = ask(analysis)
    if as_json:
        put_json(found)
        return
    screen = stdout()
    if not screen.piped:
        from decisionlog.cli import answers  # needs the extra as well

        if (view := answers.view(found, screen)) is not None:
            for each in view:
                screen.put(each)
            return
    every = cast("list[object]", found) if isinstance(found, list) else [found]
    text = "\n\n".join(map(str, every))
    for raw in (text or _NOTHING).splitlines():
        line = printable(raw)
        if screen.piped or len(line) <= screen.width or isinstance(found, Answer):
            screen.put(line)
            continue
        inside = line.lstrip()
        indent = " " * (len(line) - len(inside))
        for part in hang(screen, Text(indent), Text(indent + "  "), Text(inside)):
            screen.put(part)


@click.command()
@arguments.directory_argument
@_json
def goals(directory: str | None, as_json: bool) -> None:
    """Which goals there are, and how often their runs succeed."""
    _answer(directory, as_json, lambda analysis: analysis.goals())


@click.command()
@_goal_argument
@arguments.directory_argument
@_json
def patterns(goal: str, directory: str | None, as_json: bool) -> None:
    """How the runs of a goal end, and why they fail.

    Failures are grouped by what they say, numbers, ids and paths taken out.
    """
    _answer(directory, as_json, lambda analysis: analysis.patterns(goal))


@click.command()
@arguments.directory_argument
@_goal_option
@_node_option
@_json
def options(directory: str | None, goal: str | None, node: str | None, as_json: bool) -> None:
    """Which option pays, at each place.

    Regret, how much better another option did there, is shown where the intervals say so.
    """
    _answer(directory, as_json, lambda analysis: analysis.options(goal, node))


@click.command()
@arguments.directory_argument
@_goal_option
@_node_option
@_json
def calibration(directory: str | None, goal: str | None, node: str | None, as_json: bool) -> None:
    """Whether the agent's confidence means anything."""
    _answer(directory, as_json, lambda analysis: analysis.calibration(goal, node))


@click.command()
@_goal_argument
@arguments.directory_argument
@_json
def divergence(goal: str, directory: str | None, as_json: bool) -> None:
    """Where runs of a goal that succeed part from those that fail."""
    _answer(directory, as_json, lambda analysis: analysis.divergence(goal))


@click.command()
@click.argument("tag", metavar="TAG")
@arguments.directory_argument
@_json
def changes(tag: str, directory: str | None, as_json: bool) -> None:
    """What got better or worse from one value of TAG to the next.

    Like from a version, a prompt or a model to the one after it; within goals.
    """
    _answer(directory, as_json, lambda analysis: analysis.changes(tag))


@click.command()
@arguments.directory_argument
@_goal_option
@_json
def nodes(directory: str | None, goal: str | None, as_json: bool) -> None:
    """Which nodes fail, and what they spend in vain."""
    _answer(directory, as_json, lambda analysis: analysis.nodes(goal))


@click.command()
@_goal_argument
@arguments.directory_argument
@_json
def suggest(goal: str, directory: str | None, as_json: bool) -> None:
    """What to change for a goal, most gain first.

    Each proposal comes with its evidence. Where the runs support none, there is none.
    """
    _answer(directory, as_json, lambda analysis: analysis.suggest(goal))


@click.command()
@click.argument("query", metavar="QUERY")
@arguments.directory_argument
@_json
def sql(query: str, directory: str | None, as_json: bool) -> None:
    """Ask DuckDB: one SELECT over the tables of runs.

    They are `runs`, `decisions`, `options` and `problems`. Nothing outside the directory can be
    read, and nothing written.
    """
    _answer(directory, as_json, lambda analysis: analysis.sql(query))


@click.group()
def export() -> None:
    """Hand the runs to other programs."""


@export.command()
@click.argument("out", metavar="OUT", type=click.Path(file_okay=False))
@arguments.directory_argument
@_json
def parquet(out: str, directory: str | None, as_json: bool) -> None:
    """Write the runs below OUT as Parquet, for DuckDB, Spark or pandas.

    Only those are written that have ended and are not there yet. DIR of `patterns`, `options` and
    the like may be OUT.
    """
    path = select.existing(select.directory_of(directory))
    from rich.progress import (  # 30 ms, for every other command too
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from decisionlog.analysis.many import export_parquet

    columns = (TextColumn("Exporting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Console(file=sys.stderr)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("", total=None)
        done = export_parquet(
            path, Path(out), progress=lambda n, total: bar.update(task, completed=n, total=total)
        )
    if as_json:
        put_json(done)
    else:
        stdout().put(str(done))


COMMANDS = (
    goals, patterns, options, calibration, divergence, changes, nodes, suggest, sql, export
)  # fmt: skip
