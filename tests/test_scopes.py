"""Runs and decisions as scopes: what is recorded on the way in and on the way out."""

import asyncio
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from decisionlog import Decision, DecisionType, EndedError, Option, Outcome, RunStatus, Runtime
from decisionlog.records import Choice, RunEnded, RunStarted
from decisionlog.testing import FixedClock, MemorySink
from tests.recording import only_decision, outcome_of, recorded
from tests.sinks import TroubledSink
from tests.waiting import of

ASK = Option("ask", "Ask the lead directly")
INFER = Option("infer", "Infer from company size")


def types(sink: MemorySink, run_id: str = "run_1") -> list[type]:
    return [type(record) for record in sink.records(run_id)]


# ---------------------------------------------------------------------- what is recorded


async def test_a_run_and_a_decision_are_recorded_whole() -> None:
    sink, clock = MemorySink(), FixedClock()
    start = clock.now()
    async with (
        recorded(sink, clock=clock) as runtime,
        runtime.run("qualify", "Qualify leads", {"lead": "acme"}, tags={"prompt": "v2"}) as run,
    ):
        clock.advance(1)
        async with runtime.decision(
            "Has a budget?",
            [ASK, {"id": "infer", "pros": ["fast"], "confidence": 0.7, "cost": 3}],
            "infer",
            "Asking would be slower",
            "qualifier",
            DecisionType.TOOL_SELECTION,
            ["no e-mail"],
            {"size": 50},
        ) as decision:
            clock.advance(0.25)
            decision.succeed(
                {"has_budget": True},
                summary="Inferred",
                tokens_used=123,
                state_changes={"lead": "warm"},
                input_tokens=100,
                output_tokens=20,
                cost_usd=0.01,
                model="small",
                attributes={"try": 1},
            )
        run.succeed({"qualified": 1}, narrative="Qualified the lead")
    loaded = sink.run("run_1")
    assert (loaded.goal_id, loaded.goal_description) == ("qualify", "Qualify leads")
    assert (loaded.input_data, loaded.output_data) == ({"lead": "acme"}, {"qualified": 1})
    assert (loaded.tags, loaded.narrative) == ({"prompt": "v2"}, "Qualified the lead")
    assert (loaded.status, run.status) == (RunStatus.COMPLETED, RunStatus.COMPLETED)
    assert (loaded.started_at, loaded.completed_at) == (start, start + timedelta(seconds=1.25))
    assert (loaded.duration_ms, loaded.error, loaded.parent_run_id) == (1250, None, None)
    assert only_decision(loaded) == Decision(
        "dec_0",
        None,
        start + timedelta(seconds=1),
        "qualifier",
        "Has a budget?",
        DecisionType.TOOL_SELECTION,
        [ASK, Option("infer", pros=["fast"], confidence=0.7, extra={"cost": 3})],
        "infer",
        "Asking would be slower",
        ["no e-mail"],
        {"size": 50},
        outcome=Outcome(
            True,
            result={"has_budget": True},
            summary="Inferred",
            state_changes={"lead": "warm"},
            tokens_used=123,
            input_tokens=100,
            output_tokens=20,
            cost_usd=0.01,
            model="small",
            attributes={"try": 1},
            latency_ms=250,
            timestamp=start + timedelta(seconds=1.25),
            decision_id="dec_0",
            run_id="run_1",
            seq=3,
        ),
        run_id="run_1",
        seq=2,
    )
    assert loaded.metrics == run.metrics
    assert loaded.metrics.total_tokens == 123
    assert loaded.metrics.total_latency_ms == 250
    assert loaded.metrics.nodes_executed == ["qualifier"]


def test_plain_with_records_the_same() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal") as run:
        with runtime.decision("Pick", [ASK, INFER], chosen="ask") as decision:
            decision.succeed(1)
        with pytest.raises(KeyError), runtime.decision("Fail"):
            raise KeyError("x")
        run.fail("did not work", {"tried": 2})
    loaded = sink.run("run_1")
    assert [outcome_of(d).success for d in loaded.decisions] == [True, False]
    assert (loaded.status, loaded.narrative) == (RunStatus.FAILED, "did not work")
    assert loaded.output_data == {"tried": 2}


async def test_a_decision_is_on_record_before_the_work_inside_begins(traces: Any) -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):
        async with runtime.decision("Pick", chosen="x"):
            assert await runtime.flush()
            assert types(sink) == [RunStarted, Decision]
            assert only_decision(sink.run("run_1")).is_pending
        assert await runtime.flush()
        assert types(sink) == [RunStarted, Decision, Outcome]
    assert types(sink) == [RunStarted, Decision, Outcome, RunEnded]


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ({}, 0),
        ({"tokens_used": 7}, 7),
        ({"input_tokens": 5, "output_tokens": 6}, 11),
        ({"input_tokens": 5}, 5),
        ({"output_tokens": 6}, 6),
        ({"tokens_used": 7, "input_tokens": 5, "output_tokens": 6}, 7),
    ],
)
def test_tokens_default_to_input_and_output(given: Any, tokens: int) -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"), runtime.decision("Ask") as decision:
        decision.succeed(**given)
    outcome = outcome_of(only_decision(sink.run("run_1")))
    assert outcome.tokens_used == tokens
    assert outcome.input_tokens == given.get("input_tokens")
    assert outcome.output_tokens == given.get("output_tokens")


def test_what_was_handed_over_may_change_afterwards() -> None:
    sink = MemorySink()
    result, changes, attributes, output = {"n": 1}, {"n": 1}, {"n": 1}, {"n": 1}
    with recorded(sink) as runtime, runtime.run("goal") as run:
        with runtime.decision("Pick") as decision:
            decision.succeed(result, state_changes=changes, attributes=attributes)
            run.succeed(output)
            for value in (result, changes, attributes, output):
                value["n"] = 2
    loaded = sink.run("run_1")
    outcome = outcome_of(only_decision(loaded))
    assert outcome.result == outcome.state_changes == outcome.attributes == {"n": 1}
    assert loaded.output_data == {"n": 1}


# ---------------------------------------------------------------------- choosing late


def test_a_late_choice_is_a_record_of_its_own_and_the_last_one_stands() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        with runtime.decision("Pick", [ASK, INFER], reasoning="to be seen") as decision:
            assert decision.chosen_option_id is None
            decision.choose("ask")
            decision.choose("infer", "it is known")
            assert decision.chosen_option_id == "infer"
    first, second = (r for r in sink.records("run_1") if isinstance(r, Choice))
    assert (first.decision_id, first.chosen_option_id, first.reasoning) == ("dec_0", "ask", "")
    assert (second.chosen_option_id, second.reasoning) == ("infer", "it is known")
    decision_read = only_decision(sink.run("run_1"))
    assert decision_read.chosen_option == INFER
    assert decision_read.reasoning == "it is known"


def test_without_options_any_choice_will_do() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        with runtime.decision("Pick", chosen="this") as decision:
            decision.choose("that")
    assert only_decision(sink.run("run_1")).chosen_option_id == "that"


def test_a_decision_supersedes_an_earlier_one() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        with runtime.decision("Pick") as decision:
            pass
        with runtime.decision("Pick again", supersedes=decision.id):
            pass
    assert [d.supersedes for d in sink.run("run_1").decisions] == [None, "dec_0"]


def test_problems_belong_to_the_run_or_to_a_decision() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal") as run:
        with runtime.decision("Pick") as decision:
            problem_id = decision.report_problem("critical", "It is down", root_cause="no power")
            assert problem_id == "prob_0"
        assert run.report_problem("minor", "Slow", decision_id="dec_0") == "prob_1"
        assert run.report_problem("warning", "Odd", suggested_fix="look") == "prob_2"
    down, slow, odd = sink.run("run_1").problems
    assert (down.severity, down.decision_id, down.root_cause) == ("critical", "dec_0", "no power")
    assert (slow.severity, slow.decision_id) == ("minor", "dec_0")
    assert (odd.severity, odd.decision_id, odd.suggested_fix) == ("warning", None, "look")


# ---------------------------------------------------------------------- one scope, several uses


def test_a_scope_entered_again_is_a_decision_of_its_own() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        step, node = runtime.decision("Step"), runtime.node("worker")
        for number in range(2):
            with node, step as decision:
                decision.succeed(number)
        with pytest.raises(KeyError), step:
            raise KeyError
    decisions = sink.run("run_1").decisions
    assert [d.id for d in decisions] == ["dec_0", "dec_1", "dec_2"]
    assert [d.node_id for d in decisions] == ["worker", "worker", "unknown"]
    assert [outcome_of(d).success for d in decisions] == [True, True, False]
    assert [outcome_of(d).result for d in decisions] == [0, 1, None]


def test_a_run_entered_again_is_a_run_of_its_own() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime:
        goal = runtime.run("goal")
        with goal:
            goal.fail("not yet")
        with goal, runtime.decision("Pick"):
            pass
    assert [sink.run(name).status for name in sink.run_ids()] == ["failed", "completed"]
    assert [len(sink.run(name).decisions) for name in sink.run_ids()] == [0, 1]


def test_a_scope_entered_again_where_there_is_nothing_to_record_to_is_nothing() -> None:
    runtime = recorded(MemorySink(), strict=False)
    goal, step, node = runtime.run("goal"), runtime.decision("Step"), runtime.node("n")
    with runtime, goal, node, step:
        assert (goal.id, node.id, step.id) == ("run_1", "n", "dec_0")
    with runtime, node, step:
        step.succeed()
        assert (node.id, step.id, runtime.stats().misused) == ("", "", 2)
    with goal:
        goal.succeed()
        assert (goal.id, goal.report_problem("minor", "x")) == ("", "")


async def test_a_scope_in_use_is_not_entered_by_another() -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime, runtime.run("goal"):
        step = runtime.decision("Step")
        done: list[str] = []
        go_on = anyio.Event()

        async def other() -> None:
            async with step:
                done.append("other")
                await go_on.wait()

        async with anyio.create_task_group() as tasks:
            async with step as decision:
                tasks.start_soon(other)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(KeyError), step:
                    done.append("inside")
                    raise KeyError
                assert not decision.ended
                go_on.set()
                await anyio.wait_all_tasks_blocked()
                decision.succeed("the one")
        assert (done, runtime.stats().misused) == (["other", "inside"], 2)
    assert outcome_of(only_decision(sink.run("run_1"))).result == "the one"
    with recorded(MemorySink()) as runtime, runtime.run("goal"), runtime.decision("x") as scope:
        with pytest.raises(EndedError, match="make a scope for each"), scope:
            raise AssertionError("not reached")
        assert not scope.ended


# ---------------------------------------------------------------------- handles


def test_handles_tell_how_things_stand() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime:
        with runtime.run("goal") as run:
            assert (run.id, run.status, repr(run)) == ("run_1", "running", "<run run_1, running>")
            with runtime.decision("Pick") as decision:
                assert (decision.id, repr(decision)) == ("dec_0", "<decision dec_0>")
                assert run.metrics.pending_decisions == 1
            with runtime.node("n") as node:
                assert repr(node) == "<node n>"
            assert repr(runtime.node("n")) == "<node (not recorded)>"
            assert (run.metrics.pending_decisions, run.metrics.successful_decisions) == (0, 1)
        assert (run.status, repr(run)) == ("completed", "<run run_1, completed>")
        assert run.metrics == sink_metrics(runtime, sink)


def sink_metrics(runtime: Runtime, sink: MemorySink) -> Any:
    assert runtime.flush_blocking()
    return sink.run("run_1").metrics


def test_times_are_in_utc() -> None:
    sink = MemorySink()
    before = datetime.now(UTC)
    with Runtime(sinks=[sink]) as runtime, runtime.run("goal") as run, runtime.decision("Pick"):
        pass
    loaded = sink.run(run.id)
    times = [loaded.started_at, only_decision(loaded).timestamp, loaded.completed_at]
    assert all(time is not None and time.utcoffset() == timedelta(0) for time in times)
    assert before <= times[0] <= times[1] <= times[2] <= datetime.now(UTC)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_callback_of_the_event_loop_does_not_wait_for_room() -> None:
    sink = TroubledSink()
    runtime = recorded(sink, max_buffer=2**16, wait_timeout=0.01)
    async with runtime, runtime.run("goal") as run:
        sink.block()
        with runtime.decision("blocks"):
            await of(sink.waiting)
        while runtime.stats().buffered <= 2**16:
            with runtime.decision("x" * 1_000):
                pass

        def callback() -> None:
            with runtime.decision("called back", run=run):
                done.set()

        done = asyncio.Event()
        # As a protocol of somebody else's would: in no task, and no context that anyio has seen.
        asyncio.get_running_loop().call_soon(callback, context=Context())
        await done.wait()
        # Had it waited, and in vain, the next records would be dropped.
        assert runtime.stats().dropped == 0
        sink.unblock()
    assert sink.run("run_1").decisions[-1].intent == "called back"


def test_ctrl_c_while_a_scope_begins_leaves_nothing_behind() -> None:
    class Clock(FixedClock):
        interrupts = False

        def now(self) -> datetime:
            if self.interrupts:
                raise KeyboardInterrupt
            return super().now()

    sink, clock = MemorySink(), Clock()
    with recorded(sink, clock=clock) as runtime:
        with runtime.run("goal"):
            for scope in (runtime.decision("decide"), runtime.run("inner")):
                clock.interrupts = True
                with pytest.raises(KeyboardInterrupt):
                    scope.__enter__()
                clock.interrupts = False
                assert scope.id == "" and scope.ended
        assert runtime.stats().errors == 0
    assert [type(record) for record in sink.records("run_1")] == [RunStarted, RunEnded]
    assert sink.run_ids() == ["run_1"]
