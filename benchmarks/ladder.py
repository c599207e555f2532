"""Where the microseconds of one decision go: `python -m benchmarks --profile`.

No profiler: those cost more than what they would measure. Instead,

- a ladder, from the limit up to what is shipped, each rung with one thing more than the one before,
  and all rungs interleaved in one process;
- the same decision with one of its parts left out: what is saved is what that part costs;
- the functions that a decision calls, counted. Counts are exact, and the same on every machine.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar, Token
from itertools import pairwise
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any, Self
from zlib import crc32

import anyio.lowlevel
from msgspec import Struct, structs

from benchmarks import limit
from benchmarks.contenders import LIMIT, decide_each, flushed, imperative, in_runs, scopes
from benchmarks.measure import Bench, Contender, Cost, interleaved, totals
from benchmarks.work import GOAL, Item, repeated
from decisionlog import Chunk, Runtime, Unwritten

CALLER = decide_each.__code__.co_filename
current: ContextVar[object] = ContextVar("current", default=None)


class Step(Struct, frozen=True):
    """A rung: microseconds of CPU of all threads, and how much of that in the agent's own."""

    name: str
    total_us: float
    agent_us: float
    more_us: float
    """What it adds to the one before; aside from the ladder, to what is shipped; what leaving out a
    part saves. The median of the rounds."""


class Profile(Struct, frozen=True):
    """Where the time goes."""

    ladder: list[Step]
    parts: list[Step]
    calls: dict[str, float]
    """How many of each function of Python and C a decision calls in the agent's thread."""


class NullSink:
    """Takes records and forgets them."""

    async def open(self, writer: str) -> None:
        pass

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        return None

    async def flush(self, durable: bool) -> bool:
        return True

    async def close(self) -> None:
        pass


# ---------------------------------------------------------------- rungs below the product


def _seal(body: bytes) -> bytes:
    body = body[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


async def _sealed(items: Sequence[Item]) -> None:
    for item in items:
        _seal(limit.decision_line(item))
        _seal(limit.outcome_line(item))


class BareScope:
    """A context manager that records: the limit and a checksum on the way in and out."""

    __slots__ = ("_item", "_started", "_token", "latency_ms")
    _token: Token[object]
    _started: int
    latency_ms: float

    def __init__(self, item: Item) -> None:
        self._item = item

    async def __aenter__(self) -> Self:
        time.time_ns()
        _seal(limit.decision_line(self._item))
        self._token = current.set(self)
        self._started = time.perf_counter_ns()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.latency_ms = (time.perf_counter_ns() - self._started) / 1e6
        time.time_ns()
        current.reset(self._token)
        _seal(limit.outcome_line(self._item))


async def _in_bare_scopes(items: Sequence[Item]) -> None:
    for item in items:
        async with BareScope(item):
            pass


# ---------------------------------------------------------------- the ladder


def profile(bench: Bench) -> Profile:
    """Measure all of it."""
    with bench.scratch() as path:
        ladder = bench.run(_ladder, bench, path)
        parts = bench.run(_parts, bench, path)
        return Profile(ladder, parts, bench.run(_calls, bench, path))


async def _ladder(bench: Bench, path: Path) -> list[Step]:
    items = repeated(bench.items, bench.effort.decisions)
    null = [NullSink()]
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        rungs = [
            LIMIT,
            Contender("+ a checksum and a newline", _sealed),
            Contender("+ async with, a context variable, clocks", _in_bare_scopes),
            await enter(
                scopes(path, "decisionlog, to no sink, redact=False", sinks=null, redact=False)
            ),
            await enter(scopes(path, "+ redaction", sinks=null)),
            await enter(scopes(path / "files", "+ files: as shipped")),
        ]
        aside = [
            await enter(_plain_with(path / "with", "as shipped, by plain `with`")),
            await enter(imperative(path / "imperative")),
            await enter(scopes(path, "as shipped, disabled", enabled=False)),
        ]
        costs = await interleaved([*rungs, *aside], items, bench.effort.rounds)
    of = [costs[rung.name] for rung in rungs]
    more = [totals(of[0]), *(_difference(above, below) for below, above in pairwise(of))]
    steps = [_step(*step) for step in zip(rungs, of, more, strict=True)]
    shipped = of[-1]
    for other in aside:
        mine = costs[other.name]
        steps.append(_step(other, mine, _difference(mine, shipped)))
    return steps


def _step(contender: Contender, costs: list[Cost], more: list[float]) -> Step:
    agent = median(cost.caller for cost in costs)
    total = median(totals(costs))
    return Step(contender.name, round(total, 2), round(agent, 2), round(median(more), 2))


def _difference(above: list[Cost], below: list[Cost]) -> list[float]:
    return [a - b for a, b in zip(totals(above), totals(below), strict=True)]


@asynccontextmanager
async def _plain_with(path: Path, name: str) -> AsyncGenerator[Contender]:
    async with Runtime(path) as runtime:

        async def record(items: Sequence[Item]) -> None:
            for some in in_runs(items):
                with runtime.run(GOAL):
                    for item in some:
                        with runtime.decision(
                            item.intent,
                            options=item.options,
                            chosen=item.chosen,
                            reasoning=item.reasoning,
                            node_id=item.node_id,
                            decision_type=item.decision_type,
                            context=item.context,
                        ) as decision:
                            decision.succeed(
                                item.result, summary=item.summary, tokens_used=item.tokens
                            )
                await anyio.lowlevel.checkpoint()
            await flushed(runtime)

        yield Contender(name, record)


# ---------------------------------------------------------------- what each part costs

PARTS: dict[str, dict[str, Any]] = {
    "the options": {"options": [], "chosen": None},
    "the context": {"context": {}},
    "the result": {"result": None},
    "the texts, but for the intent": {"reasoning": "", "summary": ""},
    "the type, the node and the tokens": {
        "decision_type": "custom", "node_id": "unknown", "tokens": 0,
    },
}  # fmt: skip


async def _parts(bench: Bench, path: Path) -> list[Step]:
    items = repeated(bench.items, bench.effort.decisions)
    bare = {field: value for left_out in PARTS.values() for field, value in left_out.items()}
    async with scopes(path, sinks=[NullSink()]) as ours:

        def without(name: str, left_out: dict[str, Any]) -> Contender:
            less = [structs.replace(item, **left_out) for item in bench.items]
            less = repeated(less, len(items))
            return Contender(name, lambda items: ours.record(less[: len(items)]))

        poorer = [without(name, left_out) for name, left_out in PARTS.items()]
        poorer.append(without("all of these", bare))
        costs = await interleaved([ours, *poorer], items, bench.effort.rounds)
    whole = costs[ours.name]
    return [_step(p, costs[p.name], _difference(whole, costs[p.name])) for p in poorer]


# ---------------------------------------------------------------- what a decision calls


async def _calls(bench: Bench, path: Path) -> dict[str, float]:
    items = bench.items[:500]
    counts: Counter[str] = Counter()

    def count(frame: FrameType, event: str, function: Any) -> None:
        if event == "call" and frame.f_code.co_filename != CALLER:
            module = frame.f_globals.get("__name__", "?")
            counts[f"{module}.{frame.f_code.co_qualname}"] += 1
        elif event == "c_call":
            owner = getattr(function, "__module__", None)
            counts[f"{f'{owner}.' if owner else ''}{function.__qualname__} (C)"] += 1

    async with Runtime(path, sinks=[NullSink()]) as runtime, runtime.run(GOAL):
        await decide_each(runtime, items)  # lazy imports, caches
        await flushed(runtime)
        sys.setprofile(count)
        try:
            await decide_each(runtime, items)
        finally:
            sys.setprofile(None)
    counts.pop("sys.setprofile (C)", None)
    return {name: round(n / len(items), 3) for name, n in counts.most_common()}
