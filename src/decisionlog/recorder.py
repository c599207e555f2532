"""Records on their way out: numbered and encoded at the call, written by a thread of its own.

    append (any thread) ──> RunLog.lines ──> take ──> one lane for each sink ──> Sink.write

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
from itertools import islice
from typing import Any, Literal

import anyio
import msgspec
from anyio.lowlevel import checkpoint, current_token
from msgspec import Struct

from decisionlog.records import MAX_LINE_BYTES, VALUE_FIELDS, Gap, Record, encode, seal
from decisionlog.sinks import Chunk, Sink
from decisionlog.values import Values, cut_text, encodable, fit

logger = logging.getLogger("decisionlog")

_LINE_OVERHEAD = 128
"""What a waiting line costs beside its bytes: the bytes object, its number, its place in a dict."""
_TAKE_BYTES = 2**20
"""Joined in one go. More would hold the interpreter lock, and so the agent, for too long."""
_BACKLOG_BYTES = 4 * 2**20
"""What a lane may have in hand before the rest waits with the runs."""
_MAX_BACKOFF = 0.4
_SYNC_INTERVAL = 0.8


class Settings(Struct, frozen=True):
    """How to record; see `Runtime`."""

    durability: Literal["flush", "fsync"] = "flush"
    flush_interval: float = 0.05
    max_buffer: int = 64 * 2**20
    overflow: Literal["wait", "drop"] = "wait"
    wait_timeout: float = 1.0
    close_timeout: float = 5.0


class RunLog:
    """The records of one run that wait to be written."""

    __slots__ = ("dropped", "ended", "gaps", "lines", "nbytes", "next_seq", "queued", "run_id")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.lines: dict[int, bytes] = {}
        self.nbytes = 0
        self.next_seq = 1
        self.gaps = 0
        self.dropped = 0
        self.queued = False
        self.ended = False


class Recorder:
    """Takes records from any thread, and gets them to the sinks.

    The first sink is the log: callers wait for it when the buffer is full. Another one that falls
    more than `max_buffer` behind loses what it cannot take, with a gap record to say so.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        writer: str,
        values: Values,
        settings: Settings,
        now: Callable[[], Any],
    ) -> None:
        self.settings = settings
        self.writer = writer
        self.accepted = self.written = self.synced = self.dropped = 0
        self.bytes = self.buffered = self.errors = 0
        self.last_error: str | None = None
        self._values = values
        self._now = now
        # Re-entrant: a signal handler, or a finaliser run by the garbage collector, may record
        # while this thread does.
        self._lock = threading.RLock()
        self._queue: deque[RunLog] = deque()
        self._idle = False
        self._dropping = False
        self._closing = False
        self._lossy: set[RunLog] = set()
        self._waiters: list[Flag] = []
        self._lanes = [_Lane(sink, self, is_log=i == 0) for i, sink in enumerate(sinks)]
        self._offers = 0
        self._opened = Flag()
        self._closed = Flag()
        self._requests: set[Flag] = set()
        self._calls: deque[Callable[[], object]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._to_sync = asyncio.Event()
        self._run_ended = asyncio.Event()
        _recorders.add(self)
        # A context of its own: in the agent's, anyio would take this for the agent's kind of loop.
        self._context = Context()
        threading.Thread(
            target=Context().run, args=(self._run,), name="decisionlog", daemon=True
        ).start()

    # ------------------------------------------------------------------ the agent's side

    def append(self, log: RunLog, record: Record, *, last: bool = False) -> bool:
        """Number the record, encode it and queue it; or, when there is no room, count it.

        Returns:
            False when the run has ended: the record is neither queued nor counted.
        """
        with self._lock:
            if log.ended:
                return False
            if self._must_drop(last):
                self._drop(log)
                log.ended = last
                return True
            if log.dropped:
                self._add_gap(log)
            if not log.queued:
                log.queued = True
                self._queue.append(log)
            while True:
                seq = log.next_seq
                msgspec.structs.force_setattr(record, "seq", seq)
                line = seal(self._encode(record))
                size = len(line) + _LINE_OVERHEAD
                # Not one call from here to the last line: signal handlers and finalisers run at
                # calls, and what they record must not come in between.
                if log.next_seq == seq:
                    log.lines[seq] = line
                    log.next_seq = seq + 1
                    log.nbytes += size
                    log.ended = last
                    self.buffered += size
                    self.accepted += 1
                    break
            if self._idle:
                self._idle = False
                self._post(self._wake.set)
            return True

    @property
    def is_full(self) -> bool:
        """Whether a caller that can wait should."""
        return self.buffered > self.settings.max_buffer

    async def wait_for_room(self) -> None:
        """Wait until there is room, `wait_timeout` at the most."""
        flag = Flag()
        if self._wants_wait(flag):
            with anyio.move_on_after(self.settings.wait_timeout):
                await flag.wait()
            self._waited(flag)  # a cancelled wait did not time out

    def wait_for_room_blocking(self) -> None:
        """The same, for a thread that runs no event loop."""
        flag = Flag()
        if self._wants_wait(flag):
            flag.wait_blocking(self.settings.wait_timeout)
            self._waited(flag)

    def _wants_wait(self, flag: Flag) -> bool:
        with self._lock:
            if not self.is_full or self._dropping or self.settings.overflow == "drop":
                return False
            self._waiters.append(flag)
            return True

    def _waited(self, flag: Flag) -> None:
        with self._lock:
            if flag in self._waiters:
                self._waiters.remove(flag)
                if self.is_full:
                    self._start_dropping()

    def _start_dropping(self) -> None:
        if not self._dropping:
            self._dropping = True
            logger.warning(
                "The buffer of %d bytes is full (%s). New records are dropped and counted until "
                "one is written; see runtime.stats().",
                self.settings.max_buffer,
                self.last_error or "the sink is too slow",
            )

    def _must_drop(self, last: bool) -> bool:
        """Whether there is no room. The end of a run may go a little over."""
        limit = self.settings.max_buffer
        if self._closed.is_set:
            return True
        if last:
            return self.buffered > limit * 1.05
        if self._dropping:
            return True
        if self.buffered > limit and self.settings.overflow == "drop":
            self._start_dropping()
            return True
        # Whoever can wait does so after queueing; what cannot may go over, but not for ever.
        return self.buffered > limit * 1.05

    def _drop(self, log: RunLog) -> None:
        log.dropped += 1
        self.accepted += 1
        self.dropped += 1
        self._lossy.add(log)
        if not log.queued:
            log.queued = True
            self._queue.append(log)

    def _add_gap(self, log: RunLog) -> None:
        seq = log.next_seq + log.dropped - 1
        gap = Gap(log.dropped, self._now(), "the buffer was full", log.run_id, seq)
        log.lines[seq] = line = seal(encode(gap))
        log.next_seq = seq + 1
        log.dropped = 0
        log.gaps += 1
        log.nbytes += len(line) + _LINE_OVERHEAD
        self.buffered += len(line) + _LINE_OVERHEAD

    def _encode(self, record: Record) -> bytes:
        with suppress(Exception):
            body = encode(record)
            if len(body) <= self._values.max_bytes:
                return body
        return rescue(record, self._values)

    async def flush(self, durable: bool, timeout: float) -> bool:
        """See `Runtime.flush`."""
        request, done = self._request_flush(durable)
        with anyio.move_on_after(timeout):
            await request.wait()
        self._requests.discard(request)
        return bool(done) and done[0]

    def flush_blocking(self, durable: bool, timeout: float) -> bool:
        """The same, for a thread that runs no event loop."""
        request, done = self._request_flush(durable)
        request.wait_blocking(timeout)
        self._requests.discard(request)
        return bool(done) and done[0]

    def _request_flush(self, durable: bool) -> tuple[Flag, list[bool]]:
        request, done = Flag(), list[bool]()
        self._requests.add(request)
        self._post(lambda: self._spawn(self._flush, durable, done, request))
        if self._closed.is_set:
            request.set()
        return request, done

    async def opened(self) -> None:
        """Wait until each sink was tried once, `wait_timeout` at the most."""
        with anyio.move_on_after(self.settings.wait_timeout):
            await self._opened.wait()

    def opened_blocking(self) -> None:
        """The same, for a thread that runs no event loop."""
        self._opened.wait_blocking(self.settings.wait_timeout)

    def close(self) -> None:
        """Ask it to write what there is and end. Does not wait."""
        self._closing = True
        self._post(self._stop_waiting)

    async def closed(self) -> None:
        """Wait until it has ended, which takes `close_timeout` and a little at the most."""
        with anyio.move_on_after(self.settings.close_timeout + 1):
            await self._closed.wait()

    def closed_blocking(self) -> None:
        """The same, for a thread that runs no event loop."""
        self._closed.wait_blocking(self.settings.close_timeout + 1)

    def warn_if_lost(self) -> str | None:
        """After closing: say what was lost, if anything was."""
        lost = self.accepted - self.written
        if not lost:
            return None
        why = self.last_error or "the sink was too slow"
        message = f"{lost} of {self.accepted} records could not be written: {why}"
        logger.warning("%s", message)
        return message

    def _post(self, call: Callable[[], object]) -> None:
        """Have the recorder's loop make the call; once it has started, if it has not yet."""
        self._calls.append(call)
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._make_calls, context=self._context)

    # ------------------------------------------------------------------ the recorder's side

    def _run(self) -> None:
        try:
            anyio.run(self._main, backend="asyncio")
        except BaseException as error:
            self.failed(error)
            logger.exception("The recorder has ended early; nothing more is recorded")
        finally:
            with self._lock:
                self.dropped = self.accepted - self.written
                self._closed.set()
            for flag in (self._opened, *self._requests, *self._waiters):
                flag.set()
            _recorders.discard(self)

    async def _main(self) -> None:
        async with anyio.create_task_group() as tasks:
            self._spawn = tasks.start_soon
            self._context = copy_context()
            self._loop = asyncio.get_running_loop()
            self._make_calls()
            for lane in self._lanes:
                tasks.start_soon(lane.run)
            if self.settings.durability == "fsync":
                tasks.start_soon(self._keep_synced)
            tasks.start_soon(self._all_opened)
            await self._pump()
            deadline = time.monotonic() + self.settings.close_timeout
            with anyio.move_on_after(self.settings.close_timeout):
                await self._drain()
                for lane in self._lanes:
                    await lane.flush(self.settings.durability == "fsync")
            tasks.cancel_scope.cancel()
        for lane in self._lanes:
            with anyio.move_on_after(max(0.1, deadline - time.monotonic())):
                await lane.close()

    def _make_calls(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def _stop_waiting(self) -> None:
        self._wake.set()
        self._hurry.set()
        for lane in self._lanes:
            lane.stop_waiting()

    async def _all_opened(self) -> None:
        for lane in self._lanes:
            await lane.tried.wait()
        self._opened.set()

    async def _pump(self) -> None:
        while not self._closing:
            with self._lock:
                self._wake.clear()
                self._idle = not self._queue
            if not self._queue:
                await self._wake.wait()
            self._offer(self._take(_TAKE_BYTES))
            await self._lanes[0].below(_BACKLOG_BYTES)
            if self.buffered < _TAKE_BYTES or not self._queue:
                with anyio.move_on_after(self.settings.flush_interval):
                    await self._hurry.wait()

    async def _drain(self) -> None:
        """Give the lanes everything there is now, and wait until they are done with it."""
        with self._lock:
            for log in self._queue:
                if log.dropped and not self._dropping:
                    self._add_gap(log)
            marks = [(log, log.next_seq) for log in self._queue]
        for log, mark in marks:
            while self._has_before(log, mark):
                self._offer(self._take(_TAKE_BYTES))
                await checkpoint()
        offers = self._offers
        for lane in self._lanes:
            await lane.done_with(offers)

    def _has_before(self, log: RunLog, mark: int) -> bool:
        with self._lock:
            return bool(log.lines) and next(iter(log.lines)) < mark

    async def _flush(self, durable: bool, done: list[bool], request: Flag) -> None:
        await self._drain()
        ok = all([await lane.flush(durable) for lane in self._lanes])
        with self._lock:
            ok = ok and not self._lossy
            # A run that is over, and whose loss has been told, no longer stands in the way.
            self._lossy = {log for log in self._lossy if not log.ended}
        done.append(ok)
        request.set()

    async def _keep_synced(self) -> None:
        while True:
            await self._to_sync.wait()
            self._to_sync.clear()
            with anyio.move_on_after(_SYNC_INTERVAL):
                await self._run_ended.wait()
            self._run_ended.clear()
            for lane in self._lanes:
                await lane.flush(True)

    def _take(self, limit: int) -> list[Chunk]:
        taken: list[tuple[RunLog, dict[int, bytes], int, bool]] = []
        with self._lock:
            for _ in range(len(self._queue)):
                log = self._queue.popleft()
                log.queued = False
                if log.dropped and not self._dropping:
                    self._add_gap(log)
                lines, size = _take_lines(log, limit)
                if lines:
                    gaps, log.gaps = log.gaps, 0
                    taken.append((log, lines, gaps, log.ended and not log.lines))
                    self.buffered -= size - sum(map(len, lines.values()))
                    limit -= size
                if log.lines or log.dropped:
                    log.queued = True
                    self._queue.append(log)
                if limit <= 0:
                    break
        return [
            Chunk(
                run_id=log.run_id,
                data=b"".join(lines.values()),
                first_seq=next(iter(lines)),
                last_seq=next(reversed(lines)),
                records=len(lines) - gaps,
                ended=ended,
            )
            for log, lines, gaps, ended in taken
        ]

    def _offer(self, chunks: list[Chunk]) -> None:
        if chunks:
            self._offers += 1
            for lane in self._lanes:
                lane.offer(self._offers, chunks)

    def wrote(self, chunks: Sequence[Chunk]) -> None:
        """The log has these chunks."""
        with self._lock:
            for chunk in chunks:
                self.written += chunk.records
                self.bytes += len(chunk.data)
                self.buffered -= len(chunk.data)
                if chunk.ended:
                    self._run_ended.set()
            self._dropping = False
            waiters: list[Flag] = []
            if not self.is_full:
                waiters, self._waiters = self._waiters, []
        self._to_sync.set()
        for flag in waiters:
            flag.set()

    def failed(self, error: BaseException) -> None:
        """A sink failed."""
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"

    def lost(self, chunk: Chunk, sink: Sink) -> Chunk:
        """A gap record in place of a chunk that a sink other than the log could not take."""
        count = chunk.last_seq - chunk.first_seq + 1
        gap = Gap(count, self._now(), f"{sink!r} fell behind", chunk.run_id, chunk.last_seq)
        data = seal(encode(gap))
        return msgspec.structs.replace(chunk, data=data, first_seq=chunk.last_seq, records=0)


def _take_lines(log: RunLog, limit: int) -> tuple[dict[int, bytes], int]:
    """The first lines of a run, about `limit` bytes of them, and their size."""
    if log.nbytes <= limit or len(log.lines) <= 1:
        lines, log.lines = log.lines, {}
        size, log.nbytes = log.nbytes, 0
        return lines, size
    count = max(1, len(log.lines) * limit // log.nbytes)
    lines = dict(islice(log.lines.items(), count))
    for seq in lines:
        del log.lines[seq]
    size = sum(map(len, lines.values())) + len(lines) * _LINE_OVERHEAD
    log.nbytes -= size
    return lines, size


class _Lane:
    """The way to one sink: what it has been offered and not yet taken."""

    def __init__(self, sink: Sink, recorder: Recorder, *, is_log: bool) -> None:
        self.sink = sink
        self.tried = asyncio.Event()
        self._recorder = recorder
        self._is_log = is_log
        self._pending: list[tuple[int, Chunk]] = []
        self._size = 0
        self._work = asyncio.Event()
        self._progress = asyncio.Event()
        self._turn = asyncio.Lock()
        self._is_open = False
        self._warned = False
        self._lossy = False

    def offer(self, number: int, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            if not self._is_log and self._size > self._recorder.settings.max_buffer:
                chunk = self._recorder.lost(chunk, self.sink)
                self._lossy = True
            self._pending.append((number, chunk))
            self._size += len(chunk.data)
        self._work.set()

    async def run(self) -> None:
        settings = self._recorder.settings
        delay = settings.flush_interval
        while True:
            try:
                async with self._turn:
                    if not self._is_open:
                        await self.sink.open(self._recorder.writer)
                        self._is_open = True
                        self.tried.set()
                    wrote = await self._write()
            except Exception as error:
                self._failed(error)
                wrote = False
            self.tried.set()
            if not self._pending:
                self._work.clear()
                await self._work.wait()
            elif not wrote:
                await anyio.sleep(delay)
                delay = min(delay * 2, _MAX_BACKOFF)
                continue
            delay = settings.flush_interval

    async def _write(self) -> bool:
        """Offer the sink all that waits; whether it took any of it."""
        if not self._pending:
            return True
        batch = self._pending.copy()
        unwritten = await self.sink.write([chunk for _, chunk in batch])
        left = set(map(id, unwritten.chunks)) if unwritten else set[int]()
        taken = [chunk for _, chunk in batch if id(chunk) not in left]
        again = [item for item in batch if id(item[1]) in left]
        self._pending[: len(batch)] = again
        self._size -= sum(len(chunk.data) for chunk in taken)
        if taken and self._is_log:
            self._recorder.wrote(taken)
        self.stop_waiting()
        if unwritten:
            self._failed(unwritten.error)
        else:
            self._warned = False
        return bool(taken)

    def stop_waiting(self) -> None:
        """Let those who wait for something to happen here look again."""
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()

    def _failed(self, error: Exception) -> None:
        self._recorder.failed(error)
        if not self._warned:
            self._warned = True
            logger.warning("%r cannot be written to now, will try again: %s", self.sink, error)

    async def below(self, size: int) -> None:
        """Wait until less than this is in hand, or something has happened."""
        await checkpoint()
        if self._size > size:
            await self._progress.wait()

    async def done_with(self, offer: int) -> None:
        """Wait until everything up to this offer is taken."""
        while self._pending and self._pending[0][0] <= offer:
            await self._progress.wait()

    async def flush(self, durable: bool) -> bool:
        async with self._turn:
            written = self._recorder.written
            try:
                ok = self._is_open and await self.sink.flush(durable)
            except Exception as error:
                self._failed(error)
                ok = False
            if ok and durable and self._is_log:
                self._recorder.synced = written
        lossy, self._lossy = self._lossy, False
        return ok and not lossy

    async def close(self) -> None:
        if self._is_open:
            try:
                await self.sink.close()
            except Exception as error:
                self._failed(error)


class Flag:
    """Set once, from any thread; awaited on any event loop, or waited for without one."""

    __slots__ = ("_event", "_wakers")

    def __init__(self) -> None:
        self._event = threading.Event()
        self._wakers: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()
        for wake in list(self._wakers):
            wake()

    async def wait(self) -> None:
        event = anyio.Event()
        loop: Any = current_token().native_token
        # Not anyio.from_thread: that waits for the agent's loop, which may be blocked.
        call = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

        def wake() -> None:
            with suppress(RuntimeError):  # the agent's loop has ended
                call(event.set)

        self._wakers.append(wake)
        if not self._event.is_set():
            await event.wait()

    def wait_blocking(self, timeout: float) -> None:
        self._event.wait(timeout)


def rescue(record: Record, values: Values) -> bytes:
    """Encode a record that does not encode as it is, or is too large: its strings made encodable,
    each value within its limit and, should that not do, within smaller ones.
    """
    for limit, options in ((values.max_bytes, 10_000), (2**16, 1_000), (2**10, 100)):
        with suppress(Exception):
            body = encode(_fitted(record, min(limit, values.max_bytes), options))
            if len(body) <= MAX_LINE_BYTES:
                return body
    bare = _fitted(record, 2**10, 0)
    return encode(
        type(record)(
            **{
                name: getattr(bare, name)
                for name in bare.__struct_fields__
                if name not in VALUE_FIELDS
            }
        )
    )


def _fitted(record: Any, limit: int, options: int) -> Any:
    changes: dict[str, Any] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name in VALUE_FIELDS:
            changes[name] = fit(value, limit)
        elif isinstance(value, str):
            changes[name] = cut_text(encodable(value), limit)
        elif name == "options":
            changes[name] = [_fitted(option, limit, options) for option in value[:options]]
        elif type(value) is list:
            changes[name] = [cut_text(encodable(text), limit) for text in value[:options]]
        elif name == "tags":
            changes[name] = {encodable(k): cut_text(encodable(v), limit) for k, v in value.items()}
    return msgspec.structs.replace(record, **changes)


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _close_at_exit() -> None:
    # Neither executors nor threads can be started any more; both are there already.
    recorders = list(_recorders)
    for recorder in recorders:
        recorder.close()
    for recorder in recorders:
        recorder.closed_blocking()
        recorder.warn_if_lost()


def _forget_in_child() -> None:
    _recorders.clear()  # the threads stayed with the parent


atexit.register(_close_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
