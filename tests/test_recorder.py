"""The recorder: when records are written, and that nothing of the agent's holds them up."""

import asyncio
import functools
import gc
import logging
import threading
import time
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from decisionlog import FileSink, Runtime, WriteError
from decisionlog.records import Gap
from decisionlog.testing import CountingIds, FixedClock, MemorySink
from tests.sinks import TroubledSink
from tests.waiting import LIMIT, of, until

pytestmark = pytest.mark.anyio


def ids(sink: MemorySink, run_id: str = "run_1") -> list[int]:
    return [
        record["seq"] if isinstance(record, dict) else record.seq for record in sink.records(run_id)
    ]


async def test_flush_means_it_is_in_the_file(traces: Path) -> None:
    async with Runtime(traces, flush_interval=60) as runtime:
        async with runtime.run("goal") as run:
            path = traces / "runs" / f"{run.id}.jsonl"
            for n in range(1, 20):
                async with runtime.decision(f"decision {n}"):
                    assert await runtime.flush()
                    assert path.read_bytes().count(b"\n") == 2 * n
        assert await runtime.flush()
        assert path.read_bytes().count(b"\n") == 2 * 19 + 2
        stats = runtime.stats()
        assert stats.accepted == stats.written == 40
        assert stats.bytes == path.stat().st_size
        assert stats.buffered == stats.dropped == stats.synced == 0


async def test_durable_flush_syncs(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        async with runtime.run("goal"):
            assert await runtime.flush(durable=True)
            assert runtime.stats().synced == 1
        async with runtime.run("goal"):
            assert await runtime.flush(durable=True)
        assert runtime.stats().synced == 3


async def test_durability_fsync_syncs_by_itself(traces: Path) -> None:
    async with Runtime(traces, durability="fsync", flush_interval=0.001) as runtime:
        async with runtime.run("goal"):
            pass
        await until(lambda: runtime.stats().synced == 2)
        async with runtime.run("goal", run_id="never-ends"):
            await until(lambda: runtime.stats().synced == 3)  # by the timer: no run has ended


async def test_flush_of_a_runtime_that_recorded_nothing() -> None:
    runtime = Runtime("nowhere")
    assert await runtime.flush()
    assert runtime.flush_blocking()
    assert runtime.stats().accepted == 0
    assert not Path("nowhere").exists()


async def test_flush_after_closing_says_what_became_of_it() -> None:
    sink = TroubledSink()
    async with Runtime(sinks=[sink]) as runtime:
        async with runtime.run("goal"):
            pass
    assert await runtime.flush()
    assert runtime.flush_blocking()


async def test_the_first_record_after_a_pause_is_written_at_once(traces: Path) -> None:
    async with Runtime(traces, flush_interval=60) as runtime:
        async with runtime.run("goal") as run:
            path = traces / "runs" / f"{run.id}.jsonl"
            await until(lambda: path.exists() and path.stat().st_size)  # a minute before the next


async def test_a_blocked_agent_does_not_hold_up_the_log(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        async with runtime.run("goal") as run:
            async with runtime.decision("block the loop"):
                path = traces / "runs" / f"{run.id}.jsonl"
                deadline = time.monotonic() + LIMIT
                while not path.exists() or b"block the loop" not in path.read_bytes():
                    assert time.monotonic() < deadline  # this very loop keeps the agent's busy


async def test_flush_is_per_call_and_any_number_may_wait(traces: Path) -> None:
    async with Runtime(traces) as runtime:

        async def agent(n: int) -> None:
            async with runtime.run(f"goal-{n}"):
                for _ in range(10):
                    async with runtime.decision("x"):
                        assert await runtime.flush()

        async with anyio.create_task_group() as tasks:
            for n in range(20):
                tasks.start_soon(agent, n)
    assert runtime.stats().written == 20 * 22


async def test_a_flush_that_is_cancelled_loses_nothing() -> None:
    sink = TroubledSink()
    async with Runtime(sinks=[sink], new_run_id=CountingIds()) as runtime:
        async with runtime.run("goal"):
            await runtime.flush()
            sink.block()
            async with runtime.decision("x"):
                await of(sink.waiting)
                with anyio.move_on_after(0) as scope:
                    await runtime.flush()
                assert scope.cancelled_caught
            sink.unblock()
    assert ids(sink) == [1, 2, 3, 4]


async def test_a_flush_whose_time_runs_out_is_false() -> None:
    sink = TroubledSink()
    async with Runtime(sinks=[sink]) as runtime:
        sink.block()
        async with runtime.run("goal"):
            assert not await runtime.flush(timeout=0.01)
            assert not await to_thread.run_sync(
                functools.partial(runtime.flush_blocking, timeout=0.01)
            )
            sink.unblock()
            assert await runtime.flush()


async def test_a_sink_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    sink = TroubledSink()
    async with Runtime(sinks=[sink], new_run_id=CountingIds(), flush_interval=0.001) as runtime:
        sink.broken = OSError(28, "No space left on device")
        async with runtime.run("goal"):
            for n in range(5):
                async with runtime.decision(f"{n}"):
                    sink.failed.clear()
                    await of(sink.failed)
            assert runtime.stats().errors >= 5
            assert "No space left" in (runtime.stats().last_error or "")
            sink.broken = None
            assert await runtime.flush()
    assert ids(sink) == list(range(1, 13))
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1  # for the whole outage
    assert "will try again" in warnings[0].getMessage()


async def test_a_sink_that_refuses_one_run_gets_the_others() -> None:
    sink = TroubledSink()
    async with Runtime(sinks=[sink], new_run_id=CountingIds(), flush_interval=0.001) as runtime:
        async with runtime.run("refused"):
            assert await runtime.flush()
            sink.refusing = {"run_1"}
            async with runtime.decision("late"):
                await of(sink.failed)
            async with runtime.run("other"):
                pass
            await until(lambda: len(ids(sink, "run_2")) == 2)
            assert ids(sink) == [1]
            sink.refusing = set()
    assert ids(sink) == [1, 2, 3, 4]


async def test_a_slow_sink_does_not_hold_up_the_log() -> None:
    log, slow = TroubledSink(), TroubledSink()
    async with Runtime(sinks=[log, slow], new_run_id=CountingIds(), max_buffer=2**16) as runtime:
        slow.block()
        async with runtime.run("goal"):
            for n in range(500):  # far more than the buffer holds
                async with runtime.decision("x" * 200):
                    pass
                if n % 50 == 0:
                    await until(lambda: not runtime.stats().buffered)
            assert runtime.stats().dropped == 0
            assert not await runtime.flush(timeout=0.01)
            slow.unblock()
            assert not await runtime.flush()  # the slow one has lost some
            assert await runtime.flush()  # which is told once
    assert ids(log) == list(range(1, 1003))
    run = slow.run("run_1")
    assert run.lost_records > 0
    assert run.damage == []  # the gap records account for every number
    assert len(slow.records("run_1")) < 1002


async def test_the_log_goes_on_when_another_sink_cannot_even_be_opened() -> None:
    log, broken = TroubledSink(), TroubledSink()
    broken.unopenable = OSError("no route to host")
    async with Runtime(sinks=[log, broken], new_run_id=CountingIds()) as runtime:
        async with runtime.run("goal"):
            pass
        await until(lambda: runtime.stats().written == 2)
        broken.unopenable = None
        assert await runtime.flush()
    assert ids(log) == ids(broken) == [1, 2]


async def test_sinks_that_fail_to_flush_or_close_are_counted() -> None:
    sink = TroubledSink()
    sink.unflushable = OSError("flush")
    sink.unclosable = OSError("close")
    async with Runtime(sinks=[sink]) as runtime:
        async with runtime.run("goal"):
            assert not await runtime.flush()
    stats = runtime.stats()
    assert stats.written == stats.accepted == 2
    assert stats.errors >= 2
    assert stats.last_error == "OSError: close"


async def test_a_runtime_opens_although_its_directory_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with Runtime(tmp_path / "file" / "traces", close_timeout=0.05) as runtime:
        async with runtime.run("goal"):
            assert not await runtime.flush(timeout=0.01)
    stats = runtime.stats()
    assert stats.accepted == stats.dropped == 2
    assert "NotADirectoryError" in (stats.last_error or "")


async def test_strict_opening_raises_when_the_directory_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    runtime = Runtime(tmp_path / "file" / "traces", strict=True, close_timeout=0.05)
    with pytest.raises(WriteError, match="cannot be written to: NotADirectoryError"):
        async with runtime:
            pass
    with pytest.raises(WriteError, match="cannot be written to"):
        with runtime:
            pass


async def test_records_of_many_runs_take_one_write() -> None:
    sink = TroubledSink()
    async with Runtime(sinks=[sink], flush_interval=60) as runtime:
        async with runtime.run("first"):
            assert await runtime.flush()
            before = sink.writes
            for n in range(100):
                async with runtime.run(f"goal-{n}"):
                    pass
            assert await runtime.flush()
            assert sink.writes == before + 1


class Chatty(tzinfo):
    """Is asked for its offset in the middle of encoding, and records something itself."""

    def __init__(self) -> None:
        self.say: Callable[[], object] = lambda: None

    def utcoffset(self, dt: datetime | None) -> timedelta:
        say, self.say = self.say, lambda: None
        say()
        return timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)


class ChattyClock(FixedClock):
    """Records something itself while it is asked for the time."""

    def __init__(self) -> None:
        super().__init__()
        self.say: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        say, self.say = self.say, lambda: None
        say()
        return super().now()


async def test_a_record_made_in_the_middle_of_another_gets_its_own_number() -> None:
    """As finalisers and signal handlers do."""
    sink, zone = TroubledSink(), Chatty()
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=zone))
    async with Runtime(sinks=[sink], clock=clock, new_run_id=CountingIds()) as runtime:
        async with runtime.run("goal") as run:
            zone.say = lambda: run.report_problem("minor", "in between")
            async with runtime.decision("outer"):
                pass
    kinds = [type(record).__name__ for record in sink.records("run_1")]
    assert kinds == ["RunStarted", "Problem", "Decision", "Outcome", "RunEnded"]
    assert ids(sink) == [1, 2, 3, 4, 5]


async def test_a_record_made_in_the_middle_of_a_gap_record_gets_its_own_number() -> None:
    sink, clock = TroubledSink(), ChattyClock()
    async with Runtime(
        sinks=[sink], clock=clock, new_run_id=CountingIds(), overflow="drop", max_buffer=2**16
    ) as runtime:
        async with runtime.run("goal") as run:
            sink.block()
            async with runtime.decision("blocks"):
                await of(sink.waiting)
            while runtime.stats().dropped < 3:
                async with runtime.decision("x" * 1000):
                    pass
            clock.say = lambda: run.report_problem("minor", "in between")  # by add_gap, later
            sink.unblock()
            await until(lambda: not runtime.stats().buffered)
    run_read = sink.run("run_1")
    assert run_read.damage == []
    assert run_read.lost_records == runtime.stats().dropped >= 3
    kept = len(sink.records("run_1")) - sum(type(r) is Gap for r in sink.records("run_1"))
    assert runtime.stats().accepted == kept + run_read.lost_records


async def test_a_backlog_goes_out_in_bounded_pieces() -> None:
    sink = TroubledSink()
    async with Runtime(sinks=[sink], new_run_id=CountingIds(), max_buffer=2**26) as runtime:
        async with runtime.run("goal"):
            sink.block()
            async with runtime.decision("blocks"):
                await of(sink.waiting)
            for _ in range(60):
                async with runtime.decision("x", context={"page": "y" * 200_000}):
                    pass
            sink.unblock()
            assert await runtime.flush()
    assert ids(sink) == list(range(1, 125))
    assert max(len(chunk.data) for chunk in sink.chunks) < 2**16 + 201_000


async def test_one_recorder_serves_several_event_loops(traces: Path) -> None:
    with Runtime(traces) as runtime:

        def agent(backend: str) -> None:
            async def main() -> None:
                async with runtime.run(backend):
                    async with runtime.decision("x"):
                        assert await runtime.flush(durable=True)

            anyio.run(main, backend=backend)

        threads = [threading.Thread(target=agent, args=(b,)) for b in ("asyncio", "trio") * 5]
        for thread in threads:
            thread.start()
        for thread in threads:
            await to_thread.run_sync(thread.join)
    assert runtime.stats().written == 40


async def test_a_context_that_is_not_the_recorders_does_not_reach_it() -> None:
    sink = TroubledSink()
    async with Runtime(sinks=[sink], new_run_id=CountingIds()) as runtime:
        async with runtime.run("goal"):
            assert await runtime.flush()  # posted from this loop, served on that one
        assert await runtime.flush()
    assert ids(sink) == [1, 2]
    assert len(sink.opened) == sink.closed == 1


def test_uvloop(traces: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        async with Runtime(traces) as runtime:
            async with runtime.run("goal"):
                async with runtime.decision("x"):
                    assert await runtime.flush()
        assert runtime.stats().written == 4

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_recorder_that_breaks_says_so_and_lets_the_agent_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Fatal(MemorySink):
        async def write(self, batch: object) -> None:
            raise SystemExit("a sink must not, but this one does")

    with Runtime(sinks=[Fatal()]) as runtime:
        with runtime.run("goal"), runtime.decision("x"):
            assert not runtime.flush_blocking()
    assert runtime.stats().dropped == 4
    assert "ended early" in caplog.text
    # What its loop had not begun when it broke, a flush perhaps, is no other test's concern.
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


def test_file_sinks_show_where_they_write(traces: Path) -> None:
    assert repr(FileSink(traces)) == f"FileSink({str(traces)!r})"
    assert repr(Runtime(traces)) == f"Runtime({str(traces)!r})"
