"""More records than the sink takes: callers wait, then records are dropped, and all are counted."""

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import to_thread

from decisionlog import RunStatus, Runtime, Stats
from decisionlog.records import Gap
from decisionlog.testing import CountingIds
from tests.sinks import TroubledSink
from tests.waiting import LIMIT, of, until

SMALL = 2**16
LONG = "x" * 1000


def overloaded(sink: TroubledSink, **settings: Any) -> Runtime:
    settings = {"max_buffer": SMALL, "flush_interval": 0.001} | settings
    return Runtime(sinks=[sink], new_run_id=CountingIds(), **settings)


def check_accounts(sink: TroubledSink, stats: Stats, run_id: str = "run_1") -> int:
    """Every record that was accepted is there, or is owned up to; returns how many are lost."""
    records = sink.records(run_id)
    lost = sum(record.count for record in records if type(record) is Gap)
    kept = sum(type(record) is not Gap for record in records)
    assert stats.accepted == kept + lost
    assert stats.written == kept
    assert stats.dropped == lost
    run = sink.run(run_id)
    assert run.damage == []  # the numbers of the gaps fit
    assert run.lost_records == lost
    return lost


async def block(runtime: Runtime, sink: TroubledSink) -> None:
    """Have the sink stop in the middle of a write."""
    sink.block()
    with runtime.decision("blocks"):
        await of(sink.waiting)


async def fill(runtime: Runtime, sink: TroubledSink) -> None:
    """Have the sink stop, and record until the buffer is full."""
    await block(runtime, sink)
    while runtime.stats().buffered <= SMALL:
        with runtime.decision(LONG):
            pass


async def test_drop_mode_drops_at_once_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    sink = TroubledSink()
    async with overloaded(sink, overflow="drop") as runtime:
        async with runtime.run("goal"):
            await block(runtime, sink)
            for _ in range(500):
                async with runtime.decision(LONG):
                    pass
            stats = runtime.stats()
            assert stats.dropped > 0
            assert stats.buffered <= SMALL * 1.1
            assert not await runtime.flush(timeout=0.01)
            sink.unblock()
            assert not await runtime.flush()  # some are lost
            async with runtime.decision("afterwards"):
                pass
            assert not await runtime.flush()  # for as long as the run is in progress
        assert not await runtime.flush()  # and once more
        assert await runtime.flush()
    assert check_accounts(sink, runtime.stats()) > 0
    gaps = [record for record in sink.records("run_1") if type(record) is Gap]
    assert len(gaps) == 1
    assert gaps[0].reason == "the buffer was full"
    assert sink.run("run_1").decisions[-1].intent == "afterwards"
    assert sink.run("run_1").status == RunStatus.COMPLETED
    dropping = [r for r in caplog.records if "dropped and counted" in r.getMessage()]
    assert len(dropping) == 1 and dropping[0].levelno == logging.WARNING


async def test_scopes_wait_for_room_and_then_nothing_is_lost() -> None:
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=60) as runtime:
        async with runtime.run("goal"):
            await block(runtime, sink)
            entered = 0

            async def agent() -> None:
                nonlocal entered
                for _ in range(10):
                    async with runtime.decision(LONG):
                        entered += 1

            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(agent)
                await until(lambda: runtime.stats().buffered > SMALL)
                await anyio.wait_all_tasks_blocked()
                assert entered < 200
                sink.unblock()
    assert entered == 200
    assert check_accounts(sink, runtime.stats()) == 0


async def test_what_the_sink_is_about_to_take_still_counts() -> None:
    """Callers who wait are told when there is room; so there is none before they are."""
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=60) as runtime:
        async with runtime.run("goal"):
            await fill(runtime, sink)
            before = runtime.stats().buffered
            writes = sink.writes
            assert not await runtime.flush(timeout=0.01)  # all of it is in the sink's lane now
            assert (runtime.stats().buffered, sink.writes) == (before, writes)
            sink.unblock()
    assert check_accounts(sink, runtime.stats()) == 0


async def test_after_one_wait_in_vain_records_are_dropped_until_one_is_written() -> None:
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=0.001) as runtime:
        async with runtime.run("goal"):
            await block(runtime, sink)
            for _ in range(300):
                async with runtime.decision(LONG):
                    pass
            assert runtime.stats().dropped > 0
            sink.unblock()
            await until(lambda: not runtime.stats().buffered)
            dropped = runtime.stats().dropped
            for _ in range(10):
                async with runtime.decision("afterwards"):
                    pass
            assert runtime.stats().dropped == dropped
    assert check_accounts(sink, runtime.stats()) == dropped


@pytest.mark.parametrize(
    "call",
    [
        lambda runtime: runtime.start_run("goal"),
        lambda runtime: runtime.decide("intent", [{"id": "a"}], "a", "reasons"),
        lambda runtime: runtime.record_outcome("dec_0", True),
        lambda runtime: runtime.report_problem("minor", "description"),
        lambda runtime: runtime.end_run(True),
    ],
    ids=["start_run", "decide", "record_outcome", "report_problem", "end_run"],
)
async def test_awaited_calls_wait_for_room(call: Callable[[Runtime], Any]) -> None:
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=60) as runtime:
        await runtime.start_run("goal")
        await runtime.decide("first", [], "a", "reasons")
        await fill(runtime, sink)
        done = False

        async def wait() -> None:
            nonlocal done
            await call(runtime)
            done = True

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert not done
            sink.unblock()
        assert done


async def test_an_exception_in_flight_does_not_wait() -> None:
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=60) as runtime:
        async with runtime.run("goal"):
            with anyio.fail_after(LIMIT):
                with pytest.raises(ValueError, match="mine"):
                    async with runtime.decision("fails"):
                        await fill(runtime, sink)
                        raise ValueError("mine")
            sink.unblock()
    assert check_accounts(sink, runtime.stats()) == 0
    assert sink.run("run_1").decisions[0].outcome.error == "mine"  # type: ignore[union-attr]


async def test_cancelled_while_it_waits_on_entry_a_scope_records_its_own_outcome() -> None:
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=60) as runtime:
        async with runtime.run("goal"):
            await fill(runtime, sink)
            ran = False
            with anyio.CancelScope() as scope:

                async def cancel() -> None:
                    await anyio.wait_all_tasks_blocked()
                    scope.cancel()

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(cancel)
                    async with runtime.decision("waits"):
                        ran = True
            assert scope.cancelled_caught and not ran
            with anyio.CancelScope() as scope:

                async def cancel_run() -> None:
                    await anyio.wait_all_tasks_blocked()
                    scope.cancel()

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(cancel_run)
                    async with runtime.run("waits"):
                        ran = True
            assert scope.cancelled_caught and not ran
            sink.unblock()
    decision = sink.run("run_1").decisions[-1]
    assert decision.intent == "waits"
    assert decision.outcome is not None and decision.outcome.cancelled
    assert sink.run("run_2").status == RunStatus.CANCELLED


async def test_plain_with_on_an_event_loop_never_waits() -> None:
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=60) as runtime:
        async with runtime.run("goal"):
            await block(runtime, sink)
            with anyio.fail_after(LIMIT):
                for _ in range(1000):
                    with runtime.decision(LONG) as decision:
                        decision.choose("a")
            assert runtime.stats().dropped > 0
            assert runtime.stats().buffered <= SMALL + 2**20 + 2000
            sink.unblock()
    check_accounts(sink, runtime.stats())


async def test_plain_with_in_a_thread_waits() -> None:
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=60) as runtime:
        async with runtime.run("goal"):
            await fill(runtime, sink)
            started, done = threading.Event(), threading.Event()

            def tool() -> None:
                started.set()
                with runtime.decision("in a thread"):
                    pass
                done.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(to_thread.run_sync, tool)
                await of(started)
                await until(lambda: runtime.current_run and runtime.current_run.pending)
                assert not done.is_set()
                sink.unblock()
            assert done.is_set()
    assert check_accounts(sink, runtime.stats()) == 0


async def test_a_thread_that_waits_in_vain_goes_on() -> None:
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=0.001) as runtime:
        async with runtime.run("goal"):
            await fill(runtime, sink)

            def tool() -> None:
                for _ in range(2000):  # waits once, in vain
                    with runtime.decision("in a thread"):
                        pass

            await to_thread.run_sync(tool)
            sink.unblock()
    assert check_accounts(sink, runtime.stats()) > 0


async def test_the_end_of_a_run_is_the_last_thing_given_up() -> None:
    sink = TroubledSink()
    async with overloaded(sink, overflow="drop") as runtime:
        async with runtime.run("goal"):
            await block(runtime, sink)
            for _ in range(500):
                with runtime.decision(LONG):
                    pass
        assert runtime.stats().dropped > 0
        sink.unblock()
    assert check_accounts(sink, runtime.stats()) > 0
    assert sink.run("run_1").status == RunStatus.COMPLETED


async def test_runs_that_lost_records_own_up_each_for_itself() -> None:
    sink = TroubledSink()
    async with overloaded(sink, overflow="drop") as runtime:
        async with runtime.run("first"):
            await fill(runtime, sink)
            for n in range(10):
                async with runtime.run(f"goal-{n}"):
                    async with runtime.decision("x"):
                        pass
        sink.unblock()
    lost = sum(sink.run(run_id).lost_records for run_id in sink.run_ids())
    stats = runtime.stats()
    assert stats.dropped == lost > 0
    assert stats.accepted == stats.written + lost
    assert all(sink.run(run_id).damage == [] for run_id in sink.run_ids())


async def test_threads_and_tasks_at_once_are_counted_exactly() -> None:
    sink = TroubledSink()
    async with overloaded(sink, wait_timeout=0.001) as runtime:
        async with runtime.run("goal"):

            def tool() -> None:
                for _ in range(200):
                    with runtime.decision(LONG):
                        pass

            async def agent() -> None:
                for _ in range(200):
                    async with runtime.decision(LONG):
                        await anyio.sleep(0)

            async def troubles() -> None:
                for _ in range(20):
                    sink.block()
                    await anyio.sleep(0)
                    sink.unblock()
                    await anyio.sleep(0)

            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(functools.partial(to_thread.run_sync, tool))
                    tasks.start_soon(agent)
                tasks.start_soon(troubles)
    assert runtime.stats().accepted == 2 + 2 * 1200
    check_accounts(sink, runtime.stats())


async def test_a_flush_right_after_the_trouble_tells_of_it() -> None:
    sink = TroubledSink()
    async with overloaded(sink, overflow="drop", flush_interval=60) as runtime:
        async with runtime.run("goal"):
            await fill(runtime, sink)
            while not runtime.stats().dropped:
                with runtime.decision(LONG):
                    pass
            sink.unblock()
            await until(lambda: runtime.stats().written)  # and not before a minute is over, more
            assert not await runtime.flush()
            assert check_accounts(sink, runtime.stats()) == runtime.stats().dropped > 0


async def test_closing_lets_go_of_those_who_wait_for_room() -> None:
    sink = TroubledSink()
    async with anyio.create_task_group() as tasks:
        async with overloaded(sink, wait_timeout=3600, close_timeout=0.05) as runtime:
            await runtime.start_run("goal")
            await fill(runtime, sink)

            async def agent() -> None:
                async with runtime.decision("waits"):
                    pass

            tasks.start_soon(agent)
            await anyio.wait_all_tasks_blocked()
    assert runtime.stats().dropped > 0
