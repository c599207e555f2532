"""Who is alive: an advisory lock a writer holds for as long as its process lives.

`flock` locks belong to the open file, not to the process, so they can be tried from within the same
process; but a forked child shares them, and has to let go of its copy. They do not hold across
hosts, and not on every network file system.
"""

from __future__ import annotations

import os
import sys
import weakref
from pathlib import Path
from typing import IO

_held: weakref.WeakSet[WriterLock] = weakref.WeakSet()

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes], *, shared: bool) -> bool:
        """Whether the lock was free; there is no shared one here, so two readers may collide."""
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: IO[bytes], *, shared: bool) -> bool:
        """Whether the lock was free, and now is ours until the file is closed.

        Raises:
            OSError: the file system knows no locks.
        """
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class WriterLock:
    """The lock of one writer, `<directory>/<id>.lock`; held from `acquire` on."""

    def __init__(self, directory: Path, writer: str) -> None:
        self.path = directory / f"{writer}.lock"
        self._file: IO[bytes] | None = None

    def acquire(self) -> None:
        """Create the file and lock it. Where the file system knows no locks, it is only there.

        Raises:
            OSError: it cannot be created.
        """
        # One who tries the lock just then, or clears up locks nobody holds, may be in the way.
        while self._file is None:
            file = open(self.path, "ab", opener=_private)  # noqa: SIM115 - held
            try:
                ours = _lock(file, shared=False) and _is_at(self.path, file)
            except OSError:
                ours = True
            if ours:
                self._file = file
                _held.add(self)
            else:
                file.close()

    def release(self) -> None:
        """Let go, and remove the file."""
        self.path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """Close this process's copy of the file, and no more."""
        if self._file is not None:  # pragma: no branch
            self._file.close()
            self._file = None


def is_alive(directory: Path, writer: str) -> bool:
    """Whether a process on this host holds the lock of this writer, as far as one can tell."""
    return not _is_free(directory / f"{writer}.lock", remove=False)


def clear(directory: Path) -> None:
    """Remove the lock files of writers that are gone."""
    for path in directory.glob("*.lock"):
        _is_free(path, remove=True)


def _is_free(path: Path, *, remove: bool) -> bool:
    try:
        with open(path, "rb", opener=_private) as file:
            if not _lock(file, shared=not remove):
                return False
            if remove:
                path.unlink(missing_ok=True)
            return True
    except FileNotFoundError:
        return True
    except OSError:  # not ours to open, or no locks here
        return False


def _private(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.open(path, flags, 0o600)


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _after_fork() -> None:
    for lock in list(_held):
        lock.let_go()


if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(after_in_child=_after_fork)
