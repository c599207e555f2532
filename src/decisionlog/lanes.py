"""The way to one sink: what it has been offered and has not yet taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import anyio
from msgspec.structs import replace

from decisionlog.records import Gap, encode, seal
from decisionlog.sinks import Chunk, Sink

logger = logging.getLogger("decisionlog")

_MAX_BACKOFF = 0.4


class Lane:
    """Offers chunks to a sink until it takes them. Lives on the recorder's loop.

    `limit` is for a sink that must not hold up the others: what it falls behind by more than that
    is replaced by a gap record. The lane of the log has none, since callers wait for it.
    """

    def __init__(
        self, sink: Sink, writer: str, interval: float, limit: float, now: Callable[[], datetime],
        taken: Callable[[list[Chunk]], None], failed: Callable[[Exception], None],
    ) -> None:  # fmt: skip
        self.tried = asyncio.Event()
        self._sink = sink
        self._writer = writer
        self._interval = interval
        self._limit = limit
        self._now = now
        self._taken = taken
        self._report = failed
        self._pending: list[Chunk] = []
        self._size = 0
        self._work = asyncio.Event()
        self._progress = asyncio.Condition()
        self._turn = asyncio.Lock()
        self._is_open = False
        self._warned = False
        self._lossy = False

    def offer(self, chunks: list[Chunk]) -> None:
        """More to write."""
        for chunk in chunks:
            if self._size > self._limit:
                self._lossy = True
                count = chunk.last_seq - chunk.first_seq + 1
                reason = f"{self._sink!r} fell behind"
                gap = Gap(count, self._now(), reason, chunk.run_id, chunk.last_seq)
                chunk = replace(chunk, data=seal(encode(gap)), records=0)
            self._pending.append(chunk)
            self._size += len(chunk.data)
        self._work.set()

    async def run(self) -> None:
        """Write what is offered, for ever; what is not taken is offered again, ever less often."""
        delay = shortest = min(self._interval, _MAX_BACKOFF)
        while True:
            async with self._turn:
                progress = await self._try()
            self.tried.set()
            if not self._pending and self._is_open:
                self._work.clear()
                await self._work.wait()
            elif not progress:
                await anyio.sleep(delay)
                delay = min(delay * 2, _MAX_BACKOFF)
                continue
            delay = shortest

    async def _try(self) -> bool:
        """Whether the sink took anything, or there was nothing to take."""
        batch = self._pending.copy()
        try:
            if not self._is_open:
                await self._sink.open(self._writer)
                self._is_open = True
            unwritten = await self._sink.write(batch) if batch else None
        except Exception as error:
            self._failed(error)
            return False
        ids = set(map(id, unwritten.chunks)) if unwritten else set[int]()
        taken = [chunk for chunk in batch if id(chunk) not in ids]
        # In their own order, whatever the sink's: `settled` goes by it.
        self._pending[: len(batch)] = [chunk for chunk in batch if id(chunk) in ids]
        self._size -= sum(len(chunk.data) for chunk in taken)
        self._taken(taken)
        async with self._progress:
            self._progress.notify_all()
        if unwritten:
            self._failed(unwritten.error)
        else:
            self._warned = False
        return bool(taken) or not batch

    def _failed(self, error: Exception) -> None:
        self._report(error)
        if not self._warned:
            self._warned = True
            logger.warning("%r cannot be written to now, will try again: %s", self._sink, error)

    async def settled(self) -> None:
        """Wait until everything offered so far is taken."""
        offered = {id(chunk): chunk for chunk in self._pending}
        async with self._progress:
            # What is pending keeps its order, so the first tells of all.
            await self._progress.wait_for(
                lambda: not self._pending or id(self._pending[0]) not in offered
            )

    async def flush(self, durable: bool) -> bool:
        """Have the sink flush; whether it could."""
        async with self._turn:
            try:
                return self._is_open and await self._sink.flush(durable)
            except Exception as error:
                self._failed(error)
                return False

    def tell_loss(self) -> bool:
        """Whether the sink fell too far behind; this is told once."""
        lossy, self._lossy = self._lossy, False
        return lossy

    async def close(self) -> None:
        """Close the sink."""
        if self._is_open:
            try:
                await self._sink.close()
            except Exception as error:
                self._failed(error)
