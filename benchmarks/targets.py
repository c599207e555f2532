"""The rows of the table, and what each should come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from msgspec import Struct


class Target(Struct, frozen=True):
    """A row: what is measured, and where it should lie."""

    row: str
    """Its name, for `--only`."""
    figure: str
    bound: float
    at_least: bool = False
    goal: float | None = None
    """What we would like to see, beyond the target."""
    unit: str = "x"
    of: Callable[[Sequence[float]], float] = median
    """What the rounds come to."""

    def holds(self, value: float) -> bool:
        """Whether a figure meets the target."""
        return value >= self.bound if self.at_least else value <= self.bound


TARGETS = (
    Target("decision", "CPU of a decision, all threads, over the limit", 4.5, goal=3),
    Target("imperative", "the same by `decide` and `record_outcome`", 4.5),
    Target("eliot", "CPU of Eliot over ours", 1.2, at_least=True, goal=1.5),
    Target("opentelemetry", "CPU of OpenTelemetry, batched, over ours", 15, at_least=True),
    Target("long-run", "a decision in a run of 1,000,000 over one in a run of 1,000", 1.1),
    Target("live-runs", "a decision with 1,000 live runs over one run, same rate", 3),
    Target("longest-tick", "the longest write with 1,000 live runs", 500, unit="ms", of=max),
    Target("runs", "runs a second: opened, 3 decisions, closed", 2000, at_least=True, unit="/s"),
    Target("lateness-asyncio", "event loop lateness added, p99, asyncio", 1, unit="ms"),
    Target("lateness-uvloop", "event loop lateness added, p99, uvloop", 1, unit="ms"),
    Target("lateness-trio", "event loop lateness added, p99, trio", 1, unit="ms"),
    Target("memory", "memory for 1,000,000 decisions, above idle", 64, unit="MiB", of=max),
    Target("idle", "wake-ups of an idle runtime", 0, unit="/s"),
    Target("decoding", "a run back into `Run`, over msgspec alone", 1.5),
    Target("listing", "listing 10,000 runs with summaries, cold", 1, unit="s"),
    Target("listing-growth", "listing a run among 10,000 over one among 1,000", 1.25),
    Target("import", "`import decisionlog` over its three dependencies", 1.3),
    Target("no-op", "a scope that records nothing over an empty `async with`", 2),
)
ANALYSIS = (
    Target("analysis-patterns", "`patterns` of 100,000 runs with 5,000,000 decisions", 5, unit="s"),
    Target("analysis-options", "`options` of the same", 5, unit="s"),
    Target("analysis-suggest", "`suggest` of the same", 5, unit="s"),
    Target("analysis-memory", "memory that these three take at the most", 2048, unit="MiB", of=max),
    Target("analysis-files", "`options` of 10,000 run files", 5, unit="s"),
    Target("analysis-export", "`export parquet` over DuckDB reading the files", 0.5, True),
    Target("analysis-export-joined", "the same over DuckDB reading one file", 0.5, True),
    Target("analysis-ls", "`ls` of 100,000 runs, first page", 2, unit="s"),
)
"""Those that take minutes, and are measured when asked for."""
BY_ROW = {target.row: target for target in (*TARGETS, *ANALYSIS)}


def chosen(names: str, default: Sequence[Target] = TARGETS) -> list[Target]:
    """The rows that are meant by `decision,lateness`: those names, and what begins with them; by
    no name the default.

    Raises:
        ValueError: there is no such row.
    """
    rows: set[str] = set()
    for name in filter(None, names.split(",")):
        meant = {row for row in BY_ROW if row == name or row.startswith(f"{name}-")}
        if not meant:
            raise ValueError(f"there is no row {name!r} among {', '.join(BY_ROW)}")
        rows |= meant
    return [each for row, each in BY_ROW.items() if row in rows] if names else list(default)
