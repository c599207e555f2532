"""A decision while it is being recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from msgspec.structs import force_setattr

from decisionlog.context import Frame, current_in, decision_at, innermost, node_at
from decisionlog.errors import EndedError, UnknownDecisionError, brief
from decisionlog.intake import DECISION_TYPES
from decisionlog.model import Decision, DecisionType, Outcome
from decisionlog.records import Choice
from decisionlog.rescue import type_of
from decisionlog.runs import NO_RUN, NodeHandle, RunHandle, is_cancellation
from decisionlog.scopes import Binder, Error, Given, Scope

if TYPE_CHECKING:
    from decisionlog.runtime import Runtime

_LATER = datetime.fromtimestamp(0, UTC)
"""Stands for the time of an outcome until its scope is left."""


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


class DecisionHandle(Scope):
    """One decision while it is being recorded. See `Runtime.decision`."""

    __slots__ = ("_record", "_said", "_started", "node", "run")

    _record: Decision
    _said: Outcome | None
    _started: int
    node: NodeHandle | None
    run: RunHandle

    def __init__(self, binder: Binder, given: Given) -> None:
        # Not by super(): this is where agents spend their time.
        self._binder = binder
        self._given = given
        self._intruders = 0
        self.buffer = None
        self.id = ""
        self.ended = True
        self.run = NO_RUN

    def __repr__(self) -> str:
        return f"<decision {self.id or '(not recorded)'}>"

    @property
    def decision(self) -> DecisionHandle:
        """Itself."""
        return self

    @property
    def chosen_option_id(self) -> str | None:
        """The choice so far."""
        return self._record.chosen_option_id if self.id else None

    def choose(self, option_id: str, reasoning: str = "") -> None:
        """Record the choice, made inside the scope; the last one stands."""
        run, runtime = self.run, self.run.runtime
        if runtime is None:
            return
        try:
            if self.ended or run.ended:
                self._too_late(runtime, f"the choice {brief(option_id)}")
                return
            option_id = runtime.intake.choice(option_id, self._record.options)
            reasoning = runtime.intake.text(reasoning, "reasoning")
            # The record is nobody else's, and has been written.
            force_setattr(self._record, "chosen_option_id", option_id)
            run.record(Choice(self.id, option_id, runtime.clock.now(), reasoning, run.id))
        except Exception as failure:
            runtime.trouble(failure)

    def succeed(
        self, result: Any = None, *, summary: str = "", tokens_used: int = 0,
        state_changes: Mapping[str, Any] | None = None, input_tokens: int | None = None,
        output_tokens: int | None = None, cost_usd: float | None = None, model: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """What came of it. It is written when the scope is left, with the latency.

        Args:
            result: What the decision led to.
            summary: The same in a line, for people.
            tokens_used: The decision's own, without its children's; left out, the sum of
                `input_tokens` and `output_tokens`.
            state_changes: What is different now.
            input_tokens: Tokens the model read.
            output_tokens: Tokens the model wrote.
            cost_usd: What it cost, in US dollars.
            model: Which language model was asked.
            attributes: Anything else.
        """
        self.say(
            True, result, None, summary, tokens_used, state_changes, input_tokens, output_tokens,
            cost_usd, model, attributes,
        )  # fmt: skip

    def fail(
        self, error: str | BaseException, *, result: Any = None, **details: Unpack[Details]
    ) -> None:
        """It failed, and the agent deals with it: no exception leaves the scope. The details are
        those of `succeed`.
        """
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

    def begin(self, runtime: Runtime, outer: Frame | None) -> None:
        """Record the decision, if there is a run to record it in."""
        self.id, self.run = "", NO_RUN  # not those of an earlier use
        if outer is None and runtime.no_run_is_told and type(self._binder) is not RunHandle:
            runtime.count_misuse()  # a library may well be used without a run, and shall not pay
            return
        intent, options, chosen, reasoning, node_id, kind, constraints, context, old = self._given
        frame = outer
        if type(self._binder) is RunHandle:
            run = self._binder
            frame = current_in(runtime, run)
        else:
            if frame is None or frame.run.runtime is not runtime:
                frame = current_in(runtime)
            run = NO_RUN if frame is None else frame.run
        if run.ended:
            run.no_place_for(runtime, f"the decision {brief(intent)}")
            return
        intake = runtime.intake
        plain = intake.plain
        if not (plain and type(intent) is str):
            intent = intake.text(intent, "intent")
        if not (plain and type(reasoning) is str):
            reasoning = intake.text(reasoning, "reasoning")
        if node_id is None:
            node_id = node_at(frame)
        elif not (plain and type(node_id) is str):
            node_id = intake.text(node_id, "node_id")
        if kind is not DecisionType.CUSTOM and not (
            type_of(kind) is str and kind in DECISION_TYPES
        ):
            kind = intake.decision_type(kind)
        none = type(options) is tuple and not options  # as when they are left out
        options = [] if none else intake.options(options)
        if chosen is not None:
            chosen = intake.choice(chosen, options)
        constraints = [] if constraints is None else intake.strings(constraints, "constraints")
        context = {} if context is None else intake.mapping(context, "context")
        if old is not None and not run.made(old):
            what = f"supersedes is {brief(old)}, a decision {run.id} never made; left out"
            runtime.misuse(UnknownDecisionError, what)
            old = None
        parent_id = self.node = None
        if frame is not run and frame is not None:
            self.node = frame.node
            if (parent := decision_at(frame)) is not None:
                parent_id = parent.id
        self._said = None
        now, self._started = runtime.clock.now(), runtime.clock.monotonic_ns()
        self.run, self.buffer = run, run.buffer
        run.lock.acquire()  # at half the price of `with`
        try:
            self.id = decision_id = f"dec_{run.digest.decided(node_id)}"
            self.ended = False
            run.pending[decision_id] = self
            self._record = record = Decision(
                decision_id, parent_id, now, node_id, intent, kind, options, chosen, reasoning,
                constraints, context, old, None, None, run.id,
            )  # fmt: skip
            recorded = run.append(run.log, record)
        finally:
            run.lock.release()
        if not recorded or intake.values.interrupts:
            run.recorded(recorded, record)

    def say(
        self, success: bool, result: Any, error: object, summary: str = "", tokens_used: int = 0,
        state_changes: Mapping[str, Any] | None = None, input_tokens: int | None = None,
        output_tokens: int | None = None, cost_usd: float | None = None, model: str | None = None,
        attributes: Mapping[str, Any] | None = None, latency_ms: float = 0.0,
    ) -> bool:  # fmt: skip
        """Keep the outcome until the scope is left; whether it is kept."""
        run = self.run
        runtime = run.runtime
        if runtime is None:
            return False
        try:
            if self.ended or run.ended or self._said is not None:
                self._too_late(runtime, "its outcome")
                return False
            intake = runtime.intake
            text = kind = trace = None
            if success is not True and not (success := intake.truth(success)):
                text, kind, trace = intake.failure(error)
            if not (intake.plain and type(summary) is str):
                summary = intake.text(summary, "summary")
            tokens_used = intake.number(tokens_used, "tokens_used", int, 0)
            if input_tokens is not None:
                input_tokens = intake.number(input_tokens, "input_tokens", int, None)
            if output_tokens is not None:
                output_tokens = intake.number(output_tokens, "output_tokens", int, None)
            if cost_usd is not None:
                cost_usd = intake.number(cost_usd, "cost_usd", float, None)
            if latency_ms:
                latency_ms = intake.number(latency_ms, "latency_ms", float, 0.0)
            self._said = Outcome(
                success, False,
                None if result is None else intake.values.clean(result, "result"),
                text, kind, trace, summary,
                {} if state_changes is None else intake.mapping(state_changes, "state_changes"),
                tokens_used or (input_tokens or 0) + (output_tokens or 0),
                input_tokens, output_tokens, cost_usd,
                None if model is None else intake.text(model, "model"),
                {} if attributes is None else intake.mapping(attributes, "attributes"),
                latency_ms, _LATER, self.id, run.id,
            )  # fmt: skip
            if intake.values.interrupts:
                intake.values.raise_interrupt()
        except Exception as failure:
            runtime.trouble(failure)
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

    def end(self, error: Error) -> None:
        """Record the outcome, unless it is known already."""
        run = self.run
        runtime = run.runtime
        if self.ended or runtime is None:
            return
        self.ended = True
        if innermost.get() is self:
            innermost.set(self.outer)
        if run.pending.pop(self.id, None) is None:
            return
        try:
            outcome = self._said
            if outcome is None:
                outcome = Outcome(True, timestamp=_LATER, decision_id=self.id, run_id=run.id)
            if error is not None:
                _cut_short(runtime, outcome, error)
            if not outcome.latency_ms:
                latency_ms = (runtime.clock.monotonic_ns() - self._started) / 1e6
                force_setattr(outcome, "latency_ms", latency_ms)
            force_setattr(outcome, "timestamp", runtime.clock.now())
            run.lock.acquire()
            try:
                run.digest.came_out(self._record, outcome)
                recorded = run.append(run.log, outcome)
            finally:
                run.lock.release()
            if not recorded or runtime.intake.values.interrupts:
                run.recorded(recorded, outcome)
        except Exception as failure:
            runtime.trouble(failure, error)

    def _too_late(self, runtime: Runtime, what: str) -> None:
        which = f"{self.id} of {self.run.id}"
        if self.ended or self.run.ended:
            runtime.misuse(EndedError, f"{which} has ended; {what} is not recorded")
        else:
            runtime.misuse(EndedError, f"{which} has an outcome; another one is ignored")


def _cut_short(runtime: Runtime, outcome: Outcome, error: BaseException) -> None:
    """An exception has left the scope; the outcome, which is nobody else's yet, says so."""
    if not is_cancellation(error):
        text, kind, trace = runtime.intake.failure(error)
        force_setattr(outcome, "error", outcome.error or text)
        force_setattr(outcome, "error_type", kind)
        force_setattr(outcome, "traceback", trace)
    elif outcome.success:
        force_setattr(outcome, "cancelled", True)
    force_setattr(outcome, "success", False)
