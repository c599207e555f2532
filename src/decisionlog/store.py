"""`RunStore`: the runs in a directory, for whoever wants to know what happened.

Reading needs no runtime, and works while runs are being written. All methods do their file work in
a worker thread, on any event loop.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

from decisionlog import liveness
from decisionlog.errors import DecisionNotFoundError, RunInProgressError, RunNotFoundError
from decisionlog.model import Evaluation, Run, RunCheck, RunStatus, RunSummary
from decisionlog.reading import Assembler, Line, Scanner, interrupted
from decisionlog.records import (
    HOST,
    MAX_LINE_BYTES,
    RUN_ID,
    AnyRecord,
    Evaluated,
    RunEnded,
    RunStarted,
    encode,
    seal,
    started_at,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_BLOCK = 2**20
_ENDS = 2**16
"""How much of a file's head and tail a listing reads at first."""
_PAGE = 64


class RunStore:
    """The runs below a directory.

    Args:
        path: The directory given to `Runtime`.
        stale_after: A run of another host that has not ended, and to which nothing was written for
            this long, counts as interrupted. Without it such a run stays "running": its writer's
            lock cannot be seen from here.

    >>> import anyio
    >>> async def main() -> None:
    ...     async for summary in RunStore("traces").runs():
    ...         print(summary.run_id, summary.status, summary.narrative)
    >>> anyio.run(main)
    """

    def __init__(
        self, path: str | os.PathLike[str] = "traces", *, stale_after: timedelta | None = None
    ) -> None:
        self.path = Path(path)
        self.stale_after = stale_after
        self._runs = self.path / "runs"
        self._evaluations = self.path / "evaluations"
        self._writers = self.path / "writers"

    def __repr__(self) -> str:
        return f"RunStore({str(self.path)!r})"

    async def load(self, run_id: str) -> Run:
        """The run, whole.

        Raises:
            RunNotFoundError: there is no such run.
        """
        return await _in_thread(self._load, run_id)

    async def summary(self, run_id: str) -> RunSummary:
        """The run at a glance.

        Raises:
            RunNotFoundError: there is no such run.
        """
        return await _in_thread(self._summary, run_id)

    async def check(self, run_id: str) -> RunCheck:
        """Verify the checksums and sequence numbers of a run's file.

        Raises:
            RunNotFoundError: there is no such run.
        """
        return await _in_thread(self._check, run_id)

    async def runs(
        self,
        *,
        goal_id: str | None = None,
        status: RunStatus | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = True,
    ) -> AsyncIterator[RunSummary]:
        """Summaries of the runs that match, by start; `since` is included, `until` is not.

        Raises:
            ValueError: `status` is none, or a time has no time zone.
        """
        status = None if status is None else RunStatus(status)
        for name, limit in (("since", since), ("until", until)):
            if limit is not None and limit.tzinfo is None:
                raise ValueError(f"{name} has no time zone: {limit!r}; use datetime.now(UTC), say")
        names = await _in_thread(self._names, since, until, newest_first)
        for start in range(0, len(names), _PAGE):
            for summary in await _in_thread(self._summaries, names[start : start + _PAGE]):
                if goal_id in (None, summary.goal_id) and status in (None, summary.status):
                    yield summary

    async def follow(self, run_id: str, *, poll_interval: float = 0.05) -> AsyncIterator[AnyRecord]:
        """The records of a run as they are written, from the first; ends when the run has ended or
        its writer is gone. Damaged lines are passed over.

        Raises:
            RunNotFoundError: there is no such run.
        """
        file = await _in_thread(self._open, run_id)
        with file:
            scanner, assembler = Scanner(), Assembler()
            idle = 0
            over = False
            while True:
                data = await _in_thread(file.read, _BLOCK)
                for line in scanner.feed(data):
                    for record in assembler.add(line):
                        yield record
                if assembler.ended is not None or (over and not data):
                    for record in assembler.finish():
                        yield record
                    return
                # Once more after the writer is gone: it may have written until then.
                idle = 0 if data else idle + 1
                over = idle % 10 == 1 and await _in_thread(self._is_over, file, assembler.started)
                if not data and not over:
                    await anyio.sleep(poll_interval)

    async def evaluate(self, run_id: str, decision_id: str, evaluation: Evaluation) -> None:
        """Keep a judgement of a decision, beside the run; the last one of a decision stands.

        Raises:
            RunNotFoundError: there is no such run.
            DecisionNotFoundError: the run has no such decision.
        """
        await _in_thread(self._evaluate, run_id, decision_id, evaluation)

    async def delete(self, run_id: str) -> None:
        """Remove a run and its evaluations for good.

        Raises:
            RunNotFoundError: there is no such run.
            RunInProgressError: it is still being written.
        """
        await _in_thread(self._delete, run_id)

    async def prune(
        self, *, older_than: timedelta | None = None, keep: int | None = None
    ) -> list[str]:
        """Remove runs that started longer ago than `older_than`, but for the newest `keep`; either
        may be left out. Live runs stay.

        Returns:
            The ids of the runs removed.

        Raises:
            ValueError: neither is given, or `keep` is negative.
        """
        if older_than is None and keep is None:
            raise ValueError("prune needs older_than=, keep= or both, or it would remove every run")
        if keep is not None and keep < 0:
            raise ValueError(f"keep is {keep}, not a number from 0 up")
        return await _in_thread(self._prune, older_than, keep or 0)

    # ------------------------------------------------------------------ in a worker thread

    def _open(self, run_id: str) -> IO[bytes]:
        if not RUN_ID.fullmatch(run_id):
            raise RunNotFoundError(f"{run_id!r:.120} is no run id")
        try:
            return open(self._runs / f"{run_id}.jsonl", "rb", buffering=0, opener=_no_symlink)
        except FileNotFoundError:
            raise RunNotFoundError(f"there is no run {run_id} in {self.path}") from None
        except OSError as error:
            raise RunNotFoundError(f"run {run_id} in {self.path} cannot be read: {error}") from None

    def _assemble(self, run_id: str) -> tuple[Assembler, int, RunStatus]:
        """The records of a run with its evaluations, and how it stands."""
        with self._open(run_id) as file:
            assembler, scanner = Assembler(), Scanner()
            for line in _lines(file, scanner):
                assembler.add(line)
            over = assembler.ended is not None or self._is_over(file, assembler.started)
            if over and assembler.ended is None:
                # It may have ended between the two looks, and its writer with it.
                for line in _lines(file, scanner):
                    assembler.add(line)
            assembler.finish()
        status = RunStatus.INTERRUPTED if over else RunStatus.RUNNING
        if assembler.ended is not None:
            status = assembler.ended.status
        return assembler, scanner.torn_bytes, status

    def _load(self, run_id: str) -> Run:
        assembler, torn_bytes, status = self._assemble(run_id)
        try:
            with open(
                self._evaluations / f"{run_id}.jsonl", "rb", buffering=0, opener=_no_symlink
            ) as file:
                for line in _lines(file, Scanner()):
                    if type(line.record) is Evaluated:
                        assembler.evaluate(line.record)
        except OSError:
            pass
        run = assembler.run(run_id, torn_bytes)
        return interrupted(run, assembler.digest) if status == RunStatus.INTERRUPTED else run

    def _check(self, run_id: str) -> RunCheck:
        assembler, torn_bytes, status = self._assemble(run_id)
        return RunCheck(
            run_id=run_id,
            status=status,
            records=assembler.records,
            lost_records=assembler.lost,
            torn_bytes=torn_bytes,
            damage=assembler.damage(torn_bytes),
        )

    def _summary(self, run_id: str) -> RunSummary:
        with self._open(run_id) as file:
            started, ended = _first_record(file), _last_record(file)
        if started is None or ended is None:
            return self._summary_from_all(run_id)
        return RunSummary(
            run_id=run_id,
            goal_id=started.goal_id,
            status=ended.status,
            started_at=started.timestamp,
            duration_ms=ended.duration_ms,
            decision_count=ended.metrics.total_decisions,
            success_rate=ended.metrics.success_rate,
            problem_count=ended.problem_count,
            narrative=ended.narrative,
            key_decisions=ended.key_decisions,
            critical_problems=ended.critical_problems,
            warnings=ended.warnings,
            successes=ended.successes,
        )

    def _summary_from_all(self, run_id: str) -> RunSummary:
        assembler, _, status = self._assemble(run_id)
        started, ended = assembler.started, assembler.ended
        metrics = assembler.digest.metrics()
        return RunSummary(
            run_id=run_id,
            goal_id=started.goal_id if started else "",
            status=status,
            started_at=started.timestamp if started else started_at(run_id),
            duration_ms=ended.duration_ms if ended else None,
            decision_count=metrics.total_decisions,
            success_rate=metrics.success_rate,
            narrative=ended.narrative if ended else assembler.digest.narrative(status),
            **assembler.digest.highlights(),
        )

    def _summaries(self, run_ids: list[str]) -> list[RunSummary]:
        summaries: list[RunSummary] = []
        for run_id in run_ids:
            try:
                summaries.append(self._summary(run_id))
            except RunNotFoundError:  # deleted meanwhile
                continue
        return summaries

    def _names(
        self, since: datetime | None, until: datetime | None, newest_first: bool
    ) -> list[str]:
        """The ids of the runs that started in a span of time, in order."""
        found: list[tuple[datetime, str]] = []
        try:
            entries = os.listdir(self._runs)
        except OSError:
            return []
        for entry in entries:
            run_id, extension = os.path.splitext(entry)
            if extension != ".jsonl" or not RUN_ID.fullmatch(run_id):
                continue
            started = started_at(run_id) or self._started_at(run_id)
            if (since is None or started >= since) and (until is None or started < until):
                found.append((started, run_id))
        found.sort(reverse=newest_first)
        return [run_id for _, run_id in found]

    def _started_at(self, run_id: str) -> datetime:
        """When a run began whose id does not say."""
        try:
            with self._open(run_id) as file:
                started = _first_record(file)
                if started is not None:
                    return started.timestamp
                return datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        except RunNotFoundError:
            return datetime.fromtimestamp(0, UTC)

    def _is_over(self, file: IO[bytes], started: RunStarted | None) -> bool:
        """Whether nobody writes to a run any more that has not ended."""
        if started is not None and started.host != HOST:
            age = time.time() - os.fstat(file.fileno()).st_mtime
            return self.stale_after is not None and age > self.stale_after.total_seconds()
        return started is None or not liveness.is_alive(self._writers, started.writer)

    def _evaluate(self, run_id: str, decision_id: str, evaluation: Evaluation) -> None:
        run = self._load(run_id)
        if run.decision(decision_id) is None:
            raise DecisionNotFoundError(f"run {run_id} has no decision {decision_id!r:.40}")
        record = Evaluated(decision_id, evaluation, datetime.now(UTC), run_id)
        self._evaluations.mkdir(mode=0o700, exist_ok=True)
        # One write to a file opened for appending: evaluators do not tear each other's lines.
        with open(
            self._evaluations / f"{run_id}.jsonl", "ab", buffering=0, opener=_no_symlink
        ) as file:
            file.write(seal(encode(record)))

    def _delete(self, run_id: str) -> None:
        if self._summary(run_id).status == RunStatus.RUNNING:
            raise RunInProgressError(f"run {run_id} is still being written; it is not deleted")
        (self._runs / f"{run_id}.jsonl").unlink(missing_ok=True)
        (self._evaluations / f"{run_id}.jsonl").unlink(missing_ok=True)

    def _prune(self, older_than: timedelta | None, keep: int) -> list[str]:
        removed: list[str] = []
        before = None if older_than is None else datetime.now(UTC) - older_than
        kept = set(self._names(None, None, newest_first=True)[:keep])
        for run_id in self._names(None, before, newest_first=False):
            if run_id not in kept:
                try:
                    self._delete(run_id)
                    removed.append(run_id)
                except (RunInProgressError, RunNotFoundError):
                    continue
        liveness.clear(self._writers)
        return removed


async def _in_thread(function: Callable[[*Ts], T], *args: *Ts) -> T:
    return await to_thread.run_sync(function, *args)


def _no_symlink(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _lines(file: IO[bytes], scanner: Scanner) -> Iterator[Line]:
    while data := file.read(_BLOCK):
        yield from scanner.feed(data)


def _first_record(file: IO[bytes]) -> RunStarted | None:
    """The head of a file, if it is what it should be."""
    file.seek(0)
    scanner = Scanner()
    read = 0
    while read <= MAX_LINE_BYTES and (data := file.read(_ENDS)):
        read += len(data)
        for line in scanner.feed(data):
            return line.record if type(line.record) is RunStarted else None
    return None


def _last_record(file: IO[bytes]) -> RunEnded | None:
    """The tail of a file, if the run has ended."""
    size = file.seek(0, os.SEEK_END)
    span = _ENDS
    while True:
        file.seek(max(0, size - span))
        tail = file.read(span)
        if not tail.endswith(b"\n"):
            return None
        start = tail.rfind(b"\n", 0, -1) + 1
        if start or span >= size:
            break
        if span > MAX_LINE_BYTES:
            return None
        span *= 8
    for line in Scanner().feed(tail[start:]):
        return line.record if type(line.record) is RunEnded else None
    return None
