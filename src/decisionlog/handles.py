"""Runs and decisions while they are being recorded: what an agent holds in its hands.

A handle that has nothing to record to (no run in progress, the runtime closed or disabled) is
inert: it takes everything and does nothing.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast

from msgspec.structs import force_setattr

from decisionlog import errors
from decisionlog.buffer import Buffer, RunLog
from decisionlog.context import Frame, current, decision_at, leave, node_at
from decisionlog.digest import Digest
from decisionlog.errors import brief
from decisionlog.model import (
    Decision,
    DecisionType,
    Option,
    Outcome,
    Problem,
    RunMetrics,
    RunStatus,
)
from decisionlog.records import FORMAT, HOST, Choice, Record, RunEnded, RunStarted
from decisionlog.version import __version__

if TYPE_CHECKING:
    from decisionlog.runtime import Runtime

Given = tuple[Any, ...]
"""The arguments of `Runtime.run`, `decision` or `node`, in their order."""
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

    id = ""
    status = RunStatus.RUNNING
    ended = True
    outer: Frame | None = None
    runtime: Runtime | None = None
    buffer: Buffer | None = None
    digest = Digest()
    decision = None
    node = None
    _said: tuple[RunStatus, Any, str] | None = None

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
        if runtime is None:
            return ""
        with runtime.guard:
            if self.ended:
                self._too_late(runtime, f"the problem {brief(description)}")
                return ""
            intake = runtime.intake
            severity = intake.severity(severity)
            description = intake.text(description, "description")
            root_cause = intake.optional_text(root_cause, "root_cause")
            suggested_fix = intake.optional_text(suggested_fix, "suggested_fix")
            if decision_id is not None and not self.made(decision_id):
                what = f"{self.id} made no decision {brief(decision_id)}"
                what += "; the problem is kept without it"
                runtime.misuse(errors.UnknownDecisionError, what)
                decision_id = None
            now = runtime.clock.now()
            problem = Problem(
                f"prob_{self.digest.problem(severity, description)}", severity, description,
                root_cause, decision_id, suggested_fix, now, self.id,
            )  # fmt: skip
            self.record(runtime, problem)
            return problem.id
        return ""

    def made(self, decision_id: object) -> bool:
        """Whether the run made a decision with this id."""
        digits = decision_id[4:] if isinstance(decision_id, str) else ""
        number = int(digits[:18]) if digits.isdecimal() else self.digest.made
        return number < self.digest.made and decision_id == f"dec_{number}"

    def start(self, runtime: Runtime, given: Given) -> None:
        """Record the start, if the runtime is open."""
        goal_id, goal_description, input_data, run_id, tags, parent = given
        recorder = runtime.recorder()
        if recorder is None:
            what = f"{runtime!r} is not open, so the run {brief(goal_id)} is not recorded"
            runtime.misuse(errors.RuntimeStateError, f"{what}: enter it first, with `async with`")
            return
        intake = runtime.intake
        goal_id = intake.text(goal_id, "goal_id")
        goal_description = intake.text(goal_description, "goal_description")
        input_data = intake.values.clean(input_data, "input_data")
        tags = intake.tags(tags)
        parent_run_id, parent_decision_id = runtime.parent_of(current(runtime), parent)
        now, started = runtime.clock.now(), runtime.clock.monotonic_ns()
        self.id = run_id = runtime.run_id(run_id, now)
        self.digest = Digest()
        self.pending: dict[str, DecisionHandle] = {}
        self._started = started
        self.runtime, self.buffer = runtime, recorder.buffer
        self._log = RunLog(run_id)
        self._append = partial(recorder.buffer.append, self._log)
        self.ended = False
        runtime.runs[run_id] = self
        record = RunStarted(
            goal_id, now, goal_description, input_data, tags, parent_run_id, parent_decision_id,
            FORMAT, __version__, HOST, os.getpid(), recorder.writer, run_id,
        )  # fmt: skip
        self.record(runtime, record)

    def _say(self, status: RunStatus, output_data: Any, narrative: str) -> None:
        runtime = self.runtime
        if runtime is None:
            return
        with runtime.guard:
            if self.ended:
                self._too_late(runtime, f"that it is {status}")
            elif self._said is not None:
                what = f"{self.id} was said to be {self._said[0]} before; {status} is ignored"
                runtime.misuse(errors.EndedError, what)
            else:
                output_data = runtime.intake.values.clean(output_data, "output_data")
                self._said = (status, output_data, runtime.intake.text(narrative, "narrative"))

    def _too_late(self, runtime: Runtime, what: str) -> None:
        runtime.misuse(errors.EndedError, f"{self.id} has ended; {what} is not recorded")

    def returned(self, value: object) -> None:
        """The decorated function returned this."""
        if self._said is None:
            if not self.ended:
                self.succeed(value)
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
        with runtime.guard_for(error):
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
            record = RunEnded(
                status, runtime.clock.now(), narrative or self.digest.narrative(status),
                output_data, text, kind, trace, duration_ms, self.digest.metrics(),
                run_id=self.id, **self.digest.highlights(),
            )  # fmt: skip
            self.record(runtime, record, last=True)

    def disconnect(self) -> None:
        """The runtime has closed, or this is a forked child: nothing more is recorded here."""
        self.ended = self._log.ended = True
        self.pending = {}

    def record(self, runtime: Runtime, record: Record, *, last: bool = False) -> None:
        """Hand a record to the recorder."""
        if not self._append(record, last=last):
            self._too_late(runtime, f"its {type(record).__name__} came late and")


class DecisionHandle:
    """One decision while it is being recorded. See `Runtime.decision`."""

    __slots__ = (
        "_said", "_started", "chosen_option_id", "ended", "id", "intent", "node", "options",
        "outer", "parent_id", "run",
    )  # fmt: skip

    outer: Frame | None
    chosen_option_id: str | None

    def __init__(self) -> None:
        self.id = ""
        self.ended = True
        self.run = NO_RUN

    def __repr__(self) -> str:
        return f"<decision {self.id or '(not recorded)'}>"

    @property
    def decision(self) -> DecisionHandle:
        """Itself."""
        return self

    def choose(self, option_id: str, reasoning: str = "") -> None:
        """Record the choice, made inside the scope; the last one stands."""
        run, runtime = self.run, self.run.runtime
        if runtime is None:
            return
        with runtime.guard:
            if self.ended or run.ended:
                self._too_late(runtime, f"the choice {brief(option_id)}")
                return
            option_id = checked(runtime, self.options, option_id)
            reasoning = runtime.intake.text(reasoning, "reasoning")
            record = Choice(self.id, option_id, runtime.clock.now(), reasoning, run.id)
            self.chosen_option_id = option_id
            run.record(runtime, record)

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
        none = type(options) is tuple and not options  # as when it is left out
        self.options = options = [] if none else intake.options(options)
        if chosen is not None:
            chosen = checked(runtime, options, chosen)
        self.chosen_option_id = chosen
        parent = decision_at(frame)
        self.parent_id = parent.id if parent is not None else None
        self.node = frame.node if frame is not None else None
        node_id = node_at(frame) if node_id is None else intake.text(node_id, "node_id")
        reasoning = intake.text(reasoning, "reasoning")
        kind = kind if kind is DecisionType.CUSTOM else intake.decision_type(kind)
        constraints = intake.strings(constraints, "constraints")
        context = intake.mapping(context, "context")
        if old is not None and not run.made(old):
            what = f"supersedes is {brief(old)}, a decision {run.id} never made; left out"
            runtime.misuse(errors.UnknownDecisionError, what)
            old = None
        now, self._started = runtime.clock.now(), runtime.clock.monotonic_ns()
        self._said: Outcome | None = None
        self.id = f"dec_{run.digest.decided(node_id)}"
        self.run = run
        self.ended = False
        run.pending[self.id] = self
        record = Decision(
            self.id, self.parent_id, now, node_id, intent, kind, options, chosen, reasoning,
            constraints, context, old, None, None, run.id,
        )  # fmt: skip
        run.record(runtime, record)

    def say(
        self, success: bool, result: Any, error: object, summary: str = "", tokens_used: int = 0,
        state_changes: Mapping[str, Any] | None = None, input_tokens: int | None = None,
        output_tokens: int | None = None, cost_usd: float | None = None, model: str | None = None,
        attributes: Mapping[str, Any] | None = None, latency_ms: float = 0.0,
    ) -> bool:  # fmt: skip
        """Keep the outcome until the scope is left; whether it is kept."""
        run, runtime = self.run, self.run.runtime
        if runtime is None:
            return False
        with runtime.guard:
            if self.ended or run.ended:
                self._too_late(runtime, "its outcome")
                return False
            if self._said is not None:
                what = f"{self.id} of {run.id} has an outcome; another one is ignored"
                runtime.misuse(errors.EndedError, what)
                return False
            intake = runtime.intake
            text = kind = trace = None
            if not (success := truth(runtime, success)):
                text, kind, trace = intake.failure(error)
            number = intake.number
            if input_tokens is not None:
                input_tokens = number(input_tokens, "input_tokens", int, None)
            if output_tokens is not None:
                output_tokens = number(output_tokens, "output_tokens", int, None)
            if cost_usd is not None:
                cost_usd = number(cost_usd, "cost_usd", float, None)
            tokens_used = number(tokens_used, "tokens_used", int, 0)
            self._said = Outcome(
                success,
                False,
                intake.values.clean(result, "result"),
                text,
                kind,
                trace,
                intake.text(summary, "summary"),
                intake.mapping(state_changes, "state_changes"),
                tokens_used or (input_tokens or 0) + (output_tokens or 0),
                input_tokens,
                output_tokens,
                cost_usd,
                intake.optional_text(model, "model"),
                intake.mapping(attributes, "attributes"),
                number(latency_ms, "latency_ms", float, 0.0),
                _EPOCH,
                self.id,
                run.id,
            )
        return self._said is not None

    def returned(self, value: object) -> None:
        """The decorated function returned this."""
        runtime = self.run.runtime
        if runtime is None or self.ended:
            return
        if self._said is None:
            self.succeed(value)
        elif self._said.result is None:
            force_setattr(self._said, "result", runtime.intake.values.clean(value, "result"))

    def _too_late(self, runtime: Runtime, what: str) -> None:
        what = f"{self.id} of {self.run.id} has ended; {what} is not recorded"
        runtime.misuse(errors.EndedError, what)

    def end(self, error: BaseException | None) -> None:
        """Record the outcome, unless it is known already."""
        run, runtime = self.run, self.run.runtime
        if runtime is None or self.ended:
            return
        self.ended = True
        leave()
        if run.pending.pop(self.id, None) is None:
            return
        with runtime.guard_for(error):
            outcome = self._said or Outcome(
                True, timestamp=_EPOCH, decision_id=self.id, run_id=run.id
            )
            # The record is nobody else's until it is written.
            change = partial(force_setattr, outcome)
            if error is not None and is_cancellation(error):
                if outcome.success:
                    change("success", False)
                    change("cancelled", True)
            elif error is not None:
                text, kind, trace = runtime.intake.failure(error)
                change("success", False)
                change("error", outcome.error or text)
                change("error_type", kind)
                change("traceback", trace)
            if not outcome.latency_ms:
                change("latency_ms", (runtime.clock.monotonic_ns() - self._started) / 1e6)
            change("timestamp", runtime.clock.now())
            run.digest.came_out(self, outcome)
            run.record(runtime, outcome)


class NodeHandle:
    """A named part of the agent, while what it does is recorded under its name."""

    def __init__(self) -> None:
        self.id = ""
        self.run = NO_RUN
        self.outer: Frame | None = None
        self.ended = True

    decision = None

    @property
    def node(self) -> NodeHandle:
        """Itself."""
        return self

    def end(self, error: BaseException | None) -> None:
        """The name holds no longer."""
        self.ended = True
        leave()

    def returned(self, value: object) -> None:
        """Nothing is recorded of that."""


NO_RUN = RunHandle()


def open_run(runtime: Runtime | None, given: Given) -> RunHandle:
    """Start a run, if there is a runtime to record it."""
    handle = RunHandle()
    if runtime is not None:
        _start(runtime, handle, given)
    return handle


def open_decision(
    runtime: Runtime | None, given: Given, run: RunHandle | None = None
) -> DecisionHandle:
    """Record a decision, if there is a run to record it in: this one, or the surrounding one."""
    handle = DecisionHandle()
    if run is not None:
        runtime = run.runtime
    if runtime is not None:
        frame = current(runtime, run)
        run = frame.run if run is None and frame is not None else run
        if run is None:
            what = f"no run is in progress; the decision {brief(given[0])} is not recorded"
            runtime.misuse(errors.NoRunError, what)
        elif run.ended:
            what = f"{run.id} has ended; the decision {brief(given[0])} is not recorded"
            runtime.misuse(errors.EndedError, what)
        else:
            _start(runtime, handle, run, frame, given)
    return handle


def open_node(runtime: Runtime | None, given: Given) -> NodeHandle:
    """Name a node, if there is a surrounding run."""
    handle = NodeHandle()
    if runtime is not None:
        if (frame := current(runtime)) is None:
            what = f"no run is in progress; the node {brief(given[0])} names nothing"
            runtime.misuse(errors.NoRunError, what)
        else:
            with runtime.guard:
                handle.id = runtime.intake.text(given[0], "node_id")
                handle.run = frame.run
                handle.ended = False
    return handle


def _start(runtime: Runtime, handle: RunHandle | DecisionHandle, *args: Any) -> None:
    try:
        with runtime.guard:
            handle.start(runtime, *args)
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


def truth(runtime: Runtime, success: object) -> bool:
    """Whether something is a success; of an array, say, that is not clear."""
    try:
        return bool(success)
    except Exception:
        what = f"success is {brief(success)}, neither true nor false; taken as false"
        runtime.misuse(errors.InvalidValueError, what)
        return False


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
