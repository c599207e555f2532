"""What the system that this one re-implements got wrong: each mistake has a test with its name."""

import gc
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import pytest

from decisionlog import (
    Decision,
    EndedError,
    Option,
    Outcome,
    RunStatus,
    RunStore,
    Runtime,
    UnknownDecisionError,
    UnknownOptionError,
)
from decisionlog.testing import CountingIds, FixedClock, MemorySink
from tests.recording import only_decision, outcome_of, recorded, shape
from tests.waiting import LIMIT


async def test_ids_that_collide_under_concurrency() -> None:
    """A thousand runs started in one instant, and the decisions of many tasks in one run."""
    sink, clock = MemorySink(), FixedClock()
    async with Runtime(sinks=[sink], clock=clock, strict=True) as runtime:

        async def agent() -> None:
            async with runtime.run("goal"):
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for _ in range(1_000):
                tasks.start_soon(agent)

        async def decide() -> None:
            ids.append(await runtime.decide("x", [], "", ""))
            await anyio.lowlevel.checkpoint()
            ids.append(await runtime.decide("y", [], "", ""))

        ids: list[str] = []
        async with runtime.run("one"), anyio.create_task_group() as tasks:
            for _ in range(500):
                tasks.start_soon(decide)
    assert len(sink.run_ids()) == 1_001
    assert sorted(ids) == sorted(f"dec_{i}" for i in range(1_000))


async def test_a_second_start_that_discards_the_first_run() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:
        first = await runtime.start_run("first")
        second = await runtime.start_run("second")
        await runtime.end_run(True)
        await runtime.decide("still here", [], "", "")
        await runtime.end_run(True)
    assert (sink.run(first).status, sink.run(second).status) == ("completed", "completed")
    assert shape(sink.run(first)) == [("still here", None, "unknown")]


async def test_a_current_run_that_tasks_share() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:
        both = anyio.Event()

        async def agent(goal: str) -> None:
            await runtime.start_run(goal)
            runtime.set_node(goal)
            if goal == "b":
                both.set()
            await both.wait()
            await runtime.decide(goal, [], "", "")
            await runtime.end_run(True, narrative=goal)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent, "a")
            tasks.start_soon(agent, "b")
    for run_id in sink.run_ids():
        run = sink.run(run_id)
        assert run.goal_id == run.narrative == only_decision(run).intent
        assert only_decision(run).node_id == run.goal_id


async def test_a_node_that_leaks_into_the_next_run() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:
        for node in ("first", ""):
            await runtime.start_run("goal")
            if node:
                runtime.set_node(node)
            await runtime.decide("x", [], "", "")
            await runtime.end_run(True)
    assert only_decision(sink.run("run_1")).node_id == "first"
    assert only_decision(sink.run("run_2")).node_id == "unknown"


async def test_an_async_executor_recorded_as_a_success_whose_result_is_a_coroutine() -> None:
    sink = MemorySink()

    async def fetch() -> str:
        await anyio.lowlevel.checkpoint()
        return "page"

    async def fail() -> str:
        raise OSError("unreachable")

    async with recorded(sink) as runtime, runtime.run("goal"):
        executed = await runtime.decide_and_execute("Fetch", [], "", "", fetch)
        assert executed == ("dec_0", "page")
        with pytest.raises(OSError):
            await runtime.decide_and_execute("Fetch", [], "", "", fail)
        # And one in disguise, which no look at the function would give away.
        await runtime.decide_and_execute("Fetch", [], "", "", lambda: fetch())
    outcomes = [outcome_of(d) for d in sink.run("run_1").decisions]
    assert [(o.success, o.result) for o in outcomes] == [
        (True, "page"), (False, None), (True, "page")
    ]  # fmt: skip


async def test_cancellation_and_base_exceptions_that_slip_past() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:
        with anyio.CancelScope() as scope:
            async with runtime.run("goal"):
                scope.cancel()
                await runtime.decide_and_execute("Wait", [], "", "", anyio.sleep_forever)
        with pytest.raises(SystemExit):
            async with runtime.run("goal"):
                await runtime.decide_and_execute("Leave", [], "", "", sys.exit)
    waited, left = (outcome_of(only_decision(sink.run(i))) for i in ("run_1", "run_2"))
    assert (waited.success, waited.cancelled) == (False, True)
    assert (left.success, left.cancelled, left.error_type) == (False, False, "SystemExit")
    assert sink.run("run_1").status == RunStatus.CANCELLED
    assert sink.run("run_2").status == RunStatus.FAILED


async def test_a_second_outcome_that_makes_the_success_rate_2() -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime, runtime.run("goal") as run:
        decision_id = await runtime.decide("x", [], "", "")
        for _ in range(2):
            await runtime.record_outcome(decision_id, True, tokens_used=10)
        assert run.metrics.success_rate == 1
    loaded = sink.run("run_1")
    assert (loaded.metrics.successful_decisions, loaded.metrics.total_tokens) == (1, 10)
    assert loaded.metrics.success_rate == 1
    assert sum(isinstance(r, Outcome) for r in sink.records("run_1")) == 1
    async with recorded(MemorySink()) as runtime, runtime.run("goal"):
        await runtime.decide("x", [], "", "")
        await runtime.record_outcome("dec_0", True)
        with pytest.raises(EndedError, match="dec_0 of run_1 has an outcome"):
            await runtime.record_outcome("dec_0", False)


async def test_an_outcome_for_an_unknown_id_that_is_silently_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with recorded(MemorySink(), strict=False) as runtime, runtime.run("goal"):
        await runtime.record_outcome("dec_0", True)
        assert runtime.stats().misused == 1
    assert "run_1 made no decision 'dec_0'; its outcome is not recorded" in caplog.text
    async with recorded(MemorySink()) as runtime, runtime.run("goal"):
        for decision_id in ("dec_0", "dec_", "dec_-1", "0", "", "dec_\u0660", "dec_00"):
            with pytest.raises(UnknownDecisionError):
                await runtime.record_outcome(decision_id, True)


async def test_a_choice_outside_the_options_that_is_accepted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime, runtime.run("goal"):
        await runtime.decide("x", [Option("a")], "b", "")
        assert runtime.stats().misused == 1
    assert "'b' is not among the options ('a')" in caplog.text
    decision = only_decision(sink.run("run_1"))
    assert (decision.chosen_option_id, decision.chosen_option) == ("b", None)
    async with recorded(sink) as runtime, runtime.run("goal", run_id="strict"):
        with pytest.raises(UnknownOptionError):
            await runtime.decide("x", [Option("a")], "b", "")
    assert sink.run("strict").decisions == []


async def test_one_unserialisable_result_that_loses_the_whole_run() -> None:
    sink = MemorySink()
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    results = [object(), cyclic, {("a", 1): {2, 3}}, "\udc80", float("nan"), 10**400, open]
    async with recorded(sink) as runtime, runtime.run("goal", input_data=results):
        for result in results:
            async with runtime.decision("x", context={"value": result}) as decision:
                decision.succeed(result)
        async with runtime.decision("and on"):
            pass
    loaded = sink.run("run_1")
    assert loaded.status == RunStatus.COMPLETED
    assert loaded.metrics.successful_decisions == len(results) + 1
    assert loaded.damage == []
    assert all(outcome_of(d).result is not None for d in loaded.decisions[:-1])


KILLED = """
import os, sys, time
from decisionlog import Runtime
with Runtime(sys.argv[1]) as runtime, runtime.run("goal", run_id="killed"):
    for i in range(1000):
        with runtime.decision(f"decision {i}") as decision:
            decision.succeed(i)
    with runtime.decision("the last one", chosen="x"):
        print("made", flush=True)
        time.sleep(3600)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
async def test_a_run_that_is_saved_only_at_its_end(traces: Path) -> None:
    """And a save that had become a no-op: so write, kill, and read back."""
    writer = [sys.executable, "-c", KILLED, str(traces)]
    with subprocess.Popen(writer, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        store = RunStore(traces)
        with anyio.fail_after(LIMIT):
            async with aclosing(store.follow("killed")) as records:
                async for record in records:
                    if isinstance(record, Decision) and record.intent == "the last one":
                        break
        process.send_signal(signal.SIGKILL)
    loaded = await store.load("killed")
    assert loaded.status == RunStatus.INTERRUPTED
    assert len(loaded.decisions) == 1_001
    assert all(outcome_of(d).result == i for i, d in enumerate(loaded.decisions[:-1]))
    last = loaded.decisions[-1]
    assert (last.intent, last.chosen_option_id, last.is_pending) == ("the last one", "x", True)
    assert loaded.damage == []
    lines = (traces / "runs" / "killed.jsonl").read_text().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 2_003))


@pytest.mark.parametrize("goal_id", ["../x", "team/goal", "a\x00b", "", ".", "x" * 5_000, "ä/ö"])
async def test_goal_ids_as_path_parts(goal_id: str, traces: Path) -> None:
    async with Runtime(traces, strict=True) as runtime, runtime.run(goal_id) as run:
        pass
    assert sorted(p.name for p in traces.iterdir()) == ["runs", "writers"]
    assert [p.name for p in (traces / "runs").iterdir()] == [f"{run.id}.jsonl"]
    assert [p.name for p in traces.parent.iterdir()] == ["traces"]
    store = RunStore(traces)
    assert (await store.load(run.id)).goal_id == goal_id
    assert [s.run_id async for s in store.runs(goal_id=goal_id)] == [run.id]


async def test_a_pending_decision_reported_as_the_point_of_failure(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        async with runtime.run("goal", run_id="failed") as run:
            with runtime.decision("Failed") as decision:
                decision.fail("out of stock")
            await runtime.decide("Pending", [], "", "")
            run.fail()
        async with runtime.run("goal", run_id="pending") as run:
            await runtime.decide("Pending", [], "", "")
            run.fail()
    store = RunStore(traces)
    failed, pending = await store.summary("failed"), await store.summary("pending")
    assert failed.narrative.endswith("Failed on: Failed failed: out of stock.")
    assert failed.key_decisions == ["Failed failed: out of stock"]
    assert pending.narrative == "Run failed. Made 1 decision: 1 pending."
    assert (pending.key_decisions, pending.success_rate) == ([], None)
    metrics = (await store.load("pending")).metrics
    assert (metrics.failed_decisions, metrics.pending_decisions) == (0, 1)


async def test_recent_failures_that_are_the_oldest(traces: Path) -> None:
    clock = FixedClock()
    async with Runtime(traces, clock=clock, new_run_id=CountingIds()) as runtime:
        for i in range(12):
            async with runtime.run("goal") as run:
                for j in range(12):
                    with runtime.decision(f"x{j}") as decision:
                        decision.fail("no")
                if i % 2:
                    run.fail()
            clock.advance(60)
    failures = [s async for s in RunStore(traces).runs(status=RunStatus.FAILED)]
    assert [s.run_id for s in failures] == [f"run_{i}" for i in (12, 10, 8, 6, 4, 2)]
    # Within a run, too: what is kept of many is the latest.
    assert failures[0].key_decisions == [f"x{j} failed: no" for j in range(2, 12)]


async def test_naive_local_timestamps(traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")  # 14 hours ahead
    before = datetime.now(UTC)
    async with Runtime(traces) as runtime, runtime.run("goal") as run:
        with runtime.decision("x") as decision:
            decision.choose("y")
        run.report_problem("minor", "z")
    after = datetime.now(UTC)
    lines = (traces / "runs" / f"{run.id}.jsonl").read_text().splitlines()
    for line in lines:
        time = json.loads(line)["timestamp"]
        assert time.endswith("Z")
        assert before <= datetime.fromisoformat(time) <= after
    loaded = await RunStore(traces).load(run.id)
    assert loaded.started_at is not None
    assert loaded.started_at.utcoffset() == timedelta(0)
    assert run.id.startswith(f"run_{loaded.started_at:%Y%m%d_%H%M%S}_")


def work(call: Callable[[], object]) -> int:
    """How many calls it comes to, of Python's functions and of C's."""
    count = 0

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def test_the_lookup_of_a_decision_that_takes_longer_the_more_there_are() -> None:
    sink = MemorySink()
    with recorded(sink, flush_interval=60) as runtime, runtime.run("goal") as run:

        def decide() -> None:
            with runtime.node("n"), runtime.decision("outer", [Option("a")], "a") as outer:
                runtime.set_node("m")
                with runtime.decision("inner", supersedes=outer.id) as inner:
                    inner.choose("b")
                    inner.succeed(1)
                outer.report_problem("minor", "x")

        async def by_id() -> None:
            first = await runtime.decide("by id", [], "", "")
            await runtime.decide("pending for ever", [], "", "")
            await runtime.record_outcome(first, True)

        def imperative() -> None:
            with pytest.raises(StopIteration):
                by_id().send(None)  # it need not wait

        for call in (decide, imperative):
            call()
            early = work(call)
            for _ in range(5_000):
                call()
            assert work(call) <= early + 3
        assert run.metrics.total_decisions == 4 * 5_003
        assert run.metrics.pending_decisions == 5_003
