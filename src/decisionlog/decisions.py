"""A decision while it is being recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from msgspec.structs import force_setattr

from decisionlog.context import Frame, current_in, decision_at, leave, node_at
from decisionlog.errors import (
    EndedError,
    NoRunError,
    UnknownDecisionError,
    UnknownOptionError,
    brief,
)
from decisionlog.model import Decision, DecisionType, Option, Outcome
from decisionlog.records import Choice
from decisionlog.runs import NO_RUN, NodeHandle, RunHandle, is_cancellation, truth
from decisionlog.scopes import Binder, Error, Given, Scope

if TYPE_CHECKING:
    from decisionlog.runtime import Runtime

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


class DecisionHandle(Scope):
    """One decision while it is being recorded. See `Runtime.decision`."""

    __slots__ = (
        "_said", "_started", "chosen_option_id", "intent", "node", "options", "parent_id", "run",
    )  # fmt: skip

    run: RunHandle
    node: NodeHandle | None
    chosen_option_id: str | None
    parent_id: str | None
    _said: Outcome | None

    def __init__(self, binder: Binder, given: Given) -> None:
        super().__init__(binder, given)
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
        try:
            if self.ended or run.ended:
                self._too_late(runtime, f"the choice {brief(option_id)}")
                return
            option_id = _checked(runtime, self.options, option_id)
            reasoning = runtime.intake.text(reasoning, "reasoning")
            self.chosen_option_id = option_id
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
        intent, options, chosen, reasoning, node_id, kind, constraints, context, old = self._given
        if type(self._binder) is RunHandle:
            run = self._binder
            frame = current_in(runtime, run)
        else:
            frame = outer
            if frame is None or frame.run.runtime is not runtime:
                frame = current_in(runtime)
            run = NO_RUN if frame is None else frame.run
        if run.ended:
            what = f"{run.id} has ended" if run.id else "no run is in progress"
            kind_ = EndedError if run.id else NoRunError
            runtime.misuse(kind_, f"{what}; the decision {brief(intent)} is not recorded")
            return
        intake = runtime.intake
        self.intent = intent = intake.text(intent, "intent")
        none = type(options) is tuple and not options  # as when it is left out
        self.options = options = [] if none else intake.options(options)
        self.chosen_option_id = None if chosen is None else _checked(runtime, options, chosen)
        self.node = None if frame is None else frame.node
        node_id = node_at(frame) if node_id is None else intake.text(node_id, "node_id")
        reasoning = intake.text(reasoning, "reasoning")
        kind = kind if kind is DecisionType.CUSTOM else intake.decision_type(kind)
        constraints = [] if constraints is None else intake.strings(constraints, "constraints")
        context = {} if context is None else intake.mapping(context, "context")
        if old is not None and not run.made(old):
            what = f"supersedes is {brief(old)}, a decision {run.id} never made; left out"
            runtime.misuse(UnknownDecisionError, what)
            old = None
        parent = None if frame is run else decision_at(frame)
        self.parent_id = None if parent is None else parent.id
        self._said = None
        now, self._started = runtime.clock.now(), runtime.clock.monotonic_ns()
        self.run, self.buffer = run, run.buffer
        with run.lock:
            self.id = decision_id = f"dec_{run.digest.decided(node_id)}"
            self.ended = False
            run.pending[decision_id] = self
            record = Decision(
                decision_id, self.parent_id, now, node_id, intent, kind, options,
                self.chosen_option_id, reasoning, constraints, context, old, None, None, run.id,
            )  # fmt: skip
            recorded = run.append(run.log, record, False)
        if not recorded or intake.values.interrupts:
            run.recorded(recorded, record)

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
        try:
            if self.ended or run.ended:
                self._too_late(runtime, "its outcome")
                return False
            if self._said is not None:
                what = f"{self.id} of {run.id} has an outcome; another one is ignored"
                runtime.misuse(EndedError, what)
                return False
            intake = runtime.intake
            text = kind = trace = None
            if success is not True and not (success := truth(runtime, success)):
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
                {} if state_changes is None else intake.mapping(state_changes, "state_changes"),
                tokens_used or (input_tokens or 0) + (output_tokens or 0),
                input_tokens,
                output_tokens,
                cost_usd,
                None if model is None else intake.text(model, "model"),
                {} if attributes is None else intake.mapping(attributes, "attributes"),
                number(latency_ms, "latency_ms", float, 0.0),
                _EPOCH,
                self.id,
                run.id,
            )
            if intake.values.interrupts:
                intake.values.raise_interrupt()
            return True
        except Exception as failure:
            runtime.trouble(failure)
            return False

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
        run, runtime = self.run, self.run.runtime
        if runtime is None or self.ended:
            return
        self.ended = True
        leave(self)
        if run.pending.pop(self.id, None) is None:
            return
        try:
            outcome = self._said or Outcome(
                True, timestamp=_EPOCH, decision_id=self.id, run_id=run.id
            )
            # The record is nobody else's until it is written.
            if error is not None and not is_cancellation(error):
                text, kind, trace = runtime.intake.failure(error)
                force_setattr(outcome, "success", False)
                force_setattr(outcome, "error", outcome.error or text)
                force_setattr(outcome, "error_type", kind)
                force_setattr(outcome, "traceback", trace)
            elif error is not None and outcome.success:
                force_setattr(outcome, "success", False)
                force_setattr(outcome, "cancelled", True)
            if not outcome.latency_ms:
                latency_ms = (runtime.clock.monotonic_ns() - self._started) / 1e6
                force_setattr(outcome, "latency_ms", latency_ms)
            force_setattr(outcome, "timestamp", runtime.clock.now())
            with run.lock:
                run.digest.came_out(self, outcome)
                recorded = run.append(run.log, outcome, False)
            if not recorded or runtime.intake.values.interrupts:
                run.recorded(recorded, outcome)
        except Exception as failure:
            runtime.trouble(failure, error)

    def _too_late(self, runtime: Runtime, what: str) -> None:
        what = f"{self.id} of {self.run.id} has ended; {what} is not recorded"
        runtime.misuse(EndedError, what)


def _checked(runtime: Runtime, options: list[Option], chosen: object) -> str:
    """The choice, which had better be among the options."""
    option_id = chosen if type(chosen) is str else runtime.intake.text(chosen, "chosen")
    for option in options:
        if option.id == option_id:
            return option_id
    if options:
        ids = ", ".join(repr(option.id) for option in options[:10])
        what = f"{option_id!r:.60} is not among the options ({ids:.300}); kept as it is"
        runtime.misuse(UnknownOptionError, what)
    return option_id
