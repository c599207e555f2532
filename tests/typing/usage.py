"""Typed use of the whole public interface: what both type checkers, strict, have to accept."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

import decisionlog
from decisionlog import (
    Chunk,
    Damage,
    Decision,
    DecisionHandle,
    DecisionLogError,
    DecisionType,
    Evaluation,
    FileSink,
    LogContext,
    MisuseError,
    NodeHandle,
    Option,
    Outcome,
    Problem,
    ReadError,
    Run,
    RunCheck,
    RunHandle,
    RunMetrics,
    RunStatus,
    RunStore,
    RunSummary,
    Runtime,
    Sink,
    Stats,
    Unwritten,
    WriteError,
    current_decision,
    current_run,
)
from decisionlog.testing import CountingIds, FixedClock, MemorySink


class Printer:
    """A sink of one's own."""

    async def open(self, writer: str) -> None:
        print(writer)

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        if len(batch) > 1:
            return Unwritten(batch[1:], OSError("one at a time"))
        for chunk in batch:
            assert_type(chunk.data, bytes)
            assert_type(chunk.ended, bool)
        return None

    async def flush(self, durable: bool) -> bool:
        return not durable

    async def close(self) -> None: ...


def redact(path: tuple[str | int, ...], value: Any) -> Any:
    return None if "name" in path else value


async def opening() -> None:
    async with Runtime() as runtime:
        assert_type(runtime, Runtime)
        assert_type(await runtime.flush(), bool)
        assert_type(await runtime.flush(durable=True, timeout=1), bool)
    with Runtime("traces", strict=True, enabled=False) as runtime:
        assert_type(runtime.flush_blocking(durable=True), bool)
        assert_type(runtime.stats(), Stats)
        assert_type(runtime.stats().last_error, str | None)
    sinks: list[Sink] = [FileSink("traces", max_open_files=10), Printer(), MemorySink()]
    Runtime(
        Path("traces"), durability="fsync", flush_interval=0.1, max_buffer=2**20, overflow="drop",
        wait_timeout=1, close_timeout=2.5, max_value_bytes=2**12, redact=redact, sinks=sinks,
        clock=FixedClock(), new_run_id=CountingIds(),
    )  # fmt: skip
    Runtime(redact=False, sinks=[MemorySink()], new_run_id=lambda now: f"r{now:%H%M%S}")


async def scopes(runtime: Runtime) -> None:
    async with runtime.run(
        "goal", "A goal", {"any": "thing"}, run_id="mine", tags={"v": "2"}, parent="run_1/dec_2"
    ) as run:
        assert_type(run, RunHandle)
        assert_type(run.id, str)
        assert_type(run.status, RunStatus)
        assert_type(run.metrics, RunMetrics)
        with runtime.node("router") as node:
            assert_type(node, NodeHandle)
        async with runtime.decision(
            "Pick",
            options=[Option("a", "A", pros=["fast"]), {"id": "b", "confidence": 0.4}],
            chosen="a",
            reasoning="It is faster",
            node_id="router",
            decision_type=DecisionType.TOOL_SELECTION,
            constraints=["cheap"],
            context={"n": 1},
            supersedes="dec_0",
            run=run,
        ) as decision:
            assert_type(decision, DecisionHandle)
            assert_type(decision.id, str)
            decision.choose("b", "On second thought")
            decision.succeed(
                [1], summary="Picked", tokens_used=3, state_changes={"x": 1}, input_tokens=1,
                output_tokens=2, cost_usd=0.1, model="m", attributes={"y": None},
            )  # fmt: skip
            decision.fail(ValueError("x"), result=None, tokens_used=3)
            decision.fail("no")
            assert_type(decision.report_problem("minor", "x", root_cause="y"), str)
        with runtime.run("inside", parent=run), runtime.decision("Pick", decision_type="custom"):
            assert_type(current_run(), RunHandle | None)
            assert_type(current_decision(), DecisionHandle | None)
        with runtime.run("beside", parent=decision) as beside:
            assert_type(beside, RunHandle)
        run.report_problem("critical", "x", decision_id="dec_0", suggested_fix="z")
        run.stuck("no way forward")
        run.fail("why", {"partly": True})
        run.succeed({"done": 1}, narrative="how")


def the_goal(goal: str, n: int = 1) -> str:
    return f"{goal} {n}"


def the_tags(goal: str, n: int = 1) -> dict[str, str]:
    return {"n": str(n)}


def each(names: list[str]) -> list[Option]:
    return [Option(name) for name in names]


def first(names: list[str]) -> str | None:
    return names[0] if names else None


def count_of(names: list[str]) -> dict[str, int]:
    return {"count": len(names)}


def decorators(runtime: Runtime) -> None:
    # (Lambdas do as well, but pyright, strict, wants to know the types of what they take.)
    @runtime.run(the_goal, tags=the_tags)
    async def agent(goal: str, n: int = 1) -> list[int]:
        return [n]

    @decisionlog.run("goal", input_data=the_goal)
    def plain(n: int) -> str:
        return str(n)

    @decisionlog.decision("Pick", options=each, chosen=first, context=count_of)
    async def pick(names: list[str]) -> str:
        return names[0]

    @runtime.decision("Stream")
    async def stream(n: int) -> AsyncIterator[int]:
        yield n

    @runtime.decision("Count")
    def count(n: int) -> Generator[int, str, bytes]:
        yield n
        return b""

    @runtime.node("worker")
    async def converse() -> AsyncGenerator[str, bytes]:
        yield "x"

    class Agent:
        @runtime.decision("Step")
        async def step(self, n: int) -> int:
            return n

    a: Callable[[str, int], Coroutine[Any, Any, list[int]]] = agent
    b: Callable[[int], str] = plain
    c: Callable[[list[str]], Coroutine[Any, Any, str]] = pick
    d: Callable[[int], AsyncIterator[int]] = stream
    e: Callable[[int], Generator[int, str, bytes]] = count
    f: Callable[[], AsyncGenerator[str, bytes]] = converse
    g: Callable[[int], Coroutine[Any, Any, int]] = Agent().step
    print(a, b, c, d, e, f, g)


async def imperative(runtime: Runtime) -> None:
    run_id = await runtime.start_run("goal", goal_description="A goal", input_data={"any": 1})
    assert_type(run_id, str)
    assert_type(runtime.current_run, RunHandle | None)
    runtime.set_node("router")
    options: list[Option] = [Option("a"), Option("b")]
    decision_id = await runtime.decide(
        "Pick", options, "a", "why", node_id="n", decision_type=DecisionType.CUSTOM,
        constraints=("x",), context={"a": 1}, run_id=run_id,
    )  # fmt: skip
    assert_type(decision_id, str)
    await runtime.record_outcome(
        decision_id, False, result={"a": 1}, error=ValueError("x"), summary="s",
        state_changes={"a": 1}, tokens_used=3, latency_ms=1.5, run_id=run_id,
    )  # fmt: skip
    await runtime.record_outcome(decision_id, True, error="text")
    assert_type(await runtime.report_problem("minor", "x", decision_id, "y", "z"), str)

    async def fetch() -> bytes:
        return b""

    dicts: list[dict[str, Any]] = [{"id": "a"}]
    assert_type(
        await runtime.decide_and_execute("Pick", dicts, "a", "why", fetch, node_id="n"),
        tuple[str, bytes],
    )
    assert_type(
        await runtime.decide_and_execute("Pick", dicts, "a", "why", lambda: 7, run_id=run_id),
        tuple[str, int],
    )
    assert_type(await runtime.quick_decision("Greet", "wave", "why"), str)
    await runtime.end_run(success=True, narrative="n", output_data=[1], run_id=run_id)


async def reading() -> None:
    store = RunStore("traces", stale_after=timedelta(hours=1))
    run = await store.load("run_1")
    assert_type(run, Run)
    assert_type(run.duration_ms, float | None)
    assert_type(run.started_at, datetime | None)
    assert_type(run.damage, list[Damage])
    for decision in run.decisions:
        assert_type(decision, Decision)
        assert_type(decision.chosen_option, Option | None)
        assert_type(decision.outcome, Outcome | None)
        assert_type(decision.evaluation, Evaluation | None)
        assert_type(decision.was_successful, bool)
        assert_type(decision.was_good_decision, bool)
        assert_type(decision.is_pending, bool)
    for problem in run.problems:
        assert_type(problem, Problem)
    assert_type(run.metrics.success_rate, float | None)
    assert_type(run.decision("dec_0"), Decision | None)
    async for summary in store.runs(
        goal_id="goal", status=RunStatus.FAILED, since=datetime.now(UTC), until=None,
        newest_first=False,
    ):  # fmt: skip
        assert_type(summary, RunSummary)
        assert_type(summary.key_decisions, list[str])
    assert_type(await store.summary("run_1"), RunSummary)
    assert_type(await store.check("run_1"), RunCheck)
    async for record in store.follow("run_1"):
        if isinstance(record, Decision):
            print(record.intent)
    await store.evaluate("run_1", "dec_0", Evaluation(goal_aligned=False, explanation="x"))
    await store.delete("run_1")
    assert_type(await store.prune(older_than=timedelta(days=30), keep=10), list[str])


def errors() -> list[type[DecisionLogError]]:
    return [MisuseError, WriteError, ReadError, decisionlog.RunNotFoundError]


def logs(handler: logging.Handler) -> str:
    handler.addFilter(LogContext())
    return decisionlog.__version__


def tests(sink: MemorySink) -> Run:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(1.5)
    clock.set_wall(datetime.now(UTC))
    assert_type(sink.run_ids(), list[str])
    assert_type(sink.data("run_1"), bytes)
    return sink.run("run_1")
