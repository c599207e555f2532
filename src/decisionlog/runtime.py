"""`Runtime`: what an application opens, and the imperative way to record."""

from __future__ import annotations

import inspect
import logging
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import anyio
from msgspec import Struct

from decisionlog.context import Frame, current, decision_at, open_runtimes
from decisionlog.errors import (
    EndedError,
    InvalidValueError,
    MisuseError,
    NoRunError,
    RuntimeStateError,
    UnknownDecisionError,
    WriteError,
)
from decisionlog.intake import Intake
from decisionlog.model import DecisionType, Option
from decisionlog.recorder import Recorder, Settings
from decisionlog.records import RUN_ID
from decisionlog.scopes import DecisionScope, NodeScope, RunScope, inert_decision, inert_run
from decisionlog.sinks import FileSink, Sink
from decisionlog.values import Redact, Values

logger = logging.getLogger("decisionlog")
Options = Sequence[Option | Mapping[str, Any]]
_REMEMBERED_IDS = 10_000
_MAX_VALUE_BYTES = 4 * 2**20


class Clock(Protocol):
    """Where times come from; `decisionlog.testing.FixedClock` is another one."""

    def now(self) -> datetime:
        """The wall clock, in UTC, for timestamps."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds from a clock that is never set, for latencies."""
        ...


class SystemClock:
    """The computer's clocks."""

    now = staticmethod(partial(datetime.now, UTC))
    monotonic_ns = staticmethod(time.perf_counter_ns)


def random_run_id(now: datetime) -> str:
    """`run_<YYYYMMDD>_<HHMMSS>_<hex>`: ids sort by start; the first five hex digits are the
    microseconds, the other eleven random.

    >>> random_run_id(datetime(2026, 1, 19, 18, 42, 16, 999_999, UTC))[:26]
    'run_20260119_184216_f423f'
    """
    return f"{now:run_%Y%m%d_%H%M%S_}{now.microsecond:05x}{secrets.token_hex(6)[:11]}"


class Stats(Struct, frozen=True):
    """What has become of the records so far.

    `accepted` is `written + dropped +` those on their way. `synced` are known to be on the disk.
    `bytes` have been written, `buffered` wait in memory. `misused` counts calls that did not add
    up, `errors` failures of sinks and of the recorder itself.
    """

    accepted: int = 0
    written: int = 0
    synced: int = 0
    dropped: int = 0
    misused: int = 0
    bytes: int = 0
    buffered: int = 0
    errors: int = 0
    last_error: str | None = None


class Runtime:
    """Records the runs of an agent below a directory. Open it with `async with`, or `with`.

    >>> with Runtime("traces") as runtime, runtime.run("greet", "Greet the user") as run:
    ...     with runtime.decision("How to greet", ["hello", "hi"], chosen="hi") as decision:
    ...         decision.succeed("hi!", tokens_used=12)

    Args:
        path: The directory of the traces; it is made when missing.
        durability: `"flush"` hands records to the kernel: a killed process loses nothing that is
            older than `flush_interval`. `"fsync"` also has them on the disk, within a second and at
            the end of each run.
        flush_interval: Seconds between two writes; the first record after a pause is written at
            once.
        max_buffer: Bytes of records that may wait in memory.
        overflow: What to do when they do: `"wait"`, in scopes and awaited calls, for up to
            `wait_timeout` seconds, and drop records only after that; or `"drop"` them at once.
            Dropped records are counted, in `stats()` and in the log.
        close_timeout: Seconds that closing may take.
        max_value_bytes: A value that takes more than this, as JSON, is cut; at most 4 MiB.
        redact: True replaces values whose key names a secret (`password`, `api_key`, …), and the
            like in error texts; False does not; a hook `redact(path, value) -> value` is asked for
            every value after that. What it raises costs the value, not the record.
        strict: Raise `MisuseError` for calls that do not add up, and `WriteError` when closing
            lost records, instead of a warning and a count.
        sinks: Where to record instead of `FileSink(path)`. Callers wait for the first one only.
        enabled: False (or `DECISIONLOG_DISABLED=1` in the environment) makes everything a no-op.
        clock: Where times come from.
        new_run_id: Makes the id of a run that starts at the given time.

    Raises:
        ValueError: a setting is out of range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = "traces",
        *,
        durability: Literal["flush", "fsync"] = "flush",
        flush_interval: float = 0.05,
        max_buffer: int = 64 * 2**20,
        overflow: Literal["wait", "drop"] = "wait",
        wait_timeout: float = 1.0,
        close_timeout: float = 5.0,
        max_value_bytes: int = 2**20,
        redact: bool | Redact = True,
        strict: bool = False,
        sinks: Sequence[Sink] | None = None,
        enabled: bool = True,
        clock: Clock = SystemClock(),  # noqa: B008 - it has no state
        new_run_id: Callable[[datetime], str] = random_run_id,
    ) -> None:
        for name, value, allowed in (
            ("durability", durability, ("flush", "fsync")),
            ("overflow", overflow, ("wait", "drop")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}, not one of {', '.join(allowed)}")
        for name, number, least, most in (
            ("flush_interval", flush_interval, 0.001, 60),
            ("max_buffer", max_buffer, 2**16, 2**40),
            ("wait_timeout", wait_timeout, 0, 3600),
            ("close_timeout", close_timeout, 0, 3600),
            ("max_value_bytes", max_value_bytes, 2**10, _MAX_VALUE_BYTES),
        ):
            if not least <= number <= most:
                raise ValueError(f"{name} is {number!r}, not between {least} and {most}")
        self.path = Path(path)
        self.strict = strict
        self.clock = clock
        self.intake = Intake(Values(redact, max_value_bytes), self.misuse)
        self.runs: dict[str, RunScope] = {}
        self.inert = not enabled or os.environ.get("DECISIONLOG_DISABLED", "") not in ("", "0")
        self._settings = Settings(
            durability, flush_interval, max_buffer, overflow, wait_timeout, close_timeout
        )
        self._sinks = sinks
        self._new_run_id = new_run_id
        self._recorder: Recorder | None = None
        self._opened = 0
        self._lock = threading.RLock()
        self._forked_from: tuple[str, str | None] | None = None
        self._given_ids: OrderedDict[str, None] = OrderedDict()
        self._misused = 0
        self._warned: set[type[MisuseError]] = set()
        self._own_errors = 0
        self._last_own_error: str | None = None
        self._inert_run = inert_run()
        self._inert_decision = inert_decision()

    def __repr__(self) -> str:
        return f"Runtime({str(self.path)!r})"

    # ------------------------------------------------------------------ opening and closing

    async def __aenter__(self) -> Self:
        if recorder := self._open():
            await recorder.opened()
            self._check_opened(recorder)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        if recorder := self._close():
            # Cancelled, this leaves early; the recorder goes on, and interpreter exit waits for it.
            with anyio.CancelScope(shield=True):
                await recorder.closed()
            self._check_closed(recorder, error)

    def __enter__(self) -> Self:
        if recorder := self._open():
            recorder.opened_blocking()
            self._check_opened(recorder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        if recorder := self._close():
            recorder.closed_blocking()
            self._check_closed(recorder, error)

    def _open(self) -> Recorder | None:
        if self.inert:
            return None
        with self._lock:
            self._opened += 1
            if self._opened > 1:
                self.misuse(
                    RuntimeStateError, f"{self!r} is open already; it closes when all leave"
                )
                return None
        open_runtimes.add(self)
        return self._start_recorder()

    def _start_recorder(self) -> Recorder:
        sinks = self._sinks if self._sinks is not None else [FileSink(self.path)]
        writer = f"w_{os.getpid()}_{secrets.token_hex(6)}"
        self._recorder = Recorder(sinks, writer, self.intake.values, self._settings, self.clock.now)
        return self._recorder

    def _check_opened(self, recorder: Recorder) -> None:
        if self.strict and recorder.last_error is not None:
            self._close()
            raise WriteError(
                f"{self!r} cannot be written to: {recorder.last_error}. Choose another directory, or "
                "leave strict=False to go on and retry."
            )

    def _close(self) -> Recorder | None:
        if self.inert:
            return None
        with self._lock:
            self._opened -= 1
            if self._opened > 0:
                return None
        open_runtimes.discard(self)
        left = list(self.runs.values())
        for run in left:
            run.disconnect()
        self.runs.clear()
        recorder = self._recorder
        if recorder is not None:
            recorder.close()
        if left:
            logger.warning(
                "%r closed while %d runs were in progress; they read as interrupted: %s",
                self,
                len(left),
                ", ".join(run.id for run in left[:5]),
            )
        return recorder

    def _check_closed(self, recorder: Recorder, error: BaseException | None) -> None:
        lost = recorder.warn_if_lost()
        if lost and self.strict and error is None:
            raise WriteError(lost)

    def recorder(self) -> Recorder | None:
        """The recorder, while the runtime is open; a forked child gets one of its own."""
        if self._opened <= 0:
            return None
        if self._recorder is None:
            with self._lock:
                if self._recorder is None:
                    self._start_recorder()
        return self._recorder

    def after_fork(self) -> None:
        """In a forked child: what was inherited is ended, and the child starts clean."""
        if self._opened <= 0:
            return
        frame = current(self)
        if frame is not None and frame.run is not None:
            decision = decision_at(frame)
            self._forked_from = (frame.run.id, decision.id if decision is not None else None)
        for run in self.runs.values():
            run.disconnect()
        self.runs.clear()
        self._lock = threading.RLock()
        self._recorder = None

    async def flush(self, *, durable: bool = False, timeout: float | None = None) -> bool:
        """Wait until everything recorded before this call is with the kernel, or (`durable`) on
        the disk; `timeout` seconds at the most, `close_timeout` unless given.

        Returns:
            False when some of it was lost or the time ran out. A loss is told for as long as its
            run is in progress, and once more after that.
        """
        recorder = self._recorder
        if self.inert or recorder is None:
            return True
        return await recorder.flush(
            durable, self._settings.close_timeout if timeout is None else timeout
        )

    def flush_blocking(self, *, durable: bool = False, timeout: float | None = None) -> bool:
        """`flush` for code that runs on no event loop."""
        recorder = self._recorder
        if self.inert or recorder is None:
            return True
        return recorder.flush_blocking(
            durable, self._settings.close_timeout if timeout is None else timeout
        )

    def stats(self) -> Stats:
        """Counts since the runtime was last opened; see `Stats`."""
        recorder = self._recorder
        if recorder is None:
            return Stats(
                misused=self._misused, errors=self._own_errors, last_error=self._last_own_error
            )
        return Stats(
            accepted=recorder.accepted,
            written=recorder.written,
            synced=recorder.synced,
            dropped=recorder.dropped,
            misused=self._misused,
            bytes=recorder.bytes,
            buffered=recorder.buffered,
            errors=recorder.errors + self._own_errors,
            last_error=self._last_own_error or recorder.last_error,
        )

    # ------------------------------------------------------------------ scopes

    def run(
        self,
        goal_id: str,
        goal_description: str = "",
        input_data: Any = None,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        parent: RunScope | DecisionScope | str | None = None,
    ) -> RunScope:
        """A run: `with`, `async with`, or as a decorator.

        Args:
            goal_id: What the run is for; runs are compared within a goal.
            goal_description: The same, for people.
            input_data: What the run was given.
            run_id: An id of your own, 1 to 100 of `A-Z a-z 0-9 _ -`, never used before.
            tags: What to tell runs apart by: a version, a prompt, an experiment.
            parent: The run or decision that this one is part of, if it is not the surrounding one:
                a handle or, from another process, `"<run id>"` or `"<run id>/<decision id>"`.

        As a decorator, arguments may be callables of the call's arguments.
        """
        if self.inert:
            return self._inert_run
        return RunScope(self, (goal_id, goal_description, input_data, run_id, tags, parent))

    def decision(
        self,
        intent: str | Callable[..., str],
        options: Options | Callable[..., Options] = (),
        chosen: str | Callable[..., str | None] | None = None,
        reasoning: str | Callable[..., str] = "",
        node_id: str | Callable[..., str | None] | None = None,
        decision_type: DecisionType | str = DecisionType.CUSTOM,
        constraints: Sequence[str] | Callable[..., Sequence[str]] | None = None,
        context: Mapping[str, Any] | Callable[..., Mapping[str, Any]] | None = None,
        *,
        supersedes: str | None = None,
    ) -> DecisionScope:
        """A decision in the surrounding run: `with`, `async with`, or as a decorator.

        It is recorded on entry, before the work inside begins; its outcome and latency on the way
        out: a success, unless an exception leaves the scope or the handle says otherwise.

        Args:
            intent: What is being decided.
            options: What could be done: `Option`s, or dicts with the same keys.
            chosen: The id of the option taken; `DecisionScope.choose` chooses later.
            reasoning: Why.
            node_id: The part of the agent that decides; else the surrounding `node`.
            decision_type: What kind of thing is decided.
            constraints: What had to be respected.
            context: What the decision was based on.
            supersedes: The id of an earlier decision of this run that this one replaces.

        As a decorator, arguments may be callables of the call's arguments.
        """
        if self.inert:
            return self._inert_decision
        return DecisionScope(
            self,
            (
                intent,
                options,
                chosen,
                reasoning,
                node_id,
                decision_type,
                constraints,
                context,
                supersedes,
            ),
        )

    def node(self, node_id: str) -> NodeScope:
        """Name the node for the decisions inside a `with` block, and only those."""
        return NodeScope(self, node_id)

    # ------------------------------------------------------------------ the imperative interface

    async def start_run(
        self, goal_id: str, goal_description: str = "", input_data: Any = None
    ) -> str:
        """Start a run, which becomes the current one of this context until `end_run`.

        Returns:
            The run's id; `""` when the runtime is not open.
        """
        run = self.run(goal_id, goal_description, input_data)
        await run.__aenter__()
        return run.id

    async def end_run(
        self,
        success: bool,
        narrative: str = "",
        output_data: Any = None,
        *,
        run_id: str | None = None,
    ) -> None:
        """End the current run, or the one named."""
        if run := self._in_progress(run_id, "end_run"):
            (run.succeed if success else run.fail)(narrative=narrative, output_data=output_data)
            await run.__aexit__(None, None, None)

    def set_node(self, node_id: str) -> None:
        """Name the node for the decisions that follow in this context, until the run ends."""
        if self._in_progress(None, "set_node"):
            NodeScope(self, node_id, lasting=True).__enter__()

    @property
    def current_run(self) -> RunScope | None:
        """The run of this runtime that is in progress here, or None."""
        frame = current(self)
        return frame.run if frame is not None else None

    async def decide(
        self,
        intent: str,
        options: Options,
        chosen: str,
        reasoning: str,
        node_id: str | None = None,
        decision_type: DecisionType | str = DecisionType.CUSTOM,
        constraints: Sequence[str] | None = None,
        context: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
    ) -> str:
        """Record a decision; it is pending until `record_outcome`.

        Returns:
            Its id, `"dec_0"`, `"dec_1"`, … within the run; `""` when no run is in progress.
        """
        run = self._in_progress(run_id, f"the decision {intent!r:.80}")
        if run is None:
            return ""
        decision = run.decision_scope(
            (intent, options, chosen, reasoning, node_id, decision_type, constraints, context, None)
        )
        decision.begin()
        await run.room()
        return decision.id

    async def record_outcome(
        self,
        decision_id: str,
        success: bool,
        result: Any = None,
        error: str | BaseException | None = None,
        summary: str = "",
        state_changes: Mapping[str, Any] | None = None,
        tokens_used: int = 0,
        latency_ms: float = 0,
        *,
        run_id: str | None = None,
    ) -> None:
        """Record what came of a decision; without `latency_ms`, the time since it was made."""
        run = self._in_progress(run_id, f"the outcome of {decision_id!r:.40}")
        if run is None:
            return
        decision = run.pending.get(decision_id) if isinstance(decision_id, str) else None
        if decision is None:
            if run.made(decision_id):
                self.misuse(
                    EndedError, f"{decision_id} of {run.id} has an outcome; another is ignored"
                )
            else:
                self.misuse(UnknownDecisionError, f"{run.id} made no decision {decision_id!r:.40}")
            return
        decision.say(
            success, result, error, summary, tokens_used, state_changes, latency_ms=latency_ms
        )
        decision.end(None)
        await run.room()

    async def report_problem(
        self,
        severity: str,
        description: str,
        decision_id: str | None = None,
        root_cause: str | None = None,
        suggested_fix: str | None = None,
        *,
        run_id: str | None = None,
    ) -> str:
        """Record that something went wrong; `severity` is "critical", "warning" or "minor".

        Returns:
            Its id, `"prob_0"`, `"prob_1"`, … within the run; `""` when no run is in progress.
        """
        run = self._in_progress(run_id, f"the problem {description!r:.80}")
        if run is None:
            return ""
        problem_id = run.report_problem(
            severity,
            description,
            decision_id=decision_id,
            root_cause=root_cause,
            suggested_fix=suggested_fix,
        )
        await run.room()
        return problem_id

    async def decide_and_execute(
        self,
        intent: str,
        options: Options,
        chosen: str,
        reasoning: str,
        executor: Callable[[], Any],
        *,
        run_id: str | None = None,
        **kwargs: Any,
    ) -> tuple[str, Any]:
        """Decide, call `executor` (a coroutine function or a plain one) and record what came of it.

        `kwargs` are the other arguments of `decision`. An exception of the executor is recorded
        and goes on.

        Returns:
            The decision's id and what the executor returned.
        """
        run = self._in_progress(run_id, f"the decision {intent!r:.80}")
        scope = self.decision(intent, options, chosen, reasoning, **kwargs)
        if run is not None:
            scope.run = run
        else:
            scope = self._inert_decision
        async with scope as decision:
            result = executor()
            if inspect.isawaitable(result):
                result = await result
            decision.returned(result)
        return decision.id, result

    async def quick_decision(
        self,
        intent: str,
        action: str,
        reasoning: str,
        node_id: str | None = None,
        *,
        run_id: str | None = None,
    ) -> str:
        """Record a decision of which there was but one thing to do."""
        option = Option("action", action, "execute")
        return await self.decide(intent, [option], "action", reasoning, node_id, run_id=run_id)

    def _in_progress(self, run_id: str | None, what: str) -> RunScope | None:
        if self.inert:
            return None
        run = self.current_run if run_id is None else self.runs.get(run_id)
        if run is None:
            which = "no run is in progress here" if run_id is None else f"no run {run_id!r:.110} is"
            where = "" if run_id is None else " in progress"
            self.misuse(NoRunError, f"{which}{where}: {what} is not recorded")
        return run

    # ------------------------------------------------------------------ for scopes

    def run_id(self, given: object) -> str:
        """The caller's id for a run, if it will do, or a new one."""
        if given is not None:
            if not isinstance(given, str) or not RUN_ID.fullmatch(given):
                problem = "is not 1 to 100 of A-Z a-z 0-9 _ -"
            elif given in self._given_ids or os.path.lexists(self.path / "runs" / f"{given}.jsonl"):
                problem = "was used before"
            else:
                self._given_ids[given] = None
                if len(self._given_ids) > _REMEMBERED_IDS:
                    self._given_ids.popitem(last=False)
                return str(given)
            self.misuse(InvalidValueError, f"run_id {given!r:.120} {problem}; another is made up")
        return self._new_run_id(self.clock.now())

    def parent_of(self, frame: Frame | None, given: object) -> tuple[str | None, str | None]:
        """The ids of the run and the decision that a new run is part of."""
        forked_from, self._forked_from = self._forked_from, None
        if isinstance(given, DecisionScope) and given.run is not None:
            return given.run.id or None, given.id or None
        if isinstance(given, RunScope):
            return given.id or None, None
        if given is not None:
            run_id, _, decision_id = (
                given.partition("/") if isinstance(given, str) else ("", "", "")
            )
            if RUN_ID.fullmatch(run_id):
                return run_id, decision_id or None
            self.misuse(
                InvalidValueError,
                f"parent {given!r:.120} is neither a handle nor '<run id>' nor '<run id>/<decision id>'",
            )
        if frame is not None and frame.run is not None:
            decision = decision_at(frame)
            return frame.run.id, decision.id if decision is not None else None
        return forked_from or (None, None)

    def misuse(self, kind: type[MisuseError], message: str) -> None:
        """Count a call that does not add up, and say so once for its kind; or raise, if strict."""
        with self._lock:
            self._misused += 1
            first = kind not in self._warned
            self._warned.add(kind)
        if self.strict:
            raise kind(message)
        if first:
            logger.warning(
                "%s. The agent goes on; more of this kind (%s) are counted in runtime.stats(). "
                "Runtime(..., strict=True) raises instead.",
                message,
                kind.__name__,
            )

    def own_error(self, error: Exception) -> None:
        """Something in recording itself went wrong, which is not the agent's concern."""
        with self._lock:
            self._own_errors += 1
            self._last_own_error = f"{type(error).__name__}: {error}"
            first = self._own_errors == 1
        if first:
            logger.error("Recording failed; the agent goes on without", exc_info=error)


def run(
    goal_id: str,
    goal_description: str = "",
    input_data: Any = None,
    *,
    run_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    parent: RunScope | DecisionScope | str | None = None,
) -> RunScope:
    """`Runtime.run` for library code, which has no runtime at import time: it is bound, when the
    scope is entered or the function called, to the runtime of the surrounding run, else to the only
    open one of the process. Where there is none, nothing is recorded.
    """
    return RunScope(None, (goal_id, goal_description, input_data, run_id, tags, parent))


def decision(
    intent: str | Callable[..., str],
    options: Options | Callable[..., Options] = (),
    chosen: str | Callable[..., str | None] | None = None,
    reasoning: str | Callable[..., str] = "",
    node_id: str | Callable[..., str | None] | None = None,
    decision_type: DecisionType | str = DecisionType.CUSTOM,
    constraints: Sequence[str] | Callable[..., Sequence[str]] | None = None,
    context: Mapping[str, Any] | Callable[..., Mapping[str, Any]] | None = None,
    *,
    supersedes: str | None = None,
) -> DecisionScope:
    """`Runtime.decision` for library code; bound as `run` is."""
    return DecisionScope(
        None,
        (
            intent,
            options,
            chosen,
            reasoning,
            node_id,
            decision_type,
            constraints,
            context,
            supersedes,
        ),
    )


def _after_fork() -> None:
    for runtime in list(open_runtimes):
        runtime.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
