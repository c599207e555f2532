"""Rows about many runs, and about what recording does to the event loop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median

import anyio.lowlevel
from anyio import Event, create_task_group, sleep
from anyio.abc import TaskStatus
from msgspec import Struct

from benchmarks.contenders import decide_each, flushed, installed
from benchmarks.measure import Bench, Figure, NotInstalledError, cost, ratios
from benchmarks.work import GOAL, Item, repeated
from decisionlog import Chunk, FileSink, Runtime, Unwritten

RATE = 10_000
"""Decisions a second, over all runs."""
BURST = 100
TASKS = 4


class TimedSink:
    """Writes files, and notes how long each write takes: that is a tick of the recorder."""

    def __init__(self, path: Path) -> None:
        self._files = FileSink(path)
        self.forget()

    def forget(self) -> None:
        """Note anew."""
        self.longest_ms = 0.0
        self.writes = 0

    async def open(self, writer: str) -> None:
        await self._files.open(writer)

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        start = time.perf_counter()
        unwritten = await self._files.write(batch)
        self.longest_ms = max(self.longest_ms, (time.perf_counter() - start) * 1e3)
        self.writes += 1
        return unwritten

    async def flush(self, durable: bool) -> bool:
        return await self._files.flush(durable)

    async def close(self) -> None:
        await self._files.close()


def of_live_runs(bench: Bench, rows: set[str]) -> list[Figure]:
    """`live-runs`, `longest-tick`: the same decisions at the same rate, to one run and to many."""
    with bench.scratch() as path:
        return bench.run(_of_live_runs, bench, path)


async def _of_live_runs(bench: Bench, path: Path) -> list[Figure]:
    effort = bench.effort
    items = repeated(bench.items, int(RATE * effort.live_seconds))
    loads: dict[int, list[Load]] = {1: [], effort.live_runs: []}
    for turn in range(effort.few_rounds):
        for live, of_each_round in loads.items():
            of_each_round.append(await _load(path / f"{turn}-{live}", live, items))
    one, many = loads.values()
    costs = ratios([load.us for load in many], [load.us for load in one])
    details = {
        "live_runs": float(effort.live_runs),
        "us": round(median(load.us for load in many), 2),
        "us_in_one_run": round(median(load.us for load in one), 2),
        # Below the rate, the machine was too slow for it.
        "a_second": round(median(load.a_second for load in many)),
        "a_second_in_one_run": round(median(load.a_second for load in one)),
    }
    ticks = [load.longest_ms for load in many]
    ticked = {
        "writes_a_round": median(load.writes for load in many),
        "longest_with_one_run_ms": round(max(load.longest_ms for load in one), 1),
    }
    return [Figure("live-runs", costs, details), Figure("longest-tick", ticks, ticked)]


class Load(Struct, frozen=True):
    """What so many live runs came to: CPU a decision, decisions a second, and the writes."""

    us: float
    a_second: float
    longest_ms: float
    writes: int


async def _load(path: Path, live: int, items: Sequence[Item]) -> Load:
    sink = TimedSink(path)
    async with Runtime(path, sinks=[sink]) as runtime:
        run_ids = await _open_runs(runtime, live)
        await flushed(runtime)
        sink.forget()
        seconds = 0.0

        async def record(items: Sequence[Item]) -> None:
            nonlocal seconds
            start = time.perf_counter()
            await _decide_in_turn(runtime, cycle(run_ids), items)
            seconds = time.perf_counter() - start
            await flushed(runtime)

        taken = await cost(record, items)
        load = Load(taken.total, len(items) / seconds, sink.longest_ms, sink.writes)
        for run_id in run_ids:
            await runtime.end_run(True, run_id=run_id)
    return load


async def _open_runs(runtime: Runtime, count: int) -> list[str]:
    """Runs side by side; in one context, each would be inside the one before."""

    async def open_run(*, task_status: TaskStatus[str]) -> None:
        task_status.started(await runtime.start_run(GOAL))

    run_ids: list[str] = []
    async with create_task_group() as tasks:
        run_ids += [await tasks.start(open_run) for _ in range(count)]
    return run_ids


async def _decide_in_turn(runtime: Runtime, run_ids: Iterator[str], items: Sequence[Item]) -> None:
    """One decision to each run, and over again, at the rate."""
    start = time.perf_counter()
    for done in range(0, len(items), BURST):
        await sleep(max(0, start + done / RATE - time.perf_counter()))
        for item in items[done : done + BURST]:
            run_id = next(run_ids)
            decision_id = await runtime.decide(
                item.intent,
                item.options,
                item.chosen or "",
                item.reasoning,
                node_id=item.node_id,
                decision_type=item.decision_type,
                context=item.context,
                run_id=run_id,
            )
            await runtime.record_outcome(
                decision_id,
                True,
                result=item.result,
                summary=item.summary,
                tokens_used=item.tokens,
                run_id=run_id,
            )


def of_short_runs(bench: Bench, rows: set[str]) -> list[Figure]:
    """`runs`: one task opens, decides three times, closes, and so on; by the clock on the wall."""
    with bench.scratch() as path:
        return [bench.run(_of_short_runs, bench, path)]


async def _of_short_runs(bench: Bench, path: Path) -> Figure:
    three = bench.items[:3]
    samples: list[float] = []
    for turn in range(bench.effort.few_rounds):
        async with Runtime(path / str(turn)) as runtime:
            start = time.perf_counter()
            for _ in range(bench.effort.runs):
                async with runtime.run(GOAL):
                    await decide_each(runtime, three)
                await anyio.lowlevel.checkpoint()
            await flushed(runtime)
            samples.append(bench.effort.runs / (time.perf_counter() - start))
    return Figure("runs", samples, {"runs": float(bench.effort.runs)})


def on_the_event_loop(bench: Bench, rows: set[str]) -> list[Figure]:
    """`lateness-…`: how late a task wakes that sleeps 1 ms at a time, beside four that record as
    fast as they can, over the same beside four that do the same with recording disabled.
    """
    figures: list[Figure] = []
    for row in sorted(rows):
        loop = row.removeprefix("lateness-")
        try:
            installed(loop)
            with bench.scratch() as path:
                figures.append(bench.run(_lateness, bench, row, path, loop=loop))
        except NotInstalledError as error:
            figures.append(Figure(row, note=str(error)))
    return figures


async def _lateness(bench: Bench, row: str, path: Path) -> Figure:
    late: dict[str, list[float]] = {"recording": [], "disabled": []}
    rate: list[float] = []
    for turn in range(2 * bench.effort.few_rounds - 1):
        for which, of_round in late.items():
            recording = which == "recording"
            async with Runtime(path / str(turn), enabled=recording) as runtime:
                p99, decided = await _p99_beside(runtime, bench)
                await flushed(runtime)
            of_round.append(p99)
            if recording:
                rate.append(decided / bench.effort.late_seconds)
    samples = [a - b for a, b in zip(late["recording"], late["disabled"], strict=True)]
    details = {
        "p99_recording_ms": round(median(late["recording"]), 3),
        "p99_disabled_ms": round(median(late["disabled"]), 3),
        "decisions_a_second": round(median(rate)),
    }
    return Figure(row, samples, details)


async def _p99_beside(runtime: Runtime, bench: Bench) -> tuple[float, int]:
    """How late, in ms, and how many decisions were recorded meanwhile."""
    done = Event()
    decided = 0
    one_by_one = cycle([[item] for item in bench.items])

    async def agent() -> None:
        nonlocal decided
        async with runtime.run(GOAL):
            while not done.is_set():
                await decide_each(runtime, next(one_by_one))
                decided += 1
                await anyio.lowlevel.checkpoint()

    late: list[float] = []
    async with create_task_group() as tasks:
        for _ in range(TASKS):
            tasks.start_soon(agent)
        await sleep(0.05)
        end = time.perf_counter() + bench.effort.late_seconds
        while (start := time.perf_counter()) < end:
            await sleep(0.001)
            late.append((time.perf_counter() - start - 0.001) * 1e3)
        done.set()
    late.sort()
    return late[int(len(late) * 0.99)], decided
