"""Row 11: any sequence of recording, flushing, killing, reopening, following and deleting, against
a model of what is on the disk then.
"""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from decisionlog import (
    Decision,
    Outcome,
    Problem,
    RunInProgressError,
    RunNotFoundError,
    RunStatus,
    RunStore,
)
from decisionlog.records import AnyRecord, RunEnded, RunStarted
from tests import runfiles
from tests.faults.report import report, sized
from tests.faults.writers import Writers
from tests.waiting import LIMIT

EXAMPLES, STEPS = sized((12, 30), (10_000, 50))
WHICH = st.integers(0, 5)
Told = tuple[Any, ...]
"""What a record says that matters here."""


def told_by_line(line: bytes) -> Told:
    """Read by hand."""
    record = runfiles.unsealed(line)
    match record["type"]:
        case "run_started":
            return "start", record["goal_id"]
        case "decision":
            return "decision", record["id"], record["intent"]
        case "outcome":
            return "outcome", record["decision_id"], record["success"]
        case "problem":
            return "problem", record["id"]
        case _:
            return "end", record["status"]


def told_by(record: AnyRecord) -> Told:
    """Read by the library."""
    match record:
        case RunStarted():
            return "start", record.goal_id
        case Decision():
            return "decision", record.id, record.intent
        case Outcome():
            return "outcome", record.decision_id, record.success
        case Problem():
            return "problem", record.id
        case RunEnded():
            return "end", str(record.status)
        case _:
            return ("unknown",)


class Known:
    """What the model knows of a run."""

    def __init__(self, goal: str) -> None:
        self.records: list[Told] = [("start", goal)]
        self.safe = 0
        """How many of them are surely on the disk."""
        self.live = True
        self.follower: AsyncIterator[AnyRecord] | None = None
        self.followed = 0

    @property
    def ended(self) -> bool:
        return self.records[-1:] != [] and self.records[-1][0] == "end"

    def count(self, kind: str) -> int:
        return sum(record[0] == kind for record in self.records)

    @property
    def status(self) -> RunStatus:
        if self.ended:
            return RunStatus(self.records[-1][1])
        return RunStatus.RUNNING if self.live else RunStatus.INTERRUPTED


class Machine(RuleBasedStateMachine):
    """`bug` is for the control."""

    writers: ClassVar[Writers]
    portal: ClassVar[BlockingPortal]
    bug: ClassVar[str] = ""
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.traces = Path(self._directory.name, "traces")
        self.store = RunStore(self.traces)
        self.runs: dict[str, Known] = {}
        self.goals = 0
        self.untold = 0
        self.reopen()

    def teardown(self) -> None:
        if self.writers.writing:
            self.writers.kill()
        for known in self.runs.values():
            self.stop_following(known)
        self._directory.cleanup()

    @invariant()
    def all_that_should_be_is_on_disk(self) -> None:
        type(self).steps += 1
        for run_id, known in self.runs.items():
            self.on_disk(run_id, known)

    def pick(self, which: int, open_only: bool = False) -> tuple[str, Known] | None:
        """A run; of those in progress, maybe."""
        runs = [(r, k) for r, k in self.runs.items() if not open_only or (k.live and not k.ended)]
        return runs[which % len(runs)] if runs else None

    def tell(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.writers.tell(name, args, kwargs)

    def do(self, call: Any, *args: Any) -> Any:
        async def bounded() -> Any:
            with anyio.fail_after(LIMIT):
                return await call(*args)

        return self.portal.call(bounded)

    # ------------------------------------------------------------------ recording

    @precondition(lambda self: self.writers.writing)
    @rule()
    def start_run(self) -> None:
        self.start()

    def start(self) -> None:
        goal = f"goal {self.goals}"
        self.goals += 1
        self.runs[self.tell("start_run", goal)] = Known(goal)

    @precondition(lambda self: self.writers.writing)
    @rule(which=WHICH, times=st.integers(1, 5))
    def decide(self, which: int, times: int) -> None:
        if found := self.pick(which, open_only=True):
            run_id, known = found
            for _ in range(times):
                intent = f"intent {len(known.records)}"
                made = self.tell("decide", intent, [], "", "", run_id=run_id)
                assert made == f"dec_{known.count('decision')}"
                known.records.append(("decision", made, intent))
            if self.bug == "loses a record":
                known.records.append(("outcome", "dec_0", True))

    @precondition(lambda self: self.writers.writing)
    @rule(which=WHICH, number=st.integers(0, 9), success=st.booleans())
    def record_outcome(self, which: int, number: int, success: bool) -> None:
        if found := self.pick(which, open_only=True):
            run_id, known = found
            decision_id = f"dec_{number}"
            self.tell("record_outcome", decision_id, success, run_id=run_id)
            came_out = {record[1] for record in known.records if record[0] == "outcome"}
            if number < known.count("decision") and decision_id not in came_out:
                known.records.append(("outcome", decision_id, success))

    @precondition(lambda self: self.writers.writing)
    @rule(which=WHICH)
    def report_problem(self, which: int) -> None:
        if found := self.pick(which, open_only=True):
            run_id, known = found
            made = self.tell("report_problem", "minor", "small", run_id=run_id)
            assert made == f"prob_{known.count('problem')}"
            known.records.append(("problem", made))

    @precondition(lambda self: self.writers.writing)
    @rule(which=WHICH, success=st.booleans())
    def end_run(self, which: int, success: bool) -> None:
        if found := self.pick(which, open_only=True):
            run_id, known = found
            self.tell("end_run", success, run_id=run_id)
            known.records.append(("end", "completed" if success else "failed"))

    # ------------------------------------------------------------------ flush, kill, reopen

    @precondition(lambda self: self.writers.writing)
    @rule(durable=st.booleans())
    def flush(self, durable: bool) -> None:
        # Nobody can vouch for a run that was deleted before it was synced; that is told twice.
        assert self.tell("flush", durable=durable) or (durable and self.untold)
        self.untold -= durable and self.untold > 0
        self.all_is_safe()

    def all_is_safe(self) -> None:
        for known in self.runs.values():
            if known.live:
                known.safe = len(known.records)

    @precondition(lambda self: self.writers.writing)
    @rule(kill=st.booleans())
    def stop(self, kill: bool) -> None:
        if kill:
            self.writers.kill()
        else:
            self.writers.close()
            self.all_is_safe()
        for run_id, known in list(self.runs.items()):
            if known.live:
                found = self.on_disk(run_id, known)
                known.records, known.safe, known.live = found, len(found), False
                if not runfiles.path_of(self.traces, run_id).exists():
                    del self.runs[run_id]

    @precondition(lambda self: not self.writers.writing)
    @rule()
    def reopen(self) -> None:
        self.writers.open(self.traces)
        self.untold = 0
        self.start()

    # ------------------------------------------------------------------ reading

    def on_disk(self, run_id: str, known: Known) -> list[Told]:
        """What is there: what has to be, and nothing that was not recorded."""
        path = runfiles.path_of(self.traces, run_id)
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        found = [told_by_line(line) for line in lines if line.endswith(b"\n")]
        assert found == known.records[: len(found)]
        assert len(found) >= known.safe
        return found

    def status(self, known: Known) -> RunStatus:
        """As it reads when all of it is on the disk. Nobody can tell whose a file is that is still
        empty, so while somebody writes, it may be his.
        """
        anybodys = not known.records and self.writers.writing
        return RunStatus.RUNNING if anybodys else known.status

    @rule(which=WHICH)
    def load(self, which: int) -> None:
        if (found := self.pick(which)) is None:
            return
        run_id, known = found
        before = len(self.on_disk(run_id, known))
        try:
            run = self.do(self.store.load, run_id)
        except RunNotFoundError:
            assert known.live and known.safe == 0
            return
        assert run.damage == run.unknown == []
        decided = [record for record in known.records if record[0] == "decision"]
        assert [("decision", d.id, d.intent) for d in run.decisions] == decided[
            : len(run.decisions)
        ]
        outcomes = {r[1]: r[2] for r in known.records if r[0] == "outcome"}
        for decision in run.decisions:
            if decision.outcome is not None:
                assert decision.outcome.success == outcomes[decision.id]
        there = (run.goal_id != "") + len(run.decisions) + len(run.problems)
        there += sum(not decision.is_pending for decision in run.decisions)
        there += run.completed_at is not None
        assert before <= there <= len(known.records)
        if known.safe == len(known.records):
            assert run.status == self.status(known)

    @rule()
    def list_runs(self) -> None:
        async def listed() -> list[Any]:
            return [summary async for summary in self.store.runs(newest_first=False)]

        found = {summary.run_id: summary for summary in self.do(listed)}
        sure = {run_id for run_id, known in self.runs.items() if known.safe or not known.live}
        assert sure <= found.keys() <= self.runs.keys()
        for run_id in sure:
            if self.runs[run_id].safe == len(self.runs[run_id].records):
                assert found[run_id].status == self.status(self.runs[run_id])

    @rule(which=WHICH)
    def follow(self, which: int) -> None:
        """From the start, or further on: all that is safe comes, in order, each once."""
        if (found := self.pick(which)) is None or found[1].safe == 0:
            return
        run_id, known = found
        if known.follower is None:
            known.follower = self.store.follow(run_id, poll_interval=0.001)
            known.followed = 0
        while known.followed < known.safe:
            record = self.do(anext, known.follower, None)
            assert record and told_by(record) == known.records[known.followed]
            known.followed += 1
        if not known.live or (known.ended and known.safe == len(known.records)):
            assert self.do(anext, known.follower, None) is None
            known.follower = None

    def stop_following(self, known: Known) -> None:
        if known.follower is not None:
            self.do(known.follower.aclose)  # type: ignore[attr-defined]
            known.follower = None

    # ------------------------------------------------------------------ deleting

    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        if (found := self.pick(which)) is None:
            return
        run_id, known = found
        try:
            self.do(self.store.delete, run_id)
        except RunInProgressError:
            assert self.status(known) == RunStatus.RUNNING or known.safe < len(known.records)
            return
        except RunNotFoundError:
            assert known.live and known.safe == 0
            return
        assert not known.live or known.ended
        assert not runfiles.path_of(self.traces, run_id).exists()
        self.stop_following(known)
        self.untold = 2 if known.live else self.untold
        if self.bug != "forgets a delete":
            del self.runs[run_id]
        with pytest.raises(RunNotFoundError):
            self.do(self.store.load, run_id)

    @precondition(lambda self: not self.writers.writing)
    @rule(keep=st.integers(0, 3))
    def prune(self, keep: int) -> None:
        async def prune() -> list[str]:
            return await self.store.prune(keep=keep)

        removed = self.do(prune)
        assert removed == sorted(self.runs)[: max(0, len(self.runs) - keep)]
        for run_id in removed:
            self.stop_following(self.runs.pop(run_id))


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    writers = Writers()
    yield writers
    writers.end()


def check(writers: Writers, backend: str, bug: str, examples: int) -> int:
    with start_blocking_portal(backend) as portal:
        made = {"writers": writers, "portal": portal, "bug": bug, "steps": 0}
        machine: Any = type("Machine", (Machine,), made)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                report_multiple_bugs=False,
                phases=[Phase.generate] if bug else [Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
        return int(machine.steps)


def test_any_sequence(anyio_backend: str, writers: Writers) -> None:
    steps = check(writers, anyio_backend, "", EXAMPLES // 2)
    report(11, f"sequences, {anyio_backend}", EXAMPLES // 2, steps=steps, divergences=0)


@pytest.mark.parametrize("bug", ["forgets a delete", "loses a record"])
def test_control(writers: Writers, bug: str) -> None:
    # What is on the disk at the moment of a kill varies, so it may fail otherwise when repeated.
    with pytest.raises((AssertionError, RunNotFoundError, Flaky)):
        check(writers, "asyncio", bug, 500)
