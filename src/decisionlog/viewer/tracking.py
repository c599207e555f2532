"""One run file, read once and then only as far as it has grown."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from threading import Lock
from typing import IO, Any

import msgspec
from msgspec.structs import replace

from decisionlog.digest import Digest
from decisionlog.errors import DecisionNotFoundError
from decisionlog.files import check_ours
from decisionlog.model import Decision, Outcome, Problem, Run, RunMetrics, RunStatus
from decisionlog.reading import Scanner, assemble
from decisionlog.records import AnyRecord, Choice, Evaluated, Gap, RunEnded, RunStarted, started_at
from decisionlog.store import RunStore, evaluations, is_live, open_run
from decisionlog.viewer.documents import (
    DecisionDocument,
    DecisionRow,
    RunDocument,
    RunHead,
    decision_row,
    run_document,
    run_head,
    with_outcome,
    worst,
)

Span = tuple[int, int]

_PIECE = 2**14
"""How much of a file is taken apart at a time: more would not stay in the caches of processors."""
_AGAIN_S = 2.0
"""How often to ask whether the writer is alive of a file that has to be read whole for that."""


class _DisorderError(Exception):
    """The file is not one of those that can be followed record by record."""


class _DamageError(Exception):
    """Not every line holds a record, so that they have to be looked at one by one."""


class TrackedRun:
    """A run file as far as it has been read: the rows, and where the lines of each decision lie.

    What no recorder of ours writes (no checksums, records out of order) is read whole each time
    instead. Its methods block, and may be called from any thread.
    """

    def __init__(self, store: RunStore, run_id: str) -> None:
        self.run_id = run_id
        self._store = store
        self._lock = Lock()
        self._follows = True
        self._line_by_line = False
        self._version = (0, 0, 0)
        self._looked_at = 0.0
        self._whole_status = RunStatus.RUNNING
        self._seq = 0  # goes on when the file is another one, so that all of it has changed
        self._start_over()

    def _start_over(self) -> None:
        self._scanner = Scanner()
        self._digest = Digest()
        self._inode = -1
        self._offset = 0
        self._live = False
        self._rows: dict[str, DecisionRow] = {}
        self._open: dict[str, Decision] = {}
        self._spans: dict[str, list[Span]] = {}
        self._children: dict[str, list[str]] = {}
        self._problems: list[tuple[int, Problem]] = []
        self._foretold: set[str] = set()  # decisions of which there is no more than a problem
        self._last = 0
        self._cost: float | None = None
        self._unknown = 0

    @property
    def size(self) -> int:
        """How many rows it holds."""
        return len(self._rows)

    def document(self, after: int = 0) -> RunDocument:
        """The run, or what has changed after a record.

        Raises:
            RunNotFoundError: there is no such run.
        """
        with self._lock:
            self._catch_up()
            if not self._follows:
                return run_document(self._store.load_blocking(self.run_id), self._seq)
            rows = self._rows.values()
            changed = [row for row in rows if row.seq > after] if after else list(rows)
            problems = [problem for seq, problem in self._problems if seq > after]
            return RunDocument(self._head(), changed, problems, self._seq)

    def standing(self) -> tuple[int, RunStatus]:
        """How far it goes now, and how it stands.

        Raises:
            RunNotFoundError: there is no such run.
        """
        with self._lock:
            self._catch_up()
            return self._seq, self._status()

    def decision(self, decision_id: str) -> DecisionDocument:
        """A decision, whole, from its own lines.

        Raises:
            RunNotFoundError: there is no such run.
            DecisionNotFoundError: the run has no such decision.
        """
        with self._lock:
            self._catch_up()
            if self._follows:
                with self._opened() as file:
                    return self._from_its_lines(decision_id, file, self._evaluations())
            return self._from_whole(decision_id, self._store.load_blocking(self.run_id))

    def decisions(self) -> Iterator[DecisionDocument]:
        """All decisions, whole, in the order of the rows; the file is opened once.

        Raises:
            RunNotFoundError: there is no such run.
        """
        with self._lock:
            self._catch_up()
            if not self._follows:
                run = self._store.load_blocking(self.run_id)
                yield from (self._from_whole(each.id, run) for each in run.decisions)
                return
            judged = self._evaluations()
            with self._opened() as file:
                for decision_id in self._rows:
                    yield self._from_its_lines(decision_id, file, judged)

    def _from_its_lines(
        self, decision_id: str, file: IO[bytes], judged: dict[str, list[AnyRecord]]
    ) -> DecisionDocument:
        spans = self._spans.get(decision_id)
        if spans is None:
            raise self._unheard_of(decision_id)
        lines: list[bytes] = []
        for offset, length in spans:
            file.seek(offset)
            lines.append(file.read(length))
        scanner = Scanner()
        records = [record for line in lines for record in scanner.feed(line)]
        run = assemble(self.run_id, scanner, records + judged.get(decision_id, []))
        return self._document_of(decision_id, run, lines, self._children.get(decision_id, []))

    def _from_whole(self, decision_id: str, run: Run) -> DecisionDocument:
        children = [each.id for each in run.decisions if each.parent_id == decision_id]
        return self._document_of(decision_id, run, [], children)

    def _document_of(
        self, decision_id: str, run: Run, lines: list[bytes], children: list[str]
    ) -> DecisionDocument:
        decision = run.decision(decision_id)
        if decision is None:
            raise self._unheard_of(decision_id)
        problems = [each for each in run.problems if each.decision_id == decision_id]
        return DecisionDocument(decision, problems, [_as_json(line) for line in lines], children)

    # ------------------------------------------------------------------ reading on

    def _catch_up(self) -> None:
        try:
            with self._opened() as file:
                about = os.fstat(file.fileno())
                if not self._follows:
                    self._look_again(about)
                    return
                if about.st_ino != self._inode or about.st_size < self._offset:
                    self._start_over()
                    self._inode = about.st_ino
                for _ in range(2):  # its writer may have ended it between the two looks, and gone
                    self._read_on(file)
                    self._live = self._scanner.ended is None and is_live(
                        self._store, file, self._scanner
                    )
                    if self._live:
                        break
        except _DamageError:
            self._start_over()
            self._line_by_line = True
            self._catch_up()
        except _DisorderError:
            self._start_over()
            self._follows = False
            self._catch_up()

    def _look_again(self, about: os.stat_result) -> None:
        """At a file that is read whole: when it has changed, or its writer may be gone."""
        version = (about.st_ino, about.st_size, about.st_mtime_ns)
        now = time.monotonic()
        if version != self._version:
            self._seq += 1
        elif self._whole_status != RunStatus.RUNNING or now - self._looked_at < _AGAIN_S:
            return
        self._version, self._looked_at = version, now
        self._whole_status = self._store.summary_blocking(self.run_id).status

    def _read_on(self, file: IO[bytes]) -> None:
        file.seek(self._offset)
        while data := file.read(_PIECE):
            lines = BytesIO(data).readlines()
            if self._line_by_line:
                for line in lines:
                    start = self._offset - self._scanner.torn_bytes
                    for record in self._fed(line):
                        self._take(record, (start, self._offset - start))
                continue
            start, stop = self._offset - self._scanner.torn_bytes, self._offset
            found = self._fed(data)
            if len(found) != data.count(b"\n") or self._scanner.damage():
                raise _DamageError
            for record, line in zip(found, lines, strict=False):  # the last may not be complete
                stop += len(line)
                self._take(record, (start, stop - start))
                start = stop

    def _fed(self, data: bytes) -> list[AnyRecord]:
        found = self._scanner.feed(data)
        self._offset += len(data)
        if self._scanner.holds_back:
            raise _DisorderError
        return found

    def _opened(self) -> IO[bytes]:
        check_ours(self._store.path / "runs")
        return open_run(self._store.path, self.run_id)

    def _evaluations(self) -> dict[str, list[AnyRecord]]:
        """By decision."""
        check_ours(self._store.path / "evaluations")
        found: dict[str, list[AnyRecord]] = {}
        for each in evaluations(self._store.path, self.run_id):
            if isinstance(each, Evaluated):
                found.setdefault(each.decision_id, []).append(each)
        return found

    def _take(self, record: AnyRecord, span: Span) -> None:
        self._seq += 1
        match record:
            case Outcome() if made := self._open.pop(record.decision_id, None):
                self._digest.came_out(made, record)
                self._spans[made.id].append(span)
                self._rows[made.id] = with_outcome(self._rows[made.id], record, self._seq)
                if record.cost_usd is not None:
                    self._cost = (self._cost or 0.0) + record.cost_usd
            case Decision() if record.id not in self._rows and record.id not in self._foretold:
                self._is_next(record.seq)
                self._digest.decided(record.node_id)
                self._open[record.id] = record
                self._rows[record.id] = decision_row(record, None, self._started_at, (), self._seq)
                self._spans[record.id] = [span]
                if record.parent_id is not None:
                    self._children.setdefault(record.parent_id, []).append(record.id)
            case Choice() if made := self._open.get(record.decision_id):
                made = replace(
                    made,
                    chosen_option_id=record.chosen_option_id,
                    reasoning=record.reasoning or made.reasoning,
                )
                self._open[made.id] = made
                self._spans[made.id].append(span)
                chosen = made.chosen_option
                self._rows[made.id] = replace(
                    self._rows[made.id],
                    chosen_option_id=made.chosen_option_id,
                    chosen=chosen.description if chosen is not None else None,
                    seq=self._seq,
                )
            case Problem():
                self._is_next(record.seq)
                self._digest.problem(record.severity, record.description)
                self._problems.append((self._seq, record))
                if row := self._rows.get(record.decision_id or ""):
                    self._spans[row.id].append(span)
                    severity = worst([row.severity, record.severity])
                    self._rows[row.id] = replace(
                        row, problems=row.problems + 1, severity=severity, seq=self._seq
                    )
                elif record.decision_id is not None:
                    self._foretold.add(record.decision_id)
            case RunStarted() | RunEnded() | Gap():
                pass
            case dict():
                self._unknown += 1
            case _:  # out of order, or there twice
                raise _DisorderError

    def _is_next(self, seq: int) -> None:
        if seq < self._last:
            raise _DisorderError
        self._last = seq

    # ------------------------------------------------------------------ what there is to say

    @property
    def _started_at(self) -> datetime | None:
        started = self._scanner.started
        return started.timestamp if started is not None else started_at(self.run_id)

    def _status(self) -> RunStatus:
        if not self._follows:
            return self._whole_status
        if self._scanner.ended is not None:
            return self._scanner.ended.status
        return RunStatus.RUNNING if self._live else RunStatus.INTERRUPTED

    def _head(self) -> RunHead:
        run = assemble(self.run_id, self._scanner, [], self._status())
        metrics: RunMetrics = self._digest.metrics()
        ended = self._scanner.ended
        narrative = ended.narrative if ended is not None else ""
        return replace(
            run_head(run),
            metrics=metrics,
            tokens=metrics.total_tokens,
            cost_usd=self._cost,
            unknown_records=self._unknown,
            narrative=narrative or self._digest.narrative(self._status()),
        )

    def _unheard_of(self, decision_id: str) -> DecisionNotFoundError:
        return DecisionNotFoundError(f"run {self.run_id} has no decision {decision_id!r:.120}")


def _as_json(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        return line.decode(errors="backslashreplace")
