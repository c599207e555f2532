"""The records that wait to be written: numbered and encoded at the call, bounded in bytes.

Each run gathers its lines in one piece of memory, so that draining costs per run, not per record.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Literal
from zlib import crc32

from msgspec.structs import force_setattr

from decisionlog.flags import Flag
from decisionlog.records import MAX_ITEMS, SEAL_BYTES, Gap, Record, encode, seal
from decisionlog.rescue import encode_within
from decisionlog.sinks import Chunk

logger = logging.getLogger("decisionlog")

_CHUNK_BYTES = 2**16
"""A sink takes a chunk whole or not at all, so this is what a file that cannot grow may lack."""
_SLACK = 2**20
"""How far over the limit records may go at least, since callers queue them before they wait."""


class RunLog:
    """The lines of one run that wait."""

    __slots__ = (
        "chunks", "dropped", "ended", "first_seq", "lines", "lost", "next_seq", "queued", "run_id",
    )  # fmt: skip

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.chunks: deque[Chunk] = deque()
        self.lines = bytearray()
        self.first_seq = self.next_seq = 1
        self.lost = 0  # of the numbers between these two, as gap records among the lines say
        self.dropped = 0
        self.queued = self.ended = False

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return self.next_seq - self.first_seq - self.lost + sum(c.records for c in self.chunks)

    @property
    def first_waiting(self) -> int:
        """The number of the first that waits."""
        return self.chunks[0].first_seq if self.chunks else self.first_seq

    def close_chunk(self) -> None:
        """Make a chunk of the lines."""
        fresh = bytearray()
        # Not one call from here on, as in `Buffer.append`.
        lines = self.lines
        self.lines = fresh
        first = self.first_seq
        end = self.next_seq
        self.first_seq = end
        lost = self.lost
        self.lost = 0
        # What is recorded from now on goes into the next chunk.
        records = end - first - lost
        self.chunks.append(Chunk(self.run_id, bytes(lines), first, end - 1, records, self.ended))


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
        self._surely_fits = min(max_value_bytes, MAX_ITEMS)
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
            if not 0 < len(body) <= self._surely_fits:
                body = encode_within(record, self._max_value_bytes)
            # As `seal` does, but into memory that is there already.
            head = body[:-1]
            crc = b',"crc":"%08x"}\n' % crc32(head)
            # Not one call from here to the break: signal handlers and finalisers run at calls, and
            # what they record must not come in between.
            if log.next_seq == seq:
                lines = log.lines
                lines += head
                lines += crc
                log.next_seq = seq + 1
                break
        if last:
            log.ended = True
        if len(lines) > _CHUNK_BYTES:
            log.close_chunk()
        if not log.queued:
            self._enqueue(log)
        self.size = size = self.size + len(body) + SEAL_BYTES
        if size > self._limit:
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
            return self._taken + sum(log.waiting for log in self.queue) + self.dropped

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
            if log.dropped == count and log.next_seq + count - 1 == seq:  # as in append
                log.lines += line
                log.next_seq = seq + 1
                log.lost += count
                log.dropped = 0
                self.size += len(line)
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
        # In one go: an agent that records all the time holds the lock most of it, and each turn
        # may take as long as the interpreter takes to switch threads.
        with self.lock:
            while self.queue and limit > 0:
                log = self.queue.popleft()
                if not log.chunks:
                    log.close_chunk()
                chunk = log.chunks.popleft()
                if log.chunks or log.lines:
                    self.queue.append(log)
                else:
                    log.queued = False
                self._taken += chunk.records
                limit -= len(chunk.data)
                chunks.append(chunk)
        return chunks

    def marks(self) -> list[tuple[RunLog, int]]:
        """The runs that wait, and how far what they have now reaches."""
        with self.lock:
            return [(log, log.next_seq) for log in self.queue]

    def has_before(self, log: RunLog, mark: int) -> bool:
        """Whether a record with a lower number waits."""
        with self.lock:
            return log.queued and log.first_waiting < mark

    def wrote(self, chunks: list[Chunk]) -> None:
        """These have been written."""
        with self.lock:
            if self.closed:  # given up, and told as lost
                return
            for chunk in chunks:
                self.written += chunk.records
                self.bytes += len(chunk.data)
                self.size -= len(chunk.data)
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
            self.size = 0
            waiters = self._release()
        for flag in waiters:
            flag.set()

    def _release(self) -> list[Flag]:
        waiters, self._waiters = self._waiters, []
        return waiters
