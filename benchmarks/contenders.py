"""Who records the items: decisionlog in its two ways, and two peers, each as it says itself.

All write to a file, and count as done when the operating system has everything. All keep every
field. Where a peer has no place for options, they are a field like any other.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import anyio.lowlevel

from benchmarks import limit
from benchmarks.measure import Contender, LostError, NotInstalledError
from benchmarks.work import GOAL, Item
from decisionlog import Runtime

RUN_LENGTH = 1000
"""Decisions in a run: enough that opening it weighs little. That has a row of its own."""
LIMIT = Contender("limit", limit.record)


def in_runs(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items of one run after another."""
    for start in range(0, len(items), RUN_LENGTH):
        yield items[start : start + RUN_LENGTH]


async def flushed(runtime: Runtime) -> None:
    """Wait until everything is with the operating system.

    Raises:
        LostError: it is not.
    """
    if not await runtime.flush(timeout=120):
        raise LostError(f"decisionlog: {runtime.stats()}")


async def decide_each(runtime: Runtime, items: Sequence[Item]) -> None:
    """The work of an agent, in the run that is in progress."""
    for item in items:
        async with runtime.decision(
            item.intent,
            options=item.options,
            chosen=item.chosen,
            reasoning=item.reasoning,
            node_id=item.node_id,
            decision_type=item.decision_type,
            context=item.context,
        ) as decision:
            decision.succeed(item.result, summary=item.summary, tokens_used=item.tokens)


@asynccontextmanager
async def scopes(
    path: Path, name: str = "decisionlog", **settings: Any
) -> AsyncGenerator[Contender]:
    """decisionlog, through `async with`; as shipped, unless settings are given."""
    async with Runtime(path, **settings) as runtime:

        async def record(items: Sequence[Item]) -> None:
            for some in in_runs(items):
                async with runtime.run(GOAL):
                    await decide_each(runtime, some)
                await anyio.lowlevel.checkpoint()
            await flushed(runtime)

        yield Contender(name, record)


@asynccontextmanager
async def imperative(path: Path) -> AsyncGenerator[Contender]:
    """decisionlog, by `decide` and `record_outcome`."""
    async with Runtime(path) as runtime:

        async def record(items: Sequence[Item]) -> None:
            for some in in_runs(items):
                await runtime.start_run(GOAL)
                for item in some:
                    decision_id = await runtime.decide(
                        item.intent,
                        item.options,
                        item.chosen or "",
                        item.reasoning,
                        node_id=item.node_id,
                        decision_type=item.decision_type,
                        context=item.context,
                    )
                    await runtime.record_outcome(
                        decision_id,
                        True,
                        result=item.result,
                        summary=item.summary,
                        tokens_used=item.tokens,
                    )
                await runtime.end_run(True)
                await anyio.lowlevel.checkpoint()
            await flushed(runtime)

        yield Contender("imperative", record)


@asynccontextmanager
async def eliot(path: Path) -> AsyncGenerator[Contender]:
    """Eliot: an action for a run and one for a decision, to a file. It writes in the caller."""
    lib = installed("eliot")
    with counted(path / "eliot.log", b'"tokens_used"', "eliot") as (file, expect):
        destination = lib.FileDestination(file=file)
        lib.add_destinations(destination)

        async def record(items: Sequence[Item]) -> None:
            for some in in_runs(items):
                with lib.start_action(action_type="run", goal=GOAL):
                    for item in some:
                        with lib.start_action(
                            action_type="decision",
                            intent=item.intent,
                            options=item.options,
                            chosen=item.chosen,
                            reasoning=item.reasoning,
                            node_id=item.node_id,
                            decision_type=item.decision_type,
                            context=item.context,
                        ) as action:
                            action.add_success_fields(
                                result=item.result, summary=item.summary, tokens_used=item.tokens
                            )
                await anyio.lowlevel.checkpoint()
            file.flush()
            expect(len(items))

        yield Contender("eliot", record)
        lib.remove_destination(destination)


@asynccontextmanager
async def opentelemetry(path: Path) -> AsyncGenerator[Contender]:
    """OpenTelemetry: a span for a run and one for a decision, by the batch processor to the SDK's
    own exporter, a JSON object a line. What is nested goes into attributes as JSON text, since they
    hold no objects. The queue has room for a round: as shipped, it would drop most of it.
    """
    trace = installed("opentelemetry.sdk.trace")
    export = installed("opentelemetry.sdk.trace.export")
    with counted(path / "spans.jsonl", b'"tokens_used"', "opentelemetry") as (file, expect):

        class Text:
            """The exporter writes text."""

            flush = file.flush

            def write(self, text: str) -> None:
                file.write(text.encode())

        exporter = export.ConsoleSpanExporter(out=Text(), formatter=_as_a_line)
        provider = trace.TracerProvider()
        provider.add_span_processor(export.BatchSpanProcessor(exporter, max_queue_size=2**17))
        start_span = provider.get_tracer("benchmarks").start_as_current_span
        dumps = json.dumps

        async def record(items: Sequence[Item]) -> None:
            for some in in_runs(items):
                with start_span("run", attributes={"goal": GOAL}):
                    for item in some:
                        attributes = {
                            "intent": item.intent,
                            "options": dumps(item.options),
                            "chosen": item.chosen,
                            "reasoning": item.reasoning,
                            "node_id": item.node_id,
                            "decision_type": item.decision_type,
                            "context": dumps(item.context),
                        }
                        with start_span("decision", attributes=attributes) as span:
                            outcome = {
                                "result": dumps(item.result),
                                "summary": item.summary,
                                "tokens_used": item.tokens,
                            }
                            span.set_attributes(outcome)
                await anyio.lowlevel.checkpoint()
            provider.force_flush(120_000)
            file.flush()
            expect(len(items))

        yield Contender("opentelemetry", record, share=10)
        provider.shutdown()


def _as_a_line(span: Any) -> str:
    return f"{span.to_json(indent=None)}\n"


PEERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Contender]]] = {
    "eliot": eliot,
    "opentelemetry": opentelemetry,
}


def installed(module: str) -> Any:
    """The module.

    Raises:
        NotInstalledError: there is none.
    """
    try:
        return import_module(module)
    except ImportError:
        raise NotInstalledError(f"{module.partition('.')[0]} is not installed") from None


@contextmanager
def counted(
    path: Path, mark: bytes, name: str
) -> Generator[tuple[IO[bytes], Callable[[int], None]]]:
    """A file for a peer to write to; in the end as many lines as expected must bear the mark.

    Raises:
        LostError: they do not.
    """
    expected = 0

    def expect(more: int) -> None:
        nonlocal expected
        expected += more

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        yield file, expect
    with path.open("rb") as lines:
        found = sum(mark in line for line in lines)
    if found != expected:
        raise LostError(f"{name}: {found} decisions in its file instead of {expected}")
