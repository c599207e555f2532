"""`RunStore`: the runs in a directory, for whoever wants to know what happened.

Reading needs no runtime, and works while runs are being written. Coroutine methods do their file
work in a worker thread, on any event loop; those that end in `_blocking` do it where they are.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

from decisionlog import liveness
from decisionlog.errors import (
    DecisionNotFoundError,
    ReadError,
    RunInProgressError,
    RunNotFoundError,
)
from decisionlog.files import BLOCK, announce, blocks, check_ours, first_and_last_line, open_ours
from decisionlog.model import Evaluation, Run, RunCheck, RunStatus, RunSummary
from decisionlog.reading import Scanner, assemble, summarize, summary
from decisionlog.records import (
    HOST,
    RUN_ID,
    AnyRecord,
    Evaluated,
    decode,
    encode,
    is_timed,
    seal,
    stamp,
    started_at,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_PAGE = 64
"""How many runs are summed up in one go."""


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
        return await self._do(self._load, run_id)

    def load_blocking(self, run_id: str) -> Run:
        """The run, whole, for code on no event loop.

        Raises:
            RunNotFoundError: there is no such run.
        """
        return self._inside(self._load, (run_id,))

    async def summary(self, run_id: str) -> RunSummary:
        """The run at a glance.

        Raises:
            RunNotFoundError: there is no such run.
        """
        return await self._do(self._summary, run_id)

    def summary_blocking(self, run_id: str) -> RunSummary:
        """The run at a glance, for code on no event loop.

        Raises:
            RunNotFoundError: there is no such run.
        """
        return self._inside(self._summary, (run_id,))

    async def check(self, run_id: str) -> RunCheck:
        """Verify the checksums and sequence numbers of a run's file.

        Raises:
            RunNotFoundError: there is no such run.
        """
        return await self._do(self._check, run_id)

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
        pages = self._pages(goal_id, status, since, until, newest_first)
        while (page := await self._do(next, pages, None)) is not None:
            for run in page:
                yield run

    def runs_blocking(
        self,
        *,
        goal_id: str | None = None,
        status: RunStatus | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = True,
    ) -> Iterator[RunSummary]:
        """What `runs` gives, for code on no event loop.

        Raises:
            ValueError: `status` is none, or a time has no time zone.
        """
        pages = self._pages(goal_id, status, since, until, newest_first)
        while (page := self._inside(next, (pages, None))) is not None:
            yield from page

    async def follow(self, run_id: str, *, poll_interval: float = 0.05) -> AsyncIterator[AnyRecord]:
        """The records of a run as they are written, from the first; ends when the run has ended or
        its writer is gone. Damaged lines are passed over.

        Raises:
            RunNotFoundError: there is no such run.
        """
        with await self._do(open_run, self.path, run_id) as file:
            scanner, live = Scanner(), True
            while True:
                data = await self._do(file.read, BLOCK)
                for record in scanner.feed(data):
                    yield record
                if scanner.ended is not None or not (data or live):
                    break
                if not data:
                    # Once more after the writer is gone: it may have written until then.
                    live = await self._do(is_live, self, file, scanner)
                    if live:
                        await anyio.sleep(poll_interval)
            for record in scanner.finish():
                yield record

    async def evaluate(self, run_id: str, decision_id: str, evaluation: Evaluation) -> None:
        """Keep a judgement of a decision, beside the run; the last one of a decision stands.

        Raises:
            RunNotFoundError: there is no such run.
            DecisionNotFoundError: the run has no such decision.
            ValueError: the evaluation does not hold what its types say.
        """
        await self._do(self._evaluate, run_id, decision_id, evaluation)

    async def delete(self, run_id: str) -> None:
        """Remove a run and its evaluations for good.

        Raises:
            RunNotFoundError: there is no such run.
            RunInProgressError: it is still being written.
        """
        await self._do(self._delete, run_id)

    async def prune(
        self, *, older_than: timedelta | None = None, keep: int | None = None, dry_run: bool = False
    ) -> list[str]:
        """Remove runs that started longer ago than `older_than`, but for the newest `keep`; either
        may be left out. Live runs stay.

        Returns:
            The ids of the runs removed, the oldest first; with `dry_run`, of those that would be.

        Raises:
            ValueError: neither is given, or `keep` is negative.
        """
        if older_than is None and keep is None:
            raise ValueError("prune needs older_than=, keep= or both, or it would remove every run")
        if keep is not None and keep < 0:
            raise ValueError(f"keep is {keep}, not a number from 0 up")
        return await self._do(self._prune, older_than, keep or 0, dry_run)

    # ------------------------------------------------------------------ in a worker thread

    async def _do(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        return await to_thread.run_sync(self._inside, work, args)

    def _inside(self, work: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
        for directory in (self._runs, self._evaluations, self._writers):
            check_ours(directory)
        return work(*args)

    def _read(
        self, run_id: str, take: Callable[[list[AnyRecord]], object]
    ) -> tuple[Scanner, RunStatus]:
        """All records of a run that count; who found them, and how the run stands."""
        scanner, live = Scanner(), False
        with open_run(self.path, run_id) as file:
            for _ in range(2):  # its writer may have ended it between the two looks, and gone
                for data in blocks(file):
                    take(scanner.feed(data))
                live = scanner.ended is None and is_live(self, file, scanner)
                if live:
                    break
        take(scanner.finish())
        if scanner.ended is not None:
            return scanner, scanner.ended.status
        return scanner, RunStatus.RUNNING if live else RunStatus.INTERRUPTED

    def _load(self, run_id: str) -> Run:
        records: list[AnyRecord] = []
        scanner, status = self._read(run_id, records.extend)
        return assemble(run_id, scanner, records + evaluations(self.path, run_id), status)

    def _check(self, run_id: str) -> RunCheck:
        scanner, status = self._read(run_id, len)
        return RunCheck(
            run_id, status, scanner.records, scanner.lost, scanner.torn_bytes, scanner.damage()
        )

    def _ends(self, run_id: str) -> Scanner:
        """Whoever has seen no more of a run than its first and its last line."""
        scanner = Scanner()
        with open_run(self.path, run_id) as file:
            for line in first_and_last_line(file):
                scanner.feed(line)
        scanner.finish()
        return scanner

    def _summary(self, run_id: str) -> RunSummary:
        ends = self._ends(run_id)
        if ends.started and ends.ended and ends.ended.metrics.total_decisions:
            return summary(run_id, ends.started, ends.ended)
        return summarize(self._load(run_id))

    def _pages(
        self,
        goal_id: str | None,
        status: RunStatus | str | None,
        since: datetime | None,
        until: datetime | None,
        newest_first: bool,
    ) -> Iterator[list[RunSummary]]:
        """Summaries of the runs that match, some at a time."""
        status = None if status is None else RunStatus(status)
        for name, limit in (("since", since), ("until", until)):
            if limit is not None and limit.tzinfo is None:
                raise ValueError(f"{name} has no time zone: {limit!r}; use datetime.now(UTC), say")
        run_ids = self._by_start(since, until)
        if newest_first:
            run_ids.reverse()
        for i in range(0, len(run_ids), _PAGE):
            page: list[RunSummary] = []
            wanted = run_ids[i : i + _PAGE]
            announce(_file_of(self.path, run_id) for run_id in wanted)
            for run_id in wanted:
                with suppress(RunNotFoundError):  # deleted meanwhile
                    run = self._summary(run_id)
                    if goal_id in (None, run.goal_id) and status in (None, run.status):
                        page.append(run)
            yield page

    def _by_start(self, since: datetime | None = None, until: datetime | None = None) -> list[str]:
        """The runs that started in that time, in order; `since` is included, `until` is not."""
        try:
            names = os.listdir(self._runs)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ReadError(f"{self._runs} cannot be read: {error}") from None
        ids = sorted(name[:-6] for name in names if name.endswith(".jsonl"))
        ids = [run_id for run_id in ids if RUN_ID.fullmatch(run_id)]
        # Most ids say when, and sort by it as they are; to parse 100,000 of them takes a second.
        ids.sort(key=lambda run_id: run_id if is_timed(run_id) else stamp(self._start(run_id)))
        first = 0 if since is None else bisect_left(ids, since, key=self._start)
        last = len(ids) if until is None else bisect_left(ids, until, key=self._start)
        return ids[first:last]

    def _start(self, run_id: str) -> datetime:
        """When a run began: by its id, else by its first record, else by the age of its file."""
        if start := started_at(run_id):
            return start
        with suppress(RunNotFoundError, OSError):
            if started := self._ends(run_id).started:
                return started.timestamp
            return datetime.fromtimestamp((self._runs / f"{run_id}.jsonl").stat().st_mtime, UTC)
        return datetime.fromtimestamp(0, UTC)

    def _evaluate(self, run_id: str, decision_id: str, evaluation: Evaluation) -> None:
        if self._load(run_id).decision(decision_id) is None:
            raise DecisionNotFoundError(f"run {run_id} has no decision {decision_id!r:.40}")
        body = encode(Evaluated(decision_id, evaluation, datetime.now(UTC), run_id))
        decode(body)
        self._evaluations.mkdir(mode=0o700, exist_ok=True)
        # One write to a file opened for appending: evaluators do not tear each other's lines.
        with open_ours(self._evaluations / f"{run_id}.jsonl", "a+b") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            is_torn = file.read(1) not in (b"", b"\n")
            file.write(b"\n" * is_torn + seal(body))

    def _delete(self, run_id: str, dry_run: bool = False) -> None:
        if self._summary(run_id).status == RunStatus.RUNNING:
            raise RunInProgressError(f"run {run_id} is still being written; it is not deleted")
        if not dry_run:
            (self._evaluations / f"{run_id}.jsonl").unlink(missing_ok=True)
            (self._runs / f"{run_id}.jsonl").unlink(missing_ok=True)

    def _prune(self, older_than: timedelta | None, keep: int, dry_run: bool) -> list[str]:
        removed: list[str] = []
        before = None if older_than is None else datetime.now(UTC) - older_than
        run_ids = self._by_start()
        for run_id in run_ids[: max(0, len(run_ids) - keep)]:
            if before is None or self._start(run_id) < before:
                with suppress(RunInProgressError, RunNotFoundError):
                    self._delete(run_id, dry_run)
                    removed.append(run_id)
        if not dry_run:
            liveness.clear(self._writers)
        return removed


def open_run(path: Path, run_id: str) -> IO[bytes]:
    """The file of a run below a directory.

    Raises:
        RunNotFoundError: there is no such run, or it cannot be read.
    """
    if not RUN_ID.fullmatch(run_id):
        raise RunNotFoundError(f"{run_id!r:.120} is no run id")
    try:
        return open_ours(_file_of(path, run_id))
    except FileNotFoundError:
        raise RunNotFoundError(f"there is no run {run_id} in {path}") from None
    except OSError as error:
        raise RunNotFoundError(f"run {run_id} in {path} cannot be read: {error}") from None


def _file_of(path: Path, run_id: str) -> str:
    return os.path.join(path, "runs", f"{run_id}.jsonl")  # pathlib takes its time


def evaluations(path: Path, run_id: str) -> list[AnyRecord]:
    """The judgements of a run's decisions that lie beside it, below the same directory."""
    scanner, found = Scanner(), list[AnyRecord]()
    with suppress(OSError), open_ours(path / "evaluations" / f"{run_id}.jsonl") as file:
        for data in blocks(file):
            found += scanner.feed(data)
        found += scanner.finish()
    return [each for each in found if type(each) is Evaluated]


def is_live(store: RunStore, file: IO[bytes], scanner: Scanner) -> bool:
    """Whether someone may still write to a run that has not ended, as far as it was read."""
    writers, started = store.path / "writers", scanner.started
    if started is None:  # any writer may have made the file and be about to begin
        alive = (liveness.is_alive(writers, lock.stem) for lock in writers.glob("*.lock"))
        return not scanner.lines and any(alive)
    if started.host != HOST:
        age = time.time() - os.fstat(file.fileno()).st_mtime
        return store.stale_after is None or age <= store.stale_after.total_seconds()
    is_name = RUN_ID.fullmatch(started.writer) is not None
    return is_name and liveness.is_alive(writers, started.writer)
