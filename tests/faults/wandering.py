"""An agent that wanders through all kinds of scopes, as a seed says, keeps its own account of them,
and can be called off wherever it gives way to the event loop.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from decisionlog import Decision, Outcome, Runtime
from decisionlog.records import AnyRecord, RunEnded, RunStarted
from tests.sinks import TroubledSink

SMALL = 2**16
FILLER = "x" * 4000
KINDS = "pause pause decision decision run node choose problem imperative flush crowd".split()
WAYS = ("async with", "with", "decorated", "generator", "executed")

Account = dict[tuple[str, str], str]
"""What ought to be recorded, by kind and name: how it came out, or "pending"."""
Found = list[tuple[str, str, str]]
"""What was: kind, name, and how it came out; "began" is the first of each."""


class Stepped:
    """Awaits a coroutine; `at` is called where it gives way for the n-th time, and may return
    something to be thrown in there.
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], at: Callable[[int], BaseException | None]
    ) -> None:
        self.steps = 0
        self._coroutine = coroutine
        self._at = at

    def __await__(self) -> Generator[Any, Any, None]:
        resume: Callable[[Any], Any] = self._coroutine.send
        value: Any = None
        while True:
            try:
                awaited = resume(value)
            except StopIteration:
                return
            thrown = self._at(self.steps)
            self.steps += 1
            if thrown is not None:
                resume, value = self._coroutine.throw, thrown
                continue
            try:
                value = yield awaited
                resume = self._coroutine.send
            except BaseException as error:
                resume, value = self._coroutine.throw, error


def how(error: BaseException) -> str:
    """What is to be recorded of a scope that was left with this exception."""
    cancelled = isinstance(error, (anyio.get_cancelled_exc_class(), GeneratorExit))
    return "cancelled" if cancelled else "failed"


class Wanderer:
    """The agent. `recorder` is a runtime, or what the controls have in place of one."""

    def __init__(self, seed: int, recorder: Any, sink: TroubledSink, kinds: list[str]) -> None:
        self.account: Account = {}
        self.wrong: list[str] = []
        self.stopped_on_entry = 0
        self._chance = random.Random(seed)
        self._recorder = recorder
        self._sink = sink
        self._kinds = kinds
        self._crowds = 0

    async def wander(self) -> None:
        async with self._recorder:
            await self._scope("run", "async with", self._walk(0))

    async def _walk(self, depth: int) -> None:
        for _ in range(self._chance.randint(1, 3) if depth else 6):
            kind = self._chance.choice(self._kinds)
            if kind in ("decision", "run"):
                inner = self._walk(depth + 1) if depth < 3 else checkpoint()
                ways = WAYS if kind == "decision" else WAYS[:4]
                way = self._chance.choice(ways) if self._kinds is KINDS else "async with"
                await self._scope(kind, way, inner)
            elif kind == "node":
                with self._recorder.node("somewhere"):
                    await self._walk(depth + 1) if depth < 3 else await checkpoint()
            else:
                await getattr(self, f"_{kind}")()

    async def _pause(self) -> None:
        await anyio.sleep(0)

    async def _flush(self) -> None:
        await self._recorder.flush()

    async def _choose(self) -> None:
        with self._recorder.decision("chooses", [{"id": "a"}, {"id": "b"}]) as decision:
            decision.choose("b")
            await checkpoint()

    async def _problem(self) -> None:
        self._recorder.current_run.report_problem("minor", "small")
        await checkpoint()

    async def _crowd(self) -> None:
        """From here on the buffer is full, until the agent waits for something."""
        if self._crowds < 1:
            self._crowds += 1
            self._sink.block()
            while self._recorder.stats().buffered <= SMALL:
                with self._recorder.decision("fills", reasoning=FILLER):
                    pass

    async def _imperative(self) -> None:
        recorder, account = self._recorder, self.account
        run, decision = ("run", self._name()), ("decision", self._name())
        try:
            await recorder.start_run(run[1])
        except BaseException as error:  # the caller never learns its id
            account[run] = how(error)
            raise
        account[run] = "pending"
        account[decision] = "pending"
        decision_id = await recorder.decide(decision[1], [{"id": "a"}], "a", "")
        account[decision] = "success"
        await recorder.record_outcome(decision_id, True)
        account[run] = "success"
        await recorder.end_run(True)

    def _name(self) -> str:
        return f"{len(self.account)}"

    async def _scope(self, kind: str, way: str, body: Awaitable[None]) -> None:
        """One scope, whose body this is, entered in one of the ways; and what should be there."""
        key = kind, self._name()
        make = self._recorder.run if kind == "run" else self._recorder.decision
        self.account[key] = "called"
        inside: list[BaseException] = []

        async def noted(*_: Any) -> None:
            self.account[key] = "entered"
            try:
                await body
            except BaseException as error:
                self.account[key] = how(error)
                inside.append(error)
                raise
            self.account[key] = "success"

        async def yielding() -> AsyncIterator[int]:
            self.account[key] = "entered"
            try:
                yield 1
                await body
                yield 2
            except BaseException as error:
                self.account[key] = how(error)
                raise
            self.account[key] = "success"

        try:
            match way:
                case "async with":
                    async with make(key[1]):
                        await noted()
                case "with":
                    with make(key[1]):
                        await noted()
                case "decorated":
                    await make(key[1])(noted)()
                case "generator":
                    async with aclosing(make(key[1])(yielding)()) as numbers:
                        async for _ in numbers:
                            await checkpoint()
                case _:
                    await self._recorder.decide_and_execute(key[1], [{"id": "a"}], "a", "", noted)
        except BaseException as error:
            if self.account[key] == "called":
                self.account[key] = how(error)
                self.stopped_on_entry += 1
            self._left(key, error, inside)
            raise
        finally:
            if isinstance(body, Coroutine):
                body.close()  # it may not have been begun

    def _left(self, key: tuple[str, str], error: BaseException, inside: list[Any]) -> None:
        expected = (anyio.get_cancelled_exc_class(), KeyboardInterrupt)
        if inside and error is not inside[0]:
            self.wrong.append(f"{key} was left with another exception, {error!r}")
        if type(error) not in expected and not isinstance(error, expected):
            self.wrong.append(f"{key} was left with {error!r}")
        if error.__cause__ is not None or hasattr(error, "__notes__"):
            self.wrong.append(f"{key} changed the exception")


def found_in(records: list[AnyRecord]) -> Found:
    """What the records of one run say."""
    found: Found = []
    names: dict[str, str] = {}
    run = ""
    for record in records:
        match record:
            case RunStarted():
                run = record.goal_id
                found.append(("run", run, "began"))
            case RunEnded():
                said = "success" if record.status == "completed" else str(record.status)
                found.append(("run", run, said))
            case Decision():
                names[record.id] = record.intent
                found.append(("decision", record.intent, "began"))
            case Outcome():
                failed = "cancelled" if record.cancelled else "failed"
                said = "success" if record.success else failed
                found.append(("decision", names[record.decision_id], said))
            case _:
                pass
    return [each for each in found if each[1].isdecimal()]


def faults(account: Account, found: Found) -> list[str]:
    """Where what was recorded is not what should be."""
    counts = Counter(found)
    wrong = [f"{key} is there {n} times" for key, n in counts.items() if n > 1]
    for (kind, name), outcome in account.items():
        told = [said for k, n, said in counts if (k, n) == (kind, name)]
        expected = ["began"] if outcome == "pending" else ["began", outcome]
        if told != expected:
            wrong.append(f"{kind} {name}: {told} instead of {expected}")
    made_up = {(kind, name) for kind, name, _ in counts} - account.keys()
    return wrong + [f"{each} was never made" for each in made_up]


def runtime_for(sink: TroubledSink) -> Runtime:
    return Runtime(
        sinks=[sink], max_buffer=SMALL, wait_timeout=60, close_timeout=30, flush_interval=0.001
    )
