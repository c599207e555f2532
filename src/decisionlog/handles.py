"""Runs and decisions while they are being recorded: what an agent holds in its hands.

A handle that has nothing to record to (no run in progress, the runtime closed or disabled) is
inert: it takes everything and does nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from msgspec.structs import force_setattr, replace

from decisionlog import errors
from decisionlog.buffer import RunLog
from decisionlog.context import Frame, bound_runtime, current, decision_at, leave
from decisionlog.digest import Digest
from decisionlog.model import (
    Decision,
    DecisionType,
    Option,
    Outcome,
    Problem,
    RunMetrics,
    RunStatus,
)
from decisionlog.recorder import Recorder
from decisionlog.records import FORMAT, HOST, Choice, Record, RunEnded, RunStarted
from decisionlog.version import __version__

if TYPE_CHECKING:
    from decisionlog.runtime import Runtime

Given = tuple[Any, ...]
"""The arguments of `Runtime.run` or `Runtime.decision`, in their order."""
_EPOCH = datetime.fromtimestamp(0, UTC)


class Details(TypedDict, total=False):
    """What else there is to say of an outcome; see `Outcome`. `tokens_used` is the decision's own,
    without its children's; left out, it is the sum of `input_tokens` and `output_tokens`.
    """

    summary: str
    tokens_used: int
    state_changes: Mapping[str, Any] | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    model: str | None
    attributes: Mapping[str, Any] | None


class RunHandle:
    """One run while it is being recorded. See `Runtime.run`."""

    decision = None
    node = None

    def __init__(self) -> None:
        self.id = ""
        self.status = RunStatus.RUNNING
        self.ended = True
        self.outer: Frame | None = None
        self.runtime: Runtime | None = None
        self.recorder: Recorder | None = None
        self.pending: dict[str, DecisionHandle] = {}
        self.digest = Digest()
        self._log: RunLog | None = None
        self._said: tuple[RunStatus, Any, str] | None = None

    def __repr__(self) -> str:
        return f"<run {self.id or '(not recorded)'}, {self.status}>"

    @property
    def run(self) -> RunHandle:
        """Itself."""
        return self

    @property
    def metrics(self) -> RunMetrics:
        """The counts so far."""
        return self.digest.metrics()

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
        if runtime is None or not self._is_open(f"the problem {description!r:.60}"):
            return ""
        intake = runtime.intake
        severity = intake.severity(severity)
        description = intake.text(description, "description")
        if decision_id is not None and not self.made(decision_id):
            what = f"{self.id} made no decision {decision_id!r:.40}; the problem is kept without it"
            runtime.misuse(errors.UnknownDecisionError, what)
            decision_id = None
        problem = Problem(
            f"prob_{self.digest.problem(severity, description)}",
            severity,
            description,
            intake.optional_text(root_cause, "root_cause"),
            decision_id,
            intake.optional_text(suggested_fix, "suggested_fix"),
            runtime.clock.now(),
            self.id,
        )
        self.record(problem)
        return problem.id

    def made(self, decision_id: object) -> bool:
        """Whether the run made a decision with this id."""
        number = decision_id[4:] if isinstance(decision_id, str) else ""
        return (
            number.isdecimal()
            and decision_id == f"dec_{int(number[:18])}"
            and (int(number[:18]) < self.digest.made)
        )

    def start(self, runtime: Runtime, recorder: Recorder, given: Given) -> None:
        """Record the start."""
        goal_id, goal_description, input_data, run_id, tags, parent = given
        intake = runtime.intake
        self.outer = current()
        parent_run_id, parent_decision_id = runtime.parent_of(current(runtime), parent)
        self.id = runtime.run_id(run_id)
        record = RunStarted(
            intake.text(goal_id, "goal_id"),
            runtime.clock.now(),
            intake.text(goal_description, "goal_description"),
            intake.values.clean(input_data, "input_data"),
            intake.tags(tags),
            parent_run_id,
            parent_decision_id,
            FORMAT,
            __version__,
            HOST,
            os.getpid(),
            recorder.writer,
            self.id,
        )
        self._log = RunLog(self.id)
        self._started = runtime.clock.monotonic_ns()
        self.runtime, self.recorder = runtime, recorder
        self.ended = False
        runtime.runs[self.id] = self
        self.record(record)

    def _say(self, status: RunStatus, output_data: Any, narrative: str) -> None:
        runtime = self.runtime
        if runtime is None or not self._is_open(f"that it is {status}"):
            return
        if self._said is not None:
            what = f"{self.id} was said to be {self._said[0]} before; {status} is ignored"
            runtime.misuse(errors.EndedError, what)
            return
        output_data = _snapshot(runtime.intake.values.clean(output_data, "output_data"))
        self._said = (status, output_data, runtime.intake.text(narrative, "narrative"))

    def _is_open(self, what: str) -> bool:
        if self.ended and self.runtime is not None:
            self.runtime.misuse(errors.EndedError, f"{self.id} has ended; {what} is not recorded")
        return not self.ended

    def returned(self, value: object) -> None:
        """The decorated function returned this."""
        if self._said is None:
            self._say(RunStatus.COMPLETED, value, "")
        elif self._said[1] is None and self.runtime is not None:
            status, _, narrative = self._said
            self._said = (status, self.runtime.intake.values.clean(value, "output_data"), narrative)

    def end(self, error: BaseException | None) -> None:
        """Record how it ended."""
        runtime = self.runtime
        if runtime is None or self.ended:
            return
        self.ended = True
        leave()
        runtime.runs.pop(self.id, None)
        runtime.guarded(self._end, runtime, error, in_flight=error)

    def _end(self, runtime: Runtime, error: BaseException | None) -> None:
        status, output_data, narrative = self._said or (RunStatus.COMPLETED, None, "")
        text = kind = trace = None
        if error is not None and is_cancellation(error):
            status = RunStatus.CANCELLED if status is RunStatus.COMPLETED else status
        elif error is not None:
            status = RunStatus.FAILED if status is RunStatus.COMPLETED else status
            text, kind, trace = runtime.intake.failure(error)
        self.status = status
        record = RunEnded(
            status,
            runtime.clock.now(),
            narrative or self.digest.narrative(status),
            output_data,
            text,
            kind,
            trace,
            (runtime.clock.monotonic_ns() - self._started) / 1e6,
            self.digest.metrics(),
            run_id=self.id,
            **self.digest.highlights(),
        )
        self.record(record, last=True)

    def disconnect(self) -> None:
        """The runtime has closed, or this is a forked child: nothing more is recorded here."""
        self.ended = True
        self._log = None

    def record(self, record: Record, *, last: bool = False) -> None:
        """Hand a record to the recorder."""
        log, recorder, runtime = self._log, self.recorder, self.runtime
        if log is None or recorder is None or runtime is None:
            return
        if not recorder.buffer.append(log, record, last=last):
            what = f"{self.id} has ended; its {type(record).__name__} came late and is not recorded"
            runtime.misuse(errors.EndedError, what)


class DecisionHandle:
    """One decision while it is being recorded. See `Runtime.decision`."""

    __slots__ = (
        "_said", "_started", "chosen_option_id", "ended", "id", "intent", "node", "options",
        "outer", "parent_id", "run",
    )  # fmt: skip

    def __init__(self) -> None:
        self.id = ""
        self.ended = True
        self.run: RunHandle | None = None

    def __repr__(self) -> str:
        return f"<decision {self.id or '(not recorded)'}>"

    @property
    def decision(self) -> DecisionHandle:
        """Itself."""
        return self

    @property
    def recorder(self) -> Recorder | None:
        """Where its run is recorded."""
        return self.run.recorder if self.run is not None else None

    def choose(self, option_id: str, reasoning: str = "") -> None:
        """Record the choice, made inside the scope; the last one stands."""
        run, runtime = self._open_run(f"the choice {option_id!r:.40}")
        if run is None or runtime is None:
            return
        self.chosen_option_id = option_id = checked(runtime, self.options, option_id)
        reasoning = runtime.intake.text(reasoning, "reasoning")
        run.record(Choice(self.id, option_id, runtime.clock.now(), reasoning, run.id))

    def succeed(self, result: Any = None, **details: Unpack[Details]) -> None:
        """What came of it. It is written when the scope is left, with the latency."""
        self.say(True, result, None, **details)

    def fail(
        self, error: str | BaseException, *, result: Any = None, **details: Unpack[Details]
    ) -> None:
        """It failed, and the agent deals with it: no exception leaves the scope."""
        self.say(False, result, error, **details)

    def report_problem(
        self, severity: str, description: str, *,
        root_cause: str | None = None, suggested_fix: str | None = None,
    ) -> str:  # fmt: skip
        """Record a problem with this decision; see `RunHandle.report_problem`."""
        if self.run is None:
            return ""
        return self.run.report_problem(
            severity,
            description,
            decision_id=self.id,
            root_cause=root_cause,
            suggested_fix=suggested_fix,
        )

    def start(self, runtime: Runtime, run: RunHandle, frame: Frame | None, given: Given) -> None:
        """Record the decision; `frame` is the place in this run where it is made, if it is."""
        intent, options, chosen, reasoning, node_id, kind, constraints, context, old = given
        intake = runtime.intake
        self.intent = intent = intake.text(intent, "intent")
        self.options = options = intake.options(options) if options else []
        if chosen is not None:
            chosen = checked(runtime, options, chosen)
        self.chosen_option_id = chosen
        self.outer = frame or current()
        parent = decision_at(frame)
        self.parent_id = parent.id if parent is not None else None
        self.node = frame.node if frame is not None else None
        node_id = intake.text(node_id, "node_id") if node_id is not None else self.node or "unknown"
        reasoning = intake.text(reasoning, "reasoning")
        if kind is not DecisionType.CUSTOM:
            kind = intake.decision_type(kind)
        constraints = intake.strings(constraints, "constraints") if constraints is not None else []
        context = intake.mapping(context, "context") if context is not None else {}
        if old is not None and not run.made(old):
            what = f"supersedes is {old!r:.40}, a decision {run.id} never made; left out"
            runtime.misuse(errors.UnknownDecisionError, what)
            old = None
        self._said: Outcome | None = None
        self.id = f"dec_{run.digest.decided(node_id)}"
        self.run = run
        run.pending[self.id] = self
        self.ended = False
        self._started = runtime.clock.monotonic_ns()
        record = Decision(
            self.id, self.parent_id, runtime.clock.now(), node_id, intent, kind, options, chosen,
            reasoning, constraints, context, old, None, None, run.id,
        )  # fmt: skip
        run.record(record)

    def say(
        self, success: bool, result: Any, error: object, summary: str = "", tokens_used: int = 0,
        state_changes: Mapping[str, Any] | None = None, input_tokens: int | None = None,
        output_tokens: int | None = None, cost_usd: float | None = None, model: str | None = None,
        attributes: Mapping[str, Any] | None = None, latency_ms: float = 0.0,
    ) -> None:  # fmt: skip
        """Keep the outcome until the scope is left."""
        run, runtime = self._open_run("its outcome")
        if run is None or runtime is None:
            return
        if self._said is not None:
            what = f"{self.id} of {run.id} has an outcome; another one is ignored"
            runtime.misuse(errors.EndedError, what)
            return
        intake = runtime.intake
        number = intake.number
        text = kind = trace = None
        if not success:
            text, kind, trace = intake.failure(error)
        if input_tokens is not None:
            input_tokens = number(input_tokens, "input_tokens", int, 0)
        if output_tokens is not None:
            output_tokens = number(output_tokens, "output_tokens", int, 0)
        self._said = Outcome(
            bool(success),
            False,
            None if result is None else _snapshot(intake.values.clean(result, "result")),
            text,
            kind,
            trace,
            intake.text(summary, "summary"),
            _snapshot(intake.mapping(state_changes, "state_changes")) if state_changes else {},
            number(tokens_used, "tokens_used", int, 0)
            or (input_tokens or 0) + (output_tokens or 0),
            input_tokens,
            output_tokens,
            None if cost_usd is None else number(cost_usd, "cost_usd", float, 0.0),
            intake.optional_text(model, "model"),
            _snapshot(intake.mapping(attributes, "attributes")) if attributes else {},
            number(latency_ms, "latency_ms", float, 0.0),
            _EPOCH,
            self.id,
            run.id,
        )

    def returned(self, value: object) -> None:
        """The decorated function returned this."""
        if self.run is None or self.run.runtime is None or self.ended:
            return
        if self._said is None:
            self.succeed(value)
        elif self._said.result is None:
            result = self.run.runtime.intake.values.clean(value, "result")
            self._said = replace(self._said, result=result)

    def _open_run(self, what: str) -> tuple[RunHandle | None, Runtime | None]:
        run = self.run
        if run is None or run.runtime is None:
            return None, None
        if self.ended or run.ended:
            what = f"{self.id} of {run.id} has ended; {what} is not recorded"
            run.runtime.misuse(errors.EndedError, what)
            return None, None
        return run, run.runtime

    def end(self, error: BaseException | None) -> None:
        """Record the outcome, unless it is known already."""
        run = self.run
        if self.ended or run is None or run.runtime is None:
            return
        self.ended = True
        leave()
        if run.pending.pop(self.id, None) is not None:
            run.runtime.guarded(self._end, run, run.runtime, error, in_flight=error)

    def _end(self, run: RunHandle, runtime: Runtime, error: BaseException | None) -> None:
        outcome = self._said
        changes: dict[str, Any] = {}
        if error is not None and is_cancellation(error):
            if outcome is None or outcome.success:
                changes = {"success": False, "cancelled": True}
        elif error is not None:
            text, kind, trace = runtime.intake.failure(error)
            if outcome is not None and outcome.error is not None:
                text = outcome.error
            changes = {"success": False, "error": text, "error_type": kind, "traceback": trace}
        if outcome is None:
            outcome = Outcome(True, decision_id=self.id, run_id=run.id)
        if not outcome.latency_ms:
            changes["latency_ms"] = (runtime.clock.monotonic_ns() - self._started) / 1e6
        changes["timestamp"] = runtime.clock.now()
        for name, value in changes.items():  # the record is nobody else's until it is written
            force_setattr(outcome, name, value)
        run.digest.came_out(self, outcome)
        run.record(outcome)


def open_run(runtime: Runtime | None, given: Given) -> RunHandle:
    """Start a run, if there is a runtime to record it."""
    handle = RunHandle()
    runtime = runtime or bound_runtime()
    if runtime is None or runtime.inert:
        return handle
    recorder = runtime.recorder()
    if recorder is None:
        what = f"{runtime!r} is not open, so the run {given[0]!r:.80} is not recorded"
        runtime.misuse(errors.RuntimeStateError, f"{what}: enter it first, with `async with`")
        return handle
    _start(runtime, handle, recorder, given)
    return handle


def open_decision(
    runtime: Runtime | None, given: Given, run: RunHandle | None = None
) -> DecisionHandle:
    """Record a decision, if there is a run to record it in: this one, or the surrounding one."""
    handle = DecisionHandle()
    runtime = runtime or bound_runtime()
    if runtime is None or runtime.inert:
        return handle
    frame = current(runtime)
    if run is None:
        if frame is None:
            what = f"no run is in progress; the decision {given[0]!r:.80} is not recorded"
            runtime.misuse(errors.NoRunError, what)
            return handle
        run = frame.run
    elif frame is not None and frame.run is not run:
        frame = None
    _start(runtime, handle, run, frame, given)
    return handle


def _start(runtime: Runtime, handle: RunHandle | DecisionHandle, *args: Any) -> None:
    try:
        runtime.guarded(handle.start, runtime, *args)
    except (KeyboardInterrupt, SystemExit) as error:  # from within a value that was recorded
        handle.end(error)
        raise


def checked(runtime: Runtime, options: list[Option], chosen: Any) -> str:
    """The choice, which had better be among the options."""
    chosen = chosen if type(chosen) is str else runtime.intake.text(chosen, "chosen")
    if options and all(option.id != chosen for option in options):
        ids = ", ".join(repr(option.id) for option in options[:10])
        what = f"{chosen!r:.60} is not among the options ({ids:.300}); kept as it is"
        runtime.misuse(errors.UnknownOptionError, what)
    return str(chosen)


def _snapshot(value: Any) -> Any:
    """What was taken as it is may change before it is written."""
    return value.copy() if type(value) is dict else value


def is_cancellation(error: BaseException) -> bool:
    """Whether an exception says that the work was called off, on whichever event loop."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_cancellation, error.exceptions))
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        return True
    trio = sys.modules.get("trio")
    return trio is not None and isinstance(error, trio.Cancelled)
