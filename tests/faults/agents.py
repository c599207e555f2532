"""The agents that faults happen to, each a process of its own (`processes.start`): `python -m
tests.faults.agents NAME '{"traces": "…", "notes": "…"}'`.
"""

import itertools
import json
import mmap
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio

from decisionlog import Run, RunNotFoundError, RunStore, Runtime
from tests.faults.notes import Notes
from tests.faults.recorders import Hanging, opened

Settings = dict[str, Any]
MOST_NOTES = 2**20
"""Of an agent that tells of each decision; it is killed long before."""


async def busy(
    traces: str, notes: str, seed: int, durable: bool = False, flushes: bool = True, **how: Any
) -> None:
    """Records for ever: three workers, bursts and pauses, small and large records."""
    tell, chance = Notes(notes), random.Random(seed)

    async def work(number: int) -> None:
        async with runtime.run("work", run_id=f"w{number}"):
            for n in itertools.count():
                size = int(10 ** chance.uniform(0, 5))
                async with runtime.decision(f"{number}/{n}", context={"text": "x" * size}):
                    tell.made_record(f"{number}/{n}.decision")
                tell.made_record(f"{number}/{n}.outcome")
                if flushes and chance.random() < 0.1:
                    made = tell.made
                    if await runtime.flush(durable=durable):
                        tell.tell("acknowledged", made)
                tell.tell("synced", runtime.stats().synced)
                await anyio.sleep(chance.choice([0, 0, 0.001, 0.01, 0.05]))

    async with opened(traces, **how) as runtime, anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(work, number)


async def relentless(traces: str, notes: str, seed: int, **how: Any) -> None:
    """Records as fast as it can and does nothing else, for ever. Its notes are when it made each
    decision, in memory that outlives it: to write them would give the recorder a turn.
    """
    async with opened(traces, **how) as runtime, runtime.run("work", run_id="w0"):
        with open(notes, "x+b") as file:
            file.truncate(8 * MOST_NOTES)
            made = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
        for n in range(MOST_NOTES):
            async with runtime.decision(str(n)):
                made[n] = time.monotonic_ns()


async def brief(
    traces: str,
    notes: str,
    size: int = 10,
    durable: bool = False,
    timeout: float = 30,
    limit: int = 0,
    **how: Any,
) -> None:
    """A run of 50 records: flushes after each. With `limit`, a limit to the size of files cuts each
    write short, at a byte that grows by so much, and is lifted then.
    """
    tell = Notes(notes)
    path = Path(traces, "runs", "brief.jsonl")
    cut = errors = 0

    async def made(name: str) -> None:
        tell.made_record(name)
        made = tell.made
        if limit:
            while not await runtime.flush(timeout=0.02) and runtime.stats().errors == errors:
                pass  # not yet tried
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        if await runtime.flush(durable=durable, timeout=timeout):
            tell.tell("acknowledged", made)

    def cut_short() -> None:
        nonlocal cut, errors
        if limit:
            errors = runtime.stats().errors
            cut += limit
            soft = path.stat().st_size + cut % 150
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, unlimited[1]))

    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with opened(traces, **how) as runtime:
        async with runtime.run("brief", run_id="brief"):
            await made("start")
            for n in range(24):
                cut_short()
                async with runtime.decision(str(n), context={"text": "x" * size}):
                    await made(f"{n}.decision")
                    cut_short()
                await made(f"{n}.outcome")
        tell.made_record("end")
        if await runtime.flush(durable=durable):
            tell.tell("acknowledged", tell.made)
    tell.tell_stats(runtime)


async def left_alone(
    traces: str,
    notes: str,
    close: bool,
    close_timeout: float,
    hang: Sequence[str] = (),
    run_id: str | None = None,
) -> None:
    """Records a little where something hangs, and ends."""
    tell = Notes(notes)
    sinks = [Hanging(*hang, tell)] if hang else None
    runtime = Runtime(
        traces, sinks=sinks, close_timeout=close_timeout, wait_timeout=0.2, durability="fsync"
    )
    await runtime.__aenter__()
    async with runtime.run("left", run_id=run_id):
        async with runtime.decision("whether to wait"):
            tell.tell("flushed", await runtime.flush(timeout=0.2))
    if close:
        tell.tell("closing", "")
        await runtime.__aexit__(None, None, None)
        tell.tell("closed", "")
    tell.tell_stats(runtime)
    tell.tell("exiting", "")


ENOUGH = 300
"""Records, for a bug that shows with every hundredth."""


async def talkative(traces: str, notes: str, seconds: float, seed: int) -> None:
    """Records of 200 bytes to a megabyte, for a while."""
    chance = random.Random(seed)
    tell = Notes(notes)
    over = time.monotonic() + seconds
    async with Runtime(traces) as runtime, runtime.run("talk", run_id="talk"):
        assert await runtime.flush()
        tell.tell("started", "")
        while time.monotonic() < over or runtime.stats().accepted < ENOUGH:
            size = int(10 ** chance.uniform(0, 6))
            async with runtime.decision("say", context={"text": "x" * size}):
                pass
            await anyio.sleep(chance.choice([0, 0, 0, 0.001, 0.01]))
    tell.tell_stats(runtime)


async def crowd(traces: str, notes: str, rounds: int, seed: int) -> None:
    """One of several that write into one directory: runtimes that come and go, runs at once."""
    chance = random.Random(seed)
    tell = Notes(notes)

    async def work(runtime: Runtime) -> None:
        async with runtime.run("crowd") as run:
            tell.tell("started", run.id)
            for n in range(chance.randint(1, 20)):
                async with runtime.decision(str(n)):
                    await anyio.sleep(chance.choice([0, 0, 0.001, 0.02]))
            tell.tell("decided", f"{run.id}={n + 1}")
            tell.tell("ending", run.id)

    for _ in range(rounds):
        async with Runtime(traces) as runtime, anyio.create_task_group() as tasks:
            for _ in range(chance.randint(1, 5)):
                tasks.start_soon(work, runtime)
        stats = runtime.stats()
        tell.tell("lost", stats.accepted - stats.written)


async def pruning(traces: str, notes: str, keep: int, ruthless: bool = False) -> None:
    """Prunes for ever. `ruthless`, the bug, does not ask whether a run is live."""
    tell = Notes(notes)
    store = RunStore(traces)
    while True:
        if ruthless:
            paths = sorted(Path(traces, "runs").glob("*.jsonl"))[:-keep]
            for path in paths:
                path.unlink()
            removed = [path.stem for path in paths]
        else:
            removed = await store.prune(keep=keep)
        for run_id in removed:
            tell.tell("pruned", run_id)
        await anyio.sleep(0.001)


async def reading(traces: str, notes: str, naive: bool = False) -> None:
    """Lists and reads for ever, and tells what it finds wrong. `naive`, the bug, takes for damage
    what is only not there any more, or not yet.
    """
    tell = Notes(notes)
    store = RunStore(traces)

    async def look(run_id: str) -> Run | None:
        try:
            return await store.load(run_id)
        except RunNotFoundError:
            if naive:
                raise
            return None

    while True:
        async for summary in store.runs():
            try:
                run = await look(summary.run_id)
            except Exception as error:
                tell.tell("wrong", type(error).__name__)
                continue
            tell.tell("read", summary.run_id)
            if run is not None and (run.damage or run.lost_records or run.unknown):
                tell.tell("wrong", f"damage:{run.id}")
        await anyio.sleep(0.001)


AGENTS = {
    agent.__name__: agent
    for agent in (busy, relentless, brief, left_alone, talkative, crowd, pruning, reading)
}


def run(name: str, settings: Settings) -> None:
    backend = settings.pop("backend", "asyncio")

    async def agent() -> None:
        await AGENTS[name](**settings)

    anyio.run(agent, backend=backend)


def fork(name: str, settings: Settings, before: Callable[[], object] = lambda: None) -> int:
    """Run an agent in a child; that spares what starting Python costs."""
    if child := os.fork():
        return child
    try:
        before()
        run(name, settings)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def kill_each(directory: str, seeds: Sequence[int], victim: str = "busy", **how: Any) -> None:
    """Kill such an agent for each seed within half a second of its first note, and tell when that
    was, and how it ended.
    """
    for seed in seeds:
        here = Path(directory, str(seed))
        here.mkdir()
        notes = here / "notes"
        places = {"traces": str(here / "traces"), "notes": str(notes), "seed": seed}
        child = fork(victim, places | how)
        while not notes.exists():
            time.sleep(0.001)
        time.sleep(random.Random(seed).uniform(0, 0.5))
        os.kill(child, signal.SIGKILL)
        killed = time.monotonic_ns()
        print(seed, killed, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    if sys.argv[1] == "kill_each":
        kill_each(**json.loads(sys.argv[2]))
    else:
        run(sys.argv[1], json.loads(sys.argv[2]))
