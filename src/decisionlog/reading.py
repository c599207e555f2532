"""From the bytes of a run file to a `Run`.

A record exists when its newline does: what follows the last one is not read. Everything else that
does not read (a line that is no record, a wrong checksum, a number that is missing) is passed over
and named in `Run.damage`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from decisionlog.digest import Digest
from decisionlog.model import Damage, Decision, Outcome, Problem, Run, RunStatus
from decisionlog.records import (
    MAX_LINE_BYTES,
    AnyRecord,
    Choice,
    Evaluated,
    Gap,
    RunEnded,
    RunStarted,
    decode,
    unseal,
)


class Line(Struct, gc=False):
    """A line of a run file: its record, or what is wrong with it."""

    number: int
    offset: int
    record: AnyRecord | None
    wrong: str = ""
    has_crc: bool | None = None


class Scanner:
    """Cuts what is read from a file, piece by piece, into lines and decodes them."""

    def __init__(self) -> None:
        self._rest = b""
        self._offset = 0
        self._number = 0
        self._skipping = False

    @property
    def torn_bytes(self) -> int:
        """How many bytes there are after the last newline."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines that are complete now."""
        data = self._rest + data
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._number += 1
            if self._skipping:
                self._skipping = False
                yield Line(self._number, self._offset, None, "a line longer than any record")
            elif end > start:
                yield _read(self._number, self._offset, data[start:end])
            self._offset += end + 1 - start
            start = end + 1
        self._rest = data[start:]
        if len(self._rest) > MAX_LINE_BYTES:
            self._skipping = True
        if self._skipping:
            self._offset += len(self._rest)
            self._rest = b""


def _read(number: int, offset: int, line: bytes) -> Line:
    if len(line) > MAX_LINE_BYTES:
        return Line(number, offset, None, "a line longer than any record")
    body, intact = unseal(line)
    if intact is False:
        return Line(number, offset, None, "its checksum does not match", True)
    try:
        return Line(number, offset, decode(body), "", intact)
    except ValueError as error:
        return Line(number, offset, None, str(error), intact)


class Assembler:
    """Puts a run together from its records, in the order of the file."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        self.records = 0
        self.lost = 0
        self.digest = Digest()
        self._decisions: dict[str, Decision] = {}
        self._problems: list[Problem] = []
        self._unknown: list[dict[str, Any]] = []
        self._damage: list[Damage] = []
        self._held: list[Line] = []
        self._with_crc = False
        self._expected = 1
        self._missing: list[tuple[int, int, Line]] = []

    def add(self, line: Line) -> list[AnyRecord]:
        """Take a line in; the records that are known to count now."""
        if line.has_crc is None and line.record is not None and not self._with_crc:
            self._held.append(line)
            return []
        if line.has_crc is not None:
            self._with_crc = True
            for held in self._held:
                self._damaged(held, "it has no checksum")
            self._held = []
        if line.record is None:
            self._damaged(line, line.wrong)
        elif line.has_crc is None:
            self._damaged(line, "it has no checksum")
        elif self._count(line, line.record):
            self._take(line.record)
            return [line.record]
        return []

    def finish(self) -> list[AnyRecord]:
        """There are no more lines: a file none of whose lines has a checksum is taken as it is."""
        held, self._held = self._held, []
        records = [line.record for line in held if line.record and self._count(line, line.record)]
        for record in records:
            self._take(record)
        return records

    def _damaged(self, line: Line, reason: str) -> None:
        self._damage.append(Damage(line.number, line.offset, reason))

    def _count(self, line: Line, record: AnyRecord) -> bool:
        """Keep track of the sequence numbers; whether this one is new."""
        seq = record.get("seq", 0) if isinstance(record, dict) else record.seq
        if type(seq) is not int or seq <= 0:  # by someone who does not number
            return True
        first = seq
        if type(record) is Gap:
            first = max(1, seq - record.count + 1)
        if first > self._expected:
            self._missing.append((self._expected, first - 1, line))
        elif seq < self._expected:
            for i, (low, high, at) in enumerate(self._missing):
                if low <= seq <= high:  # it comes late
                    self._missing[i : i + 1] = [
                        (a, b, at) for a, b in ((low, seq - 1), (seq + 1, high)) if a <= b
                    ]
                    return True
            self._damaged(line, f"record {seq} is there twice")
            return False
        self._expected = seq + 1
        return True

    def _take(self, record: AnyRecord) -> None:
        self.records += 1
        match record:
            case Decision():
                if record.id in self._decisions:
                    self._put_aside(record)
                    return
                self._decisions[record.id] = record
                self.digest.decided(record.node_id)
            case Outcome():
                decision = self._decisions.get(record.decision_id)
                if decision is None or decision.outcome is not None:
                    self._put_aside(record)
                    return
                force_setattr(decision, "outcome", record)
                self.digest.came_out(decision, record)
            case Choice():
                decision = self._decisions.get(record.decision_id)
                if decision is None:
                    self._put_aside(record)
                    return
                force_setattr(decision, "chosen_option_id", record.chosen_option_id)
                if record.reasoning:
                    force_setattr(decision, "reasoning", record.reasoning)
            case Problem():
                self._problems.append(record)
                self.digest.problem(record.severity, record.description)
            case Evaluated():
                self.evaluate(record)
            case RunStarted():
                self.started = record
            case RunEnded():
                self.ended = record
            case Gap():
                self.lost += record.count
            case _:
                self._unknown.append(record)

    def evaluate(self, record: Evaluated) -> None:
        """Put a judgement to its decision."""
        decision = self._decisions.get(record.decision_id)
        if decision is not None:
            force_setattr(decision, "evaluation", record.evaluation)

    def _put_aside(self, record: Decision | Outcome | Choice) -> None:
        self._unknown.append(msgspec.to_builtins(record))

    def damage(self, torn_bytes: int = 0) -> list[Damage]:
        """What did not read, in the order of the file."""
        missing = [
            Damage(line.number, line.offset, f"before it, {_records(low, high)} missing")
            for low, high, line in self._missing
        ]
        damage = sorted([*self._damage, *missing], key=lambda d: d.line)
        if torn_bytes and self.ended is not None:
            reason = f"{torn_bytes} bytes after the end of the run"
            damage.append(Damage(0, 0, reason))
        return damage

    def run(self, run_id: str, torn_bytes: int = 0) -> Run:
        """The run as it stands; RUNNING when it has not ended, since the file alone cannot tell."""
        started, ended = self.started, self.ended
        run = Run(
            id=run_id,
            decisions=list(self._decisions.values()),
            problems=self._problems,
            metrics=self.digest.metrics(),
            unknown=self._unknown,
            lost_records=self.lost,
            damage=self.damage(torn_bytes),
        )
        if started is not None:
            for name in _FROM_START:
                force_setattr(run, name, getattr(started, name))
            force_setattr(run, "started_at", started.timestamp)
        if ended is not None:
            for name in _FROM_END:
                force_setattr(run, name, getattr(ended, name))
            force_setattr(run, "completed_at", ended.timestamp)
            force_setattr(run, "extra", run.extra | ended.extra)
        return run


_FROM_START = (
    "goal_id",
    "goal_description",
    "input_data",
    "tags",
    "parent_run_id",
    "parent_decision_id",
    "host",
    "pid",
    "writer",
    "extra",
)
_FROM_END = (
    "status",
    "narrative",
    "output_data",
    "error",
    "error_type",
    "traceback",
    "duration_ms",
)


def interrupted(run: Run, digest: Digest) -> Run:
    """The same run when its writer is known to be gone."""
    force_setattr(run, "status", RunStatus.INTERRUPTED)
    force_setattr(run, "narrative", digest.narrative(RunStatus.INTERRUPTED))
    return run


def _records(low: int, high: int) -> str:
    return f"record {low} is" if low == high else f"records {low} to {high} are"
