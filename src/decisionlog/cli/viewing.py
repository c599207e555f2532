"""`view` and `report`: runs in a browser. They need the extra `viewer`, and say so without it."""

from __future__ import annotations

import os
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from decisionlog.cli import arguments, select
from decisionlog.cli.output import say, stdout
from decisionlog.extras import require

if TYPE_CHECKING:
    from decisionlog.viewer.server import Address


@click.command()
@arguments.directory_argument
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Where to listen, 0 for any free port.  [default: the first free one from 8765 on]",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=None,
    help="Open the browser, or do not.  [default: open it if there is a screen]",
)
def view(directory: str | None, port: int | None, opens: bool | None) -> None:
    """Show the runs in a browser, live, until ctrl-C.

    Only this computer can reach it, and only with the token in the address that is printed.
    """
    path = select.existing(select.directory_of(directory))
    require("viewer")
    from decisionlog.viewer.server import serve

    def ready(address: Address) -> None:
        stdout().put(f"Runs of {path} at {address.url}")
        say("ctrl-C ends it")
        sys.stdout.flush()
        if opens or (opens is None and _has_screen()):
            webbrowser.open(address.url)

    serve(path, port, ready)


def _has_screen() -> bool:
    if not sys.stdout.isatty():
        return False
    return sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


@click.command()
@arguments.run_argument
@arguments.directory_argument
@click.option("--goal", metavar="GOAL", help="A report of all runs with this goal id.")
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.  [default: RUN.html, or goal.html]",
)
def report(run: str | None, directory: str | None, goal: str | None, out: Path | None) -> None:
    """Write what `view` shows of a run, or of a goal, as one HTML file that opens anywhere."""
    if goal is not None and run is not None and directory is None:
        run, directory = None, run
    if goal is not None and run is not None:
        raise click.UsageError("name a RUN or a --goal, not both")
    text, path = select.place(run, directory)
    from decisionlog.viewer.report import goal_report, run_report

    if goal is not None:
        with tempfile.TemporaryDirectory(prefix="decisionlog-") as scratch:
            page = goal_report(path, goal, Path(scratch))
        out = out or Path("goal.html")
    else:
        run_id = anyio.run(select.find, path, text)
        page = run_report(path, run_id)
        out = out or Path(f"{run_id}.html")
    out.write_text(page, "utf-8")
    size = f"{out.stat().st_size / 1e6:.1f} MB"
    say(f"wrote {out} ({size}); it opens in any browser, and needs nothing else")
