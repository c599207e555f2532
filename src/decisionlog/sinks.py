"""Where recorded runs go: the `Sink` protocol, and `FileSink`, which writes run files.

Sinks live on the recorder's own event loop (always asyncio), so nothing here meets the agent's.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, Protocol, TypeVar

from aiofiles.os import wrap
from msgspec import Struct

from decisionlog.liveness import WriterLock

if sys.platform == "darwin":  # pragma: no cover
    import fcntl

P = ParamSpec("P")
T = TypeVar("T")

_SETTLED = 60.0
"""Seconds after which the kernel has long written back, by itself, what an ended run left."""
_AT_ONCE = 100


class Chunk(Struct, frozen=True, gc=False):
    """Some records of one run, in order: whole lines, numbered `first_seq` to `last_seq`."""

    run_id: str
    data: bytes
    first_seq: int
    last_seq: int
    records: int
    """How many they are, gap records not counted."""
    ended: bool
    """They are the last ones of the run."""


class Unwritten(Struct, frozen=True):
    """What a sink could not take just now, in order, and why."""

    chunks: Sequence[Chunk]
    error: Exception


class Sink(Protocol):
    """A place for records. A sink of your own has these four methods; no two are called at once.

    An exception from `open` or `write` means: not now, try again later.
    """

    async def open(self, writer: str) -> None:
        """Get ready. `writer` is the id that this process's runs name in their first record."""

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        """Take the chunks, or say which are to be offered again.

        A chunk is taken whole or not at all, and none before an earlier one of the same run.
        """

    async def flush(self, durable: bool) -> bool:
        """Whether everything taken is with the operating system or, if `durable`, on the disk."""
        ...

    async def close(self) -> None:
        """Let go of everything; nothing is called after this but `open`."""


class FileSink:
    """Writes each run to `<path>/runs/<run_id>.jsonl`, and holds the lock that says who is alive.

    Files are opened once and kept open, `max_open_files` at the most, so that live runs may
    outnumber file descriptors. Directories are made with mode 0700, files with 0600.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_open_files: int = 256) -> None:
        self.path = Path(path)
        self._max_open = max_open_files

    def __repr__(self) -> str:
        return f"FileSink({str(self.path)!r})"

    async def open(self, writer: str) -> None:
        """Make the directories and take the writer's lock.

        Raises:
            OSError: the directory cannot be made or written.
        """
        self._files: dict[str, _RunFile] = {}
        self._unsynced: dict[str, _RunFile] = {}
        self._sync_failed: dict[str, _RunFile] = {}
        self._ended: deque[tuple[float, str, _RunFile]] = deque()
        self._new_names = False
        self._lock = WriterLock(self.path / "writers", writer)
        # Not the loop's default executor: a write that hangs would hold up closing and
        # interpreter exit for good.
        self._thread = _DaemonThread("decisionlog-files")
        await self._run(self._open)

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        """Append the chunks to their files; one hop to the file thread for all of them."""
        return await self._run(self._write, batch)

    async def flush(self, durable: bool) -> bool:
        """With `durable`, fdatasync what was written since, and the directory of new files.

        A run whose sync has failed once is never vouched for again: the kernel may have dropped
        the pages and would report success.
        """
        return await self._run(self._sync) if durable else True

    async def close(self) -> None:
        """Close all files and release the lock."""
        await self._run(self._close)
        self._thread.shutdown()

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await wrap(function)(*args, **kwargs, executor=self._thread)

    # On the file thread from here on.

    def _open(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for directory in (self.path / "runs", self._lock.path.parent):
            directory.mkdir(mode=0o700, exist_ok=True)
            if directory.is_symlink():
                what = "is a symbolic link; nothing is written to where it leads"
                raise OSError(errno.ELOOP, what, str(directory))
        self._lock.acquire()

    def _write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        by_run: dict[str, list[Chunk]] = {}
        for chunk in batch:
            by_run.setdefault(chunk.run_id, []).append(chunk)
        left: list[Chunk] = []
        reason: OSError | None = None
        for chunks in by_run.values():
            try:
                # At once: after each write, a busy agent keeps the interpreter for a while.
                self._append(chunks)
            except OSError as error:
                reason = reason or error
                left += self._append_what_fits(chunks) if len(chunks) > 1 else chunks
        self._sync_settled()
        return Unwritten(left, reason) if reason is not None else None

    def _append_what_fits(self, chunks: list[Chunk]) -> list[Chunk]:
        """Append chunk by chunk; the chunks that are left."""
        for i, chunk in enumerate(chunks):
            try:
                self._append([chunk])
            except OSError:
                return chunks[i:]
        return []

    def _append(self, chunks: list[Chunk]) -> None:
        run_id = chunks[0].run_id
        file = self._files.pop(run_id, None) or _RunFile(self.path / "runs", run_id)
        self._files[run_id] = file  # the last one used stands last
        if not file.is_open:
            self._make_room()
            self._new_names |= file.open()
        file.append(b"".join([chunk.data for chunk in chunks]))
        self._unsynced[run_id] = file
        if chunks[-1].ended:
            del self._files[run_id]
            file.close()
            self._ended.append((time.monotonic(), run_id, file))

    def _make_room(self) -> None:
        opened = [file for file in self._files.values() if file.is_open]
        for file in opened[: max(0, len(opened) - self._max_open + 1)]:
            file.close()

    def _sync(self) -> bool:
        told = dict(self._sync_failed)
        synced, self._unsynced = self._unsynced, {}
        self._ended.clear()
        for run_id, file in synced.items():
            self._sync_file(run_id, file)
        if self._new_names:
            try:
                for directory in (self.path / "runs", self.path, self.path.absolute().parent):
                    _sync_directory(directory)
                self._new_names = False
            except OSError:
                return False
        if not self._sync_failed:
            return True
        # A run that is over, and whose loss was told before, no longer stands in the way.
        for run_id in told.keys() - self._files.keys():
            del self._sync_failed[run_id]
        return False

    def _sync_file(self, run_id: str, file: _RunFile) -> None:
        if run_id not in self._sync_failed:
            try:
                file.sync()
            except OSError:
                self._sync_failed[run_id] = file

    def _sync_settled(self) -> None:
        """Sync runs that ended a while ago, a few at a time: who never asks for `durable` would
        have this remember every run there ever was, and by now it costs next to nothing.
        """
        long_ago = time.monotonic() - _SETTLED
        for _ in range(min(len(self._ended), _AT_ONCE)):
            if self._ended[0][0] > long_ago:
                break
            _, run_id, file = self._ended.popleft()
            self._unsynced.pop(run_id, None)
            self._sync_file(run_id, file)

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._lock.release()


class _RunFile:
    """One run's file, and how much of it is good."""

    __slots__ = ("_descriptor", "_size", "_torn", "path")

    def __init__(self, directory: Path, run_id: str) -> None:
        self.path = directory / f"{run_id}.jsonl"
        self._descriptor = -1
        self._size = 0
        self._torn = False

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    def open(self) -> bool:
        """Open for appending; True when that made the file."""
        flags = (
            os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        )
        if self._size:
            self._descriptor = os.open(self.path, flags)
            return False
        try:
            self._descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            # Another process took the same id at the same moment. Nobody but its writer ever
            # appends to a run, so this one goes beside it.
            name = f"{self.path.stem[:90]}-{os.urandom(4).hex()}.jsonl"
            self.path = self.path.with_name(name)
            self._descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:  # someone cleared the directory away
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        return True

    def append(self, data: bytes) -> None:
        """Write all of it, or leave the file as it was: no torn line stays in the middle."""
        if self._torn:
            self._cut_back()
        rest = memoryview(data)
        try:
            while rest:
                count = os.write(self._descriptor, rest)
                if count == 0:
                    raise OSError(errno.EIO, "nothing was written", str(self.path))
                rest = rest[count:]
        except OSError:
            if len(rest) < len(data):
                self._torn = True
                self._cut_back()
            raise
        self._size += len(data)

    def _cut_back(self) -> None:
        os.ftruncate(self._descriptor, self._size)
        self._torn = False

    def sync(self) -> None:
        if self.is_open:
            _sync_descriptor(self._descriptor)
            return
        descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            _sync_descriptor(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        if self.is_open:
            os.close(self._descriptor)
            self._descriptor = -1


def _sync_descriptor(descriptor: int) -> None:
    if sys.platform == "darwin":  # pragma: no cover
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync stops at the drive's cache there
    else:
        getattr(os, "fdatasync", os.fsync)(descriptor)


def _sync_directory(path: Path) -> None:
    if sys.platform == "win32":  # keeps names safe by itself, and has no way to ask
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _DaemonThread(Executor):
    """An executor of one daemon thread, started at once: at interpreter exit none can be."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        Thread(target=self._loop, name=name, daemon=True).start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self._work.put((future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:
        self._work.put(None)

    def _loop(self) -> None:
        while work := self._work.get():
            future, call = work
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
