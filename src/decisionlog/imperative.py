"""The imperative way to record, for agents whose steps do not nest as scopes do."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from decisionlog import errors
from decisionlog.context import current_in
from decisionlog.decisions import DecisionHandle
from decisionlog.errors import brief
from decisionlog.interface import Options, Scopes
from decisionlog.model import DecisionType, Option
from decisionlog.runs import NO_RUN, RunHandle

T = TypeVar("T")


class Imperative(Scopes):
    """The calls that `Runtime` has besides its scopes. Each is awaited, and waits for room if there
    is none; a decision and its outcome belong together by their id.
    """

    @property
    def current_run(self) -> RunHandle | None:
        """The run of this runtime that is in progress here, or None."""
        runtime = self.bound()
        frame = current_in(runtime) if runtime is not None else None
        return frame.run if frame is not None else None

    async def start_run(
        self, goal_id: str, goal_description: str = "", input_data: Any = None
    ) -> str:
        """Start a run, which becomes the current one of this context until `end_run`.

        Returns:
            The run's id; `""` when the runtime is not open.
        """
        run = await self.run(goal_id, goal_description, input_data).__aenter__()
        return run.id

    async def end_run(
        self, success: bool, narrative: str = "", output_data: Any = None, *,
        run_id: str | None = None,
    ) -> None:  # fmt: skip
        """End the current run, or the one named."""
        if run := self._in_progress(run_id, "its end"):
            run.say_whether(success, output_data, narrative)
            run.end(None)
            await _room(run)

    def set_node(self, node_id: str) -> None:
        """Name the node for the decisions that follow in this context, until the run ends."""
        if run := self._in_progress(None, "the node {} names nothing", node_id):
            run.set_node(node_id)

    async def decide(
        self, intent: str, options: Options, chosen: str, reasoning: str,
        node_id: str | None = None, decision_type: DecisionType | str = DecisionType.CUSTOM,
        constraints: Sequence[str] | None = None, context: Mapping[str, Any] | None = None, *,
        run_id: str | None = None,
    ) -> str:  # fmt: skip
        """Record a decision; it is pending until `record_outcome`.

        Returns:
            Its id, `"dec_0"`, `"dec_1"`, … within the run; `""` when no run is in progress.
        """
        run = self._in_progress(run_id, "the decision {} is not recorded", intent)
        if run is None:
            return ""
        given = (
            intent, options, chosen, reasoning, node_id, decision_type, constraints, context, None
        )  # fmt: skip
        decision = DecisionHandle(run, given)
        decision.start(in_context=False)
        await _room(run)
        return decision.id

    async def record_outcome(
        self, decision_id: str, success: bool, result: Any = None,
        error: str | BaseException | None = None, summary: str = "",
        state_changes: Mapping[str, Any] | None = None, tokens_used: int = 0,
        latency_ms: float = 0, *, run_id: str | None = None,
    ) -> None:  # fmt: skip
        """Record what came of a decision; without `latency_ms`, the time since it was made."""
        run = self._in_progress(run_id, "the outcome of {} is not recorded", decision_id)
        if run is None:
            return
        decision = run.pending_decision(decision_id)
        if decision is not None and decision.say(
            success, result, error, summary, tokens_used, state_changes, latency_ms=latency_ms
        ):
            decision.end(None)
            await _room(run)

    async def report_problem(
        self, severity: str, description: str, decision_id: str | None = None,
        root_cause: str | None = None, suggested_fix: str | None = None, *,
        run_id: str | None = None,
    ) -> str:  # fmt: skip
        """Record that something went wrong; `severity` is "critical", "warning" or "minor".

        Returns:
            Its id, `"prob_0"`, `"prob_1"`, … within the run; `""` when no run is in progress.
        """
        run = self._in_progress(run_id, "the problem {} is not recorded", description)
        if run is None:
            return ""
        problem_id = run.report_problem(
            severity, description, decision_id=decision_id, root_cause=root_cause,
            suggested_fix=suggested_fix,
        )  # fmt: skip
        await _room(run)
        return problem_id

    @overload
    async def decide_and_execute(
        self, intent: str, options: Options, chosen: str, reasoning: str,
        executor: Callable[[], Awaitable[T]], *, run_id: str | None = None, **kwargs: Any,
    ) -> tuple[str, T]: ...  # fmt: skip

    @overload
    async def decide_and_execute(
        self, intent: str, options: Options, chosen: str, reasoning: str,
        executor: Callable[[], T], *, run_id: str | None = None, **kwargs: Any,
    ) -> tuple[str, T]: ...  # fmt: skip

    async def decide_and_execute(
        self, intent: str, options: Options, chosen: str, reasoning: str,
        executor: Callable[[], Any], *, run_id: str | None = None, **kwargs: Any,
    ) -> tuple[str, Any]:  # fmt: skip
        """Decide, call `executor` (a coroutine function or a plain one) and record what came of it.

        `kwargs` are the other arguments of `decision`. An exception of the executor is recorded
        and goes on.

        Returns:
            The decision's id and what the executor returned.
        """
        run = self._in_progress(run_id, "the decision {} is not recorded", intent)
        async with self.decision(
            intent, options, chosen, reasoning, run=run or NO_RUN, **kwargs
        ) as decision:
            result = executor()
            if inspect.isawaitable(result):
                result = await result
            decision.returned(result)
        return decision.id, result

    async def quick_decision(
        self, intent: str, action: str, reasoning: str, node_id: str | None = None, *,
        run_id: str | None = None,
    ) -> str:  # fmt: skip
        """Record a decision of which there was but one thing to do; returns its id."""
        option = Option("action", action, "execute")
        return await self.decide(intent, [option], "action", reasoning, node_id, run_id=run_id)

    def _in_progress(
        self, run_id: str | None, consequence: str, value: object = ""
    ) -> RunHandle | None:
        runtime = self.bound()
        if runtime is None:
            return None
        if run_id is None:
            run = self.current_run
        else:
            run = runtime.runs.get(run_id) if isinstance(run_id, str) else None
        if run is None:
            which = "no run" if run_id is None else f"no run {brief(run_id)}"
            what = f"{which} is in progress here; {consequence.format(brief(value))}"
            runtime.misuse(errors.NoRunError, what)
        return run


async def _room(run: RunHandle) -> None:
    if run.buffer is not None and run.buffer.full:
        await run.buffer.wait_for_room()
