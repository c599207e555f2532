"""A run while it is being recorded, and the nodes in it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from decisionlog.buffer import RunLog
from decisionlog.context import Frame, current_in, leave, set_node
from decisionlog.digest import Digest
from decisionlog.errors import (
    EndedError,
    NoRunError,
    RuntimeStateError,
    UnknownDecisionError,
    brief,
)
from decisionlog.model import Problem, RunMetrics, RunStatus
from decisionlog.records import FORMAT, HOST, Record, RunEnded, RunStarted
from decisionlog.scopes import Binder, Error, Given, Scope
from decisionlog.version import __version__

if TYPE_CHECKING:
    from decisionlog.decisions import DecisionHandle
    from decisionlog.runtime import Runtime


_NOTHING = RLock(), Digest()
"""What a run has that is not recorded."""


class RunHandle(Scope):
    """One run while it is being recorded. See `Runtime.run`."""

    __slots__ = (
        "_said", "_started", "append", "digest", "lock", "log", "pending", "run", "runtime",
        "status",
    )  # fmt: skip

    append: Callable[..., bool]
    """`Buffer.append`."""
    log: RunLog
    _said: tuple[RunStatus, Any, str] | None
    _started: int
    pending: dict[str, DecisionHandle]
    run: RunHandle
    """Itself, until it has ended."""

    def __init__(self, binder: Binder, given: Given) -> None:
        super().__init__(binder, given)
        self.status = RunStatus.RUNNING
        self.runtime: Runtime | None = None
        self.run = self
        self.lock, self.digest = _NOTHING

    def __repr__(self) -> str:
        return f"<run {self.id or '(not recorded)'}, {self.status}>"

    @property
    def decision(self) -> None:
        """It is none."""

    @property
    def node(self) -> None:
        """A new run clears it."""

    @property
    def metrics(self) -> RunMetrics:
        """The counts so far."""
        with self.lock:
            return self.digest.metrics()

    def bound(self) -> Runtime | None:
        """The runtime that records it."""
        return self.runtime

    def succeed(self, output_data: Any = None, narrative: str = "") -> None:
        """The run reached its goal. Without a word, leaving the scope says the same."""
        self._say(RunStatus.COMPLETED, output_data, narrative)

    def fail(self, narrative: str = "", output_data: Any = None) -> None:
        """The run did not reach its goal."""
        self._say(RunStatus.FAILED, output_data, narrative)

    def stuck(self, narrative: str = "") -> None:
        """The run made no progress any more."""
        self._say(RunStatus.STUCK, None, narrative)

    def report_problem(
        self, severity: str, description: str, *, decision_id: str | None = None,
        root_cause: str | None = None, suggested_fix: str | None = None,
    ) -> str:  # fmt: skip
        """Record that something went wrong; `severity` is "critical", "warning" or "minor".

        Returns:
            The problem's id, `"prob_0"`, `"prob_1"`, … within the run; `""` when there is no run.
        """
        runtime = self.runtime
        if runtime is None:
            return ""
        try:
            if self.ended:
                self._too_late(f"the problem {brief(description)}")
                return ""
            intake = runtime.intake
            severity = intake.severity(severity)
            description = intake.text(description, "description")
            root_cause = intake.optional_text(root_cause, "root_cause")
            suggested_fix = intake.optional_text(suggested_fix, "suggested_fix")
            if decision_id is not None and not self.made(decision_id):
                what = f"{self.id} made no decision {brief(decision_id)}"
                what += "; the problem is kept without it"
                runtime.misuse(UnknownDecisionError, what)
                decision_id = None
            now = runtime.clock.now()
            with self.lock:
                problem_id = f"prob_{self.digest.problem(severity, description)}"
                self.record(
                    Problem(
                        problem_id, severity, description, root_cause, decision_id, suggested_fix,
                        now, self.id,
                    )
                )  # fmt: skip
            return problem_id
        except Exception as failure:
            runtime.trouble(failure)
            return ""

    def say_whether(self, success: object, output_data: Any, narrative: str) -> None:
        """It succeeded, or failed."""
        succeeded = self._recording().intake.truth(success)
        self._say(RunStatus.COMPLETED if succeeded else RunStatus.FAILED, output_data, narrative)

    def set_node(self, node_id: str) -> None:
        """Name the node for the decisions that follow in this context."""
        runtime = self._recording()
        frame = current_in(runtime, self)
        try:
            name = runtime.intake.text(node_id, "node_id")
            set_node.set((self, None if frame is None else frame.node, name))
            runtime.intake.values.raise_interrupt()
        except Exception as failure:
            runtime.trouble(failure)

    def pending_decision(self, decision_id: object) -> DecisionHandle | None:
        """The decision with this id that has no outcome yet. None is misuse."""
        decision = self.pending.get(decision_id) if isinstance(decision_id, str) else None
        if decision is not None:
            return decision
        if self.made(decision_id):
            what = f"{decision_id} of {self.id} has an outcome; another one is ignored"
            self._recording().misuse(EndedError, what)
        else:
            what = f"{self.id} made no decision {brief(decision_id)}; its outcome is not recorded"
            self._recording().misuse(UnknownDecisionError, what)
        return None

    def made(self, decision_id: object) -> bool:
        """Whether the run made a decision with this id."""
        digits = decision_id[4:] if isinstance(decision_id, str) else ""
        number = int(digits[:18]) if digits.isdecimal() else self.digest.made
        return number < self.digest.made and decision_id == f"dec_{number}"

    def begin(self, runtime: Runtime, outer: Frame | None) -> None:
        """Record the start, if the runtime is open."""
        self.id, self.runtime = "", None  # not those of an earlier use
        goal_id, goal_description, input_data, run_id, tags, parent = self._given
        recorder = runtime.recorder()
        if recorder is None:
            what = f"{runtime!r} is not open, so the run {brief(goal_id)} is not recorded"
            runtime.misuse(RuntimeStateError, f"{what}: enter it first, with `async with`")
            return
        intake = runtime.intake
        goal_id = intake.text(goal_id, "goal_id")
        goal_description = intake.text(goal_description, "goal_description")
        input_data = intake.values.clean(input_data, "input_data")
        tags = intake.tags(tags)
        parent_run_id, parent_decision_id = runtime.parent_of(current_in(runtime), parent)
        now, started = runtime.clock.now(), runtime.clock.monotonic_ns()
        self.id = run_id = runtime.ids.new(run_id, now)
        self.status = RunStatus.RUNNING
        self.digest = Digest()
        self.pending = {}
        self._started = started
        self._said = None
        self.log = RunLog(run_id)
        self.runtime, self.buffer = runtime, recorder.buffer
        self.lock, self.append = self.buffer.lock, self.buffer.append
        self.run = self
        self.ended = False
        runtime.runs[run_id] = self
        self.record(
            RunStarted(
                goal_id, now, goal_description, input_data, tags, parent_run_id,
                parent_decision_id, FORMAT, __version__, HOST, os.getpid(), recorder.writer, run_id,
            )
        )  # fmt: skip

    def _say(self, status: RunStatus, output_data: Any, narrative: str) -> None:
        runtime = self.runtime
        if runtime is None:
            return
        try:
            if self.ended:
                self._too_late(f"that it is {status}")
            elif self._said is not None:
                what = f"{self.id} was said to be {self._said[0]} before; {status} is ignored"
                runtime.misuse(EndedError, what)
            else:
                intake = runtime.intake
                output_data = intake.values.clean(output_data, "output_data")
                self._said = (status, output_data, intake.text(narrative, "narrative"))
                intake.values.raise_interrupt()
        except Exception as failure:
            runtime.trouble(failure)

    def returned(self, value: object) -> None:
        """The decorated function returned this."""
        if self.ended:
            return
        if self._said is None:
            self.succeed(value)
        elif self._said[1] is None:
            status, _, narrative = self._said
            output_data = self._recording().intake.values.clean(value, "output_data")
            self._said = (status, output_data, narrative)

    def end(self, error: Error) -> None:
        """Record how it ended."""
        runtime = self.runtime
        if runtime is None or self.ended:
            return
        self.ended = True
        leave(self)
        self.run = NO_RUN
        runtime.runs.pop(self.id, None)
        try:
            status, output_data, narrative = self._said or (RunStatus.COMPLETED, None, "")
            text = kind = trace = None
            if error is not None:
                cancelled = is_cancellation(error)
                if status is RunStatus.COMPLETED:
                    status = RunStatus.CANCELLED if cancelled else RunStatus.FAILED
                if not cancelled:
                    text, kind, trace = runtime.intake.failure(error)
            self.status = status
            duration_ms = (runtime.clock.monotonic_ns() - self._started) / 1e6
            with self.lock:
                self.record(
                    RunEnded(
                        status, runtime.clock.now(), narrative or self.digest.narrative(status),
                        output_data, text, kind, trace, duration_ms, self.digest.metrics(),
                        run_id=self.id, **self.digest.highlights(),
                    ),
                    last=True,
                )  # fmt: skip
        except Exception as failure:
            runtime.trouble(failure, error)

    def disconnect(self) -> None:
        """The runtime has closed, or this is a forked child: nothing more is recorded here."""
        self.ended = self.log.ended = True
        self.run = NO_RUN
        self.lock = RLock()  # the other one may be held by a thread that stayed with the parent
        self.pending = {}

    def record(self, record: Record, *, last: bool = False) -> None:
        """Hand a record to the recorder."""
        with self.lock:
            recorded = self.append(self.log, record, last)
        self.recorded(recorded, record)

    def recorded(self, recorded: bool, record: Record) -> None:
        """After `append`, and without the lock: say what is to be said of it."""
        if not recorded:
            self._too_late(f"its {type(record).__name__} came late and")
        self._recording().intake.values.raise_interrupt()

    def _recording(self) -> Runtime:
        """The runtime of a run that has begun."""
        return cast("Runtime", self.runtime)

    def _too_late(self, what: str) -> None:
        self.no_place_for(self._recording(), what)

    def no_place_for(self, runtime: Runtime, what: str) -> None:
        """There is no run to record something in, or it has ended."""
        if self.id:
            runtime.misuse(EndedError, f"{self.id} has ended; {what} is not recorded")
        else:
            runtime.misuse(NoRunError, f"no run is in progress; {what} is not recorded")


class NodeHandle(Scope):
    """A named part of the agent, while what it does is recorded under its name."""

    __slots__ = ("run",)

    def __init__(self, binder: Binder, given: Given) -> None:
        super().__init__(binder, given)
        self.run: RunHandle = NO_RUN

    def __repr__(self) -> str:
        return f"<node {self.id or '(not recorded)'}>"

    @property
    def decision(self) -> None:
        """It is none."""

    @property
    def node(self) -> NodeHandle:
        """Itself."""
        return self

    def begin(self, runtime: Runtime, outer: Frame | None) -> None:
        """Name the node, if there is a surrounding run."""
        self.id, self.run = "", NO_RUN  # not those of an earlier use
        [node_id] = self._given
        if (frame := current_in(runtime)) is None:
            what = f"no run is in progress; the node {brief(node_id)} names nothing"
            runtime.misuse(NoRunError, what)
        else:
            self.id = runtime.intake.text(node_id, "node_id")
            self.run = frame.run
            self.ended = False

    def end(self, error: Error) -> None:
        """The name holds no longer."""
        self.ended = True
        leave(self)

    def returned(self, value: object) -> None:
        """Nothing is recorded of that."""


class _Nowhere:
    def bound(self) -> None:
        """There is no runtime."""


NO_RUN = RunHandle(_Nowhere(), ())


def is_cancellation(error: BaseException) -> bool:
    """Whether an exception says that the work was called off, on whichever event loop."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(map(is_cancellation, group.exceptions))
    if isinstance(error, _CANCELLATIONS):
        return True
    trio = sys.modules.get("trio")
    return trio is not None and isinstance(error, trio.Cancelled)


_CANCELLATIONS = (asyncio.CancelledError, GeneratorExit, concurrent.futures.CancelledError)
