"""Decorated generators: one decision from the first step to the last, and no leak in between."""

import inspect
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing

import anyio
import pytest

from decisionlog import Run, RunStatus, current_decision, current_run
from decisionlog.testing import MemorySink
from tests.recording import only_decision, outcome_of, recorded, shape

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
