"""`Analysis`: the answers of many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from decisionlog.analysis.many import (
    calibration,
    changes,
    choices,
    divergence,
    patterns,
    sandbox,
    suggestions,
)
from decisionlog.analysis.many.calibration import Calibration
from decisionlog.analysis.many.changes import Changes
from decisionlog.analysis.many.choices import Options
from decisionlog.analysis.many.divergence import Divergence
from decisionlog.analysis.many.patterns import Goals, Nodes, Patterns
from decisionlog.analysis.many.sandbox import Answer, QueryError
from decisionlog.analysis.many.sources import Scratch, Source, open_tables
from decisionlog.analysis.many.suggestions import Suggestion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Analysis:
    """What many runs say, together.

    Args:
        source: A traces directory, a dataset that `export_parquet` made, or the four tables as a
            dict of lazy frames of PySpark, DuckDB or polars (what else narwhals knows may do; it is
            not tested), with the columns that `decisionlog.analysis.many.tables` lists. A directory
            is read now: runs that are recorded later are not in it.

    Every answer is a frozen Struct that reads as text (`print` it) and encodes as JSON. Rates come
    with 95 % intervals; what the data do not carry is None. An object is for one thread at a time.
    With `with`, it lets go of what it holds at the end of the block.

    Raises:
        ReadError: there is nothing to read, or a table or a column is missing.

    >>> analysis = Analysis("traces")  # doctest: +SKIP
    >>> print(analysis.patterns("qualify-leads"))  # doctest: +SKIP
    """

    def __init__(self, source: Source) -> None:
        self.tables = open_tables(source)
        """The four tables, as lazy frames of narwhals."""
        self._sandbox: tuple[DuckDBPyConnection, Scratch] | None = None

    def close(self) -> None:
        """Let go of files and memory; otherwise that happens when the object goes."""
        if self._sandbox is not None:
            self._sandbox[0].close()
            self._sandbox[1].remove()
        if self.tables.connection is not None:
            self.tables.connection.close()
        if self.tables.scratch is not None:
            self.tables.scratch.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def goals(self) -> Goals:
        """All goals, with how often their runs succeed."""
        return patterns.goals(self.tables)

    def patterns(self, goal_id: str) -> Patterns:
        """How the runs of a goal end, why they fail, at which nodes, and since when.

        Raises:
            ReadError: no run has this goal.
        """
        return patterns.patterns(self.tables, goal_id)

    def nodes(self, goal_id: str | None = None) -> Nodes:
        """The nodes, with how often they fail and what they spend in vain.

        Raises:
            ReadError: no run has this goal.
        """
        return patterns.nodes(self.tables, goal_id)

    def options(self, goal_id: str | None = None, node_id: str | None = None) -> Options:
        """Which option pays, at each place.

        Raises:
            ReadError: no run has this goal.
        """
        return choices.options(self.tables, goal_id, node_id)

    def calibration(self, goal_id: str | None = None, node_id: str | None = None) -> Calibration:
        """Whether confidence means anything.

        Raises:
            ReadError: no run has this goal.
        """
        return calibration.calibration(self.tables, goal_id, node_id)

    def divergence(self, goal_id: str) -> Divergence:
        """Where the runs of a goal that succeed part from those that fail.

        Raises:
            ReadError: no run has this goal.
        """
        return divergence.divergence(self.tables, goal_id)

    def changes(self, tag: str) -> Changes:
        """What got better or worse from each value of a tag (a version, a prompt) to the next.

        Raises:
            ReadError: no run has the tag.
        """
        return changes.changes(self.tables, tag)

    def suggest(self, goal_id: str) -> list[Suggestion]:
        """What to change, most gain first; an empty list when the data support nothing.

        Raises:
            ReadError: no run has this goal.
        """
        return suggestions.suggest(self.tables, goal_id)

    def sql(self, query: str, *, limit: int | None = None) -> Answer:
        """The answer of DuckDB to one SELECT over `runs`, `decisions`, `options` and `problems`; of
        `limit` rows at the most.

        No query can read files outside the dataset, or write any.

        Raises:
            QueryError: it is no such query, it fails, or the tables are frames of the caller's.
        """
        if self.tables.path is None:
            raise QueryError("SQL is for directories; these frames have engines of their own")
        if self._sandbox is None:
            scratch = Scratch()
            self._sandbox = sandbox.connect(self.tables.path, scratch.path), scratch
        return sandbox.answer(self._sandbox[0], query, limit)
