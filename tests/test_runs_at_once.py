"""Any number of runs at once in one runtime, from tasks and from threads, without mixing."""

import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from decisionlog import (
    Chunk,
    Run,
    RunStatus,
    RunStore,
    Runtime,
    current_decision,
    current_run,
    decision,
)
from decisionlog.testing import MemorySink
from tests.recording import outcome_of, recorded
from tests.waiting import LIMIT

RUNS = 1_000
DEPTH = 8


def check(run: Run, name: str) -> None:
    """A run of one chain of decisions, each inside the one before and ended before it."""
    assert (run.goal_id, run.status, run.output_data) == (name, RunStatus.COMPLETED, name)
    assert run.damage == []
    assert run.unknown == []
    assert [d.id for d in run.decisions] == [f"dec_{i}" for i in range(DEPTH)]
    assert [d.parent_id for d in run.decisions] == [None, *(f"dec_{i}" for i in range(DEPTH - 1))]
    assert [d.intent for d in run.decisions] == [f"{name}/{i}" for i in range(DEPTH)]
    assert [d.node_id for d in run.decisions] == [f"{name}-{i % 2}" for i in range(DEPTH)]
    assert {d.run_id for d in run.decisions} == {run.id}
    outcomes = [outcome_of(d) for d in run.decisions]
    assert [o.result for o in outcomes] == [f"{name}/{i}" for i in range(DEPTH)]
    # Decisions in order, then outcomes from the innermost out: nothing overtook anything.
    assert [d.seq for d in run.decisions] == list(range(2, DEPTH + 2))
    assert [o.seq for o in outcomes] == list(range(2 * DEPTH + 1, DEPTH + 1, -1))


@pytest.mark.large
async def test_a_thousand_runs_with_decisions_from_child_tasks(traces: Path) -> None:
    async with Runtime(traces, strict=True, close_timeout=60) as runtime:

        async def agent(name: str) -> None:
            async with runtime.run(name) as run:
                await step(name, 0)
                run.succeed(name)

        async def step(name: str, i: int) -> None:
            with runtime.node(f"{name}-{i % 2}"):
                async with runtime.decision(f"{name}/{i}") as decision:
                    await anyio.lowlevel.checkpoint()  # let the others in between
                    if i + 1 < DEPTH:
                        async with anyio.create_task_group() as tasks:
                            tasks.start_soon(step, name, i + 1)
                    decision.succeed(f"{name}/{i}")
                    assert current_decision() is decision

        async with anyio.create_task_group() as tasks:
            for i in range(RUNS):
                tasks.start_soon(agent, f"goal-{i}")
        assert runtime.stats().dropped == 0
    store = RunStore(traces)
    summaries = [summary async for summary in store.runs()]
    assert {summary.goal_id for summary in summaries} == {f"goal-{i}" for i in range(RUNS)}
    assert {summary.decision_count for summary in summaries} == {DEPTH}
    for summary in summaries:
        check(await store.load(summary.run_id), summary.goal_id)


@pytest.mark.large
async def test_a_thousand_runs_through_threads() -> None:
    sink = MemorySink()
    together = anyio.CapacityLimiter(8)
    async with recorded(sink) as runtime:

        async def agent(name: str) -> None:
            async with runtime.run(name) as run:
                await to_thread.run_sync(step, name, 0, limiter=together)
                run.succeed(name)
                assert current_run() is run

        def step(name: str, i: int) -> None:
            with runtime.node(f"{name}-{i % 2}"), decision(f"{name}/{i}") as made:
                if i + 1 < DEPTH:
                    step(name, i + 1)
                made.succeed(f"{name}/{i}")

        async with anyio.create_task_group() as tasks:
            for i in range(RUNS):
                tasks.start_soon(agent, f"goal-{i}")
    whole = MemorySink()  # one look at each chunk, not one for each run
    by_run: dict[str, list[Chunk]] = {}
    for chunk in sink.chunks:
        by_run.setdefault(chunk.run_id, []).append(chunk)
    assert len(by_run) == RUNS
    for run_id, chunks in by_run.items():
        whole.chunks = chunks
        run = whole.run(run_id)
        check(run, run.goal_id)


def test_many_threads_in_one_run() -> None:
    """Numbers are given once, and records lie in the order of their numbers."""
    sink = MemorySink()
    at_once = threading.Barrier(8)
    with recorded(sink) as runtime, runtime.run("goal") as run:

        def tool(thread: int) -> None:
            at_once.wait()
            for i in range(250):
                with runtime.decision("outer", run=run, node_id=f"{thread}") as outer:
                    with runtime.decision("inner", reasoning=outer.id) as inner:
                        inner.succeed((thread, i), tokens_used=1)
                    outer.report_problem("minor", outer.id)

        threads = [threading.Thread(target=tool, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    loaded = sink.run("run_1")
    assert loaded.damage == []
    assert len({d.id for d in loaded.decisions}) == len(loaded.decisions) == 4_000
    assert all(d.parent_id == d.reasoning for d in loaded.decisions if d.intent == "inner")
    assert Counter(p.decision_id for p in loaded.problems) == Counter(
        d.id for d in loaded.decisions if d.intent == "outer"
    )
    assert len({p.id for p in loaded.problems}) == 2_000
    metrics = loaded.metrics
    assert set(metrics.nodes_executed) == {"unknown", *map(str, range(8))}
    assert (metrics.successful_decisions, metrics.total_tokens) == (4_000, 2_000)
    assert [record.seq for record in sink.records("run_1")] == list(range(1, 10_003))


def test_many_threads_with_scopes_inside_each_other() -> None:
    sink = MemorySink()
    at_once = threading.Barrier(8)
    with recorded(sink) as runtime, runtime.run("goal") as run:

        def tool(thread: int) -> None:
            at_once.wait()
            for i in range(250):
                with (
                    runtime.decision("outer", run=run) as outer,
                    runtime.decision("inner") as inner,
                ):
                    inner.succeed([outer.id, thread, i])
                    outer.succeed([inner.id, thread, i])

        threads = [threading.Thread(target=tool, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    decisions = {d.id: d for d in sink.run("run_1").decisions}
    assert len(decisions) == 4_000
    for inner in (d for d in decisions.values() if d.intent == "inner"):
        assert inner.parent_id is not None
        outer = decisions[inner.parent_id]
        assert outcome_of(inner).result[0] == outer.id
        assert outcome_of(outer).result == [inner.id, *outcome_of(inner).result[1:]]


async def test_each_task_has_its_own_run_and_parent() -> None:
    """The smallest case of the above: two runs, step by step in turns."""
    sink = MemorySink()
    async with recorded(sink) as runtime:
        turns = [anyio.Event() for _ in range(4)]

        async def agent(name: str, mine: tuple[int, int]) -> None:
            await turns[mine[0]].wait()
            async with runtime.run(name):
                runtime.set_node(name)
                async with runtime.decision("outer"):
                    turns[mine[0] + 1].set()
                    await turns[mine[1]].wait()
                    async with runtime.decision("inner"):
                        pass
                if mine[1] < 3:
                    turns[mine[1] + 1].set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent, "a", (0, 2))
            tasks.start_soon(agent, "b", (1, 3))
            turns[0].set()
    for run_id, name in (("run_1", "a"), ("run_2", "b")):
        assert [(d.parent_id, d.node_id) for d in sink.run(run_id).decisions] == [
            (None, name),
            ("dec_0", name),
        ]


GROWING = """
import gc, resource, sys
from decisionlog import Option, Runtime

def decide(count):
    for i in range(count):
        with runtime.node("n"), runtime.decision(
            f"Which {i}?", [Option("a"), Option("b")], "a", context={"i": i}
        ) as decision:
            runtime.set_node("m")
            if i % 10 == 0:
                decision.report_problem("warning", f"odd {i}")
            if i % 7 == 0:
                decision.fail(f"failed {i}")
            else:
                decision.succeed(i, summary=f"got {i}")

with Runtime(sys.argv[1], max_buffer=2**20, wait_timeout=60) as runtime, runtime.run("goal"):
    decide(20_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decide(180_000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert runtime.stats().dropped == 0, runtime.stats()
"""


@pytest.mark.large
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, it is in other units")
def test_the_memory_of_a_run_of_200_000_decisions_stays_flat(traces: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GROWING, traces],
        check=True, capture_output=True, text=True, timeout=10 * LIMIT,
        # What coverage keeps is no run's, and it would take a minute.
        env={k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")},
    )  # fmt: skip
    # In KiB. 180,000 decisions are 100 MB of records: one kept byte in ten would show.
    assert int(done.stdout) < 10_000
    [summary] = RunStore(traces).runs_blocking()
    assert (summary.decision_count, summary.problem_count) == (200_000, 20_000)
