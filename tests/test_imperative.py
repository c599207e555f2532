"""The imperative interface, for agents whose structure does not nest."""

from datetime import timedelta
from typing import Any

import anyio
import pytest
from anyio import to_thread

from decisionlog import DecisionType, Option, Outcome, RunStatus, Runtime, current_run
from decisionlog.testing import FixedClock, MemorySink
from tests.recording import only_decision, outcome_of, recorded, shape


async def test_a_run_from_start_to_end() -> None:
    sink, clock = MemorySink(), FixedClock()
    async with recorded(sink, clock=clock) as runtime:
        run_id = await runtime.start_run(
            goal_id="qualify", goal_description="Qualify leads", input_data={"lead": "acme"}
        )
        assert run_id == "run_1"
        assert runtime.current_run is current_run()
        assert runtime.current_run is not None and runtime.current_run.id == run_id
        runtime.set_node("qualifier")
        clock.advance(1)
        first = await runtime.decide(
            intent="Has a budget?",
            options=[
                {"id": "ask", "description": "Ask", "action_type": "tool_call",
                 "action_params": {"to": "lead"}, "pros": ["sure"], "cons": ["slow"],
                 "confidence": 0.9, "cost": 5},
                Option("infer"),
            ],
            chosen="ask",
            reasoning="It is worth it",
            decision_type=DecisionType.TOOL_SELECTION,
            constraints=["be polite"],
            context={"size": 50},
        )  # fmt: skip
        second = await runtime.decide("Where?", [], "here", "Why not", node_id="other")
        assert (first, second) == ("dec_0", "dec_1")
        problem_id = await runtime.report_problem(
            severity="critical",
            description="No answer",
            decision_id=first,
            root_cause="holidays",
            suggested_fix="wait",
        )
        assert problem_id == "prob_0"
        clock.advance(0.5)
        await runtime.record_outcome(
            decision_id=first,
            success=True,
            result={"budget": 50_000},
            summary="It has",
            state_changes={"lead": "warm"},
            tokens_used=12,
        )
        await runtime.record_outcome(
            second, False, error="nobody there", latency_ms=20, result="half"
        )
        await runtime.end_run(success=True, narrative="Went well", output_data={"n": 1})
        assert runtime.current_run is None
    loaded = sink.run("run_1")
    assert (loaded.goal_id, loaded.goal_description) == ("qualify", "Qualify leads")
    assert (loaded.input_data, loaded.output_data) == ({"lead": "acme"}, {"n": 1})
    assert (loaded.status, loaded.narrative) == (RunStatus.COMPLETED, "Went well")
    asked, where = loaded.decisions
    assert asked.options == [
        Option("ask", "Ask", "tool_call", {"to": "lead"}, ["sure"], ["slow"], 0.9, {"cost": 5}),
        Option("infer"),
    ]
    assert (asked.node_id, where.node_id) == ("qualifier", "other")
    assert (asked.decision_type, where.decision_type) == ("tool_selection", "custom")
    assert (asked.active_constraints, asked.input_context) == (["be polite"], {"size": 50})
    assert asked.outcome == Outcome(
        True,
        result={"budget": 50_000},
        summary="It has",
        state_changes={"lead": "warm"},
        tokens_used=12,
        latency_ms=500,
        timestamp=clock.now(),
        decision_id="dec_0",
        run_id="run_1",
        seq=5,
    )
    failed = outcome_of(where)
    assert (failed.success, failed.error, failed.latency_ms) == (False, "nobody there", 20)
    assert failed.result == "half"
    [problem] = loaded.problems
    assert (problem.severity, problem.description) == ("critical", "No answer")
    assert (problem.decision_id, problem.root_cause, problem.suggested_fix) == (
        "dec_0", "holidays", "wait"
    )  # fmt: skip


@pytest.mark.parametrize("success", [True, False])
async def test_how_it_ends(success: bool) -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:
        await runtime.start_run("goal")
        await runtime.end_run(success)
    assert sink.run("run_1").status == ("completed" if success else "failed")


async def test_an_exception_as_the_error() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:
        await runtime.start_run("goal")
        decision_id = await runtime.decide("Try", [], "x", "")
        try:
            raise ValueError("x is none")
        except ValueError as error:
            await runtime.record_outcome(decision_id, False, error=error)
        await runtime.end_run(False)
    outcome = outcome_of(only_decision(sink.run("run_1")))
    assert (outcome.error, outcome.error_type) == ("x is none", "ValueError")
    assert outcome.traceback is not None


async def test_the_run_may_be_named_from_anywhere() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:
        run_ids: list[str] = []

        async def start() -> None:
            run_ids.append(await runtime.start_run("goal"))

        async with anyio.create_task_group() as tasks:  # a start is of the task it is in
            tasks.start_soon(start)
            tasks.start_soon(start)
        assert runtime.current_run is None
        assert run_ids == ["run_1", "run_2"]
        for run_id in run_ids:
            decision_id = await runtime.decide("Which?", [], run_id, "named", run_id=run_id)
            await runtime.record_outcome(decision_id, True, run_id, run_id=run_id)
            assert await runtime.quick_decision("Go", "go", "", run_id=run_id) == "dec_1"
            await runtime.report_problem("minor", run_id, run_id=run_id)
            assert await runtime.decide_and_execute(
                "Run", [], "it", "", lambda: run_ids[0], run_id=run_id
            ) == ("dec_2", "run_1")
            await runtime.end_run(True, run_id=run_id)
    for run_id in run_ids:
        loaded = sink.run(run_id)
        assert loaded.decisions[0].chosen_option_id == run_id
        assert outcome_of(loaded.decisions[0]).result == run_id
        assert outcome_of(loaded.decisions[2]).result == "run_1"
        assert [problem.description for problem in loaded.problems] == [run_id]
        assert loaded.status == RunStatus.COMPLETED


async def test_a_second_start_is_a_run_of_its_own_inside_the_first() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:
        await runtime.start_run("first")
        runtime.set_node("n")
        await runtime.start_run("second")
        await runtime.decide("in the second", [], "", "")
        await runtime.end_run(True)
        await runtime.decide("in the first", [], "", "")
        await runtime.end_run(False)
    assert sink.run("run_2").parent_run_id == "run_1"
    assert shape(sink.run("run_2")) == [("in the second", None, "unknown")]
    assert shape(sink.run("run_1")) == [("in the first", None, "n")]


async def test_imperative_calls_mix_with_scopes() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal") as run:
        async with runtime.decision("outer") as outer:
            inner = await runtime.decide("inner", [], "x", "")
            async with runtime.decision("beside"):
                pass
            await runtime.record_outcome(inner, True)
            # The outcome of a scope may be recorded by its id as well: with that, it ends.
            await runtime.record_outcome(outer.id, False, error="said by id")
            async with runtime.decision("after"):
                pass
        await runtime.end_run(True)
        assert run.ended
    assert shape(sink.run("run_1")) == [
        ("outer", None, "unknown"),
        ("inner", "outer", "unknown"),
        ("beside", "outer", "unknown"),
        ("after", None, "unknown"),
    ]
    assert outcome_of(sink.run("run_1").decisions[0]).error == "said by id"


async def test_what_a_scope_said_first_stands() -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime, runtime.run("goal"):
        async with runtime.decision("x") as decision:
            decision.succeed("said")
            await runtime.record_outcome(decision.id, False)
            assert not decision.ended
    assert outcome_of(only_decision(sink.run("run_1"))).result == "said"


# ---------------------------------------------------------------------- decide and execute


async def execute(runtime: Runtime, executor: Any, **kwargs: Any) -> tuple[str, Any]:
    return await runtime.decide_and_execute(
        "Fetch", [Option("a"), Option("b")], "a", "nearest", executor, **kwargs
    )


async def test_executing_a_coroutine_function_or_a_plain_one() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):

        async def fetch() -> str:
            await anyio.lowlevel.checkpoint()
            async with runtime.decision("inside"):
                return "fetched"

        assert await execute(runtime, fetch) == ("dec_0", "fetched")
        assert await execute(runtime, lambda: fetch(), node_id="n") == ("dec_2", "fetched")
        assert await execute(
            runtime, lambda: 7, decision_type="retry_strategy", constraints=["c"], context={"a": 1}
        ) == ("dec_4", 7)
    first, inside, second, _, third = sink.run("run_1").decisions
    assert (first.chosen_option_id, first.reasoning) == ("a", "nearest")
    assert inside.parent_id == "dec_0"
    assert [outcome_of(d).result for d in (first, second, third)] == ["fetched", "fetched", 7]
    assert (second.node_id, third.decision_type) == ("n", "retry_strategy")
    assert (third.active_constraints, third.input_context) == (["c"], {"a": 1})


async def test_executing_what_fails_or_is_cancelled() -> None:
    sink = MemorySink()
    error = OSError("unreachable")

    def fails() -> None:
        raise error

    async def fails_later() -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    async with recorded(sink) as runtime, runtime.run("goal"):
        for executor in (fails, fails_later):
            with pytest.raises(OSError) as caught:
                await execute(runtime, executor)
            assert caught.value is error
        with anyio.CancelScope() as scope:
            scope.cancel()
            await execute(runtime, anyio.sleep_forever)
    outcomes = [outcome_of(d) for d in sink.run("run_1").decisions]
    assert [(o.error, o.cancelled) for o in outcomes] == [
        ("unreachable", False),
        ("unreachable", False),
        (None, True),
    ]


async def test_executing_without_a_run_still_executes() -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime:
        assert await execute(runtime, lambda: 7) == ("", 7)
        assert runtime.stats().misused == 1
    assert sink.run_ids() == []
    assert await execute(Runtime(enabled=False), lambda: 7) == ("", 7)


async def test_a_quick_decision_has_one_option() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):
        assert await runtime.quick_decision("Greet", "Say hello", "polite", "n") == "dec_0"
        assert await runtime.quick_decision("Greet", "Wave", "quiet here") == "dec_1"
    first, second = sink.run("run_1").decisions
    assert first.options == [Option("action", "Say hello", "execute")]
    assert (first.chosen_option_id, first.reasoning, first.node_id) == ("action", "polite", "n")
    assert (second.node_id, second.is_pending) == ("unknown", True)


async def test_from_worker_threads_and_without_an_end() -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime:
        await runtime.start_run("goal")
        runtime.set_node("n")

        def tool() -> str:
            run = current_run()
            assert run is not None
            return run.report_problem("minor", "from a thread")

        assert await to_thread.run_sync(tool) == "prob_0"
        await runtime.decide("pending", [], "x", "")
    loaded = sink.run("run_1")
    assert (loaded.status, loaded.completed_at) == (RunStatus.RUNNING, None)
    assert only_decision(loaded).is_pending
    assert (loaded.metrics.pending_decisions, loaded.metrics.success_rate) == (1, None)


async def test_latency_is_measured_unless_it_is_given() -> None:
    sink, clock = MemorySink(), FixedClock()
    async with recorded(sink, clock=clock) as runtime, runtime.run("goal"):
        decision_id = await runtime.decide("x", [], "", "")
        clock.advance(2)
        clock.set_wall(clock.now() - timedelta(hours=1))  # latency does not follow the wall clock
        await runtime.record_outcome(decision_id, True)
    assert outcome_of(only_decision(sink.run("run_1"))).latency_ms == 2000
