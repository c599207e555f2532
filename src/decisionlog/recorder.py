"""Gets records to the sinks, from a thread of its own.

    Buffer.append (any thread) ──> Buffer.take ──> a Lane for each sink ──> Sink.write

The recorder runs on its own asyncio loop in its own daemon thread, so that it serves agents on any
loop or none, a blocked agent does not hold it up, and cancelling an agent's task can neither lose
nor duplicate a record. An idle recorder does not wake.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from datetime import datetime
from math import inf
from typing import Literal

import anyio
import anyio.lowlevel
from msgspec import Struct

from decisionlog.buffer import Buffer
from decisionlog.flags import Flag
from decisionlog.lanes import Lane
from decisionlog.sinks import Chunk, Sink

logger = logging.getLogger("decisionlog")

_TAKE_BYTES = 2**20
"""Joined in one go. More would hold the interpreter lock, and so the agent, for too long."""
_SYNC_INTERVAL = 0.8
_LETTING_GO = 0.3
"""Seconds more than `close_timeout` until whoever waits for a recorder gives it up: what the sinks
have not taken by then is given up first, and they are closed."""


class Settings(Struct, frozen=True):
    """How to record; see `Runtime`."""

    durability: Literal["flush", "fsync"] = "flush"
    flush_interval: float = 0.05
    max_buffer: int = 64 * 2**20
    overflow: Literal["wait", "drop"] = "wait"
    wait_timeout: float = 1.0
    close_timeout: float = 5.0
    max_value_bytes: int = 2**20


class FlushRequest:
    """A flush under way."""

    def __init__(self, durable: bool) -> None:
        self.durable = durable
        self.done = Flag()
        self.succeeded = False
        self.given_up = False

    def result(self) -> bool:
        """Whether it is done, and nothing was lost."""
        self.given_up = not self.done.is_set
        return self.succeeded and not self.given_up

    def finish(self, succeeded: bool) -> None:
        """It is done."""
        self.succeeded = succeeded
        self.done.set()


class Recorder:
    """Writes what is in its buffer. The first sink is the log: only for it do callers wait."""

    def __init__(
        self, sinks: Sequence[Sink], writer: str, settings: Settings, now: Callable[[], datetime]
    ) -> None:
        self.writer = writer
        self.settings = settings
        self.buffer = Buffer(
            settings.max_buffer, settings.max_value_bytes, settings.overflow, settings.wait_timeout,
            now, lambda: self._post(self._wake.set),
        )  # fmt: skip
        self.synced = self.errors = 0
        self.last_error: str | None = None
        self.opened = Flag()
        self.closed = Flag()
        self._closing = False
        self._deadline = inf
        self._lanes = [
            Lane(
                sink,
                writer,
                settings.flush_interval,
                inf if i == 0 else settings.max_buffer,
                now,
                self._wrote if i == 0 else lambda chunks: None,
                self._failed,
            )
            for i, sink in enumerate(sinks)
        ]
        self._requests: set[FlushRequest] = set()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._unsynced = asyncio.Event()
        self._run_ended = asyncio.Event()
        self._calls: deque[Callable[[], object]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = Context()
        _recorders.add(self)
        # In a copy of the agent's context, anyio would take this for the agent's kind of loop.
        run = self._context.run
        threading.Thread(target=run, args=(self._run,), name="decisionlog", daemon=True).start()

    def request_flush(self, durable: bool) -> FlushRequest:
        """Ask for everything recorded so far to be written. Does not wait."""
        request = FlushRequest(durable)
        self._requests.add(request)
        self._post(lambda: self._tasks.start_soon(self._flush, request))
        if self.closed.is_set:
            request.finish(self.lost == 0)
        return request

    def close(self) -> None:
        """Ask it to write what there is and end, within `close_timeout`. Does not wait."""
        self._closing = True
        self._deadline = min(self._deadline, time.monotonic() + self.settings.close_timeout)
        self._post(self._wake.set)
        self._post(self._hurry.set)

    @property
    def patience(self) -> float:
        """After `close`: how many seconds to wait for its end, at the most."""
        return max(0.0, self._deadline + _LETTING_GO - time.monotonic())

    def abandon(self) -> None:
        """Wait for it no more, at interpreter exit neither: what is not written by now is lost."""
        self.buffer.close()
        _recorders.discard(self)

    @property
    def lost(self) -> int:
        """After closing: how many records were not written."""
        return self.buffer.accepted - self.buffer.written

    def _post(self, call: Callable[[], object]) -> None:
        """Have the recorder's loop make the call; once it has started, if it has not yet."""
        self._calls.append(call)
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._make_calls, context=self._context)

    # ------------------------------------------------------------------ on its own thread

    def _run(self) -> None:
        try:
            anyio.run(self._main, backend="asyncio")
        except BaseException as error:
            self._failed(error)
            logger.exception("The recorder has ended early; nothing more is recorded")
        finally:
            self.buffer.close()
            self.closed.set()
            self.opened.set()
            for request in self._requests.copy():
                request.finish(False)
            _recorders.discard(self)

    async def _main(self) -> None:
        async with anyio.create_task_group() as self._tasks:
            self._context = copy_context()
            self._loop = asyncio.get_running_loop()
            self._make_calls()
            for lane in self._lanes:
                self._tasks.start_soon(lane.run)
            if self.settings.durability == "fsync":
                self._tasks.start_soon(self._keep_synced)
            self._tasks.start_soon(self._all_tried)
            await self._pump()
            with anyio.move_on_after(self._deadline - time.monotonic()):
                await self._drain()
                await self._sync(self.settings.durability == "fsync")
            self._tasks.cancel_scope.cancel()
        await self._close_sinks()

    async def _close_sinks(self) -> None:
        for lane in self._lanes:
            with anyio.move_on_after(max(0.1, self._deadline - time.monotonic())):
                await lane.close()

    def _make_calls(self) -> None:
        while self._calls:
            self._calls.popleft()()

    async def _all_tried(self) -> None:
        for lane in self._lanes:
            await lane.tried.wait()
        self.opened.set()

    async def _pump(self) -> None:
        """A bounded amount to the lanes at a time; when that was all, a pause."""
        buffer = self.buffer
        while not self._closing:
            if not buffer.queue:
                with buffer.lock:
                    self._wake.clear()
                    buffer.idle = not buffer.queue
                if buffer.idle:
                    await self._wake.wait()
            self._offer(buffer.take(_TAKE_BYTES))
            await anyio.lowlevel.checkpoint()
            if not buffer.queue or buffer.size < _TAKE_BYTES:
                # Half the interval: what comes right now has to be written, not only taken, in it.
                with anyio.move_on_after(self.settings.flush_interval / 2):
                    await self._hurry.wait()

    def _offer(self, chunks: list[Chunk]) -> None:
        if chunks:
            for lane in self._lanes:
                lane.offer(chunks)

    def _wrote(self, chunks: list[Chunk]) -> None:
        if chunks:
            self.buffer.wrote(chunks)
            self._unsynced.set()
            if any(chunk.ended for chunk in chunks):
                self._run_ended.set()

    def _failed(self, error: BaseException) -> None:
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"

    async def _drain(self) -> None:
        """Give the lanes everything there is now, and wait until they are done with it."""
        for log, mark in self.buffer.marks():
            while self.buffer.has_before(log, mark):
                self._offer(self.buffer.take(_TAKE_BYTES))
                await anyio.lowlevel.checkpoint()
        for lane in self._lanes:
            await lane.settled()

    async def _sync(self, durable: bool) -> bool:
        written = self.buffer.written
        oks = [await lane.flush(durable) for lane in self._lanes]
        if durable and oks[0]:
            self.synced = written
        return all(oks)

    async def _flush(self, request: FlushRequest) -> None:
        await self._drain()
        ok = await self._sync(request.durable)
        if not request.given_up:
            losses = [self.buffer.tell_loss(), *(lane.tell_loss() for lane in self._lanes)]
            request.finish(ok and not any(losses))
        self._requests.discard(request)

    async def _keep_synced(self) -> None:
        while True:
            await self._unsynced.wait()
            self._unsynced.clear()
            with anyio.move_on_after(_SYNC_INTERVAL):
                await self._run_ended.wait()
            self._run_ended.clear()
            await self._sync(True)


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _close_at_exit() -> None:
    # Neither executors nor threads can be started any more; both are there already.
    recorders = list(_recorders)
    for recorder in recorders:
        recorder.close()
    for recorder in recorders:
        recorder.closed.wait_blocking(recorder.patience)
        if recorder.lost:
            logger.warning("%d records were lost at exit: %s", recorder.lost, recorder.last_error)


def _forget_in_child() -> None:
    _recorders.clear()  # their threads stayed with the parent


atexit.register(_close_at_exit)
if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(after_in_child=_forget_in_child)
