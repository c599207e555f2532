"""How files of ours are opened, and read a block at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Literal

from decisionlog.errors import ReadError
from decisionlog.records import MAX_LINE_BYTES

BLOCK = 2**20
_TAIL = 2**14
"""How much of a file's tail is read at first."""


def check_ours(directory: Path) -> None:
    """See that a directory is ours to read.

    Raises:
        ReadError: it is someone's symbolic link.
    """
    if directory.is_symlink():
        raise ReadError(f"{directory} is a symbolic link; what it leads to is left alone")


def open_ours(path: str | Path, mode: Literal["rb", "a+b"] = "rb") -> IO[bytes]:
    """Open a file of ours: never through a symbolic link, and never one that is no regular file.

    Raises:
        OSError: it is not there, or something else.
    """
    return open(path, mode, opener=_opener)


def read_ours(path: str | Path) -> bytes:
    """All of a file of ours, as it is now.

    Raises:
        OSError: it is not there, or no regular file.
    """
    with open(path, "rb", buffering=0, opener=_opener) as file:
        return file.readall()


def _opener(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    return descriptor


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file, as far as it goes now."""
    return iter(partial(file.read, BLOCK), b"")


def last_line(file: IO[bytes]) -> bytes:
    """What stands after the last newline but the one at the end, if there is one."""
    size = file.seek(0, os.SEEK_END)
    for span in (_TAIL, 2 * MAX_LINE_BYTES):
        file.seek(max(0, size - span))
        tail = file.read(span)
        start = tail.rfind(b"\n", 0, -1) + 1
        if start or span >= size:
            return tail[start:]
    return b""
