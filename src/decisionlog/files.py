"""How files of ours are opened, and read a block at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Literal

from decisionlog.errors import ReadError
from decisionlog.records import MAX_LINE_BYTES

BLOCK = 2**20
_PART = 2**14
_SPANS = (_PART, 2 * MAX_LINE_BYTES)
"""How much is read of a file's head or tail: at first, and then."""


def check_ours(directory: Path) -> None:
    """See that a directory is ours to read.

    Raises:
        ReadError: it is someone's symbolic link.
    """
    if os.path.islink(directory):
        raise ReadError(f"{directory} is a symbolic link; what it leads to is left alone")


def open_ours(path: str | Path, mode: Literal["rb", "a+b"] = "rb") -> IO[bytes]:
    """Open a file of ours: never through a symbolic link, and never one that is no regular file.
    To read, it is unbuffered: it is read in pieces.

    Raises:
        OSError: it is not there, or something else.
    """
    return open(path, mode, buffering=0 if mode == "rb" else -1, opener=_opener)


def read_ours(path: str | Path) -> bytes:
    """All of a file of ours, as it is now.

    Raises:
        OSError: it is not there, or no regular file.
    """
    with open_ours(path) as file:
        return file.read()


def announce(paths: Iterable[str]) -> None:
    """Say that the heads of these files will be read: the system gets them all from the disk then,
    and not each when its turn comes. What is wrong with one shows when it is read.
    """
    if hasattr(os, "posix_fadvise"):  # pragma: no branch
        for path in paths:
            with suppress(OSError):
                descriptor = _opener(path, os.O_RDONLY)
                try:
                    os.posix_fadvise(descriptor, 0, _PART, os.POSIX_FADV_WILLNEED)
                finally:
                    os.close(descriptor)


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


def first_and_last_line(file: IO[bytes]) -> tuple[bytes, bytes]:
    """What stands before the first newline, and after the last but the one at the end; nothing in
    place of a line longer than any of ours.
    """
    head = file.read(_PART)
    if len(head) < _PART:  # all of it: most runs are short
        return head[: head.find(b"\n") + 1], head[head.rfind(b"\n", 0, -1) + 1 :]
    return _first_line(file), _last_line(file)


def _first_line(file: IO[bytes]) -> bytes:
    for span in _SPANS:
        file.seek(0)
        head = file.read(span)
        if end := head.find(b"\n") + 1:
            return head[:end]
    return b""


def _last_line(file: IO[bytes]) -> bytes:
    size = file.seek(0, os.SEEK_END)
    for span in _SPANS:
        file.seek(max(0, size - span))
        tail = file.read(span)
        start = tail.rfind(b"\n", 0, -1) + 1
        if start or span >= size:
            return tail[start:]
    return b""
