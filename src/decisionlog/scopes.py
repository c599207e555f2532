"""Runs and decisions while they are being recorded: `with`, `async with`, or as decorators.

A scope is its own handle. One that has nothing to record to (no run in progress, the runtime
closed or disabled) does nothing, and still runs its body.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
import msgspec
from anyio.lowlevel import current_token

from decisionlog import context
from decisionlog.context import Frame
from decisionlog.decorators import decorate
from decisionlog.digest import Digest
from decisionlog.errors import (
    EndedError,
    InvalidValueError,
    MisuseError,
    NoRunError,
    RuntimeStateError,
    UnknownDecisionError,
    UnknownOptionError,
)
from decisionlog.model import (
    Decision,
    DecisionType,
    Outcome,
    Problem,
    RunMetrics,
    RunStatus,
)
from decisionlog.recorder import Recorder, RunLog
from decisionlog.records import FORMAT, HOST, Choice, Record, RunEnded, RunStarted
from decisionlog.version import __version__

if TYPE_CHECKING:
    from decisionlog.runtime import Runtime

F = TypeVar("F", bound=Callable[..., Any])
Given = tuple[Any, ...]
"""What a scope was made with; as a decorator, each may be a callable of the call's arguments."""
_EPOCH = datetime.fromtimestamp(0, UTC)


class RunScope:
    """One run while it is being recorded, and the handle of it. See `Runtime.run`."""

    __slots__ = (
        "_entered",
        "_given",
        "_runtime",
        "_said",
        "_started",
        "digest",
        "ended",
        "id",
        "log",
        "outer",
        "pending",
        "recorder",
        "runtime",
        "status",
    )

    decision = None
    node = None

    def __init__(self, runtime: Runtime | None, given: Given) -> None:
        self._runtime = runtime
        self._given = given
        self._entered = False
        self._said: tuple[RunStatus, Any, str] | None = None
        self.id = ""
        self.status = RunStatus.RUNNING
        self.ended = False
        self.outer: Frame | None = None
        self.runtime: Runtime | None = None
        self.recorder: Recorder | None = None
        self.log: RunLog | None = None
        self.pending: dict[str, DecisionScope] = {}

    # ------------------------------------------------------------------ the handle

    @property
    def run(self) -> RunScope | None:
        """Itself, once it is in progress."""
        return self if self.runtime is not None else None

    @property
    def metrics(self) -> RunMetrics:
        """The counts so far."""
        return self.digest.metrics() if self.runtime is not None else RunMetrics()

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
        self,
        severity: str,
        description: str,
        *,
        decision_id: str | None = None,
        root_cause: str | None = None,
        suggested_fix: str | None = None,
    ) -> str:
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
            runtime.misuse(
                UnknownDecisionError,
                f"{self.id} made no decision {decision_id!r:.40}; the problem is recorded without",
            )
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

    def decision_scope(self, given: Given) -> DecisionScope:
        """A decision in this run, wherever it is made."""
        return DecisionScope(self.runtime, given, self)

    async def room(self) -> None:
        """Wait for room in the buffer, if need be."""
        if self.recorder is not None and self.recorder.is_full:
            await self.recorder.wait_for_room()

    # ------------------------------------------------------------------ as a scope

    def __enter__(self) -> Self:
        self.begin()
        if self.runtime is not None:
            context.innermost.set(self)
            _wait_in_thread(self, None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self.end(error)
        if self.runtime is not None:
            _wait_in_thread(self, error)

    async def __aenter__(self) -> Self:
        self.begin()
        if self.runtime is not None and self.recorder is not None:
            context.innermost.set(self)
            if self.recorder.is_full:
                try:
                    await self.recorder.wait_for_room()
                except BaseException as error:
                    self.end(error)
                    raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self.end(error)
        if error is None and self.recorder is not None and self.recorder.is_full:
            await self.recorder.wait_for_room()

    def __call__(self, function: F) -> F:
        """Decorate a function: each call is a run, its return value the output."""
        if self._given is _INERT:
            return function
        return decorate(self, function)  # type: ignore[return-value]

    def for_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> RunScope:
        """A scope like this one for a call of the decorated function."""
        return RunScope(self._runtime, _resolve(self._runtime, self._given, args, kwargs))

    def returned(self, value: object) -> None:
        """The decorated function returned this."""
        if self._said is None:
            self._say(RunStatus.COMPLETED, value, "")
        elif self._said[1] is None and self.runtime is not None and value is not None:
            status, _, narrative = self._said
            self._said = (status, self.runtime.intake.values.clean(value, "output_data"), narrative)

    # ------------------------------------------------------------------ how it is recorded

    def begin(self) -> None:
        """Start the run, if there is a runtime to record it."""
        runtime = self._runtime or context.bound_runtime()
        if self._given is _INERT or runtime is None or runtime.inert:
            return
        if self._entered:
            runtime.misuse(RuntimeStateError, f"the run scope of {self.id!r} was entered twice")
            return
        self._entered = True
        try:
            self._begin(runtime, self._given)
        except MisuseError:
            raise
        except Exception as error:
            runtime.own_error(error)
            return
        if runtime.intake.values.interrupts:
            try:
                runtime.intake.values.raise_interrupt()
            except BaseException as error:
                self.end(error)
                raise

    def _begin(self, runtime: Runtime, given: Given) -> None:
        goal_id, goal_description, input_data, run_id, tags, parent = given
        recorder = runtime.recorder()
        if recorder is None:
            runtime.misuse(
                RuntimeStateError,
                f"the runtime is not open, so the run {goal_id!r:.80} is not recorded: "
                "enter it first, with `async with runtime:`",
            )
            return
        intake = runtime.intake
        self.outer = context.current()
        parent_run_id, parent_decision_id = runtime.parent_of(context.current(runtime), parent)
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
        self.digest = Digest()
        self.recorder = recorder
        self.log = RunLog(self.id)
        self._started = runtime.clock.monotonic_ns()
        self.runtime = runtime
        runtime.runs[self.id] = self
        self.record(record)

    def _say(self, status: RunStatus, output_data: Any, narrative: str) -> None:
        runtime = self.runtime
        if runtime is None or not self._is_open(f"that it {status}"):
            return
        if self._said is not None:
            runtime.misuse(
                EndedError, f"{self.id} was said to be {self._said[0]} before; {status} is ignored"
            )
            return
        intake = runtime.intake
        output_data = intake.values.clean(output_data, "output_data")
        self._said = (status, _snapshot(output_data), intake.text(narrative, "narrative"))

    def _is_open(self, what: str) -> bool:
        if self.ended and self.runtime is not None:
            self.runtime.misuse(EndedError, f"{self.id} has ended; {what} is not recorded")
        return not self.ended

    def end(self, error: BaseException | None) -> None:
        """End the run."""
        runtime = self.runtime
        if runtime is None or self.ended:
            return
        self.ended = True
        context.leave()
        runtime.runs.pop(self.id, None)
        try:
            self._record_end(runtime, error)
        except Exception as own:
            runtime.own_error(own)
        if runtime.intake.values.interrupts:
            runtime.intake.values.raise_interrupt()

    def _record_end(self, runtime: Runtime, error: BaseException | None) -> None:
        status, output_data, narrative = self._said or (RunStatus.COMPLETED, None, "")
        text = kind = trace = None
        if error is not None and is_cancellation(error):
            if self._said is None or status is RunStatus.COMPLETED:
                status = RunStatus.CANCELLED
        elif error is not None:
            if status is RunStatus.COMPLETED:
                status = RunStatus.FAILED
            text, kind, trace = runtime.intake.failure(error)
        self.status = status
        self.record(
            RunEnded(
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
            ),
            last=True,
        )

    def disconnect(self) -> None:
        """The runtime has closed, or this is a forked child: nothing more is recorded here."""
        self.ended = True
        self.log = None

    def record(self, record: Record, *, last: bool = False) -> None:
        """Hand a record to the recorder."""
        if (
            self.log is not None
            and self.recorder is not None
            and not self.recorder.append(self.log, record, last=last)
            and self.runtime is not None
        ):
            self.runtime.misuse(
                EndedError, f"{self.id} has ended; {type(record).__name__} came late"
            )

    def made(self, decision_id: object) -> bool:
        """Whether the run made a decision with this id."""
        if type(decision_id) is not str or not decision_id.startswith("dec_"):
            return False
        number = decision_id[4:]
        return (
            number.isdecimal() and str(int(number)) == number and int(number) < self.digest.made()
        )


class DecisionScope:
    """One decision while it is being recorded, and the handle of it. See `Runtime.decision`."""

    __slots__ = (
        "_chosen",
        "_entered",
        "_given",
        "_intent",
        "_options",
        "_runtime",
        "_said",
        "_started",
        "ended",
        "id",
        "node",
        "outer",
        "run",
    )

    def __init__(self, runtime: Runtime | None, given: Given, run: RunScope | None = None) -> None:
        self._runtime = runtime
        self._given = given
        self.run = run
        self._entered = False
        self._said: Outcome | None = None
        self.id = ""
        self.ended = True
        self.outer: Frame | None = None
        self.node: str | None = None

    # ------------------------------------------------------------------ the handle

    @property
    def decision(self) -> DecisionScope | None:
        """Itself."""
        return self

    def choose(self, option_id: str, reasoning: str = "") -> None:
        """Record the choice, made inside the scope; the last one stands."""
        run = self.run
        if run is None or run.runtime is None or not self._is_open(f"the choice {option_id!r:.40}"):
            return
        intake = run.runtime.intake
        self._chosen = option_id = self._checked(run.runtime, option_id)
        reasoning = intake.text(reasoning, "reasoning")
        run.record(Choice(self.id, option_id, run.runtime.clock.now(), reasoning, run.id))

    def succeed(
        self,
        result: Any = None,
        *,
        summary: str = "",
        tokens_used: int = 0,
        state_changes: dict[str, Any] | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
        model: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """What came of it. It is written when the scope is left, with the latency.

        `tokens_used` is the decision's own, without its children's; left out, it is the sum of
        `input_tokens` and `output_tokens`. `attributes` is a dict of whatever else there is to say.
        """
        self.say(
            True, result, None, summary, tokens_used, state_changes,
            input_tokens, output_tokens, cost_usd, model, attributes,
        )  # fmt: skip

    def fail(
        self,
        error: str | BaseException,
        *,
        result: Any = None,
        summary: str = "",
        tokens_used: int = 0,
        state_changes: dict[str, Any] | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
        model: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """It failed, and the agent deals with it: no exception leaves the scope."""
        self.say(
            False, result, error, summary, tokens_used, state_changes,
            input_tokens, output_tokens, cost_usd, model, attributes,
        )  # fmt: skip

    def report_problem(
        self,
        severity: str,
        description: str,
        *,
        root_cause: str | None = None,
        suggested_fix: str | None = None,
    ) -> str:
        """Record a problem with this decision; see `RunScope.report_problem`."""
        if self.run is None or not self.id:
            return ""
        return self.run.report_problem(
            severity,
            description,
            decision_id=self.id,
            root_cause=root_cause,
            suggested_fix=suggested_fix,
        )

    # ------------------------------------------------------------------ as a scope

    def __enter__(self) -> Self:
        self.begin()
        if not self.ended and self.run is not None:
            context.innermost.set(self)
            _wait_in_thread(self.run, None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        run = self.run
        self.end(error)
        if run is not None:
            _wait_in_thread(run, error)

    async def __aenter__(self) -> Self:
        self.begin()
        run = self.run
        if not self.ended and run is not None:
            context.innermost.set(self)
            if run.recorder is not None and run.recorder.is_full:
                try:
                    await run.recorder.wait_for_room()
                except BaseException as error:
                    self.end(error)
                    raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        run = self.run
        self.end(error)
        if error is None and run is not None and run.recorder is not None and run.recorder.is_full:
            await run.recorder.wait_for_room()

    def __call__(self, function: F) -> F:
        """Decorate a function: each call is a decision, its return value the result."""
        if self._given is _INERT:
            return function
        return decorate(self, function)  # type: ignore[return-value]

    def for_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> DecisionScope:
        """A scope like this one for a call of the decorated function."""
        given = _resolve(self._runtime, self._given, args, kwargs)
        return DecisionScope(self._runtime, given, self.run)

    def returned(self, value: object) -> None:
        """The decorated function returned this."""
        if self._said is None:
            self.succeed(value)
        elif self._said.result is None and value is not None and self.run is not None:
            runtime = self.run.runtime
            if runtime is not None:
                result = runtime.intake.values.clean(value, "result")
                self._said = msgspec.structs.replace(self._said, result=result)

    # ------------------------------------------------------------------ how it is recorded

    def begin(self) -> None:
        """Record the decision, if there is a run to record it in."""
        given = self._given
        if given is _INERT:
            return
        runtime = self._runtime or context.bound_runtime()
        if runtime is None or runtime.inert:
            return
        if self._entered:
            runtime.misuse(RuntimeStateError, "a decision scope was entered twice")
            return
        self._entered = True
        try:
            self._begin(runtime, given)
        except MisuseError:
            raise
        except Exception as error:
            runtime.own_error(error)
            return
        if runtime.intake.values.interrupts:
            try:
                runtime.intake.values.raise_interrupt()
            except BaseException as error:
                self.end(error)
                raise

    def _begin(self, runtime: Runtime, given: Given) -> None:
        frame = context.current(runtime)
        run = self.run
        if run is None:
            if frame is None or frame.run is None:
                runtime.misuse(
                    NoRunError, f"no run is in progress for the decision {given[0]!r:.80}"
                )
                return
            run = frame.run
        elif run.ended:
            runtime.misuse(EndedError, f"{run.id} has ended; {given[0]!r:.80} is not recorded")
            return
        intent, options, chosen, reasoning, node_id, kind, constraints, input_context, old = given
        intake = runtime.intake
        intent = intake.text(intent, "intent")
        options = intake.options(options) if options else []
        self.run = run
        self._options = options
        if chosen is not None:
            chosen = self._checked(runtime, chosen)
        parent = None
        if frame is not None and frame.run is run:
            self.outer = frame
            self.node = frame.node
            parent = context.decision_at(frame)
        else:
            self.outer = context.current()
        node_id = self.node or "unknown" if node_id is None else intake.text(node_id, "node_id")
        reasoning = intake.text(reasoning, "reasoning")
        if kind is not DecisionType.CUSTOM:
            kind = intake.decision_type(kind)
        if constraints is not None:
            constraints = intake.strings(constraints, "constraints")
        if input_context is not None:
            input_context = intake.mapping(input_context, "context")
        if old is not None and not run.made(old):
            runtime.misuse(
                UnknownDecisionError, f"supersedes {old!r:.40}, which {run.id} never made"
            )
            old = None
        self._intent = intent
        self._chosen = chosen
        self.id = f"dec_{run.digest.decided(node_id)}"
        run.pending[self.id] = self
        self.ended = False
        self._started = runtime.clock.monotonic_ns()
        run.record(
            Decision(
                self.id,
                parent.id if parent is not None else None,
                runtime.clock.now(),
                node_id,
                intent,
                kind,
                options,
                chosen,
                reasoning,
                constraints or [],
                input_context or {},
                old,
                None,
                None,
                run.id,
            )
        )

    def _checked(self, runtime: Runtime, chosen: Any) -> str:
        if type(chosen) is not str:
            chosen = runtime.intake.text(chosen, "chosen")
        for option in self._options:
            if option.id == chosen:
                return chosen
        if self._options:
            ids = ", ".join(repr(option.id) for option in self._options[:10])
            runtime.misuse(
                UnknownOptionError,
                f"{chosen!r:.60} is not among the options ({ids:.300}); kept as it is",
            )
        return chosen

    def say(
        self,
        success: bool,
        result: Any,
        error: object,
        summary: str,
        tokens_used: int,
        state_changes: dict[str, Any] | None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
        model: str | None = None,
        attributes: dict[str, Any] | None = None,
        latency_ms: float = 0.0,
    ) -> None:
        """Keep the outcome until the scope is left."""
        run = self.run
        if run is None or run.runtime is None or not self._is_open("its outcome"):
            return
        runtime = run.runtime
        if self._said is not None:
            runtime.misuse(EndedError, f"{self.id} of {run.id} has an outcome; another is ignored")
            return
        intake = runtime.intake
        number = intake.number
        if input_tokens is not None:
            input_tokens = number(input_tokens, "input_tokens", int, 0)
        if output_tokens is not None:
            output_tokens = number(output_tokens, "output_tokens", int, 0)
        text = kind = trace = None
        if error is not None or not success:
            text, kind, trace = intake.failure(error)
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

    def _is_open(self, what: str) -> bool:
        run = self.run
        if run is not None and run.runtime is not None and (self.ended or run.ended):
            run.runtime.misuse(
                EndedError,
                f"{self.id or 'the decision'} of {run.id} has ended; {what} is not recorded",
            )
            return False
        return not self.ended

    def end(self, error: BaseException | None) -> None:
        """Record the outcome, unless it is known already."""
        run = self.run
        if self.ended or run is None or run.runtime is None:
            return
        self.ended = True
        context.leave()
        if run.pending.pop(self.id, None) is None:
            return
        runtime = run.runtime
        if run.log is None:
            return
        try:
            outcome = self._outcome(runtime, error)
            run.digest.came_out(self._intent, self._chosen, len(self._options), outcome)
            run.record(outcome)
        except MisuseError:
            if error is None:
                raise
        except Exception as own:
            runtime.own_error(own)
        if runtime.intake.values.interrupts:
            runtime.intake.values.raise_interrupt()

    def _outcome(self, runtime: Runtime, error: BaseException | None) -> Outcome:
        said = self._said
        changes: dict[str, Any] = {}
        if error is not None and is_cancellation(error):
            if said is None or said.success:
                changes = {"success": False, "cancelled": True}
        elif error is not None:
            text, kind, trace = runtime.intake.failure(error)
            if said is not None and said.error is not None:
                text = said.error
            changes = {"success": False, "error": text, "error_type": kind, "traceback": trace}
        if said is None:
            said = Outcome(not changes, decision_id=self.id, run_id=self.run.id)  # type: ignore[union-attr]
        set_field = msgspec.structs.force_setattr  # it is this scope's own until it is recorded
        for name, value in changes.items():
            set_field(said, name, value)
        if not said.latency_ms:
            set_field(said, "latency_ms", (runtime.clock.monotonic_ns() - self._started) / 1e6)
        set_field(said, "timestamp", runtime.clock.now())
        return said


class NodeScope:
    """Names the node for what is inside it. See `Runtime.node`."""

    __slots__ = ("_node_id", "_runtime", "ended", "lasting", "node", "outer", "run")

    decision = None

    def __init__(self, runtime: Runtime, node_id: str, *, lasting: bool = False) -> None:
        self._runtime = runtime
        self._node_id = node_id
        self.lasting = lasting
        self.run: RunScope | None = None
        self.node: str | None = None
        self.outer: Frame | None = None
        self.ended = True

    def __enter__(self) -> Self:
        frame = context.current(self._runtime)
        if self.lasting:
            while type(frame) is NodeScope and frame.lasting:
                frame = frame.outer
        if frame is not None and frame.run is not None:
            self.run = frame.run
            self.node = self._runtime.intake.text(self._node_id, "node_id")
            self.outer = frame
            self.ended = False
            context.innermost.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True
        context.leave()


_INERT: Given = ()


def inert_run() -> RunScope:
    """A run scope that never records anything."""
    return RunScope(None, _INERT)


def inert_decision() -> DecisionScope:
    """A decision scope that never records anything."""
    return DecisionScope(None, _INERT)


def _resolve(
    runtime: Runtime | None, given: Given, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Given:
    """What the scope was made with, the callables among it called."""
    runtime = runtime or context.bound_runtime()
    if runtime is None or not any(map(callable, given)):
        return given
    resolved: list[Any] = []
    for value in given:
        if callable(value):
            try:
                value = value(*args, **kwargs)
            except Exception as error:
                runtime.misuse(
                    InvalidValueError,
                    f"the callable {getattr(value, '__qualname__', value)!r:.80} given to a decorator "
                    f"raised {type(error).__name__}; left out",
                )
                value = None
        resolved.append(value)
    return tuple(resolved)


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


def _wait_in_thread(run: RunScope, error: BaseException | None) -> None:
    """Wait for room in plain `with`, but where that would block an event loop."""
    recorder = run.recorder
    if error is None and recorder is not None and recorder.is_full and not _in_event_loop():
        recorder.wait_for_room_blocking()


def _in_event_loop() -> bool:
    try:
        current_token()
    except anyio.NoEventLoopError:
        return False
    return True
