"""Calls that do not add up: by default a warning and a count, under strict=True a typed error;
either way nothing wrong is recorded, and no metric is counted twice."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import numpy
import pytest

import decisionlog
from decisionlog import (
    DecisionHandle,
    EndedError,
    InvalidValueError,
    MisuseError,
    NoRunError,
    Option,
    RunHandle,
    RunStatus,
    Runtime,
    RuntimeStateError,
    UnknownDecisionError,
    UnknownOptionError,
)
from decisionlog.testing import MemorySink
from tests.recording import only_decision, outcome_of, recorded

AB = [Option("a"), Option("b")]

Misuse = Callable[[Runtime, RunHandle, DecisionHandle], Awaitable[object]]
"""In a run whose decision `dec_0` is in progress, and `dec_1` has an outcome."""

MISUSES: dict[str, tuple[type[MisuseError], Misuse]] = {}


def misuse(kind: type[MisuseError]) -> Callable[[Misuse], Misuse]:
    def add(call: Misuse) -> Misuse:
        MISUSES[call.__name__] = kind, call
        return call

    return add


@misuse(NoRunError)
async def a_run_id_nobody_has(runtime: Runtime, run: RunHandle, decision: DecisionHandle) -> None:
    assert await runtime.decide("x", AB, "a", "", run_id="run_99") == ""


@misuse(NoRunError)
async def an_end_for_no_run(runtime: Runtime, run: RunHandle, decision: DecisionHandle) -> None:
    await runtime.end_run(True, run_id="run_99")


@misuse(NoRunError)
async def a_run_id_that_is_no_text(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    await runtime.record_outcome("dec_0", True, run_id=["run_1"])  # type: ignore[arg-type]


@misuse(EndedError)
async def a_second_outcome(runtime: Runtime, run: RunHandle, decision: DecisionHandle) -> None:
    decision.succeed("first")
    decision.succeed("second")


@misuse(EndedError)
async def a_second_outcome_by_id(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    await runtime.record_outcome("dec_1", True, "second")


@misuse(EndedError)
async def a_run_said_to_be_two_things(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    run.succeed()
    run.fail()


@misuse(UnknownDecisionError)
async def an_outcome_for_a_decision_never_made(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    await runtime.record_outcome("dec_2", True)


@misuse(UnknownDecisionError)
async def an_outcome_for_no_id_at_all(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    await runtime.record_outcome(0, True)  # type: ignore[arg-type]


@misuse(UnknownOptionError)
async def a_choice_that_is_not_among_the_options(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    decision.choose("c")


@misuse(InvalidValueError)
async def tokens_that_are_no_number(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    decision.succeed(tokens_used="many")  # type: ignore[arg-type]


@misuse(InvalidValueError)
async def a_severity_that_is_none(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    decision.report_problem("urgent", "x")


@misuse(InvalidValueError)
async def a_node_that_is_no_text(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    runtime.set_node(7)  # type: ignore[arg-type]


@misuse(UnknownDecisionError)
async def a_problem_with_a_decision_never_made(
    runtime: Runtime, run: RunHandle, decision: DecisionHandle
) -> None:
    run.report_problem("minor", "x", decision_id="dec_07")


@misuse(RuntimeStateError)
async def opened_twice(runtime: Runtime, run: RunHandle, decision: DecisionHandle) -> None:
    async with runtime:
        assert runtime.current_run is run


@pytest.mark.parametrize("name", MISUSES)
async def test_misuse_is_counted_and_the_agent_goes_on(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    kind, call = MISUSES[name]
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime, runtime.run("goal") as run:
        async with runtime.decision("x", AB, "a") as decision:
            async with runtime.decision("y"):
                pass
            await call(runtime, run, decision)
        assert runtime.stats().misused == 1
    [warning] = caplog.records
    assert (warning.name, warning.levelno) == ("decisionlog", logging.WARNING)
    assert kind.__name__ in warning.getMessage() and "strict=True" in warning.getMessage()
    loaded = sink.run("run_1")
    metrics = loaded.metrics
    assert loaded.damage == [] and loaded.unknown == []
    assert (metrics.total_decisions, metrics.successful_decisions) == (2, 2)
    assert metrics.success_rate == 1
    expected = "c" if name == "a_choice_that_is_not_among_the_options" else "a"
    assert loaded.decisions[0].chosen_option_id == expected  # kept as it was made
    assert outcome_of(loaded.decisions[0]).result == (
        "first" if name == "a_second_outcome" else None
    )
    assert outcome_of(loaded.decisions[1]).result is None


@pytest.mark.parametrize("name", MISUSES)
async def test_misuse_is_an_error_when_strict_and_nothing_wrong_is_recorded(name: str) -> None:
    kind, call = MISUSES[name]
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal") as run:
        async with runtime.decision("x", AB, "a") as decision:
            async with runtime.decision("y"):
                pass
            with pytest.raises(kind) as caught:
                await call(runtime, run, decision)
            assert type(caught.value) is kind
        assert runtime.stats().misused == 1
    loaded = sink.run("run_1")
    assert loaded.problems == [] and loaded.damage == []
    assert loaded.decisions[0].chosen_option_id == "a"
    assert (loaded.status, loaded.metrics.successful_decisions) == (RunStatus.COMPLETED, 2)


async def test_a_warning_comes_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    async with recorded(MemorySink(), strict=False) as runtime, runtime.run("goal"):
        for _ in range(3):
            async with runtime.decision("x", AB, "c"):
                pass
            await runtime.record_outcome("dec_0", True)
        assert runtime.stats().misused == 6
    kinds = [record.args[1] for record in caplog.records]
    assert kinds == ["UnknownOptionError", "EndedError"]
    assert (
        caplog.records[0]
        .getMessage()
        .startswith("'c' is not among the options ('a', 'b'); kept as it is.")
    )


# ---------------------------------------------------------------------- no run, or a run no longer


async def test_without_a_run_the_body_runs_and_nothing_is_recorded() -> None:
    sink = MemorySink()
    done = []
    async with recorded(sink, strict=False) as runtime:
        async with runtime.decision("x", AB) as decision:
            decision.choose("a")
            decision.succeed(1)
            decision.fail("x")
            done.append(decision.report_problem("minor", "x"))
            with runtime.node("n") as node:
                done.append(node.id)

            @runtime.decision("y")
            def step() -> int:
                return 3

            done.append(step())
        runtime.set_node("n")
        done.append(await runtime.decide("x", AB, "a", ""))
        done.append(await runtime.quick_decision("x", "a", ""))
        done.append(await runtime.report_problem("minor", "x"))
        await runtime.record_outcome("dec_0", True)
        await runtime.end_run(True)
        assert runtime.current_run is None
        # The scope, its node, the step; and six of the imperative calls.
        assert runtime.stats().misused == 9
    assert done == ["", "", 3, "", "", ""]
    assert sink.run_ids() == []


async def test_without_a_run_each_decision_is_counted_and_one_warning_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime:
        scope = runtime.decision("x", AB)
        async with runtime.run("goal"), scope:
            pass
        for n in range(1, 4):
            async with scope as decision:  # which is no longer that of the run
                decision.succeed(n)
                assert decision.id == ""
            assert runtime.stats().misused == n
    [warning] = caplog.records
    assert warning.args[1] == "NoRunError"  # type: ignore[index]
    assert outcome_of(only_decision(sink.run("run_1"))).result is None


async def test_without_a_run_every_call_is_an_error_when_strict() -> None:
    async with recorded(MemorySink()) as runtime:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: runtime.decide("x", AB, "a", ""),
            lambda: runtime.quick_decision("x", "a", ""),
            lambda: runtime.decide_and_execute("x", AB, "a", "", lambda: 1),
            lambda: runtime.report_problem("minor", "x"),
            lambda: runtime.record_outcome("dec_0", True),
            lambda: runtime.end_run(True),
            lambda: runtime.decision("x").__aenter__(),
        ]
        for call in calls:
            with pytest.raises(NoRunError):
                await call()
        with pytest.raises(NoRunError, match="the node 'n' names nothing"):
            runtime.set_node("n")
        with pytest.raises(NoRunError), runtime.node("n"):
            pass


@pytest.mark.parametrize("strict", [False, True])
async def test_a_run_that_has_ended(strict: bool) -> None:
    sink = MemorySink()
    async with recorded(sink, strict=strict) as runtime:
        async with runtime.run("goal") as run, runtime.decision("x", AB) as decision:
            pass
        calls: list[Callable[[], object]] = [
            run.succeed,
            run.fail,
            run.stuck,
            lambda: run.report_problem("minor", "x"),
            lambda: decision.choose("a"),
            lambda: decision.succeed(2),
            lambda: decision.fail("x"),
            lambda: decision.report_problem("minor", "x"),
            lambda: runtime.decision("late", run=run).__enter__(),
        ]
        for call in calls:
            if strict:
                with pytest.raises(EndedError):
                    call()
            else:
                call()
        assert runtime.stats().misused == len(calls)
        with runtime.run("next"):
            pass
    loaded = sink.run("run_1")
    assert loaded.status == RunStatus.COMPLETED and loaded.problems == []
    assert only_decision(loaded).chosen_option_id is None
    assert len(sink.records("run_1")) == 4


async def test_a_decision_that_outlives_its_run_stays_pending() -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime:
        scope = runtime.decision("long")
        async with runtime.run("goal"):
            decision = scope.__enter__()
        decision.succeed("too late")
        scope.__exit__(None, None, None)
        assert runtime.stats().misused == 2
    loaded = sink.run("run_1")
    assert only_decision(loaded).is_pending
    assert loaded.metrics.pending_decisions == 1
    assert loaded.unknown == [] and loaded.damage == []


async def test_misuse_never_takes_the_place_of_an_exception() -> None:
    error = ValueError("mine")
    async with recorded(MemorySink()) as runtime:
        scope = runtime.decision("long")
        async with runtime.run("goal"):
            scope.__enter__()
        with pytest.raises(ValueError) as caught, ExitStack() as stack:
            stack.push(scope)
            raise error
        assert caught.value is error
        assert runtime.stats().misused == 1
        assert runtime.stats().errors == 0


# ---------------------------------------------------------------------- values


async def test_values_of_the_wrong_type_are_coerced() -> None:
    sink = MemorySink()
    wrong: Any = 7
    async with recorded(sink, strict=False) as runtime:
        async with runtime.run(wrong, wrong, tags={"n": wrong}) as run:
            async with runtime.decision(
                wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong, supersedes=wrong
            ) as decision:
                decision.choose(wrong, wrong)
                decision.report_problem(wrong, wrong, root_cause=wrong, suggested_fix=wrong)
                decision.fail(
                    wrong,
                    summary=wrong,
                    tokens_used=-1,
                    state_changes=wrong,
                    input_tokens=-1,
                    output_tokens="2",
                    cost_usd="dear",
                    model=wrong,
                    attributes=wrong,
                )
            run.fail(wrong)
        assert runtime.stats().misused > 20
    loaded = sink.run("run_1")
    decision_read = only_decision(loaded)
    outcome = outcome_of(decision_read)
    assert loaded.damage == [] and loaded.unknown == []
    assert (loaded.goal_id, loaded.narrative, loaded.tags) == ("7", "7", {"n": "7"})
    assert (decision_read.intent, decision_read.node_id) == ("7", "7")
    assert (decision_read.decision_type, decision_read.supersedes) == ("custom", None)
    assert decision_read.active_constraints == ["7"]
    assert decision_read.input_context == outcome.state_changes == {"value": 7}
    assert [option.id for option in decision_read.options] == ["7"]
    assert (decision_read.chosen_option_id, decision_read.reasoning) == ("7", "7")
    assert (outcome.error, outcome.summary, outcome.model) == ("7", "7", "7")
    # No number is better than a wrong one.
    assert (outcome.tokens_used, outcome.input_tokens, outcome.output_tokens) == (0, None, None)
    assert outcome.cost_usd is None
    [problem] = loaded.problems
    assert (problem.severity, problem.description) == ("warning", "7")
    assert (problem.root_cause, problem.suggested_fix) == ("7", "7")


async def test_confidence_outside_0_to_1() -> None:
    sink = MemorySink()
    options = [{"id": "a", "confidence": 7}, Option("b", confidence=-1)]
    async with recorded(sink, strict=False) as runtime, runtime.run("goal"):
        async with runtime.decision("x", options):
            pass
        assert runtime.stats().misused == 2
    assert [o.confidence for o in only_decision(sink.run("run_1")).options] == [1, 0]
    async with recorded(sink) as runtime, runtime.run("goal", run_id="strict"):
        with pytest.raises(InvalidValueError, match="confidence is 7, outside 0 to 1"):
            async with runtime.decision("x", options):
                pass
    assert sink.run("strict").decisions == []


async def test_a_success_that_is_neither_true_nor_false() -> None:
    sink = MemorySink()
    unclear: Any = numpy.array([True, False])
    async with recorded(sink, strict=False) as runtime:
        await runtime.start_run("goal")
        for success in (unclear, numpy.bool_(True), 0):
            decision_id = await runtime.decide("x", [], "", "")
            await runtime.record_outcome(decision_id, success)
        assert runtime.stats().misused == 1
        await runtime.end_run(unclear)
        assert runtime.stats().misused == 2
    loaded = sink.run("run_1")
    assert [outcome_of(d).success for d in loaded.decisions] == [False, True, False]
    assert loaded.status == RunStatus.FAILED
    async with recorded(MemorySink()) as runtime, runtime.run("goal"):
        decision_id = await runtime.decide("x", [], "", "")
        with pytest.raises(InvalidValueError, match="success is a ndarray, neither true nor false"):
            await runtime.record_outcome(decision_id, unclear)
        with pytest.raises(InvalidValueError):
            await runtime.end_run(unclear)


class Unspeakable:
    def __repr__(self) -> str:
        raise ValueError("do not ask")

    __str__ = __eq__ = __hash__ = __repr__  # type: ignore[assignment]


async def test_values_that_do_not_even_have_a_repr() -> None:
    """Whatever is handed over, no message about it breaks the agent."""
    sink = MemorySink()
    odd: Any = Unspeakable()
    async with recorded(sink, strict=False) as runtime:
        with runtime.decision(odd), runtime.node(odd):
            runtime.set_node(odd)
        assert await runtime.decide(odd, odd, odd, odd) == ""
        await runtime.report_problem(odd, odd)
        await runtime.end_run(True, run_id=odd)
        async with runtime.run(odd, odd, odd, run_id=odd, parent=odd, tags=odd) as run:
            with runtime.node(odd):
                runtime.set_node(odd)
            async with runtime.decision(
                odd, [odd], odd, odd, odd, odd, odd, odd, supersedes=odd
            ) as decision:
                decision.choose(odd)
                decision.fail(odd, summary=odd, tokens_used=odd)
                decision.report_problem(odd, odd)
            run.report_problem("minor", "x", decision_id=odd)
            await runtime.record_outcome(odd, odd)
        run.report_problem(odd, odd)
        decision.choose(odd)
    assert sink.run_ids() == ["run_1"]
    assert len(sink.run("run_1").decisions) == 1


# ---------------------------------------------------------------------- everywhere


async def test_misuse_is_seen_through_module_level_scopes_too() -> None:
    async with recorded(MemorySink()) as runtime, runtime.run("goal"):
        with pytest.raises(UnknownOptionError):
            async with decisionlog.decision("x", AB, "c"):
                pass
