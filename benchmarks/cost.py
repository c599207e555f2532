"""Rows about the CPU of one decision: over the limit, beside peers, late in a long run, and when
nothing is recorded.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Self

from benchmarks.contenders import (
    LIMIT,
    PEERS,
    RUN_LENGTH,
    decide_each,
    flushed,
    imperative,
    in_runs,
    scopes,
)
from benchmarks.measure import (
    Bench,
    Cost,
    Figure,
    NotInstalledError,
    Work,
    cost,
    interleaved,
    ratios,
    settle,
    totals,
    us,
)
from benchmarks.work import GOAL, Item, repeated
from decisionlog import Runtime


def of_a_decision(bench: Bench, rows: set[str]) -> list[Figure]:
    """`decision`, `imperative`, and the peers: all of them in one process, interleaved."""
    with bench.scratch() as path:
        return bench.run(_of_a_decision, bench, rows, path)


async def _of_a_decision(bench: Bench, rows: set[str], path: Path) -> list[Figure]:
    items = repeated(bench.items, bench.effort.decisions)
    figures: list[Figure] = []
    async with AsyncExitStack() as stack:
        contenders = [LIMIT, await stack.enter_async_context(scopes(path / "scopes"))]
        if "imperative" in rows:
            contenders.append(await stack.enter_async_context(imperative(path / "imperative")))
        for row, peer in PEERS.items():
            if row in rows:
                try:
                    contenders.append(await stack.enter_async_context(peer(path / row)))
                except NotInstalledError as error:
                    figures.append(Figure(row, note=str(error)))
        costs = await interleaved(contenders, items, bench.effort.rounds)

    limit, ours = costs["limit"], costs["decisionlog"]
    for row, theirs in costs.items():
        if row in PEERS:
            samples = ratios(totals(theirs), totals(ours))
            details = {f"{row}_us": us(theirs), "decisionlog_us": us(ours)}
        else:
            samples = ratios(totals(theirs), totals(limit))
            details = {
                "us": us(theirs),
                "in_agent_thread_us": _caller_us(theirs),
                "limit_us": us(limit),
            }
        figures.append(Figure("decision" if row == "decisionlog" else row, samples, details))
    return [figure for figure in figures if figure.row in rows]


def _caller_us(costs: list[Cost]) -> float:
    return round(median(cost.caller for cost in costs), 2)


def in_a_long_run(bench: Bench, rows: set[str]) -> list[Figure]:
    """`long-run`: one run grows to its full length; every tenth thousand of its decisions is
    measured, in turn with a run of 1,000.
    """
    with bench.scratch() as path:
        return [bench.run(_in_a_long_run, bench, path)]


async def _in_a_long_run(bench: Bench, path: Path) -> Figure:
    items = repeated(bench.items, 10 * RUN_LENGTH)
    turns = bench.effort.long_run // len(items)
    costs: dict[str, list[float]] = {"long": [], "short": []}

    # Opening and ending are left out: they would weigh on the short run alone.
    async with Runtime(path / "long") as runtime, Runtime(path / "short") as other:

        async def longer(items: Sequence[Item]) -> None:
            await decide_each(runtime, items)
            await flushed(runtime)

        async def anew(items: Sequence[Item]) -> None:
            await decide_each(other, items)
            await flushed(other)

        async with runtime.run(GOAL):
            for turn in range(turns):
                *unmeasured, some = in_runs(items)
                for grow in unmeasured:
                    await decide_each(runtime, grow)
                await flushed(runtime)
                async with other.run(GOAL):
                    await flushed(other)
                    pair = (("long", longer), ("short", anew))
                    for which, work in pair if turn % 2 else pair[::-1]:
                        costs[which].append((await cost(work, some)).total)
            before_end = time.process_time_ns()
        await flushed(runtime)
        end_ms = (time.process_time_ns() - before_end) / 1e6

    samples = ratios(costs["long"], costs["short"])
    details = {
        "decisions": float(turns * len(items)),
        "in_its_last_tenth": round(median(samples[-max(1, turns // 10) :]), 3),
        "ending_it_ms": round(end_ms, 1),
        "us": round(median(costs["long"]), 2),
        "us_in_short_runs": round(median(costs["short"]), 2),
    }
    return Figure("long-run", samples, details)


class Empty:
    """The least that `async with` takes."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass


def of_nothing(bench: Bench, rows: set[str]) -> list[Figure]:
    """`no-op`: a scope of a disabled runtime, and one where no run is in progress."""
    logger = logging.getLogger("decisionlog")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # that no run is in progress is misuse, and said once
    try:
        with bench.scratch() as path:
            return [bench.run(_of_nothing, bench, path)]
    finally:
        logger.setLevel(level)


async def _of_nothing(bench: Bench, path: Path) -> Figure:
    items = repeated(bench.items, bench.effort.scopes)
    costs: dict[str, list[float]] = {}
    async with Runtime(path, enabled=False) as disabled, Runtime(path) as runtime:
        ways: dict[str, Work] = {
            "empty": _enter_empty,
            "disabled": _entering(disabled),
            "no_run": _entering(runtime),
            "disabled_whole_call": lambda items: decide_each(disabled, items),
            "no_run_whole_call": lambda items: decide_each(runtime, items),
        }
        settle()
        for turn in range(bench.effort.rounds):
            names = list(ways)
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                costs.setdefault(name, []).append((await cost(ways[name], items)).total)
    worse = [max(each) for each in zip(costs["disabled"], costs["no_run"], strict=True)]
    details = {f"{name}_us": round(median(each), 3) for name, each in costs.items()}
    return Figure("no-op", ratios(worse, costs["empty"]), details)


async def _enter_empty(items: Sequence[Item]) -> None:
    for _ in items:
        async with Empty():
            pass


def _entering(runtime: Runtime) -> Work:
    async def enter(items: Sequence[Item]) -> None:
        for item in items:
            async with runtime.decision(item.intent):
                pass

    return enter
