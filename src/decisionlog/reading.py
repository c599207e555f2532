"""From the bytes of a run file to a `Run`.

    Scanner (bytes to the records that count) ──> assemble (to a run) ──> summarize

A record exists when its newline does: what follows the last one is not read. Everything else that
does not read (a line that is no record, a wrong checksum, a number that is missing) is passed over
and named in `Run.damage`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from operator import attrgetter, itemgetter
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import force_setattr

from decisionlog.digest import Digest
from decisionlog.model import Damage, Decision, Outcome, Problem, Run, RunStatus, RunSummary
from decisionlog.records import (
    MAX_ITEMS,
    MAX_LINE_BYTES,
    SEAL_BYTES,
    AnyRecord,
    Choice,
    Evaluated,
    Gap,
    RunEnded,
    RunStarted,
    decode,
    fits,
    started_at,
    unseal,
)

_LONGEST = MAX_LINE_BYTES + SEAL_BYTES
_NAMED = 1000
"""How many places of damage are named one by one."""
_JOINT = re.compile(rb'(?<=,"crc":"[0-9a-f]{8}"\}).(?=\{"type":")', re.DOTALL)
"""Where a newline was overwritten."""


class Scanner:
    """Finds the records in what is read from a file, piece by piece, and keeps account of them.

    Those of one run count, each once, up to its end. A file none of whose lines has a checksum is
    taken as it is; in any other, a line without one is damage. Which it is may show late, so lines
    without one are held back until `finish`.
    """

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        self.lines = 0
        self.records = 0
        self.lost = 0
        self._offset = 0
        self._rest = b""
        self._passed_over = 0
        self._run_id = ""
        self._expected = 1
        self._sealed = False
        self._unsealed: list[tuple[int, int, AnyRecord]] = []
        self._missing: list[tuple[int, int, int, int]] = []
        self._damage: list[Damage] = []
        self._unnamed = 0

    @property
    def torn_bytes(self) -> int:
        """How many bytes there are after the last newline."""
        return self._passed_over + len(self._rest)

    @property
    def holds_back(self) -> bool:
        """Whether there were lines without a checksum, of which only `finish` can tell."""
        return bool(self._unsealed)

    def feed(self, data: bytes) -> list[AnyRecord]:
        """The records in the lines that are complete now."""
        found: list[AnyRecord] = []
        # These are found by memchr; split() looks at each byte, 6 % of reading a run.
        lines = BytesIO(self._rest + data).readlines()
        self._rest = lines.pop() if lines and lines[-1][-1:] != b"\n" else b""
        for line in lines:
            self.lines += 1
            if self._passed_over or len(line) > _LONGEST:
                self._damaged("a line longer than any record")
            elif text := line.rstrip():
                self._read(text, found)
            self._offset += self._passed_over + len(line)
            self._passed_over = 0
        if self._passed_over or len(self._rest) > _LONGEST:
            self._passed_over += len(self._rest)
            self._rest = b""
        return found

    def finish(self) -> list[AnyRecord]:
        """There are no more lines; the records that count after all."""
        found: list[AnyRecord] = []
        for line, offset, record in self._unsealed:
            self.lines, self._offset = line, offset
            if self._sealed:
                self._damaged("it has no checksum")
            else:
                self._enter(record, found)
        self._unsealed = []
        return found

    def _read(self, line: bytes, found: list[AnyRecord]) -> None:
        body, intact = unseal(line)
        if intact is False:
            self._damaged("its checksum does not match")
            for piece in _JOINT.split(line):
                if piece != line:
                    self._read(piece, found)
            return
        if len(body) > MAX_ITEMS and not fits(body):
            self._damaged("it has more items than any record")
            return
        try:
            record = decode(body)
        except ValueError as error:
            self._damaged(str(error))
            return
        if intact:
            self._sealed = True
            self._enter(record, found)
        else:
            self._unsealed.append((self.lines, self._offset, record))

    def _enter(self, record: AnyRecord, found: list[AnyRecord]) -> None:
        if (
            (type(record) is Decision or type(record) is Outcome)
            and record.seq == self._expected
            and record.run_id == self._run_id
            and self.ended is None
        ):  # as nearly all do, it follows the one before
            self._expected += 1
        elif objection := self._objection(record):
            self._damaged(objection)
            return
        elif type(record) is RunStarted:
            self.started = self.started or record
        elif type(record) is RunEnded:
            self.ended = record
        elif type(record) is Gap:
            self.lost += record.count
        self.records += 1
        found.append(record)

    def _objection(self, record: AnyRecord) -> str:
        """Why a record does not count, if it does not."""
        if isinstance(record, dict):
            seq, run_id = record.get("seq"), record.get("run_id")
        else:
            seq, run_id = record.seq, record.run_id
        if run_id != self._run_id and run_id:
            if self._run_id:
                return f"it belongs to another run, {run_id!r:.120}"
            self._run_id = run_id
        if type(seq) is not int or seq < 0:  # by a program that does not number
            seq = 0
        if self.ended is not None and not 0 < seq <= self.ended.seq:
            return "it comes after the end of the run"
        if not seq:
            return ""
        first = seq - record.count + 1 if type(record) is Gap else seq
        if seq < self._expected:
            return "" if self._was_missing(first, seq) else f"record {seq} is there twice"
        if first > self._expected:
            self._missing.append((self._expected, first - 1, self.lines, self._offset))
        self._expected = seq + 1
        return ""

    def _was_missing(self, first: int, seq: int) -> bool:
        """Whether a record is not there twice, but only comes late."""
        i = bisect_left(self._missing, seq, key=itemgetter(1))
        if i == len(self._missing) or self._missing[i][0] > seq:
            return False
        low, high, line, offset = self._missing[i]
        left = [(low, first - 1, line, offset), (seq + 1, high, line, offset)]
        self._missing[i : i + 1] = [missing for missing in left if missing[0] <= missing[1]]
        return True

    def _damaged(self, reason: str) -> None:
        if len(self._damage) < _NAMED:
            self._damage.append(Damage(self.lines, self._offset, reason))
        else:
            self._unnamed += 1

    def damage(self) -> list[Damage]:
        """What did not read, in the order of the file."""
        missing = [
            Damage(line, offset, f"before it, {_records(low, high)} missing")
            for low, high, line, offset in self._missing[:_NAMED]
        ]
        damage = sorted([*self._damage, *missing], key=attrgetter("line"))
        if more := self._unnamed + len(self._missing) - len(missing):
            damage.append(Damage(0, 0, f"{more} more places"))
        if self.torn_bytes and self.ended is not None:
            damage.append(Damage(0, 0, f"{self.torn_bytes} bytes after the end of the run"))
        return damage


def _records(low: int, high: int) -> str:
    return f"record {low} is" if low == high else f"records {low} to {high} are"


def assemble(
    run_id: str,
    scanner: Scanner,
    records: Sequence[AnyRecord],
    status: RunStatus = RunStatus.RUNNING,
) -> Run:
    """The run; `status` is that of one that has not ended, which the file alone cannot tell."""
    decisions, problems, unknown = _in_place(records)
    digest = _digest(decisions, problems)
    started, ended = scanner.started, scanner.ended
    told: dict[str, Any] = {"status": status, "narrative": "", "extra": {}}
    for record in (started, ended):
        if record is not None:
            told |= _shared(record, Run) | {"extra": told["extra"] | record.extra}
    told["narrative"] = told["narrative"] or digest.narrative(told["status"])
    told["metrics"] = digest.metrics()
    return Run(
        id=run_id,
        started_at=started.timestamp if started is not None else started_at(run_id),
        completed_at=ended.timestamp if ended is not None else None,
        decisions=decisions,
        problems=problems,
        unknown=unknown,
        lost_records=scanner.lost,
        damage=scanner.damage(),
        **told,
    )


def _in_place(
    records: Sequence[AnyRecord],
) -> tuple[list[Decision], list[Problem], list[dict[str, Any]]]:
    """Decisions with what came of them, problems, and what has no place among these."""
    decisions: dict[str, Decision] = {}
    for record in records:
        if type(record) is Decision:
            decisions.setdefault(record.id, record)
    problems: list[Problem] = []
    unknown: list[dict[str, Any]] = []
    for record in records:
        match record:
            case Outcome() if (made := decisions.get(record.decision_id)) and not made.outcome:
                force_setattr(made, "outcome", record)
            case Decision() if decisions[record.id] is record:
                pass
            case Choice() if made := decisions.get(record.decision_id):
                force_setattr(made, "chosen_option_id", record.chosen_option_id)
                force_setattr(made, "reasoning", record.reasoning or made.reasoning)
            case Evaluated():
                if made := decisions.get(record.decision_id):
                    force_setattr(made, "evaluation", record.evaluation)
            case Problem():
                problems.append(record)
            case RunStarted() | RunEnded() | Gap():
                pass
            case _:
                unknown.append(to_builtins(record))
    by_number = attrgetter("seq")
    return sorted(decisions.values(), key=by_number), sorted(problems, key=by_number), unknown


def _digest(decisions: list[Decision], problems: list[Problem]) -> Digest:
    digest = Digest()
    for decision in decisions:
        digest.decided(decision.node_id)
    known = [(decision, decision.outcome) for decision in decisions if decision.outcome]
    for decision, outcome in sorted(known, key=lambda pair: pair[1].seq):
        digest.came_out(decision, outcome)
    for problem in problems:
        digest.problem(problem.severity, problem.description)
    return digest


def summarize(run: Run) -> RunSummary:
    """The run at a glance."""
    return RunSummary(
        run_id=run.id,
        decision_count=run.metrics.total_decisions,
        success_rate=run.metrics.success_rate,
        total_tokens=run.metrics.total_tokens,
        **_shared(run, RunSummary),
        **_digest(run.decisions, run.problems).highlights(),
    )


def summary(run_id: str, started: RunStarted, ended: RunEnded) -> RunSummary:
    """The same, as the first and the last record of a run tell it."""
    told = _shared(started, RunSummary) | _shared(ended, RunSummary)
    told["run_id"] = run_id
    return RunSummary(
        started_at=started.timestamp,
        decision_count=ended.metrics.total_decisions,
        success_rate=ended.metrics.success_rate,
        total_tokens=ended.metrics.total_tokens,
        **told,
    )


def _shared(source: Struct, target: type[Struct]) -> dict[str, Any]:
    """The fields of a Struct that another type has too."""
    return {name: getattr(source, name) for name in _names(type(source), target)}


@cache
def _names(source: type[Struct], target: type[Struct]) -> list[str]:
    return [name for name in source.__struct_fields__ if name in target.__struct_fields__]
