"""How large the faults are, and where their figures go. `python -m tests.faults.report FILE` prints
the table of them that stands in docs/faults.md.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec import Struct

T = TypeVar("T")

FULL = os.environ.get("DECISIONLOG_FAULTS") == "full"
"""As large as docs/faults.md says; otherwise short, as a part of the ordinary tests. How long
something takes is judged at full size only: in short, on a busy computer, it would be that one's.
"""
at_full_size = pytest.mark.skipif(not FULL, reason="judges a time: at full size only")

UNITS = {"ms": "ms", "s": "s", "mib": "MiB"}
"""Figures whose name ends so are the largest of their kind. The others are counts."""


def sized(short: T, full: T) -> T:
    """One of the two."""
    return full if FULL else short


class Line(Struct):
    """Of the table."""

    row: int
    what: str
    tried: int
    seconds: float
    figures: dict[str, Any]

    def add(self, other: "Line") -> None:
        """Another one of the same."""
        self.tried += other.tried
        self.seconds += other.seconds
        for name, value in other.figures.items():
            mine = self.figures[name]
            if isinstance(value, str):
                assert value == mine
            else:
                self.figures[name] = max(mine, value) if unit(name) else mine + value

    @property
    def measured(self) -> str:
        return ", ".join(shown(name, value) for name, value in self.figures.items())


def unit(name: str) -> str:
    """Of a figure, or ""."""
    last = name.rpartition("_")[2]
    return last if last in UNITS else ""


def shown(name: str, value: Any) -> str:
    said = name.removesuffix(f"_{unit(name)}").replace("_", " ")
    number = value if isinstance(value, str) else f"{value:,}"
    return f"{said}: {number} {UNITS.get(unit(name), '')}".rstrip()


class Stopwatch:
    """Since when a test runs."""

    began = 0.0


def report(row: int, what: str, tried: int, **figures: Any) -> None:
    """Append a line to the file that DECISIONLOG_FAULTS_REPORT names, if it does."""
    if name := os.environ.get("DECISIONLOG_FAULTS_REPORT"):
        seconds = time.monotonic() - Stopwatch.began
        line = {"row": row, "what": what, "tried": tried, "seconds": seconds, "figures": figures}
        with open(name, "a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")


def merged(lines: Iterable[Line]) -> list[Line]:
    """By row; what was done several times, or on both event loops, is one line."""
    found: dict[tuple[int, str], Line] = {}
    for line in lines:
        if known := found.get((line.row, line.what)):
            known.add(line)
        else:
            found[line.row, line.what] = line
    return sorted(found.values(), key=lambda line: line.row)


def table(lines: Iterable[Line]) -> Iterator[str]:
    """In Markdown."""
    yield "| # | what was done | times | measured | took |"
    yield "|---|---|---|---|---|"
    for line in merged(lines):
        took = f"{line.seconds:,.0f} s" if line.seconds < 600 else f"{line.seconds / 60:.0f} min"
        yield f"| {line.row} | {line.what} | {line.tried:,} | {line.measured} | {took} |"


if __name__ == "__main__":
    told = Path(sys.argv[1]).read_text("utf-8").splitlines()
    print("\n".join(table(Line(**json.loads(line)) for line in told)))
