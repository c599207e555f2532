"""From the bytes of a run file to a `Run`.

    Scanner (bytes to lines) ──> Ledger (which of them count) ──> Assembler (the run)

A record exists when its newline does: what follows the last one is not read. Everything else that
does not read (a line that is no record, a wrong checksum, a number that is missing) is passed over
and named in `Run.damage`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr, replace

from decisionlog.digest import Digest
from decisionlog.model import Damage, Decision, Outcome, Problem, Run, RunStatus, RunSummary
from decisionlog.records import (
    MAX_LINE_BYTES,
    SEAL_BYTES,
    AnyRecord,
    Choice,
    Evaluated,
    Gap,
    RunEnded,
    RunStarted,
    decode,
    started_at,
    unseal,
)

_LONGEST = MAX_LINE_BYTES + SEAL_BYTES - 1
_NAMED = 1000
"""How many places of damage are named one by one."""
_TOO_LONG = "a line longer than any record"
_NO_CHECKSUM = "it has no checksum"
_AFTER_THE_END = "it comes after the end of the run"
_JOINT = re.compile(rb'(,"crc":"[0-9a-f]{8}"\}).(\{"type":")', re.DOTALL)
"""Where a newline was overwritten."""


class Line(Struct, gc=False):
    """A line of a run file: its record, or what is wrong with it."""

    number: int
    offset: int
    record: AnyRecord | None
    wrong: str = ""
    sealed: bool = False
    """It has a checksum."""


class Scanner:
    """Cuts what is read from a file, piece by piece, into lines and decodes them."""

    def __init__(self) -> None:
        self._rest = b""
        self._passed_over = 0
        self._offset = 0
        self._number = 0

    @property
    def torn_bytes(self) -> int:
        """How many bytes there are after the last newline."""
        return self._passed_over + len(self._rest)

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines that are complete now, but for blank ones."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._number += 1
            if self._passed_over or len(line) > _LONGEST:
                yield Line(self._number, self._offset, None, _TOO_LONG)
            elif text := line.rstrip():
                yield (found := _read(self._number, self._offset, text))
                if found.record is None and (mended := _JOINT.sub(rb"\1\n\2", text)) != text:
                    for piece in mended.split(b"\n"):
                        if (found := _read(self._number, self._offset, piece)).record is not None:
                            yield found
            self._offset += self._passed_over + len(line) + 1
            self._passed_over = 0
        if self._passed_over or len(self._rest) > _LONGEST:
            self._passed_over += len(self._rest)
            self._rest = b""


def _read(number: int, offset: int, line: bytes) -> Line:
    body, intact = unseal(line)
    if intact is False:
        return Line(number, offset, None, "its checksum does not match", True)
    try:
        return Line(number, offset, decode(body), "", intact is not None)
    except ValueError as error:
        return Line(number, offset, None, str(error), intact is not None)


class Ledger:
    """Which lines of a file count: those of one run, each once, up to its end.

    A file none of whose lines has a checksum is taken as it is; in any other, a line without one
    is damage.
    """

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        self.lines = 0
        self.records = 0
        self.lost = 0
        self._run_id = ""
        self._sealed = False
        self._held: list[Line] = []
        self._expected = 1
        self._missing: list[tuple[int, int, int, int]] = []
        self._damage: list[Damage] = []
        self._unnamed = 0

    def add(self, line: Line) -> AnyRecord | None:
        """Take a line in; its record, if it is known to count."""
        self.lines += 1
        if line.sealed and not self._sealed:
            self._sealed = True
            for held in self._held:
                self._damaged(held, _NO_CHECKSUM)
            self._held = []
        if line.record is None:
            self._damaged(line, line.wrong)
        elif line.sealed:
            return self._enter(line, line.record)
        elif self._sealed:
            self._damaged(line, _NO_CHECKSUM)
        else:
            self._held.append(line)
        return None

    def finish(self) -> list[AnyRecord]:
        """There are no more lines; the records that count after all."""
        held, self._held = self._held, []
        entered = (self._enter(line, line.record) for line in held if line.record is not None)
        return [record for record in entered if record is not None]

    def _enter(self, line: Line, record: AnyRecord) -> AnyRecord | None:
        if wrong := self._objection(line, record):
            self._damaged(line, wrong)
            return None
        self.records += 1
        self.take(record)
        return record

    def _objection(self, line: Line, record: AnyRecord) -> str:
        """Why a record does not count, if it does not."""
        if isinstance(record, dict):
            seq, run_id = record.get("seq"), record.get("run_id")
        else:
            seq, run_id = record.seq, record.run_id
        if run_id != self._run_id and run_id:
            if self._run_id:
                return f"it belongs to another run, {run_id!r:.120}"
            self._run_id = run_id
        if type(seq) is not int or seq <= 0:  # by a program that does not number
            return "" if self.ended is None else _AFTER_THE_END
        if self.ended is not None and seq > self.ended.seq:
            return _AFTER_THE_END
        first = seq - record.count + 1 if type(record) is Gap else seq
        if seq < self._expected:
            return "" if self._was_missing(first, seq) else f"record {seq} is there twice"
        if first > self._expected:
            self._missing.append((self._expected, first - 1, line.number, line.offset))
        self._expected = seq + 1
        return ""

    def _was_missing(self, first: int, seq: int) -> bool:
        i = bisect_left(self._missing, seq, key=itemgetter(1))
        if i == len(self._missing) or self._missing[i][0] > seq:
            return False
        low, high, line, offset = self._missing[i]  # it comes late
        left = [(low, first - 1, line, offset), (seq + 1, high, line, offset)]
        self._missing[i : i + 1] = [missing for missing in left if missing[0] <= missing[1]]
        return True

    def take(self, record: AnyRecord) -> None:
        """A record that counts."""
        if type(record) is RunStarted:
            self.started = self.started or record
        elif type(record) is RunEnded:
            self.ended = record
        elif type(record) is Gap:
            self.lost += record.count

    def _damaged(self, line: Line, reason: str) -> None:
        if len(self._damage) < _NAMED:
            self._damage.append(Damage(line.number, line.offset, reason))
        else:
            self._unnamed += 1

    def damage(self, torn_bytes: int = 0) -> list[Damage]:
        """What did not read, in the order of the file."""
        missing = [
            Damage(line, offset, f"before it, {_records(low, high)} missing")
            for low, high, line, offset in self._missing[:_NAMED]
        ]
        damage = sorted([*self._damage, *missing], key=attrgetter("line"))
        if more := self._unnamed + len(self._missing) - len(missing):
            damage.append(Damage(0, 0, f"{more} more places"))
        if torn_bytes and self.ended is not None:
            damage.append(Damage(0, 0, f"{torn_bytes} bytes after the end of the run"))
        return damage


class Assembler(Ledger):
    """Puts a run together from the lines of its file."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = Digest()
        self._decisions: dict[str, Decision] = {}
        self._problems: list[Problem] = []
        self._early: list[Outcome | Choice] = []
        self._unknown: list[dict[str, Any]] = []

    def take(self, record: AnyRecord) -> None:
        """Put a record in its place."""
        match record:
            case Decision():
                if record.id in self._decisions:
                    self._put_aside(record)
                    return
                self._decisions[record.id] = record
                self.digest.decided(record.node_id)
                if record.outcome is not None:
                    self.digest.came_out(record, record.outcome)
            case Outcome():
                decision = self._decisions.get(record.decision_id)
                if decision is None:
                    self._early.append(record)
                elif decision.outcome is None:
                    force_setattr(decision, "outcome", record)
                    self.digest.came_out(decision, record)
                else:
                    self._put_aside(record)
            case Choice():
                decision = self._decisions.get(record.decision_id)
                if decision is None:
                    self._early.append(record)
                else:
                    force_setattr(decision, "chosen_option_id", record.chosen_option_id)
                    if record.reasoning:
                        force_setattr(decision, "reasoning", record.reasoning)
            case Problem():
                self._problems.append(record)
                self.digest.problem(record.severity, record.description)
            case Evaluated():
                if (decision := self._decisions.get(record.decision_id)) is not None:
                    force_setattr(decision, "evaluation", record.evaluation)
            case dict():
                self._unknown.append(record)
            case _:
                super().take(record)

    def finish(self) -> list[AnyRecord]:
        """There are no more lines; the records that count after all."""
        records = super().finish()
        early, self._early = self._early, []
        for record in early:
            if record.decision_id in self._decisions:
                self.take(record)
            else:
                self._put_aside(record)
        return records

    def _put_aside(self, record: Decision | Outcome | Choice) -> None:
        self._unknown.append(msgspec.to_builtins(record))

    def _told(self, status: RunStatus) -> RunEnded:
        """The last record, or one made up of what is known."""
        ended = self.ended or RunEnded(status, _NEVER)
        narrative = ended.narrative or self.digest.narrative(ended.status)
        metrics, highlights = self.digest.metrics(), self.digest.highlights()
        return replace(ended, narrative=narrative, metrics=metrics, **highlights)

    def run(self, run_id: str, status: RunStatus = RunStatus.RUNNING, torn_bytes: int = 0) -> Run:
        """The run; `status` is that of one that has not ended, which the file alone cannot tell."""
        started, ended, told = self.started, self.ended, self._told(status)
        given = {name: getattr(told, name) for name in _FROM_END}
        if started is not None:
            given |= {name: getattr(started, name) for name in _FROM_START}
        return Run(
            id=run_id,
            started_at=_start(run_id, started),
            completed_at=ended.timestamp if ended is not None else None,
            duration_ms=ended.duration_ms if ended is not None else None,
            decisions=sorted(self._decisions.values(), key=attrgetter("seq")),
            problems=sorted(self._problems, key=attrgetter("seq")),
            unknown=self._unknown,
            lost_records=self.lost,
            damage=self.damage(torn_bytes),
            extra=(started.extra if started is not None else {}) | told.extra,
            **given,
        )

    def summary(self, run_id: str, status: RunStatus) -> RunSummary:
        """The same at a glance."""
        made = summary(run_id, self.started, self._told(status))
        return made if self.ended is not None else replace(made, duration_ms=None)


_NEVER = datetime.fromtimestamp(0, UTC)
_FROM_START = (
    "goal_id goal_description input_data tags parent_run_id parent_decision_id host pid "
    "writer".split()
)
_FROM_END = "status narrative metrics output_data error error_type traceback".split()
_SUMMED_UP = (
    "status narrative duration_ms problem_count key_decisions critical_problems warnings "
    "successes".split()
)


def summary(run_id: str, started: RunStarted | None, ended: RunEnded) -> RunSummary:
    """What the first and the last record say of a run."""
    return RunSummary(
        run_id=run_id,
        goal_id=started.goal_id if started is not None else "",
        started_at=_start(run_id, started),
        decision_count=ended.metrics.total_decisions,
        success_rate=ended.metrics.success_rate,
        **{name: getattr(ended, name) for name in _SUMMED_UP},
    )


def _start(run_id: str, started: RunStarted | None) -> datetime | None:
    return started.timestamp if started is not None else started_at(run_id)


def _records(low: int, high: int) -> str:
    return f"record {low} is" if low == high else f"records {low} to {high} are"
