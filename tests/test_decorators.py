"""Runs and decisions as decorators: each call is a scope of its own."""

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import anyio
import pytest

import decisionlog
from decisionlog import InvalidValueError, Option, Runtime, current_decision, current_run
from decisionlog.testing import MemorySink
from tests.recording import only_decision, outcome_of, recorded, shape

# ---------------------------------------------------------------------- functions


async def test_a_coroutine_function() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:

        @runtime.decision("Add", chosen="plus")
        async def add(a: int, *, b: int = 1) -> int:
            """Adds."""
            await anyio.lowlevel.checkpoint()
            async with runtime.decision("inside"):
                return a + b

        @runtime.run("sum", "Add up")
        async def agent(numbers: list[int]) -> int:
            total = 0
            for number in numbers:
                total = await add(total, b=number)
            return total

        assert inspect.iscoroutinefunction(add)
        assert (add.__name__, add.__doc__, list(inspect.signature(add).parameters)) == (
            "add", "Adds.", ["a", "b"]
        )  # fmt: skip
        assert await agent([3, 4]) == 7
        assert await agent([]) == 0
    loaded = sink.run("run_1")
    assert (loaded.goal_id, loaded.goal_description, loaded.output_data) == ("sum", "Add up", 7)
    assert shape(loaded) == [
        ("Add", None, "unknown"),
        ("inside", "Add", "unknown"),
        ("Add", None, "unknown"),
        ("inside", "Add", "unknown"),
    ]
    assert [outcome_of(d).result for d in loaded.decisions] == [3, None, 7, None]
    assert sink.run("run_2").output_data == 0


async def test_a_decorated_step_reports_of_itself() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:

        @decisionlog.run("goal")
        async def agent() -> str:
            run = current_run()
            assert run is not None
            run.succeed(narrative="Went well")
            return await step()

        @decisionlog.decision("Pick", [Option("x"), Option("y")])
        async def step() -> str:
            decision = current_decision()
            assert decision is not None
            decision.choose("y", "newer")
            decision.succeed(summary="Took y", tokens_used=9)
            return "y it is"

        @decisionlog.decision("Pick")
        async def other() -> int:
            decision = current_decision()
            assert decision is not None
            decision.succeed("said")
            return 1

        await agent()
        async with runtime.run("goal") as run:
            await other()
            run.succeed("said")

        @runtime.run("ended inside")
        async def ends() -> int:
            await runtime.end_run(True, "over", {"a": 1})
            return 1

        assert await ends() == 1
    loaded = sink.run("run_1")
    assert (loaded.output_data, loaded.narrative) == ("y it is", "Went well")
    outcome = outcome_of(only_decision(loaded))
    assert (outcome.result, outcome.summary, outcome.tokens_used) == ("y it is", "Took y", 9)
    assert only_decision(loaded).chosen_option_id == "y"
    assert outcome_of(only_decision(sink.run("run_2"))).result == "said"
    assert sink.run("run_3").output_data == {"a": 1}


def test_a_plain_function_and_a_method() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime:

        class Agent:
            @runtime.run("goal")
            def run(self, n: int) -> int:
                return sum(self.half(number) for number in range(n)) + self.odd(1)

            @runtime.decision("Halve", node_id=lambda self, n: type(self).__name__)
            def half(self, n: int) -> int:
                return n // 2

            @staticmethod
            @runtime.decision("Odd?")
            def odd(n: int) -> int:
                return n % 2

        assert Agent().run(3) == 2
    assert shape(sink.run("run_1")) == [
        ("Halve", None, "Agent"),
        ("Halve", None, "Agent"),
        ("Halve", None, "Agent"),
        ("Odd?", None, "unknown"),
    ]
    assert sink.run("run_1").output_data == 2


async def test_exceptions_and_cancellation_pass_through() -> None:
    sink = MemorySink()
    error = ValueError("x")
    async with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision("Fail")
        async def fails() -> None:
            raise error

        @runtime.decision("Fail too")
        def fails_too() -> None:
            raise error

        @runtime.decision("Wait")
        async def waits() -> None:
            await anyio.sleep_forever()

        with pytest.raises(ValueError) as caught:
            await fails()
        assert caught.value is error
        with pytest.raises(ValueError) as caught:
            fails_too()
        assert caught.value is error
        with anyio.CancelScope() as scope:
            scope.cancel()
            await waits()
    outcomes = [outcome_of(d) for d in sink.run("run_1").decisions]
    assert [(o.success, o.cancelled, o.error) for o in outcomes] == [
        (False, False, "x"),
        (False, False, "x"),
        (False, True, None),
    ]


async def test_a_plain_function_that_returns_a_coroutine_is_recorded_when_that_is_done() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):

        async def work(n: int) -> int:
            async with runtime.decision("inside"):
                await anyio.lowlevel.checkpoint()
            if n < 0:
                raise ValueError("negative")
            return n * 2

        @runtime.decision("Delegate")
        def step(n: int) -> Awaitable[int]:
            return work(n)

        both = [step(1), step(2)]
        assert current_decision() is None  # what is under way is not around us
        assert [await under_way for under_way in both] == [2, 4]
        with pytest.raises(ValueError):
            await step(-1)
        assert current_decision() is None
    loaded = sink.run("run_1")
    assert [(d.id, d.intent, d.parent_id) for d in loaded.decisions] == [
        ("dec_0", "Delegate", None),
        ("dec_1", "Delegate", None),
        ("dec_2", "inside", "dec_0"),
        ("dec_3", "inside", "dec_1"),
        ("dec_4", "Delegate", None),
        ("dec_5", "inside", "dec_4"),
    ]
    delegated = [outcome_of(d) for d in loaded.decisions if d.intent == "Delegate"]
    assert [(o.success, o.result, o.error) for o in delegated] == [
        (True, 2, None),
        (True, 4, None),
        (False, None, "negative"),
    ]


async def test_objects_that_are_called() -> None:
    sink = MemorySink()

    class Tool:
        async def __call__(self, n: int) -> int:
            await anyio.lowlevel.checkpoint()
            return n

    class Stream:
        async def __call__(self, n: int) -> AsyncIterator[int]:
            for i in range(n):
                yield i

    class Numbers:
        def __call__(self, n: int) -> Iterator[int]:
            yield from range(n)

    async def plus(a: int, b: int) -> int:
        return a + b

    async with recorded(sink) as runtime, runtime.run("goal"):
        decided = runtime.decision("Call")
        assert await decided(Tool())(1) == 1
        assert [n async for n in decided(Stream())(3)] == [0, 1, 2]
        assert list(decided(Numbers())(3)) == [0, 1, 2]
        assert await decided(functools.partial(plus, 1))(2) == 3
        assert decided(functools.partial(max, 1))(2) == 2
    results = [outcome_of(d).result for d in sink.run("run_1").decisions]
    assert results == [1, None, None, 3, 2]


@pytest.mark.parametrize("thing", [int, Runtime, "text", None, classmethod(lambda cls: None)])
def test_only_functions_are_decorated(thing: Any) -> None:
    with recorded(MemorySink()) as runtime, pytest.raises(TypeError, match="decorates functions"):
        runtime.decision("Pick")(thing)


def test_a_node_decorates_as_well() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.node("worker")
        def step() -> int:
            with runtime.decision("inside"):
                return 1

        assert step() == 1
        with runtime.decision("after"):
            pass
    assert shape(sink.run("run_1")) == [("inside", None, "worker"), ("after", None, "unknown")]


# ---------------------------------------------------------------- arguments that are callables


def test_arguments_may_be_callables_of_the_calls_arguments() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime:

        @runtime.run(
            lambda goal, **_: goal,
            lambda goal, lead: f"{goal} of {lead}",
            lambda goal, lead: {"lead": lead},
            run_id=lambda goal, lead: f"{goal}-{lead}",
            tags=lambda goal, lead: {"lead": lead},
            parent=lambda goal, lead: "run_77/dec_1",
        )
        def agent(goal: str, lead: str) -> int:
            return len(pick(["a", "b"], best="b"))

        @decisionlog.decision(
            lambda names, best: f"One of {len(names)}",
            options=lambda names, best: [Option(name) for name in names],
            chosen=lambda names, best: best,
            reasoning=lambda names, best: f"{best} is best",
            node_id=lambda names, best: best,
            decision_type=lambda names, best: "path_choice",
            constraints=lambda names, best: [f"not {names[0]}"],
            context=lambda names, best: {"names": names},
            supersedes=lambda names, best: None,
        )
        def pick(names: list[str], best: str) -> str:
            return best

        assert agent("sell", lead="acme") == 1
    loaded = sink.run("sell-acme")
    assert (loaded.goal_id, loaded.goal_description) == ("sell", "sell of acme")
    assert (loaded.input_data, loaded.tags) == ({"lead": "acme"}, {"lead": "acme"})
    assert (loaded.parent_run_id, loaded.parent_decision_id) == ("run_77", "dec_1")
    decision = only_decision(loaded)
    assert (decision.intent, decision.reasoning, decision.node_id) == (
        "One of 2", "b is best", "b"
    )  # fmt: skip
    assert (decision.chosen_option_id, [o.id for o in decision.options]) == ("b", ["a", "b"])
    assert (decision.active_constraints, decision.input_context) == (
        ["not a"], {"names": ["a", "b"]}
    )  # fmt: skip
    assert decision.decision_type == "path_choice"


class Picky:
    def __call__(self, *args: object) -> str:
        raise KeyError("picky")


def test_a_callable_that_fails_costs_its_value_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MemorySink()
    with recorded(sink, strict=False) as runtime, runtime.run("goal"):

        @runtime.decision("Divide", chosen=lambda a, b: str(a / b), node_id=Picky(), reasoning="so")
        def divide(a: int, b: int) -> int:
            return a

        assert divide(1, 0) == 1
        assert divide(4, 2) == 4
        assert runtime.stats().misused == 3
    assert "lambda" in caplog.text and "ZeroDivisionError" in caplog.text
    first, second = sink.run("run_1").decisions
    assert (first.chosen_option_id, first.node_id, first.reasoning) == (None, "unknown", "so")
    assert (second.chosen_option_id, second.node_id) == ("2.0", "unknown")


def test_a_callable_that_fails_is_an_error_when_strict() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision("Pick", chosen=Picky())
        def pick() -> None:
            raise AssertionError("not called")

        with pytest.raises(InvalidValueError, match="Picky, given to a decorator, raised KeyError"):
            pick()
    assert sink.run("run_1").decisions == []


def test_without_a_runtime_the_function_is_called_as_it_is() -> None:
    @decisionlog.decision("Pick", chosen=Picky())
    def pick(a: int) -> int:
        return a

    disabled = Runtime(enabled=False)

    @disabled.run("goal")
    def agent() -> int:
        return pick(2)

    assert (pick(1), agent()) == (1, 2)


def test_what_a_run_said_of_itself_stands_before_what_the_function_returned() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime:

        @runtime.run("goal")
        def agent(output: object) -> str:
            run = current_run()
            assert run is not None
            run.succeed(output, "said")
            return "returned"

        for output in ("kept", None):
            assert agent(output) == "returned"
    assert [sink.run(name).output_data for name in sink.run_ids()] == ["kept", "returned"]
    assert [sink.run(name).narrative for name in sink.run_ids()] == ["said", "said"]
