"""Row 6: the disk is full for five seconds, and then is not. Recording goes on within a second, and
one gap record has the exact count.
"""

import errno
import os
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from msgspec import Struct

from decisionlog import Chunk, FileSink, RunStatus, Runtime, Sink, Unwritten
from tests.faults import mounts, processes
from tests.faults.report import FULL, at_full_size, report, sized
from tests.waiting import until

FULL_FOR = sized(1.0, 5.0)
TIMES = sized(1, 10)
PROMISE = 1.0
"""Seconds from the disk having room to the next record on it."""


class Forgetful:
    """The bug: a sink that lets go of what it could not write."""

    def __init__(self, path: Path) -> None:
        self._sink = FileSink(path)
        self.open, self.flush, self.close = self._sink.open, self._sink.flush, self._sink.close

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        unwritten = await self._sink.write(batch)
        if unwritten and unwritten.chunks[1:]:
            return Unwritten(unwritten.chunks[:1], unwritten.error)
        return unwritten


class Hesitant(Forgetful):
    """The bug: a sink that, once it has failed, does not try again for a while."""

    _until = 0.0

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        if time.monotonic() < self._until:
            return Unwritten(batch, OSError("not yet"))
        unwritten = await self._sink.write(batch)
        if unwritten:
            self._until = time.monotonic() + FULL_FOR + 2 * PROMISE
        return unwritten


class Filled(Struct):
    resumed: float
    """Seconds."""
    accepted: int
    dropped: int
    found: processes.OnDisk


async def fill(place: Path, sinks: list[Sink] | None = None) -> Filled:
    """Record all the time; for a while, something else takes all the room there is."""
    traces, filler = place / "traces", place / "filler"
    over = False
    runtime = Runtime(traces, sinks=sinks, max_buffer=2**17, wait_timeout=0.05)

    async def agent() -> None:
        async with runtime.run("goal"):
            while not over:
                async with runtime.decision("x", context={"text": "x" * 1000}):
                    await anyio.sleep(0.001)

    async with runtime, anyio.create_task_group() as tasks:
        tasks.start_soon(agent)
        await until(lambda: runtime.stats().written)
        with filler.open("wb", buffering=0) as file:
            while _write(file.fileno(), b"x" * 4096):
                pass
        await until(lambda: runtime.stats().errors)
        await anyio.sleep(FULL_FOR)
        await until(lambda: runtime.stats().dropped or sinks)
        before = runtime.stats().written
        filler.unlink()
        freed = time.monotonic()
        await until(lambda: runtime.stats().written > before)
        resumed = time.monotonic() - freed
        over = True
    stats = runtime.stats()
    return Filled(resumed, stats.accepted, stats.dropped, processes.on_disk(traces))


def _write(file: int, data: bytes) -> int:
    try:
        return os.write(file, data)
    except OSError as error:
        assert error.errno == errno.ENOSPC
        return 0


async def test_a_full_disk(tmp_path: Path, anyio_backend: str) -> None:
    slowest, lost = 0.0, 0
    for number in range(TIMES):
        with mounts.small(tmp_path / str(number), "1m") as place:
            filled = await fill(place)
            assert await processes.damage(place / "traces", RunStatus.COMPLETED) == []
        found = filled.found
        assert filled.resumed < PROMISE or not FULL
        assert (found.gaps, found.lost, found.wrong) == (1, filled.dropped, [])
        assert filled.accepted == len(found.names) + found.lost
        slowest, lost = max(slowest, filled.resumed), lost + found.lost
    what = f"a disk that is full for {FULL_FOR:g} s, {anyio_backend}"
    report(6, what, TIMES, slowest_resumption_ms=round(slowest * 1000), lost_and_counted=lost)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_control_losses_that_are_not_counted(tmp_path: Path) -> None:
    with mounts.small(tmp_path / "small", "1m") as place:
        filled = await fill(place, [Forgetful(place / "traces")])
    assert filled.found.wrong
    assert filled.accepted > len(filled.found.names) + filled.found.lost


@at_full_size
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_control_a_sink_that_waits_too_long(tmp_path: Path) -> None:
    with mounts.small(tmp_path / "small", "1m") as place:
        filled = await fill(place, [Hesitant(place / "traces")])
    assert filled.resumed >= PROMISE
