"""The runtime: opening, closing, its settings, the ids it gives, and its own faults."""

import logging
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

import decisionlog
from decisionlog import (
    Option,
    RunStatus,
    RunStore,
    Runtime,
    RuntimeStateError,
    Stats,
    WriteError,
    current_run,
)
from decisionlog.testing import CountingIds, FixedClock, MemorySink
from tests.recording import only_decision, recorded, shape
from tests.sinks import TroubledSink
from tests.waiting import LIMIT, until

# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("durability", "maybe", "durability is 'maybe', not one of flush, fsync"),
        ("overflow", "burst", "overflow is 'burst', not one of wait, drop"),
        ("flush_interval", 0, "flush_interval is 0, not between 0.001 and 60"),
        ("max_buffer", 1, "max_buffer is 1, not between 65536 and"),
        ("wait_timeout", -1, "wait_timeout is -1, not between 0 and 3600"),
        ("close_timeout", 1e9, "close_timeout is 1000000000.0, not between"),
        ("max_value_bytes", 2**23, "max_value_bytes is 8388608, not between 1024 and 4194304"),
        ("sinks", [], "sinks is empty"),
    ],
)
def test_a_setting_out_of_range(setting: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Runtime(**{setting: value})


def test_it_tells_where_it_writes() -> None:
    assert repr(Runtime("some/where")) == "Runtime('some/where')"
    assert Runtime("some/where").path == Path("some/where")
    assert Runtime().stats() == Stats()


# ---------------------------------------------------------------------- disabled


@pytest.mark.parametrize("value", [None, "1", "true"])
async def test_a_disabled_runtime_does_nothing(
    value: str | None, traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("DECISIONLOG_DISABLED", value)
    done = []
    async with Runtime(traces, strict=True, enabled=value is not None) as runtime:

        @runtime.run("goal")
        async def agent() -> None:
            done.append(await step())

        @runtime.decision("step", chosen=lambda: 1 / 0)
        async def step() -> int:
            return 1

        await agent()
        async with runtime.run("goal") as run, runtime.decision("x", [Option("a")]) as decision:
            with runtime.node("n"), decisionlog.decision("y"):
                runtime.set_node("m")
                decision.choose("not there")
                decision.succeed(1)
                decision.succeed(2)
                run.fail("no")
                run.fail("no")
            assert current_run() is runtime.current_run is None
            assert run.report_problem("urgent", "x") == ""
        assert (run.id, decision.id, run.status) == ("", "", "running")
        assert await runtime.start_run("goal") == ""
        assert await runtime.decide("x", [], "", "") == ""
        await runtime.record_outcome("dec_0", True)
        assert await runtime.report_problem("minor", "x") == ""
        await runtime.end_run(True)
        with runtime:  # nor does it matter how often
            assert await runtime.flush(durable=True)
        assert runtime.flush_blocking()
    assert done == [1]
    assert runtime.stats() == Stats()
    assert not traces.exists()


def test_not_disabled(traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "0"):
        monkeypatch.setenv("DECISIONLOG_DISABLED", value)
        with Runtime(traces) as runtime, runtime.run("goal") as run:
            assert run.id


# ---------------------------------------------------------------------- opening and closing


async def test_opened_twice_it_closes_with_the_last(caplog: pytest.LogCaptureFixture) -> None:
    sink = MemorySink()
    runtime = recorded(sink, strict=False)
    async with runtime:
        async with runtime, runtime.run("inner"):
            pass
        with runtime, runtime.run("sync"):
            pass
        async with runtime.run("outer"):
            pass
        assert runtime.stats().misused == 2
    assert "is open already" in caplog.text
    assert [sink.run(run_id).goal_id for run_id in sink.run_ids()] == ["inner", "sync", "outer"]
    with decisionlog.run("bound to nothing") as run:
        assert run.id == ""


async def test_closed_with_runs_in_progress(traces: Path, caplog: pytest.LogCaptureFixture) -> None:
    runtime = Runtime(traces, new_run_id=CountingIds())
    await runtime.__aenter__()
    async with runtime.run("goal") as run, runtime.decision("x", [Option("a")]) as decision:
        await runtime.__aexit__(None, None, None)
        assert "1 runs never ended; they read as interrupted: run_1" in caplog.text
        assert current_run() is None
        decision.choose("a")
        decision.succeed("too late")
        run.succeed("too late")
        async with runtime, runtime.run("next") as following:
            assert current_run() is following
    loaded = await RunStore(traces).load("run_1")
    assert (loaded.status, only_decision(loaded).is_pending) == (RunStatus.INTERRUPTED, True)
    assert only_decision(loaded).chosen_option_id is None
    assert (await RunStore(traces).load("run_2")).parent_run_id is None


async def test_reopened_it_counts_anew() -> None:
    sink = MemorySink()
    runtime = recorded(sink, strict=False)
    for _ in range(2):
        async with runtime, runtime.run("goal"):
            async with runtime.decision("x", chosen=7):  # type: ignore[arg-type]
                pass
            assert await runtime.flush()
            stats = runtime.stats()
            assert (stats.accepted, stats.written, stats.misused) == (3, 3, 1)
        assert runtime.stats().written == 4
        assert await runtime.flush()
    assert sink.run_ids() == ["run_1", "run_2"]


async def test_cancelled_while_it_opens_it_is_not_left_open() -> None:
    class Slow(MemorySink):
        async def open(self, writer: str) -> None:
            opening.append(writer)
            await anyio.sleep_forever()

    opening: list[str] = []
    runtime = Runtime(sinks=[Slow()], wait_timeout=60, close_timeout=0)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                await until(lambda: opening)
                scope.cancel()

            tasks.start_soon(cancel)
            async with runtime:
                raise AssertionError("it did not open")
    assert scope.cancelled_caught
    with decisionlog.run("bound to nothing") as run:
        assert run.id == ""
    async with runtime.run("not open") as run:
        assert run.id == ""


@pytest.mark.parametrize("how", ["with", "async with"])
async def test_strict_it_does_not_open_where_it_cannot_write(how: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    runtime = Runtime(tmp_path / "file", strict=True)
    with pytest.raises(WriteError, match=r"cannot be written to: .* it would go on trying"):
        if how == "with":
            with runtime:
                pass
        else:
            async with runtime:
                pass
    with decisionlog.run("bound to nothing") as run:
        assert run.id == ""


@pytest.mark.parametrize("how", ["with", "async with"])
async def test_closing_tells_what_was_lost(how: str, caplog: pytest.LogCaptureFixture) -> None:
    sink = TroubledSink()
    sink.broken = OSError("disk full")
    for strict in (False, True):
        runtime = recorded(sink, strict=strict, close_timeout=0.05)
        error = KeyError("mine")
        with pytest.raises(KeyError) as caught:  # an exception of the agent's comes first
            with runtime, runtime.run("goal"):
                raise error
        assert caught.value is error
        try:
            if how == "with":
                with runtime, runtime.run("goal"):
                    pass
            else:
                async with runtime, runtime.run("goal"):
                    pass
        except WriteError as lost:
            assert strict
            assert str(lost) == "2 of 2 records were not written: OSError: disk full"
        else:
            assert not strict
    assert caplog.text.count("2 of 2 records were not written: OSError: disk full") == 4


def test_flush_without_an_event_loop() -> None:
    sink = MemorySink()
    runtime = recorded(sink)
    assert runtime.flush_blocking()  # nothing was recorded
    with runtime, runtime.run("goal"):
        assert runtime.flush_blocking(durable=True, timeout=30)
        assert len(sink.records("run_1")) == 1


# ---------------------------------------------------------------------- forked children

FORKING = """
import os, sys
from decisionlog import Runtime, current_run, current_decision, decision
from decisionlog.testing import CountingIds

runtime = Runtime(sys.argv[1], new_run_id=CountingIds(f"p{os.getpid()}_"))
with runtime, runtime.run("parent", run_id="parent") as run:
    with runtime.decision("fork") as outer:
        child = os.fork()
        if not child:
            assert current_run() is current_decision() is runtime.current_run is None
            run.succeed("not heard")
            outer.choose("not heard")
            assert outer.report_problem("minor", "not heard") == ""
            with decision("in no run"):
                pass
            misused = runtime.stats().misused
            with runtime.run("child", run_id="child"), runtime.decision("in the child"):
                pass
            with runtime.run("second", run_id="second", parent="parent/dec_7"):
                pass
            with runtime.run("third", run_id="third"):
                pass
    if child:
        assert os.waitpid(child, 0)[1] == 0
    else:
        assert runtime.stats().misused == misused  # to leave what was inherited is none
"""


FORKING_OUTSIDE = """
import os, sys
from decisionlog import Runtime

with Runtime(sys.argv[1]) as runtime:
    with runtime.run("before", run_id="before"):
        pass
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
    else:
        grandchild = os.fork()
        if grandchild:  # a child that does nothing
            assert os.waitpid(grandchild, 0)[1] == 0
        else:
            with runtime.run("grandchild", run_id="grandchild"):
                pass
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
async def test_a_child_that_was_forked_in_no_run_or_does_nothing(traces: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKING_OUTSIDE, traces], check=True, timeout=LIMIT)
    found = {summary.run_id: summary async for summary in RunStore(traces).runs()}
    assert set(found) == {"before", "grandchild"}
    assert {summary.status for summary in found.values()} == {RunStatus.COMPLETED}
    assert (await RunStore(traces).load("grandchild")).parent_run_id is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
async def test_a_forked_child_starts_clean_with_the_old_run_as_parent(traces: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKING, traces], check=True, timeout=LIMIT)
    store = RunStore(traces)
    parent, child = await store.load("parent"), await store.load("child")
    assert (parent.status, child.status) == (RunStatus.COMPLETED, RunStatus.COMPLETED)
    assert shape(parent) == [("fork", None, "unknown")]
    assert (parent.output_data, parent.problems) == (None, [])
    assert (child.parent_run_id, child.parent_decision_id) == ("parent", "dec_0")
    assert child.pid != parent.pid and child.writer != parent.writer
    second, third = await store.load("second"), await store.load("third")
    assert (second.parent_run_id, second.parent_decision_id) == ("parent", "dec_7")
    assert third.parent_run_id is None


# ---------------------------------------------------------------------- the runtime itself


@pytest.mark.parametrize("strict", [False, True])
async def test_a_runtime_that_is_not_open(strict: bool, traces: Any) -> None:
    runtime = Runtime(traces, strict=strict)
    for _ in ("before", "after"):
        if strict:
            with pytest.raises(RuntimeStateError, match="is not open"):
                async with runtime.run("goal"):
                    pass
        else:
            async with runtime.run("goal") as run:
                assert run.id == "" and runtime.current_run is None
            assert await runtime.start_run("goal") == ""
            assert runtime.stats().misused == 2
        async with runtime, runtime.run("goal"):
            pass
    assert len(list((traces / "runs").iterdir())) == 2


# ---------------------------------------------------------------------- its own faults


class BrokenClock(FixedClock):
    broken = ""

    def now(self) -> datetime:
        if "now" in self.broken:
            raise OSError("no wall clock")
        return super().now()

    def monotonic_ns(self) -> int:
        if "monotonic" in self.broken:
            raise OSError("no monotonic clock")
        return super().monotonic_ns()


@pytest.mark.parametrize("broken", ["now", "monotonic"])
@pytest.mark.parametrize("strict", [False, True])
async def test_what_goes_wrong_in_recording_never_reaches_the_agent(
    broken: str, strict: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sink, clock = MemorySink(), BrokenClock()
    done = []
    async with recorded(sink, strict=strict, clock=clock) as runtime:
        async with runtime.run("goal") as run:
            async with runtime.decision("before") as before:
                clock.broken = broken
                async with runtime.decision("not recorded", [Option("a")]) as decision:
                    assert decision.id == ""
                    decision.choose("a")
                    decision.succeed(1)
                before.choose("x")
                before.report_problem("minor", "x")
                before.succeed(2)
            async with runtime.run("not recorded") as other:
                assert other.id == ""
                clock.broken = ""
            clock.broken = broken
            with pytest.raises(KeyError), runtime.decision("not recorded either"):
                raise KeyError
            assert await runtime.start_run("goal") == ""
            clock.broken = ""
            async with runtime.decision("after"):
                done.append(await runtime.quick_decision("x", "y", ""))
        stats = runtime.stats()
        assert run.status == RunStatus.COMPLETED
    assert stats.errors >= 5 and stats.misused == 0
    assert stats.last_error is not None and stats.last_error.startswith("OSError: no ")
    [logged] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "Recording failed" in logged.getMessage() and logged.exc_info is not None
    loaded = sink.run("run_1")
    assert [d.intent for d in loaded.decisions] == ["before", "after", "x"]
    assert loaded.damage == [] and loaded.unknown == []
    assert done == ["dec_2"]
    assert loaded.decisions[0].is_pending


async def test_a_run_whose_end_cannot_be_recorded_ends_all_the_same() -> None:
    sink, clock = MemorySink(), BrokenClock()
    async with recorded(sink, clock=clock) as runtime:
        with pytest.raises(KeyError):
            async with runtime.run("goal"):
                clock.broken = "now"
                raise KeyError("mine")
        assert runtime.current_run is None
        assert (runtime.stats().errors, runtime.stats().misused) == (1, 0)
    assert sink.run("run_1").status == RunStatus.RUNNING
