"""Rows that take a process of their own: memory, wake-ups, imports. It is also what runs in it:
`python -m benchmarks.process memory DIRECTORY DECISIONS`.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import anyio
import anyio.lowlevel

from benchmarks.contenders import RUN_LENGTH, decide_each, flushed
from benchmarks.measure import ROOT, Bench, Figure, as_installed, in_fresh_process, ratios
from benchmarks.work import GOAL, pool
from decisionlog import RunStore, Runtime

MIB = 2**20
DEPENDENCIES = "aiofiles, anyio, msgspec"


def memory(bench: Bench, rows: set[str]) -> list[Figure]:
    """`memory`: the most it takes while one run grows to its full length, at full rate."""
    samples: list[float] = []
    details: dict[str, float] = {}
    for _ in range(min(2, bench.effort.few_rounds)):
        with bench.scratch() as path:
            details = in_fresh_process("memory", path, bench.effort.long_run)
        samples.append(details.pop("above_idle_mib"))
    return [Figure("memory", samples, details)]


def idle(bench: Bench, rows: set[str]) -> list[Figure]:
    """`idle`: how often the threads of a process wake while a run is in progress and nothing
    happens in it, less the same in a process that does not record.
    """
    samples: list[float] = []
    with_it, without = 0.0, 0.0
    for turn in range(min(3, bench.effort.few_rounds)):
        with bench.scratch() as path:
            seconds = bench.effort.idle_seconds
            with_it = in_fresh_process("idle", path / str(turn), seconds, 1)["wake_ups"]
            without = in_fresh_process("idle", path / str(turn), seconds, 0)["wake_ups"]
            samples.append(max(0, with_it - without) / seconds)
    return [Figure("idle", samples, {"seconds": bench.effort.idle_seconds, "without": without})]


def imports(bench: Bench, rows: set[str]) -> list[Figure]:
    """`import`: the CPU of importing, in a process that has imported nothing else; from bytecode,
    as what pip has installed is.
    """
    ours: list[float] = []
    theirs: list[float] = []
    with bench.scratch() as path:
        for turn in range(bench.effort.rounds + 1):
            for name, ms in (("decisionlog", ours), (DEPENDENCIES, theirs)):
                taken = _importing_ms(name, path)
                if turn:  # the first ones compile
                    ms.append(taken)
    details = {
        "decisionlog_ms": round(median(ours), 1),
        "dependencies_ms": round(median(theirs), 1),
    }
    return [Figure("import", ratios(ours, theirs), details)]


def _importing_ms(names: str, bytecode: Path) -> float:
    program = (
        f"import time; start = time.process_time_ns(); import {names}; "
        "print((time.process_time_ns() - start) / 1e6)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        check=True,
        env=as_installed(bytecode),
    )
    return float(done.stdout)


# ---------------------------------------------------------------- in the process of its own


async def _grow(path: Path, decisions: int) -> dict[str, float]:
    items = pool()
    async with Runtime(path) as runtime:
        async with runtime.run(GOAL):
            await decide_each(runtime, items[:200])
        await flushed(runtime)
        gc.collect()
        before = _forget_peak()
        async with runtime.run(GOAL):
            for _ in range(decisions // RUN_LENGTH):
                await decide_each(runtime, items[:RUN_LENGTH])
                await anyio.lowlevel.checkpoint()
        await flushed(runtime)
        stats = runtime.stats()
    return {
        "above_idle_mib": round((_peak() - before) / MIB, 1),
        "idle_mib": round(before / MIB, 1),
        "decisions": float(decisions),
        "dropped": float(stats.dropped),
    }


def _forget_peak() -> int:
    """Begin to look for the peak anew where the system can; bytes in use now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass
    return _peak()


def _peak() -> int:
    """The most bytes that were resident."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def _do_nothing(path: Path, seconds: float, recording: bool) -> dict[str, float]:
    async with Runtime(path, enabled=recording) as runtime, runtime.run(GOAL):
        await decide_each(runtime, pool(10))
        await flushed(runtime)
        await anyio.sleep(0.3)  # the last tick
        before = _switches()
        await anyio.sleep(seconds)
        return {"wake_ups": float(_switches() - before)}


def _switches() -> int:
    """How often a thread of this process has waited and been woken."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


async def _list(path: Path) -> dict[str, float]:
    measured: dict[str, float] = {}
    for name in ("seconds", "again_seconds"):
        start = time.perf_counter()
        found = [summary async for summary in RunStore(path).runs()]
        measured |= {name: time.perf_counter() - start, "runs": float(len(found))}
    return measured


def main(what: str, *args: str) -> None:
    """Measure, and print it as JSON."""
    match what:
        case "memory":
            measured = anyio.run(_grow, Path(args[0]), int(args[1]))
        case "idle":
            measured = anyio.run(_do_nothing, Path(args[0]), float(args[1]), args[2] == "1")
        case "list":
            measured = anyio.run(_list, Path(args[0]))
        case _:
            raise SystemExit(f"what is {what!r}?")
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
