"""An agent that records faster than its disk takes it, and watches its own event loop: `python -m
tests.faults.overloaded TRACES SECONDS BUFFER OVERFLOW BACKEND HOW`. It tells what it counted, as
JSON.

HOW is "records", or "idle" (the same agent, recording nothing), or for the controls "unbounded" (it
keeps all that it records) or "blocks" (it writes in the event loop).
"""

import json
import os
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio

from decisionlog import Chunk, FileSink, Runtime, Unwritten

AGENTS = 4
BYTES_A_SECOND = 16 * 2**20
FILLER = "x" * 2000
MOST_MICROSECONDS = 500_000


class SlowDisk:
    """A file sink, whose disk takes so many bytes a second."""

    def __init__(self, traces: Path) -> None:
        self._sink = FileSink(traces)
        self.open, self.flush, self.close = self._sink.open, self._sink.flush, self._sink.close

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        """Take all of it, in its time."""
        for chunk in batch:
            if unwritten := await self._sink.write([chunk]):
                return unwritten
            await anyio.sleep(len(chunk.data) / BYTES_A_SECOND)
        return None


class Gaps:
    """How long the turns of an event loop took; of bounded size, whatever their number."""

    def __init__(self) -> None:
        self.counts = array("L", [0]) * MOST_MICROSECONDS
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        self.counts[min(int(seconds * 1e6), MOST_MICROSECONDS - 1)] += 1
        self.longest = max(self.longest, seconds)

    def told(self) -> dict[str, float]:
        """Milliseconds; all but a thousandth of the turns took no longer, and the longest one."""
        allowed = sum(self.counts) // 1000
        bucket = MOST_MICROSECONDS
        while allowed >= 0 and bucket:
            bucket -= 1
            allowed -= self.counts[bucket]
        return {"p999": (bucket + 1) / 1000, "longest": round(self.longest * 1000, 3)}


class Loop:
    """How long the event loop takes to come round, while somebody watches."""

    def __init__(self) -> None:
        self.wall, self.cpu = Gaps(), Gaps()
        """By the clock on the wall, and in CPU time of all threads: what others on the computer do
        is not in that."""
        self.over = False

    async def watch(self) -> None:
        last, cpu = time.perf_counter(), time.process_time()
        while not self.over:
            await anyio.sleep(0)
            now, burnt = time.perf_counter(), time.process_time()
            self.wall.add(now - last)
            self.cpu.add(burnt - cpu)
            last, cpu = now, burnt


def memory(which: str) -> int:
    """The bytes of memory this process has in use ("VmRSS"), or had at the most ("VmHWM")."""
    with open("/proc/self/status", encoding="ascii") as file:
        [kilobytes] = [line.split()[1] for line in file if line.startswith(f"{which}:")]
    return int(kilobytes) * 1024


async def main(traces: Path, seconds: float, buffer: int, overflow: Any, how: str) -> None:
    kept: list[str] = []
    loop = Loop()
    most_buffered = 0

    async def agent() -> None:
        while not loop.over:
            async with runtime.decision("decide", context={"filler": FILLER}):
                if how == "unbounded":
                    kept.append(json.dumps({"n": len(kept), "filler": FILLER}))
                elif how == "blocks":
                    with (traces / "blocking").open("ab") as file:
                        file.write(FILLER.encode())
                        os.fsync(file.fileno())
                        time.sleep(0.002)
                await anyio.sleep(0)

    def too_little() -> bool:
        match how:
            case "records":
                return not runtime.stats().dropped
            case "unbounded":
                return len(kept) * len(FILLER) < 1.2 * buffer
            case _:
                return False

    async def sample() -> None:
        # Not the memory: to ask for that takes a quarter of a millisecond, in which the loop waits.
        nonlocal most_buffered
        end = time.monotonic() + seconds
        while time.monotonic() < end or too_little():
            most_buffered = max(most_buffered, runtime.stats().buffered)
            await anyio.sleep(0.01)
        loop.over = True

    traces.mkdir(exist_ok=True)
    runtime = Runtime(
        sinks=[SlowDisk(traces)], max_buffer=buffer, overflow=overflow, wait_timeout=0.2,
        close_timeout=60, enabled=how not in ("idle", "blocks"),
    )  # fmt: skip
    async with runtime:
        async with runtime.run("warm up"), runtime.decision("warm up"):
            pass
        before = memory("VmRSS")
        async with runtime.run("goal", run_id="run"), anyio.create_task_group() as tasks:
            for _ in range(AGENTS):
                tasks.start_soon(agent)
            tasks.start_soon(loop.watch)
            tasks.start_soon(sample)
    stats = runtime.stats()
    told = {name: getattr(stats, name) for name in ("accepted", "written", "dropped", "buffered")}
    told |= {"most_buffered": most_buffered, "grown": memory("VmHWM") - before}
    told |= {"wall": loop.wall.told(), "cpu": loop.cpu.told()}
    print(json.dumps(told))


if __name__ == "__main__":
    path, duration, size, when_full, backend, what = sys.argv[1:]
    args = (Path(path), float(duration), int(size), when_full, what)
    anyio.run(main, *args, backend=backend)
