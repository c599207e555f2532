"""Runs and decisions as decorators: each call is a scope of its own."""

import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

import decisionlog
from decisionlog import (
    InvalidValueError,
    Option,
    Run,
    RunStatus,
    Runtime,
    current_decision,
    current_run,
)
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


# ---------------------------------------------------------------------- arguments that are callables


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


# ---------------------------------------------------------------------- generators


async def test_an_async_generator_is_one_decision_from_its_first_step_to_its_last() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision("Stream")
        async def stream(n: int) -> AsyncGenerator[int, None]:
            for i in range(n):
                async with runtime.decision(f"inside {i}"):
                    yield i

        assert inspect.isasyncgenfunction(stream)
        never_begun = stream(1)
        async for i in stream(2):
            assert current_decision() is None
            async with runtime.decision(f"consumer {i}"):
                pass
        await never_begun.aclose()
    assert shape(sink.run("run_1")) == [
        ("Stream", None, "unknown"),
        ("inside 0", "Stream", "unknown"),
        ("consumer 0", None, "unknown"),
        ("inside 1", "Stream", "unknown"),
        ("consumer 1", None, "unknown"),
    ]
    assert all(d.was_successful for d in sink.run("run_1").decisions)


async def test_what_is_sent_and_thrown_into_an_async_generator_arrives() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision("Converse")
        async def converse() -> AsyncGenerator[str, str]:
            heard = yield "ready"
            while True:
                try:
                    heard = yield f"heard {heard}"
                except KeyError:
                    heard = yield "never mind"

        generator = converse()
        assert await generator.asend(None) == "ready"
        assert await generator.asend("a") == "heard a"
        assert await generator.athrow(KeyError("x")) == "never mind"
        assert await generator.asend("b") == "heard b"
        error = ValueError("enough")
        with pytest.raises(ValueError) as caught:
            await generator.athrow(error)
        assert caught.value is error
        with pytest.raises(StopAsyncIteration):
            await generator.__anext__()
    outcome = outcome_of(only_decision(sink.run("run_1")))
    assert (outcome.success, outcome.error) == (False, "enough")


async def test_leaving_an_async_generator_early_cancels_it_and_cleans_up() -> None:
    sink = MemorySink()
    places: list[object] = []
    async with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision("Stream")
        async def stream() -> AsyncGenerator[int, None]:
            try:
                while True:
                    yield 1
            finally:
                await anyio.lowlevel.checkpoint()
                places.append(current_decision())
                async with runtime.decision("clean up"):
                    pass

        async with aclosing(stream()) as generator:
            async for _ in generator:
                break
        assert current_decision() is None
    stream_read, clean_up = sink.run("run_1").decisions
    assert (outcome_of(stream_read).cancelled, stream_read.id) == (True, "dec_0")
    assert (clean_up.parent_id, clean_up.was_successful) == ("dec_0", True)
    assert len(places) == 1


async def test_a_step_that_is_cancelled_cancels_the_generator() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision("Stream")
        async def stream() -> AsyncGenerator[int, None]:
            yield 1
            await anyio.sleep_forever()

        with anyio.CancelScope() as scope:
            async for _ in stream():
                scope.cancel()
        assert current_decision() is None
    assert outcome_of(only_decision(sink.run("run_1"))).cancelled


async def test_two_generators_in_turns_closed_in_the_wrong_order() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision(lambda name: name)
        async def stream(name: str) -> AsyncGenerator[str, None]:
            with runtime.node(name):
                runtime.set_node(f"{name}-set")
                for i in range(3):
                    async with runtime.decision(f"{name}{i}"):
                        yield name

        first, second = stream("a"), stream("b")
        for _ in range(2):
            await anext(first)
            assert current_decision() is None
            await anext(second)
        async with runtime.decision("between"):
            await anext(first)
        await first.aclose()
        assert await anext(second) == "b"
        async with runtime.decision("after a"):
            pass
        await second.aclose()
        async with runtime.decision("after b"):
            pass
    assert shape(sink.run("run_1")) == [
        ("a", None, "unknown"),
        ("a0", "a", "a-set"),
        ("b", None, "unknown"),
        ("b0", "b", "b-set"),
        ("a1", "a", "a-set"),
        ("b1", "b", "b-set"),
        ("between", None, "unknown"),
        ("a2", "a", "a-set"),
        ("b2", "b", "b-set"),
        ("after a", None, "unknown"),
        ("after b", None, "unknown"),
    ]
    assert not any(d.is_pending for d in sink.run("run_1").decisions)


async def test_a_run_that_is_a_generator_is_not_the_run_of_its_consumer() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:

        @runtime.run("stream", run_id=lambda name: name)
        async def stream(name: str) -> AsyncGenerator[int, None]:
            run = current_run()
            for i in range(2):
                async with runtime.decision(f"{name}{i}"):
                    yield i
                assert current_run() is run

        first, second = stream("a"), stream("b")
        async for _ in first:
            await anext(second)
            assert current_run() is None
        await second.aclose()
    for name, status in (("a", RunStatus.COMPLETED), ("b", RunStatus.CANCELLED)):
        loaded: Run = sink.run(name)
        assert (loaded.status, loaded.parent_run_id) == (status, None)
        assert [d.intent for d in loaded.decisions] == [f"{name}0", f"{name}1"]


async def test_a_generator_may_be_consumed_by_another_task_than_began_it() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision("Stream")
        async def stream() -> AsyncGenerator[int, None]:
            for i in range(2):
                async with runtime.decision(f"inside {i}"):
                    yield i

        generator = stream()

        async def consume() -> None:
            assert await anext(generator) == 0
            assert current_decision() is None

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(consume)
        assert [i async for i in generator] == [1]
    assert shape(sink.run("run_1"))[1:] == [
        ("inside 0", "Stream", "unknown"),
        ("inside 1", "Stream", "unknown"),
    ]


def test_a_generator() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision("Count")
        def count(n: int) -> Generator[int, str | None, str]:
            heard = []
            for i in range(n):
                with runtime.decision(f"inside {i}"):
                    try:
                        heard.append((yield i))
                    except KeyError:
                        heard.append((yield -1))
            return "".join(filter(None, heard))

        def whole() -> Generator[int, str | None, None]:
            got.append((yield from count(2)))

        got: list[str] = []
        generator = whole()
        assert next(generator) == 0
        assert current_decision() is None
        assert generator.throw(KeyError("x")) == -1
        assert generator.send("a") == 1
        with pytest.raises(StopIteration):
            generator.send("b")
        assert got == ["ab"]

        broken = count(1)
        next(broken)
        with pytest.raises(ValueError, match="y"):
            broken.throw(ValueError("y"))
        left = count(3)
        for _ in left:
            break
        left.close()
        assert current_decision() is None
    counts = [d for d in sink.run("run_1").decisions if d.intent == "Count"]
    outcomes = [outcome_of(d) for d in counts]
    assert [(o.success, o.cancelled, o.result, o.error) for o in outcomes] == [
        (True, False, "ab", None),
        (False, False, None, "y"),
        (False, True, None, None),
    ]


@pytest.mark.parametrize("wrong", ["yields", "raises"])
def test_a_generator_that_does_not_close_well(wrong: str) -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):

        @runtime.decision("Stream")
        def stream() -> Iterator[int]:
            try:
                yield 1
            except GeneratorExit:
                if wrong == "raises":
                    raise KeyError("cleaning up") from None
                yield 2

        generator = stream()
        next(generator)
        with pytest.raises(KeyError if wrong == "raises" else RuntimeError):
            generator.close()
    assert outcome_of(only_decision(sink.run("run_1"))).error is not None
