"""How CPU is counted and rounds are interleaved.

CPU is that of all threads of the process, until what was recorded has been written. Contenders take
turns within a round, each time in another order; ratios are taken within one round, and the median
over the rounds counts. So a machine that is slow for a while is slow for all of them.

The garbage collector runs as usual, for everybody: it is part of the cost. What was there before
(the work items, modules) is frozen, and what another contender left behind is collected first.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, TypeVar, TypeVarTuple

import anyio
from msgspec import Struct

from benchmarks.work import Item

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
ROOT = Path(__file__).parents[1]
LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}


class Effort(Struct, frozen=True):
    """How much is measured."""

    rounds: int = 25
    few_rounds: int = 5
    """Of what takes seconds each."""
    decisions: int = 8_000
    long_run: int = 1_000_000
    live_runs: int = 1_000
    live_seconds: float = 4.0
    runs: int = 2_000
    late_seconds: float = 1.0
    idle_seconds: float = 5.0
    decoded: int = 10_000
    listed: int = 10_000
    scopes: int = 10_000
    analysed_runs: int = 100_000
    raw_runs: int = 10_000
    listed_many: int = 100_000


FULL = Effort()
QUICK = Effort(
    rounds=3, few_rounds=1, decisions=1_000, long_run=20_000, live_runs=100, live_seconds=0.5,
    runs=200, late_seconds=0.3, idle_seconds=1.0, decoded=1_000, listed=500, scopes=5_000,
    analysed_runs=1_000, raw_runs=200, listed_many=1_000,
)  # fmt: skip


class Bench(Struct, frozen=True):
    """What a row needs to be measured: how much, of which items, on which loop, and where to."""

    effort: Effort
    items: list[Item]
    loop: str = "asyncio"
    directory: Path | None = None
    kept: Path | None = None
    """Where what is analysed is made, if it is not there."""

    def run(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts, loop: str = "") -> T:
        """Run a coroutine function on its own event loop."""
        backend, options = LOOPS[loop or self.loop]
        return anyio.run(function, *args, backend=backend, backend_options=options)

    @contextmanager
    def scratch(self) -> Generator[Path]:
        """A directory on the disk, for as long as the block lasts."""
        path = Path(tempfile.mkdtemp(prefix="decisionlog-bench-", dir=self.directory))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


class Figure(Struct, frozen=True):
    """What a row came to, round by round; or why it was not measured."""

    row: str
    samples: list[float] = []
    details: dict[str, float] = {}
    note: str = ""


class NotInstalledError(Exception):
    """What a row needs is not there."""


class LostError(Exception):
    """Not everything that was recorded has been kept: the figure would be worth nothing."""


Work = Callable[[Sequence[Item]], Awaitable[None]]


class Cost(Struct, frozen=True):
    """Microseconds of CPU for one item."""

    total: float
    """Of all threads of the process."""
    caller: float
    """Of the agent's own thread."""


async def cost(work: Work, items: Sequence[Item]) -> Cost:
    """What it costs to record an item, when these are recorded in one go."""
    gc.collect()
    caller, total = time.thread_time_ns(), time.process_time_ns()
    await work(items)
    total, caller = time.process_time_ns() - total, time.thread_time_ns() - caller
    return Cost(total / 1e3 / len(items), caller / 1e3 / len(items))


class Neighbours:
    """How many cores other programs have used since this was made, stolen time included."""

    def __init__(self) -> None:
        self._start, self._others = time.perf_counter(), self._seconds()

    def cores(self) -> float | None:
        """None where the system does not tell."""
        now = self._seconds()
        if now is None or self._others is None:
            return None
        return max(0.0, (now - self._others) / (time.perf_counter() - self._start))

    def _seconds(self) -> float | None:
        """CPU seconds of everything but this process and the children it has waited for."""
        try:
            user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(
                int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
            )
        except (OSError, ValueError):
            return None
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        return busy - sum(os.times()[:4])


def settle() -> None:
    """What is there now is no concern of the garbage collector any more."""
    gc.collect()
    gc.freeze()


class Contender(Struct, frozen=True):
    """Somebody who records items, and returns when they are written."""

    name: str
    record: Work
    share: int = 1
    """The slow ones get one in so many of a round's items."""


async def interleaved(
    contenders: Sequence[Contender], items: Sequence[Item], rounds: int
) -> dict[str, list[Cost]]:
    """What an item costs each contender, in each round."""
    for contender in contenders:
        await contender.record(items[: 200 // contender.share + 1])  # caches, lazy imports
    settle()
    costs: dict[str, list[Cost]] = {contender.name: [] for contender in contenders}
    for turn in range(rounds):
        first = turn % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            share = items[: len(items) // contender.share]
            costs[contender.name].append(await cost(contender.record, share))
    return costs


def totals(costs: Sequence[Cost]) -> list[float]:
    """The CPU of all threads, round by round."""
    return [cost.total for cost in costs]


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """One over the other, within each round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def us(costs: Sequence[Cost]) -> float:
    """The median, for people."""
    return round(median(totals(costs)), 2)


def as_installed(bytecode: Path) -> dict[str, str]:
    """The environment for processes that find bytecode, as with what pip has installed; the first
    one puts it there.
    """
    return os.environ | {"PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONDONTWRITEBYTECODE": ""}


def in_fresh_process(*args: object) -> dict[str, float]:
    """What `benchmarks.process` prints for these arguments, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.process", *map(str, args)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured
