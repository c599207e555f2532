"""The command line: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from benchmarks import analysis, cost, ladder, load, process, reading, report
from benchmarks.measure import FULL, LOOPS, QUICK, ROOT, Bench, Figure, Neighbours, settle
from benchmarks.targets import ANALYSIS, TARGETS, Target, chosen
from benchmarks.work import pool

DEFAULT = ROOT / ".nox" / "bench.json"
Measure = Callable[[Bench, set[str]], list[Figure]]
MEASURES: dict[Measure, tuple[str, ...]] = {
    cost.of_a_decision: ("decision", "imperative", "eliot", "opentelemetry"),
    cost.in_a_long_run: ("long-run",),
    load.of_live_runs: ("live-runs", "longest-tick"),
    load.of_short_runs: ("runs",),
    load.on_the_event_loop: ("lateness-asyncio", "lateness-uvloop", "lateness-trio"),
    process.memory: ("memory",),
    process.idle: ("idle",),
    reading.decoding: ("decoding",),
    reading.listing: ("listing", "listing-growth"),
    process.imports: ("import",),
    cost.of_nothing: ("no-op",),
    analysis.answers: (
        "analysis-patterns", "analysis-options", "analysis-suggest", "analysis-memory",
    ),
    analysis.over_files: ("analysis-files",),
    analysis.exporting: ("analysis-export", "analysis-export-joined"),
    analysis.first_page: ("analysis-ls",),
}  # fmt: skip
"""What measures which rows; some come out of the same measurement."""


def measured(bench: Bench, targets: list[Target]) -> list[report.Row]:
    """The rows, in the order of the table."""
    figures: dict[str, Figure] = {}
    for measure, rows in MEASURES.items():
        if wanted := {target.row for target in targets}.intersection(rows):
            print(f"measuring {', '.join(sorted(wanted))} …", file=sys.stderr, flush=True)
            settle()
            figures |= {figure.row: figure for figure in measure(bench, wanted)}
    return [report.row(target, figures[target.row]) for target in targets]


def arguments(args: list[str] | None) -> argparse.Namespace:
    """What is asked for; ends the program with code 2 when that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="What recording costs. It never fails because of a figure.",
    )
    parser.add_argument("--quick", action="store_true", help="a short run: only to see it work")
    parser.add_argument("--profile", action="store_true", help="where the time of a decision goes")
    parser.add_argument("--analysis", action="store_true", help="of many runs, which takes minutes")
    parser.add_argument("--viewer", action="store_true", help="of the viewer, on Linux")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="make its runs here, once")
    parser.add_argument("--only", default="", metavar="ROW,ROW", help="these rows")
    parser.add_argument("--loop", default="asyncio", choices=LOOPS, help="the agent's event loop")
    parser.add_argument("--json", metavar="FILE", type=Path, default=DEFAULT, help="write here")
    parser.add_argument("--directory", type=Path, help="record below this one")
    given = parser.parse_args(args)
    try:
        given.targets = chosen(given.only, ANALYSIS if given.analysis else TARGETS)
    except ValueError as error:
        parser.error(str(error))
    return given


def main(args: list[str] | None = None) -> None:
    """Measure, print, write."""
    given = arguments(args)
    if given.viewer:
        from benchmarks import viewer  # which nothing else needs

        viewer.measured(
            *((200, 500) if given.quick else (100_000, 50_000)), given.keep, given.directory
        )
        return
    bench = Bench(QUICK if given.quick else FULL, pool(), given.loop, given.directory)
    neighbours = Neighbours()
    profile = ladder.profile(bench) if given.profile else None
    with bench.scratch() as scratch:
        bench = replace(bench, kept=given.keep or scratch)
        rows = [] if profile else measured(bench, given.targets)
    document = report.document(given.loop, given.quick, neighbours.cores(), rows, profile)
    print(report.heading(document))
    print(report.profile_text(profile) if profile else report.table(rows))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_bytes(msgspec.json.format(msgspec.json.encode(document)))
    print(f"\nas JSON: {given.json}", file=sys.stderr)


if __name__ == "__main__":
    main()
