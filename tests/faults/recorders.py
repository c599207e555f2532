"""What agents record with: runtimes that are sound or have a bug, sinks that hang."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio

from decisionlog import Chunk, FileSink, Runtime, Unwritten
from tests.faults.notes import Notes

_write = os.write


class Behind:
    """A sink that says it has written what it will write with the next batch."""

    def __init__(self, path: str) -> None:
        self._sink = FileSink(path)
        self._kept: list[Chunk] = []
        self.open, self.flush, self.close = self._sink.open, self._sink.flush, self._sink.close

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        kept, self._kept = self._kept, list(batch)
        return await self._sink.write(kept)


class Careless:
    """A sink that neither looks how much was written nor whether it failed."""

    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND

    def __init__(self, path: str) -> None:
        self._sink = FileSink(path)
        self._runs = Path(path, "runs")
        self.open, self.flush, self.close = self._sink.open, self._sink.flush, self._sink.close

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        for chunk in batch:
            file = os.open(self._runs / f"{chunk.run_id}.jsonl", self.flags, 0o600)
            try:
                self.put(file, chunk.data)
            except OSError:
                pass
            finally:
                os.close(file)
        return None

    def put(self, file: int, data: bytes) -> None:
        os.write(file, data)


class Rewriting(Careless):
    """A sink that writes the whole file anew each time, piece by piece."""

    flags = os.O_RDWR | os.O_CREAT

    def put(self, file: int, data: bytes) -> None:
        whole = os.pread(file, 2**30, 0) + data
        os.ftruncate(file, 0)
        for start in range(0, len(whole), 100):
            os.pwrite(file, whole[start : start + 100], start)


class Hanging:
    """A sink that hangs for ever, in one of its methods and in one of several ways."""

    def __init__(self, where: str, how: str, notes: Notes) -> None:
        self.where, self.how, self.notes = where, how, notes

    async def _come_to(self, where: str) -> None:
        if where != self.where:
            return
        match self.how:
            case "awaits":
                await anyio.sleep_forever()
            case "shields":
                with anyio.CancelScope(shield=True):
                    await anyio.sleep_forever()
            case "blocks":
                time.sleep(10_000)
            case "thread":  # the bug: a thread that exit waits for
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(None, time.sleep, 10_000)

    async def open(self, writer: str) -> None:
        await self._come_to("open")

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        await self._come_to("write")
        self.notes.tell("taken", sum(chunk.records for chunk in batch))
        return None

    async def flush(self, durable: bool) -> bool:
        await self._come_to("flush")
        return True

    async def close(self) -> None:
        await self._come_to("close")


def _say_yes() -> None:
    async def flush(*args: object, **kwargs: object) -> bool:
        return True

    Runtime.flush = flush  # type: ignore[method-assign, assignment]


def _never_sync() -> None:
    os.fdatasync = lambda fd: None


def _sync_again() -> None:
    sync = os.fdatasync

    def again(fd: Any) -> None:
        try:
            sync(fd)
        except OSError:
            sync(fd)

    os.fdatasync = again


_SINKS: dict[str, Callable[[str], Any]] = {
    "acknowledges before it writes": Behind,
    "ignores what write says": Careless,
    "writes files anew": Rewriting,
}
_PATCHES = {
    "flush always says yes": _say_yes,
    "fdatasync does nothing": _never_sync,
    "a failed fdatasync is tried again": _sync_again,
}


def opened(traces: str, bug: str = "", short_writes: bool = False, **settings: Any) -> Runtime:
    """A runtime, not entered yet, perhaps with a bug. With `short_writes`, the system takes only a
    part of what it is given, as it may.
    """
    if short_writes:
        os.write = lambda fd, data: _write(fd, data[: random.randint(1, len(data))])
    if patch := _PATCHES.get(bug):
        patch()
    sinks = [_SINKS[bug](traces)] if bug in _SINKS else None
    return Runtime(traces, sinks=sinks, **settings)
