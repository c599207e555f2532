"""For the tests of agents that record: a sink in memory, a clock that stands, ids that count.

>>> sink = MemorySink()
>>> with Runtime(sinks=[sink], clock=FixedClock(), new_run_id=CountingIds()) as runtime:
...     with runtime.run("greet"), runtime.decision("How to greet", chosen="hi") as decision:
...         decision.succeed("hi!")
>>> run = sink.run("run_1")
>>> run.decisions[0].outcome.result
'hi!'
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from decisionlog.errors import RunNotFoundError
from decisionlog.model import Run
from decisionlog.reading import Scanner, assemble
from decisionlog.records import AnyRecord
from decisionlog.runtime import Runtime
from decisionlog.sinks import Chunk, Unwritten

__all__ = ["CountingIds", "FixedClock", "MemorySink", "Runtime"]


class MemorySink:
    """Keeps what is recorded. Records are there once `runtime.flush()` has returned, or the runtime
    has closed.
    """

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    def __repr__(self) -> str:
        return f"MemorySink({len(self.chunks)} chunks)"

    async def open(self, writer: str) -> None:
        """Nothing to do."""

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        """Take everything."""
        self.chunks.extend(batch)
        return None

    async def flush(self, durable: bool) -> bool:
        """True: memory is all there is."""
        return True

    async def close(self) -> None:
        """Nothing to do: what was recorded stays."""

    def run_ids(self) -> list[str]:
        """The ids of the runs recorded, in the order in which they came."""
        return list(dict.fromkeys(chunk.run_id for chunk in self.chunks))

    def data(self, run_id: str) -> bytes:
        """What the file of a run would hold."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.run_id == run_id)

    def records(self, run_id: str) -> list[AnyRecord]:
        """The records of a run."""
        return Scanner().feed(self.data(run_id))

    def run(self, run_id: str) -> Run:
        """A run, whole. One that has not ended is `RUNNING`.

        Raises:
            RunNotFoundError: nothing was recorded under this id.
        """
        if run_id not in self.run_ids():
            raise RunNotFoundError(f"there is no run {run_id!r} among {self.run_ids()}")
        scanner = Scanner()
        return assemble(run_id, scanner, scanner.feed(self.data(run_id)))


class FixedClock:
    """A clock that stands until it is moved.

    >>> clock = FixedClock()
    >>> clock.advance(1.5)
    >>> clock.now().isoformat(), clock.monotonic_ns()
    ('2026-01-01T00:00:01.500000+00:00', 1500000000)
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic_ns = 0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time it stands at."""
        return self._now

    def monotonic_ns(self) -> int:
        """How far it was moved, in nanoseconds."""
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        """Move both clocks on."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic_ns += round(seconds * 1e9)

    def set_wall(self, now: datetime) -> None:
        """Set the wall clock alone, as people and time servers do."""
        self._now = now


class CountingIds:
    """Run ids that count: `run_1`, `run_2`, …; for `Runtime(new_run_id=CountingIds())`."""

    def __init__(self, prefix: str = "run_") -> None:
        self._prefix = prefix
        self._numbers = itertools.count(1)

    def __call__(self, now: datetime) -> str:
        """The next id."""
        return f"{self._prefix}{next(self._numbers)}"
