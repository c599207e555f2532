"""The records that wait to be written: numbered and encoded at the call, bounded in bytes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Literal

from msgspec.structs import force_setattr

from decisionlog.flags import Flag
from decisionlog.records import Gap, Record, encode, seal
from decisionlog.rescue import encode_within
from decisionlog.sinks import Chunk

logger = logging.getLogger("decisionlog")

_OVERHEAD = 128
"""What a waiting line costs beside its bytes: the bytes object, its number, its place in a dict."""
_CHUNK_BYTES = 2**16
"""A sink takes a chunk whole or not at all, so this is what a file that cannot grow may lack."""
_SLACK = 2**20
"""How far over the limit records may go at least, since callers queue them before they wait."""


class RunLog:
    """The records of one run that wait, by number."""

    __slots__ = ("dropped", "ended", "gaps", "lines", "next_seq", "queued", "run_id")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.lines: dict[int, bytes] = {}
        self.next_seq = 1
        self.gaps = 0
        self.dropped = 0
        self.queued = False
        self.ended = False

    def take(self) -> tuple[dict[int, bytes], int]:
        """Remove the first lines, and tell how many of them are gaps."""
        lines, gaps, self.gaps = self.lines, self.gaps, 0
        size = sum(map(len, lines.values()))
        if size <= _CHUNK_BYTES:
            self.lines = {}
        else:
            lines = dict(islice(lines.items(), max(1, len(lines) * _CHUNK_BYTES // size)))
            for seq in lines:
                del self.lines[seq]
        return lines, gaps


class Buffer:
    """Takes records from any thread, until it is full.

    Callers that can wait do so after queueing, up to `wait_timeout` seconds. After one has waited
    in vain (with `overflow="drop"`: at once), new records are dropped and counted until one is
    written; then a gap record says how many were.
    """

    def __init__(
        self, limit: int, max_value_bytes: int, overflow: Literal["wait", "drop"],
        wait_timeout: float, now: Callable[[], datetime], wake: Callable[[], None],
    ) -> None:  # fmt: skip
        # Re-entrant: a signal handler, or a finaliser run by the garbage collector, may record
        # while this thread does.
        self.lock = threading.RLock()
        self.queue: deque[RunLog] = deque()
        self.written = self.dropped = self._taken = 0
        self.bytes = self.size = 0
        self.full = self.closed = False
        self.idle = False
        self._limit = limit
        self._hard_limit = limit + max(limit // 20, _SLACK)
        self._max_value_bytes = max_value_bytes
        self._waits = overflow == "wait"
        self._wait_timeout = wait_timeout
        self._now = now
        self._wake = wake
        self._dropping = False
        self._untold: set[RunLog] = set()
        self._lossy: set[RunLog] = set()
        self._waiters: list[Flag] = []

    def append(self, log: RunLog, record: Record, last: bool = False) -> bool:
        """Number a record, encode it and queue it; or, when there is no room, count it. The caller
        holds the lock.

        Returns:
            False when the run has ended: the record is neither queued nor counted.
        """
        if log.ended:
            return False
        if self.full and self._must_drop(last):
            self._drop(log, last)
            return True
        if log.dropped:
            self._add_gap(log)
        while True:
            seq = log.next_seq
            force_setattr(record, "seq", seq)
            try:
                body = encode(record)
            except Exception:  # what is wrong with it, the other encoder deals with
                body = b""
            if not 0 < len(body) <= self._max_value_bytes:
                body = encode_within(record, self._max_value_bytes)
            line = seal(body)
            size = len(line) + _OVERHEAD
            # Not one call from here to the break: signal handlers and finalisers run at calls, and
            # what they record must not come in between.
            if log.next_seq == seq:
                log.lines[seq] = line
                log.next_seq = seq + 1
                self.size += size
                break
        if last:
            log.ended = True
        if not log.queued:
            self._enqueue(log)
        if self.size > self._limit:
            self.full = True
        return True

    def _drop(self, log: RunLog, last: bool) -> None:
        self.dropped += 1
        log.dropped += 1
        log.ended = last
        self._untold.add(log)
        self._lossy.add(log)

    @property
    def accepted(self) -> int:
        """How many records there were, whatever has become of them."""
        with self.lock:
            waiting = sum(len(log.lines) - log.gaps for log in self.queue)
            return self._taken + waiting + self.dropped

    def _enqueue(self, log: RunLog) -> None:
        log.queued = True
        self.queue.append(log)
        if self.idle:
            self.idle = False
            self._wake()

    def _add_gap(self, log: RunLog) -> None:
        """Say in the log what was dropped before."""
        while count := log.dropped:
            seq = log.next_seq + count - 1
            gap = Gap(count, self._now(), "the buffer was full", log.run_id, seq)
            line = seal(encode(gap))
            size = len(line)
            if log.dropped == count and log.next_seq + count - 1 == seq:  # as in append
                log.lines[seq] = line
                log.next_seq = seq + 1
                log.dropped = 0
                log.gaps += 1
                self.size += size
        self._untold.discard(log)

    def _must_drop(self, last: bool) -> bool:
        # Whoever can wait has queued before, and what cannot may go over, but not for ever; nor
        # may the ends of runs, the last to be given up.
        if self.closed or self.size > self._hard_limit:
            return True
        if not self._waits:
            self._start_dropping()
        return self._dropping and not last

    def _start_dropping(self) -> None:
        if not self._dropping:
            self._dropping = True
            logger.warning(
                "The buffer of %d bytes is full. New records are dropped and counted until one is "
                "written; see runtime.stats()",
                self._limit,
            )

    # ------------------------------------------------------------------ waiting for room

    async def wait_for_room(self) -> None:
        """Wait until there is room, `wait_timeout` at the most."""
        if flag := self._start_waiting():
            in_vain = False
            try:
                await flag.wait(self._wait_timeout)
                in_vain = True
            finally:
                self._stop_waiting(flag, in_vain)

    def wait_for_room_blocking(self) -> None:
        """The same, for a thread that runs no event loop."""
        if flag := self._start_waiting():
            flag.wait_blocking(self._wait_timeout)
            self._stop_waiting(flag, True)

    def _start_waiting(self) -> Flag | None:
        with self.lock:
            if not self.full or self._dropping or self.closed or not self._waits:
                return None
            flag = Flag()
            self._waiters.append(flag)
            return flag

    def _stop_waiting(self, flag: Flag, in_vain: bool) -> None:
        with self.lock:
            if flag in self._waiters:
                self._waiters.remove(flag)
                if in_vain and self.full:
                    self._start_dropping()

    # ------------------------------------------------------------------ the recorder's side

    def take(self, limit: int) -> list[Chunk]:
        """Remove about `limit` bytes of records from the runs that have waited longest."""
        chunks: list[Chunk] = []
        while self.queue and limit > 0:
            with self.lock:
                log = self.queue.popleft()
                lines, gaps = log.take()
                log.queued = bool(log.lines)
                if log.queued:
                    self.queue.append(log)
                ended = log.ended and not log.queued
                records = len(lines) - gaps
                self._taken += records
            data = b"".join(lines.values())
            first, last = next(iter(lines)), next(reversed(lines))
            chunks.append(Chunk(log.run_id, data, first, last, records, ended))
            limit -= len(data)
        return chunks

    def marks(self) -> list[tuple[RunLog, int]]:
        """The runs that wait, and how far what they have now reaches."""
        with self.lock:
            return [(log, log.next_seq) for log in self.queue]

    def has_before(self, log: RunLog, mark: int) -> bool:
        """Whether a record with a lower number waits."""
        with self.lock:
            return bool(log.lines) and next(iter(log.lines)) < mark

    def wrote(self, chunks: list[Chunk]) -> None:
        """These have been written."""
        with self.lock:
            for chunk in chunks:
                self.written += chunk.records
                self.bytes += len(chunk.data)
                self.size -= len(chunk.data) + chunk.records * _OVERHEAD
            self._dropping = False
            for log in list(self._untold):
                self._add_gap(log)
                if not log.queued:
                    self._enqueue(log)
            self.full = self.size > self._limit
            waiters = [] if self.full else self._release()
        for flag in waiters:
            flag.set()

    def tell_loss(self) -> bool:
        """Whether a run has lost records; one that is over is told once."""
        with self.lock:
            lossy = bool(self._lossy)
            self._lossy = {log for log in self._lossy if not log.ended}
        return lossy

    def close(self) -> None:
        """Nothing more will be written."""
        with self.lock:
            self.closed = self.full = True
            self.dropped, self._taken = self.accepted - self.written, self.written
            self.queue.clear()
            waiters = self._release()
        for flag in waiters:
            flag.set()

    def _release(self) -> list[Flag]:
        waiters, self._waiters = self._waiters, []
        return waiters
