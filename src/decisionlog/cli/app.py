"""The commands: what they take, and their exit codes.

0: answered. 1: damaged, not found, or it did not work. 2: not understood. 130: ended by ctrl-C.
141: nobody reads the output any more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click

from decisionlog import (
    DecisionLogError,
    Run,
    RunCheck,
    RunNotFoundError,
    RunStatus,
    RunStore,
    RunSummary,
    __version__,
)
from decisionlog.cli import arguments, listing, live, many, pruning, select, story, viewing
from decisionlog.cli.decision import Depth
from decisionlog.cli.look import fitting
from decisionlog.cli.output import hush, put_json, put_json_line, say, stdout
from decisionlog.wording import counted

F = TypeVar("F", bound=Callable[..., Any])

NOT_WELL, INTERRUPTED, UNREAD = 1, 130, 141
_MANY = 50
"""How many runs a terminal gets to see when nobody said how many."""


class _Program(click.Group):
    """The one place where errors become messages and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            hush()
            ctx.exit(UNREAD)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except (DecisionLogError, OSError) as error:
            say(f"decisionlog: {error}", "red")
            ctx.exit(NOT_WELL)


async def _load(path: Path, run: str | None) -> Run:
    return await RunStore(path).load(await select.find(path, run))


@click.group(cls=_Program, name="decisionlog")
@click.version_option(__version__)
def program() -> None:
    """What AI agents decided, why, and what came of it.

    DIR is the directory given to Runtime(DIR); by default $DECISIONLOG_DIR, else ./traces. RUN is
    the id of a run or its beginning, the short name that `ls` shows, or `last`.
    """


@program.command()
@arguments.directory_argument
@click.option("--goal", metavar="GOAL", help="Only runs with this goal id.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([str(status) for status in RunStatus]),
    help="Only runs which stand like this; may be given several times.",
)
@click.option(
    "--since", type=arguments.moment, metavar="TIME", help="Started then or later: 2h, 2026-01-31."
)
@click.option("--until", type=arguments.moment, metavar="TIME", help="Started before that.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=0),
    help=f"At most so many runs, 0 for all.  [default: {_MANY} in a terminal, else all]",
)
@arguments.json_option("a list of run summaries as JSON")
def ls(
    directory: str | None,
    goal: str | None,
    statuses: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List runs, the newest first."""
    path = select.existing(select.directory_of(directory))
    screen = stdout()
    most = limit if limit is not None else 0 if as_json or screen.piped else _MANY

    async def matching() -> list[RunSummary]:
        found: list[RunSummary] = []
        async for each in RunStore(path).runs(goal_id=goal, since=since, until=until):
            if not statuses or each.status in statuses:
                found.append(each)
            if 0 < most < len(found):
                break
        return found

    found = anyio.run(matching)
    shown = found[:most] if most else found
    if as_json:
        put_json(shown)
    elif shown:
        for line in listing.table(shown, screen):
            screen.put(line)
    elif select.run_ids(path):
        say("no run matches")
    else:
        say(select.why_empty(path))
    if limit is None and len(found) > len(shown):
        say(f"the newest {counted(most, 'run')}; --limit 0 lists all")


@program.command()
@arguments.run_argument
@arguments.directory_argument
@click.option(
    "--failed", is_flag=True, help="Only decisions which failed, and where they were made."
)
@click.option("--full", is_flag=True, help="Leave nothing out of a decision.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=0),
    help=f"At most so many decisions, 0 for all.  [default: {story.MANY} in a terminal, else all]",
)
@arguments.json_option("the run as JSON")
def show(
    run: str | None,
    directory: str | None,
    failed: bool,
    full: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show a run, decision by decision; without RUN the newest.

    Decisions which failed are shown at length: the options with the confidence the agent had in
    them, what spoke for and against each, and the error.
    """
    run, path = select.place(run, directory)
    loaded = anyio.run(_load, path, run)
    if as_json:
        put_json(loaded)
        return
    screen = stdout()
    depth = Depth.FULL if full else Depth.USUAL
    for line in story.story(loaded, screen, depth=depth, failed=failed, limit=limit):
        screen.put(line)


@program.command()
@arguments.run_argument
@arguments.directory_argument
@click.option("--full", is_flag=True, help="Leave nothing out.")
@arguments.json_option("the explanation as JSON")
def why(run: str | None, directory: str | None, full: bool, as_json: bool) -> None:
    """Say why a run failed; without RUN, the newest.

    The causes that its records speak for, those with the strongest evidence first; how it came to
    that; what the records hold against it; and how other runs of the same goal fared which chose
    otherwise at the same places.
    """
    from decisionlog.analysis import explain
    from decisionlog.cli.why import why as lines_of

    run, path = select.place(run, directory)
    store = RunStore(path)
    loaded = anyio.run(_load, path, run)
    found = explain(loaded, store)
    if as_json:
        put_json(found)
        return
    screen = stdout()
    for line in fitting(lines_of(loaded, found, screen, full=full), screen):
        screen.put(line)


@program.command()
@click.argument("a", metavar="A", shell_complete=select.complete)
@click.argument("b", metavar="B", shell_complete=select.complete)
@arguments.directory_argument
@click.option("--full", is_flag=True, help="Leave nothing out.")
@arguments.json_option("the comparison as JSON")
def diff(a: str, b: str, directory: str | None, full: bool, as_json: bool) -> None:
    """Compare run A with run B, decision by decision.

    Where they first chose differently and what the options were, what only one of them decided, and
    how their figures differ.
    """
    from decisionlog.analysis import compare
    from decisionlog.cli.diff import diff as lines_of

    places = [select.place(each, directory) for each in (a, b)]

    async def load() -> list[Run]:
        return [await _load(path, run) for run, path in places]

    one, other = anyio.run(load)
    found = compare(one, other)
    if as_json:
        put_json(found)
        return
    screen = stdout()
    for line in fitting(lines_of(one, other, found, screen, full=full), screen):
        screen.put(line)


@program.command()
@arguments.run_argument
@arguments.directory_argument
@arguments.json_option("each record as a line of JSON")
def tail(run: str | None, directory: str | None, as_json: bool) -> None:
    """Follow a run while it is recorded; without RUN the newest.

    It begins with the first record, and ends when the run does.
    """
    run, path = select.place(run, directory)
    screen = stdout()

    async def follow() -> None:
        run_id = await select.find(path, run)
        ticker = live.Ticker(screen)
        async for record in RunStore(path).follow(run_id):
            if as_json:
                put_json_line(record)
            else:
                for line in ticker.lines(record):
                    screen.put(line)
                sys.stdout.flush()
        if not as_json:
            for line in ticker.ending():
                screen.put(line)

    anyio.run(follow)


@program.command()
@arguments.run_argument
@arguments.directory_argument
@arguments.json_option("a list of what was found in each run as JSON")
@click.pass_context
def check(ctx: click.Context, run: str | None, directory: str | None, as_json: bool) -> None:
    """Verify the files of all runs, or of RUN: checksums, sequence numbers, endings.

    The exit code is 1 when a line is damaged or records are missing. A run which was interrupted
    is none the worse for it.
    """
    run, path = select.place(run, directory)
    screen = stdout()
    checks: list[RunCheck] = []
    unreadable = False

    async def verify() -> None:
        nonlocal unreadable
        store = RunStore(path)
        for run_id in select.run_ids(path) if run is None else [await select.find(path, run)]:
            try:
                found = await store.check(run_id)
            except RunNotFoundError as error:
                if (path / "runs" / f"{run_id}.jsonl").exists():  # else deleted meanwhile
                    unreadable = True
                    say(f"decisionlog: {error}", "red")
                continue
            checks.append(found)
            if not as_json:
                for line in listing.verdict(found, path):
                    screen.put(line)

    anyio.run(verify)
    if as_json:
        put_json(checks)
    else:
        screen.put(listing.balance(checks, path))
    if unreadable or not all(map(listing.is_whole, checks)):
        ctx.exit(NOT_WELL)


@program.command()
@arguments.directory_argument
@click.option(
    "--older-than", type=arguments.age, metavar="AGE", help="Started longer ago: 30d, 12h."
)
@click.option(
    "--keep", type=click.IntRange(min=0), metavar="N", help="Never the newest N of all runs."
)
@click.option("--dry-run", is_flag=True, help="Only say which; remove nothing.")
@arguments.json_option("the ids of the runs removed as JSON")
def prune(
    directory: str | None,
    older_than: timedelta | None,
    keep: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove runs for good: those older than AGE, but for the newest N; one of the two is needed.

    Runs that are being written stay.
    """
    if older_than is None and keep is None:
        raise click.UsageError("name --older-than, --keep or both, or every run would be removed")
    path = select.existing(select.directory_of(directory))
    store = RunStore(path)
    removed = anyio.run(partial(store.prune, older_than=older_than, keep=keep, dry_run=dry_run))
    if as_json:
        put_json(removed)
        return
    screen = stdout()
    for line in pruning.report(removed, screen):
        screen.put(line)
    what = "would be removed" if dry_run else "removed"
    say(f"{counted(len(removed), 'run')} {what} from {path}")


@program.command()
@click.option("--runs", type=click.IntRange(min=1), default=12, show_default=True, help="How many.")
@click.option("--seed", type=int, default=7, show_default=True, help="Whence chance comes.")
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="traces",
    metavar="DIR",
    show_default=True,
    help="Where the runs go.",
)
@arguments.json_option("what came of it as JSON")
@click.pass_context
def demo(ctx: click.Context, runs: int, seed: int, out: str, as_json: bool) -> None:
    """Watch an agent at work, and look at what it recorded.

    It downloads files from three mirrors on this computer which misbehave, and decides for each
    attempt which mirror to ask, whether to wait, or to give up. It needs no network.
    """
    from decisionlog.cli import showcase

    report = showcase.perform(Path(out), runs=runs, seed=seed)
    if as_json:
        put_json(report)
    else:
        screen = stdout()
        for line in showcase.review(report, screen, program=ctx.find_root().command_path):
            screen.put(line)
    if complaint := showcase.complaint(report):
        say(f"decisionlog: {complaint}", "red")
        ctx.exit(NOT_WELL)


for command in (*many.COMMANDS, viewing.view, viewing.report):
    program.add_command(command)
