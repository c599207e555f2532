"""Rows about the analysis of many runs: what a person waits for, from the command to its answer.

Each command runs in a process of its own, as from a shell; its time includes the start of Python
and all imports. What it is asked of is made by `grown`, which takes minutes; with a directory to
keep it in, once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from msgspec import Struct

from benchmarks import grown
from benchmarks.measure import ROOT, Bench, Figure, as_installed

GOAL = next(iter(grown.GOALS))
"""The goal with most runs: two fifths of them."""
_RAW = (4, 10)
"""Decisions of a run, and options of each, in run files: about what Auto-GPT's runs have."""
_TINY = (1, 2)

_READ = """
import sys, time
from decisionlog.analysis.many import loading
fields = ", ".join(f"{loading.quoted(n)}: {loading.quoted(t)}" for n, t in loading.FIELDS.items())
connection = loading.connect()
start = time.perf_counter()
connection.execute(
    f"CREATE TEMP TABLE records AS SELECT * FROM read_json({loading.quoted(sys.argv[1])},"
    f" columns={{{fields}}}, format='newline_delimited')"
)
print(time.perf_counter() - start)
"""
_EXPORT = """
import sys, time
from decisionlog.analysis.many import export_parquet
start = time.perf_counter()
export_parquet(sys.argv[1], sys.argv[2])
print(time.perf_counter() - start)
"""


class Taken(Struct, frozen=True):
    """What a process took: seconds by the clock on the wall, of CPU, and MiB at the most."""

    seconds: float
    cpu: float
    peak_mib: float
    said: str


def run(*command: object, env: Mapping[str, str] | None = None) -> Taken:
    """Run Python with these arguments, in this environment.

    Raises:
        RuntimeError: it failed.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit, said)


def answers(bench: Bench, rows: set[str]) -> list[Figure]:
    """`analysis-patterns`, `-options`, `-suggest` over Parquet, and the memory that they take."""
    commands = {
        "analysis-patterns": ("patterns", GOAL),
        "analysis-options": ("options",),
        "analysis-suggest": ("suggest", GOAL),
    }
    figures: list[Figure] = []
    peaks: list[float] = []
    runs = bench.effort.analysed_runs
    data = _made(bench, f"runs-{runs}", "dataset", runs)
    for row, command in commands.items():
        figure, peak = _command(bench, row, *command, data, "--json")
        figures.append(figure)
        peaks.append(peak)
    told = {"runs": float(runs), "decisions": float(runs * grown.LENGTH)}
    return [*figures, Figure("analysis-memory", [max(peaks)], told)]


def over_files(bench: Bench, rows: set[str]) -> list[Figure]:
    """`analysis-files`: `options` over run files, which have to be read first."""
    figure, _ = _command(bench, "analysis-files", "options", _files(bench), "--json")
    return [figure]


def exporting(bench: Bench, rows: set[str]) -> list[Figure]:
    """`analysis-export`, `-export-joined`: the speed of `export parquet` over that at which DuckDB
    reads the same lines into a table with the same columns: from the files, or all in one.
    """
    data = _files(bench)
    with bench.scratch() as scratch:
        joined = scratch / "joined.jsonl"
        with open(joined, "wb") as file:
            file.writelines(each.read_bytes() for each in sorted((data / "runs").iterdir()))
        ours: list[float] = []
        in_one: list[float] = []
        for turn in range(min(3, bench.effort.few_rounds)):
            ours.append(float(run("-c", _EXPORT, data, scratch / str(turn)).said))
            in_one.append(float(run("-c", _READ, joined).said))
        theirs = float(run("-c", _READ, data / "runs" / "*.jsonl").said)  # a minute or more
        size = joined.stat().st_size / 2**20
    details = {
        "seconds": round(median(ours), 2),
        "duckdb_s": round(theirs, 2),
        "duckdb_joined_s": round(median(in_one), 2),
        "mib": round(size, 1),
    }
    return [
        Figure("analysis-export", [theirs / each for each in ours], details),
        Figure("analysis-export-joined", [b / a for a, b in zip(ours, in_one, strict=True)]),
    ]


def first_page(bench: Bench, rows: set[str]) -> list[Figure]:
    """`analysis-ls`: the first page of a long list, as a terminal shows it."""
    runs = bench.effort.listed_many
    data = _made(bench, f"files-{runs}x{_TINY[0]}", "traces", runs, *_TINY)
    figure, _ = _command(bench, "analysis-ls", "ls", "-n", 50, data)
    return [figure]


def _command(bench: Bench, row: str, *command: object) -> tuple[Figure, float]:
    assert bench.kept is not None
    env = as_installed(bench.kept / "bytecode")
    rounds = range(bench.effort.few_rounds + 1)
    # The first one compiles.
    taken = [run("-m", "decisionlog", *command, env=env) for _ in rounds][1:]
    peak = max(each.peak_mib for each in taken)
    details = {"cpu_s": round(median(each.cpu for each in taken), 2), "peak_mib": round(peak, 0)}
    return Figure(row, [each.seconds for each in taken], details), peak


def _files(bench: Bench) -> Path:
    runs = bench.effort.raw_runs
    return _made(bench, f"files-{runs}x{_RAW[0]}", "traces", runs, *_RAW)


def _made(bench: Bench, name: str, what: str, *numbers: int) -> Path:
    """In a process of its own: the memory that this one takes is passed on to those measured."""
    assert bench.kept is not None
    run("-m", "benchmarks.grown", what, bench.kept / name, *numbers)
    return bench.kept / name
