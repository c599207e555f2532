"""What leaves a scope by an exception, an interrupt or a cancellation."""

import asyncio
import concurrent.futures
import traceback
from collections.abc import Iterator

import anyio
import pytest
import trio
from anyio import from_thread, to_thread

from decisionlog import RunStatus, Runtime
from decisionlog.testing import MemorySink
from tests.recording import only_decision, outcome_of, recorded

# ---------------------------------------------------------------------- exceptions


def fails(secret: str) -> None:
    raise ValueError("no such lead")


async def test_an_exception_is_a_failure_and_goes_on_unchanged() -> None:
    sink = MemorySink()
    error = None
    with pytest.raises(ValueError, match="no such lead") as caught:
        async with recorded(sink) as runtime, runtime.run("goal"):
            async with runtime.decision("Look up"):
                try:
                    fails("s3cr3t")
                except ValueError as raised:
                    error = raised
                    raise
    assert caught.value is error
    assert error.__cause__ is None and error.__context__ is None
    loaded = sink.run("run_1")
    outcome = outcome_of(only_decision(loaded))
    for failed in (outcome, loaded):
        assert (failed.error, failed.error_type) == ("no such lead", "ValueError")
        assert failed.traceback is not None
        assert failed.traceback.splitlines()[-1].endswith(", in fails")
        assert __file__ in failed.traceback
        assert "s3cr3t" not in failed.traceback and "raise" not in failed.traceback
    assert (outcome.success, outcome.cancelled) == (False, False)
    assert loaded.status == RunStatus.FAILED
    assert (loaded.metrics.failed_decisions, loaded.metrics.cancelled_decisions) == (1, 0)


async def test_an_exception_from_a_task_group_is_not_wrapped_again() -> None:
    sink = MemorySink()
    with pytest.raises(ExceptionGroup) as caught:
        async with recorded(sink) as runtime, runtime.run("goal"):
            async with runtime.decision("Try"), anyio.create_task_group():
                raise KeyError("x")
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert outcome_of(only_decision(sink.run("run_1"))).error_type == "ExceptionGroup"


def test_an_exception_after_succeed_keeps_the_result() -> None:
    sink = MemorySink()
    with pytest.raises(OSError), recorded(sink) as runtime, runtime.run("goal") as run:
        with runtime.decision("Save") as decision:
            decision.succeed({"saved": 3}, summary="Saved", tokens_used=5)
            run.succeed({"done": True}, "All is well")
            raise OSError("disk full")
    loaded = sink.run("run_1")
    outcome = outcome_of(only_decision(loaded))
    assert (outcome.success, outcome.error, outcome.error_type) == (False, "disk full", "OSError")
    assert (outcome.result, outcome.summary, outcome.tokens_used) == ({"saved": 3}, "Saved", 5)
    assert (loaded.status, loaded.error) == (RunStatus.FAILED, "disk full")
    assert (loaded.output_data, loaded.narrative) == ({"done": True}, "All is well")


def test_a_failure_the_agent_deals_with_leaves_no_scope() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        with runtime.decision("Say so") as decision:
            decision.fail("out of stock", result={"left": 0}, tokens_used=3)
        with runtime.decision("Hand it over") as decision:
            try:
                fails("s3cr3t")
            except ValueError as error:
                decision.fail(error)
    said, handed_over = map(outcome_of, sink.run("run_1").decisions)
    assert (said.success, said.error, said.error_type) == (False, "out of stock", None)
    assert (said.result, said.tokens_used, said.traceback) == ({"left": 0}, 3, None)
    assert (handed_over.error, handed_over.error_type) == ("no such lead", "ValueError")
    assert handed_over.traceback is not None and ", in fails" in handed_over.traceback
    assert sink.run("run_1").status == RunStatus.COMPLETED


def test_what_the_agent_said_of_an_error_stands_beside_the_exception() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        with pytest.raises(KeyError), runtime.decision("Look up") as decision:
            decision.fail("the index is stale")
            raise KeyError("lead")
    outcome = outcome_of(only_decision(sink.run("run_1")))
    assert (outcome.error, outcome.error_type) == ("the index is stale", "KeyError")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, BaseException])
async def test_what_is_no_exception_of_the_agent_passes_and_is_on_record(
    kind: type[BaseException],
) -> None:
    sink = MemorySink()
    error = kind("stop")
    with pytest.raises(kind) as caught:
        async with recorded(sink) as runtime, runtime.run("goal"), runtime.decision("Try"):
            raise error
    assert caught.value is error
    loaded = sink.run("run_1")
    assert outcome_of(only_decision(loaded)).error_type == loaded.error_type == kind.__name__
    assert loaded.status == RunStatus.FAILED


@pytest.mark.parametrize("say", ["succeed", "fail", "stuck"])
@pytest.mark.parametrize("error", [None, ValueError("x"), GeneratorExit()])
def test_how_a_run_ends(say: str, error: BaseException | None) -> None:
    sink = MemorySink()
    with recorded(sink) as runtime:
        try:
            with runtime.run("goal") as run:
                getattr(run, say)(narrative="said")
                if error is not None:
                    raise error
        except (ValueError, GeneratorExit) as caught:
            assert caught is error
    loaded = sink.run("run_1")
    said = {"succeed": "completed", "fail": "failed", "stuck": "stuck"}[say]
    if say == "succeed" and error is not None:
        said = "failed" if isinstance(error, ValueError) else "cancelled"
    assert (loaded.status, run.status) == (said, said)
    assert loaded.narrative == "said"
    assert loaded.error == ("x" if isinstance(error, ValueError) else None)


def test_the_exception_shows_no_frames_of_ours_but_the_users() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        try:
            with runtime.decision("Try"):
                fails("x")
        except ValueError as error:
            files = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
    assert files == {__file__}


class Interrupts:
    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


async def test_an_interrupt_from_a_value_passes_with_the_record_written() -> None:
    sink = MemorySink()
    with pytest.raises(KeyboardInterrupt):
        async with recorded(sink) as runtime, runtime.run("goal"):
            async with runtime.decision("Pick", context={"value": Interrupts()}):
                raise AssertionError("the work inside must not begin")
    loaded = sink.run("run_1")
    assert only_decision(loaded).input_context["value"]["$unreadable"].endswith("Interrupts")
    assert outcome_of(only_decision(loaded)).error_type == "KeyboardInterrupt"
    assert loaded.error_type == "KeyboardInterrupt"


def test_an_interrupt_from_a_result_passes_with_the_outcome_written() -> None:
    sink = MemorySink()
    with pytest.raises(KeyboardInterrupt):
        with recorded(sink) as runtime, runtime.run("goal", input_data=[Interrupts()]):
            raise AssertionError("the work inside must not begin")
    with pytest.raises(KeyboardInterrupt):
        with recorded(sink) as runtime, runtime.run("goal", run_id="second"):
            with runtime.decision("Pick") as decision:
                decision.succeed([Interrupts()])
    assert sink.run("run_1").status == RunStatus.FAILED
    outcome = outcome_of(only_decision(sink.run("second")))
    assert outcome.error_type == "KeyboardInterrupt"
    assert outcome.result[0]["$unreadable"].endswith("Interrupts")


# ---------------------------------------------------------------------- cancellation


def check_cancelled(sink: MemorySink, run_id: str = "run_1") -> None:
    loaded = sink.run(run_id)
    outcome = outcome_of(only_decision(loaded))
    assert (outcome.success, outcome.cancelled) == (False, True)
    assert (outcome.error, outcome.error_type, outcome.traceback) == (None, None, None)
    assert (loaded.status, loaded.error, loaded.error_type) == (RunStatus.CANCELLED, None, None)
    assert loaded.metrics.cancelled_decisions == 1
    assert loaded.metrics.failed_decisions == loaded.metrics.successful_decisions == 0
    assert loaded.metrics.success_rate is None


async def test_a_cancelled_scope_is_neither_a_success_nor_a_failure() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:
        with anyio.CancelScope() as scope:
            async with runtime.run("goal"), runtime.decision("Wait"):
                scope.cancel()
                await anyio.sleep_forever()
        assert scope.cancelled_caught
    check_cancelled(sink)


async def test_a_task_cancelled_in_a_group_is_recorded() -> None:
    sink = MemorySink()
    inside = anyio.Event()

    async def agent(runtime: Runtime) -> None:
        async with runtime.run("goal"), runtime.decision("Wait"):
            inside.set()
            await anyio.sleep_forever()

    async with recorded(sink) as runtime, anyio.create_task_group() as tasks:
        tasks.start_soon(agent, runtime)
        await inside.wait()
        tasks.cancel_scope.cancel()
    check_cancelled(sink)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncio_cancels_a_task_its_own_way() -> None:
    sink = MemorySink()
    inside = asyncio.Event()

    async def agent(runtime: Runtime) -> None:
        async with runtime.run("goal"), runtime.decision("Wait"):
            inside.set()
            await asyncio.sleep(3600)

    async with recorded(sink) as runtime:
        task = asyncio.create_task(agent(runtime))
        await inside.wait()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("enough",)
        assert task.cancelled()
    check_cancelled(sink)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_cancels_a_nursery_its_own_way() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, trio.open_nursery() as nursery:
        async with runtime.run("goal"), runtime.decision("Wait"):
            nursery.cancel_scope.cancel()
            await trio.sleep_forever()
    check_cancelled(sink)


async def test_a_worker_thread_called_off_while_it_waits_for_the_loop() -> None:
    sink = MemorySink()
    waiting = anyio.Event()

    async def wait() -> None:
        waiting.set()
        await anyio.sleep_forever()

    def tool(runtime: Runtime) -> None:
        with runtime.run("goal"), runtime.decision("Call back"):
            from_thread.run(wait)

    async with recorded(sink) as runtime, anyio.create_task_group() as tasks:
        tasks.start_soon(to_thread.run_sync, tool, runtime)
        await waiting.wait()
        tasks.cancel_scope.cancel()
    check_cancelled(sink)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_worker_thread_whose_task_in_the_loop_was_cancelled() -> None:
    sink = MemorySink()
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[asyncio.Task[None] | None] = loop.create_future()

    async def wait() -> None:
        waiting.set_result(asyncio.current_task())
        await asyncio.sleep(3600)

    def tool(runtime: Runtime) -> None:
        with runtime.run("goal"), runtime.decision("Call back"):
            asyncio.run_coroutine_threadsafe(wait(), loop).result()

    async with recorded(sink) as runtime:
        thread = asyncio.create_task(to_thread.run_sync(tool, runtime))
        task = await waiting
        assert task is not None
        task.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            await thread
    check_cancelled(sink)


def test_groups_of_cancellations_and_mixed_ones() -> None:
    sink = MemorySink()
    cancelled = asyncio.CancelledError()
    only = BaseExceptionGroup("all", [cancelled, BaseExceptionGroup("in", [GeneratorExit()])])
    mixed = BaseExceptionGroup("mixed", [cancelled, ValueError("x")])
    with recorded(sink) as runtime:
        for group in (only, mixed):
            with pytest.raises(BaseExceptionGroup) as caught:
                with runtime.run("goal"), runtime.decision("Try"):
                    raise group
            assert caught.value is group
    check_cancelled(sink, "run_1")
    assert sink.run("run_2").status == RunStatus.FAILED
    assert outcome_of(only_decision(sink.run("run_2"))).error_type == "BaseExceptionGroup"


def test_a_generator_closed_from_outside_is_cancelled() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime:

        def steps() -> Iterator[int]:
            with runtime.run("goal"), runtime.decision("Step"):
                yield 1

        generator = steps()
        assert next(generator) == 1
        generator.close()
    check_cancelled(sink)


def test_cancelled_after_its_outcome_was_said() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        for say in ("succeed", "fail"):
            with pytest.raises(asyncio.CancelledError), runtime.decision(say) as decision:
                getattr(decision, say)("this")
                raise asyncio.CancelledError
    succeeded, failed = map(outcome_of, sink.run("run_1").decisions)
    assert (succeeded.success, succeeded.cancelled, succeeded.result) == (False, True, "this")
    assert (failed.success, failed.cancelled, failed.error) == (False, False, "this")
