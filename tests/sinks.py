"""Sinks for tests that are not there, slow, or broken, by command. Real ones: they keep what they
take in memory, and can be asked for it."""

from collections.abc import Sequence
from threading import Event

import anyio

from decisionlog import Chunk, Unwritten
from decisionlog.testing import MemorySink


class TroubledSink(MemorySink):
    """Takes nothing while blocked, fails while `broken`, takes no run that it is `refusing`."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.closed = 0
        self.writes = 0
        self.broken: Exception | None = None
        self.unopenable: Exception | None = None
        self.unflushable: Exception | None = None
        self.unclosable: Exception | None = None
        self.refusing: set[str] = set()
        self.waiting = Event()
        self.failed = Event()
        self._gate = Event()
        self._gate.set()

    def block(self) -> None:
        self.waiting.clear()
        self._gate.clear()

    def unblock(self) -> None:
        self._gate.set()

    async def open(self, writer: str) -> None:
        if self.unopenable:
            self.failed.set()
            raise self.unopenable
        self.opened.append(writer)

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        self.writes += 1
        while not self._gate.is_set():
            self.waiting.set()
            await anyio.sleep(0.001)
        if self.broken:
            self.failed.set()
            raise self.broken
        refused = [chunk for chunk in batch if chunk.run_id in self.refusing]
        await super().write([chunk for chunk in batch if chunk.run_id not in self.refusing])
        if refused:
            self.failed.set()
            return Unwritten(refused, OSError("this run is refused"))
        return None

    async def flush(self, durable: bool) -> bool:
        if self.unflushable:
            raise self.unflushable
        return True

    async def close(self) -> None:
        self.closed += 1
        if self.unclosable:
            raise self.unclosable
