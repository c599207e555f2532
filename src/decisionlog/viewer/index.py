"""The list of runs: a row for each, filtered and put in order without reading files again."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from threading import Lock
from typing import Any

from msgspec import Struct

from decisionlog.errors import ReadError
from decisionlog.files import check_ours
from decisionlog.model import RunStatus
from decisionlog.records import RUN_ID
from decisionlog.store import RunStore
from decisionlog.viewer.documents import RunRow, run_row

_ENDING = ".jsonl"
_AT_ONCE = 200
"""How many runs are read in one go."""
_FRESH_S = 0.4
"""For how long what was found in the directory is taken for what is there."""
_PATIENCE = 20
"""A run in progress that has grown is read again after this many times as long as that took, and
one that has not, because its writer may be gone, after ten times that."""
_STILL_S = 2.0
"""But no sooner than this; nor is what could not be read."""
_LIVE_S = 0.2
"""For how long runs in progress are read at a time."""
_SETTLED_NS = 10**10
"""A run whose process seems to have died, but whose file changed less than this ago, may be on its
way here as a copy, or by a writer that takes no lock: it is read again too."""
_TICK_NS = 10**9
"""A directory that changed less than this ago may change again without its time telling so: file
systems count it in steps, some of milliseconds, some of a second."""

_SORTS: dict[str, Callable[[RunRow], Any]] = {
    "started": lambda row: row.started_at,
    "duration": lambda row: row.duration_ms,
    "decisions": lambda row: row.decisions,
    "success": lambda row: row.success_rate,
    "tokens": lambda row: row.tokens,
    "problems": lambda row: row.problems,
    "goal": lambda row: row.goal_id,
    "status": lambda row: row.status,
}
SORTS = tuple(_SORTS)
_NEVER = datetime.min.replace(tzinfo=UTC)
Version = tuple[int, int]
"""The size of a file, and when it was written to."""


class Query(Struct, frozen=True):
    """Which runs, and in which order."""

    goal: str | None = None
    statuses: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    tags: frozenset[tuple[str, str]] = frozenset()
    text: str = ""
    sort: str = "started"
    descending: bool = True


class Page(Struct, frozen=True):
    """Some of the runs that match. `total` and `statuses` hold for the `indexed` of all `of` runs;
    `statuses` counts what the rest of the query lets through.
    """

    runs: list[RunRow]
    total: int
    indexed: int
    of: int
    statuses: dict[str, int]
    revision: int


class Goal(Struct, frozen=True):
    """A goal, and how its runs ended."""

    goal_id: str
    goal_description: str
    runs: int
    statuses: dict[str, int]
    last_started_at: datetime | None


class _Live(Struct, frozen=True):
    """A run in progress as it was read last: what file, when, and how long it took to read."""

    version: Version
    read_at: float
    took: float

    def is_due(self, version: Version | None, now: float) -> bool:
        """Whether to read it again."""
        wait = _PATIENCE * self.took
        if version == self.version:
            wait = max(_STILL_S, 10 * wait)
        return now >= self.read_at + wait


class RunIndex:
    """A row for every run of a directory, the newest first.

    `refresh` brings it up to date, some runs at a time; it blocks, and may be called from any
    thread. Once a run has ended its file is not looked at again, so one that is replaced by another
    of the same name keeps its row.
    """

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._directory = store.path / "runs"
        self._lock = Lock()
        self._rows: dict[str, RunRow] = {}
        self._order: list[RunRow] = []
        self._in_order = True
        self._to_read: list[str] = []
        self._live: dict[str, _Live] = {}
        self._unread: dict[str, float] = {}  # those that could not be, and when to try again
        self._changed_at = -1
        self._looked_at = 0.0
        self._found: tuple[int, Query, list[RunRow], dict[str, int]] | None = None
        self.revision = 0
        self.removed = 0
        """How many runs have gone since."""

    @property
    def complete(self) -> bool:
        """Whether every run has its row."""
        return not self._to_read

    @property
    def indexed(self) -> int:
        """How many runs have a row."""
        return len(self._rows)

    @property
    def of(self) -> int:
        """How many runs there are."""
        return len(self._rows) + len(self._to_read)

    def refresh(self) -> bool:
        """Read what is new, at most some hundred runs; whether there is more to read at once.

        Raises:
            ReadError: the runs are not to be read.
        """
        check_ours(self._directory)
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at > _FRESH_S:
                self._look()
                self._look_at_live(now)
                self._look_at_unread(now)
                self._looked_at = now
            batch = self._to_read[-_AT_ONCE:]
            if batch:
                del self._to_read[-_AT_ONCE:]
                self._read(batch)
                self._changed()
            return bool(self._to_read)

    def page(self, query: Query, offset: int, limit: int) -> Page:
        """Some of the runs that match."""
        with self._lock:
            if self._found is None or self._found[:2] != (self.revision, query):
                self._found = (self.revision, query, *self._search(query))
            found, statuses = self._found[2:]
            rows = found[offset : offset + limit]
            return Page(rows, len(found), self.indexed, self.of, statuses, self.revision)

    def goals(self) -> list[Goal]:
        """All goals, that of the newest run first."""
        with self._lock:
            by_goal: dict[str, list[RunRow]] = {}
            for row in self._ordered():
                by_goal.setdefault(row.goal_id, []).append(row)
        return [
            Goal(
                goal_id,
                next((row.goal_description for row in rows if row.goal_description), ""),
                len(rows),
                {str(status): n for status, n in Counter(row.status for row in rows).items()},
                rows[0].started_at,
            )
            for goal_id, rows in by_goal.items()
        ]

    # ------------------------------------------------------------------ what is there

    def _look(self) -> None:
        try:
            changed_at = os.stat(self._directory).st_mtime_ns
            if changed_at == self._changed_at:
                return
            names = os.listdir(self._directory)
        except OSError:  # it is gone, or not there yet
            changed_at, names = -1, []
        settled = time.time_ns() - changed_at > _TICK_NS
        self._changed_at = changed_at if settled else -1
        there = [name[: -len(_ENDING)] for name in names if name.endswith(_ENDING)]
        gone = self._rows.keys() - set(there) if self._rows else set[str]()
        for run_id in gone:
            self._forget(run_id)
        rows, unread = self._rows, self._unread
        waiting = [run_id for run_id in there if run_id not in rows and run_id not in unread]
        waiting.sort()  # by name, and so most often by time
        self._to_read = waiting
        if gone:
            self._changed()

    def _look_at_live(self, now: float) -> None:
        changed = False
        for run_id, live in list(self._live.items()):
            if live.is_due(self._version(run_id), now):
                before = self._rows.get(run_id)
                # Those that come last now are the first the next time.
                del self._live[run_id]
                self._read([run_id])
                changed = changed or before != self._rows.get(run_id)
                if time.monotonic() > now + _LIVE_S:
                    break
        if changed:
            self._changed()

    def _look_at_unread(self, now: float) -> None:
        again: list[str] = []
        for run_id, due in islice(self._unread.items(), _AT_ONCE):  # those due first come first
            if due > now:
                break
            again.append(run_id)
        for run_id in again:
            del self._unread[run_id]
        self._read(again)
        if any(run_id not in self._unread for run_id in again):
            self._changed()

    def _version(self, run_id: str) -> Version | None:
        """None: there is no such file."""
        try:
            about = os.stat(os.path.join(self._directory, f"{run_id}{_ENDING}"))
        except FileNotFoundError:
            return None
        except OSError:
            return (0, 0)
        return about.st_size, about.st_mtime_ns

    def _read(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            started, version = time.monotonic(), self._version(run_id)
            if version is None or not RUN_ID.fullmatch(run_id):
                self._forget(run_id)
                continue
            try:
                row = run_row(self._store.summary_blocking(run_id))
            except (ReadError, OSError):  # deleted meanwhile, not to be read now, or no file
                self._live.pop(run_id, None)
                self._unread[run_id] = time.monotonic() + _STILL_S
                continue
            self._rows[run_id] = row
            if _may_grow(row, version):
                ended = time.monotonic()
                self._live[run_id] = _Live(version, ended, ended - started)
            else:
                self._live.pop(run_id, None)

    def _forget(self, run_id: str) -> None:
        self.removed += self._rows.pop(run_id, None) is not None
        self._live.pop(run_id, None)

    def _changed(self) -> None:
        self.revision += 1
        self._in_order = False

    def _ordered(self) -> list[RunRow]:
        """All rows, the newest first; put in order when somebody asks, not with each batch."""
        if not self._in_order:
            rows = self._rows.values()
            self._order = sorted(
                rows, key=lambda row: (row.started_at or _NEVER, row.run_id), reverse=True
            )
            self._in_order = True
        return self._order

    # ------------------------------------------------------------------ what is asked for

    def _search(self, query: Query) -> tuple[list[RunRow], dict[str, int]]:
        rows = self._ordered()
        if _is_narrow(query):
            rows = [row for row in rows if _matches(row, query)]
        statuses = {str(status): n for status, n in Counter(row.status for row in rows).items()}
        if query.statuses:
            rows = [row for row in rows if row.status in query.statuses]
        if query.sort != "started":
            value = _SORTS[query.sort]
            known = [row for row in rows if value(row) is not None]
            unknown = [row for row in rows if value(row) is None]
            rows = [*sorted(known, key=value, reverse=query.descending), *unknown]
        elif not query.descending:
            rows = rows[::-1]
        return rows, statuses


def _is_narrow(query: Query) -> bool:
    """Whether any run may not match, whatever its status."""
    return query != Query(statuses=query.statuses, sort=query.sort, descending=query.descending)


def _matches(row: RunRow, query: Query) -> bool:
    if query.goal is not None and row.goal_id != query.goal:
        return False
    if query.since is not None and (row.started_at is None or row.started_at < query.since):
        return False
    if query.until is not None and (row.started_at is None or row.started_at >= query.until):
        return False
    if query.tags and not query.tags <= row.tags.items():
        return False
    return all(word in _text(row) for word in query.text.lower().split())


def _text(row: RunRow) -> str:
    tags = " ".join(f"{name}={value}" for name, value in row.tags.items())
    told = (row.run_id, row.goal_id, row.goal_description, row.narrative, row.status, tags)
    return "\n".join(told).lower()


def _may_grow(row: RunRow, version: Version) -> bool:
    if row.status == RunStatus.INTERRUPTED:
        return time.time_ns() - version[1] < _SETTLED_NS
    return row.status == RunStatus.RUNNING
