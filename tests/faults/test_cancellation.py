"""Row 8: an agent is called off wherever it gives way to the event loop."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.faults.report import report, sized
from tests.faults.wandering import KINDS, Found, Stepped, Wanderer, faults, found_in, runtime_for
from tests.sinks import TroubledSink

SEEDS = sized(20, 1000)
WAYS = ["scope", "native", "twice", "interrupt"]
Recorder = Callable[[TroubledSink], Any]


@pytest.fixture(autouse=True)
def interruptible() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Caller:
    """Calls the agent off at a step, in a way."""

    def __init__(self, backend: str, way: str, step: int, sink: TroubledSink) -> None:
        self.inner, self.outer = anyio.CancelScope(), anyio.CancelScope()
        self._native = backend == "asyncio" and way in ("native", "twice")
        self._interrupts = way == "interrupt"
        self._backend = backend
        self._steps = (step, step + 1) if way == "twice" else (step,)
        self._sink = sink
        self.calls = 0

    def at(self, step: int) -> BaseException | None:
        if step in self._steps:
            self.calls += 1
            if self._interrupts and self._backend == "asyncio":
                self._sink.unblock()
                return KeyboardInterrupt()
            self._call()
        self._sink.unblock()
        return None

    def _call(self) -> None:
        if self._interrupts:
            import trio

            @trio.lowlevel.enable_ki_protection
            def interrupt() -> None:  # as while the event loop itself is at work
                signal.raise_signal(signal.SIGINT)

            interrupt()
        elif self._native:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        else:
            (self.inner if self.calls == 1 else self.outer).cancel()


async def call_off(
    backend: str, way: str, seed: int, step: int, recorder: Recorder, kinds: list[str]
) -> tuple[Wanderer | None, list[str]]:
    """The agent, if it got as far as this step, and what is wrong with what it recorded."""
    sink = TroubledSink()
    runtime = recorder(sink)
    agent = Wanderer(seed, runtime, sink, kinds)
    caller = Caller(backend, way, step, sink)
    try:
        with caller.outer, caller.inner:
            await Stepped(agent.wander(), caller.at)
    except (asyncio.CancelledError, KeyboardInterrupt):
        if backend == "asyncio" and (task := asyncio.current_task()) is not None:
            while task.uncancel():
                pass
    except BaseExceptionGroup as group:
        agent.wrong.append(f"an exception group: {group!r}")
    if not caller.calls:
        return None, []
    for thread in threading.enumerate():
        if thread.name == "decisionlog":
            thread.join(30)
            assert not thread.is_alive()
    found = getattr(runtime, "found", None)
    if found is None:
        found = [each for run_id in sink.run_ids() for each in found_in(sink.records(run_id))]
        agent.wrong += accounts(runtime, sink)
    return agent, agent.wrong + faults(agent.account, found)


def accounts(runtime: Any, sink: TroubledSink) -> list[str]:
    stats = runtime.stats()
    wrong = [repr(stats)] if stats.accepted != stats.written or stats.misused + stats.errors else []
    runs = map(sink.run, sink.run_ids())
    return wrong + [f"{run.damage}" for run in runs if run.damage or run.lost_records]


async def everywhere(
    backend: str, way: str, seed: int, recorder: Recorder = runtime_for, kinds: list[str] = KINDS
) -> tuple[int, int, list[str]]:
    """Each step until the agent is through: how many there were, how many scopes were called off
    while they waited for room to be entered, and what went wrong.
    """
    found: list[str] = []
    stopped = 0
    for step in count():
        agent, wrong = await call_off(backend, way, seed, step, recorder, kinds)
        if agent is None:
            return step, stopped, found
        stopped += agent.stopped_on_entry
        found += [f"seed {seed}, step {step}: {each}" for each in wrong]
    raise AssertionError


@pytest.mark.parametrize("way", WAYS)
def test_called_off_at_every_checkpoint(anyio_backend: str, way: str) -> None:
    if way == "native" and anyio_backend == "trio":
        pytest.skip("trio knows no other way than scopes")
    steps = waiting = 0
    for seed in range(SEEDS):
        tried, stopped, found = anyio.run(
            everywhere, anyio_backend, way, seed, backend=anyio_backend
        )
        assert found == []
        steps += tried
        waiting += stopped
    assert steps > 5 * SEEDS
    assert waiting > 0
    figures = {"seeds": SEEDS, "while_waiting_for_room": waiting}
    report(8, f"{way}, {anyio_backend}", steps, **figures, lost=0, duplicated=0, changed=0)


# ------------------------------------------------------------- controls: recorders with a bug


class Naive:
    """Writes in the agent's own event loop, and what is called off there it deals with badly."""

    def __init__(self, bug: str) -> None:
        self.found: Found = []
        self.run = lambda name: self._scope("run", name)
        self.decision = lambda name, *args, **kwargs: self._scope("decision", name)
        self._bug = bug

    async def __aenter__(self) -> "Naive":
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def _write(self, *record: Any) -> None:
        if self._bug == "lost":
            await checkpoint()
            self.found.append(record)
        elif self._bug == "twice":
            self.found.append(record)
            try:
                await checkpoint()
            except BaseException:
                self.found.append(record)  # was it written? better once more
                raise
        else:
            self.found.append(record)

    @asynccontextmanager
    async def _plain(self, kind: str, name: str) -> AsyncIterator[None]:
        await self._write(kind, name, "began")
        outcome = "success"
        try:
            yield
        except BaseException as error:
            outcome = "failed" if isinstance(error, KeyboardInterrupt) else "cancelled"
            raise
        finally:
            await self._write(kind, name, outcome)

    @asynccontextmanager
    async def _grouped(self, kind: str, name: str) -> AsyncIterator[None]:
        async with self._plain(kind, name), anyio.create_task_group():
            yield

    def _scope(self, kind: str, name: str) -> AbstractAsyncContextManager[None]:
        return self._grouped(kind, name) if self._bug == "wrapped" else self._plain(kind, name)


@pytest.mark.parametrize(
    ("bug", "way", "complaint"),
    [
        ("lost", "scope", "instead of"),
        ("twice", "scope", "is there 2 times"),
        ("lost", "twice", "instead of"),
        ("wrapped", "interrupt", "was left with another exception"),
        ("none", "scope", ""),
    ],
)
def test_control(anyio_backend: str, bug: str, way: str, complaint: str) -> None:
    def recorder(sink: TroubledSink) -> Naive:
        return Naive(bug)

    kinds = ["pause", "decision", "run"]
    tried, _, found = anyio.run(
        everywhere, anyio_backend, way, 1, recorder, kinds, backend=anyio_backend
    )
    assert tried > 5
    assert any(complaint in fault for fault in found) if complaint else found == []
