"""How things reach the terminal, the pipe or the file that was asked for."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from math import isfinite
from typing import Any, TextIO, cast

import msgspec
from rich.console import Console
from rich.text import Text

from decisionlog.cli.text import one_line

_PIPE_WIDTH = 10**6
"""Whoever reads a pipe cuts lines as they like."""
_PLAIN = dict(zip("✓✗⊘…►◆·→●○█░├└─│≠", "+x-~>#.>*o#.|`-|!", strict=True))
_DEPTH = 200
"""Levels; recorders write 64 at most."""
_LARGEST = 2**1023
"""Of integers as well: those of thousands of digits can't be printed."""
_HARMLESS = (str, int, bool, str | None, datetime, datetime | None)
_DELICATE = tuple(chr(code).encode() for code in range(0x7F, 0xA0))
"""What JSON lets pass and some terminals obey."""


class Screen:
    """One of the two standard streams: lines that fit it, in colour where there is one."""

    def __init__(self, file: TextIO) -> None:
        self.piped = not file.isatty()
        self._file = file
        self.console = _Console(file=file, highlight=False, markup=False, emoji=False)
        self.width = _PIPE_WIDTH if self.piped else self.console.width
        if reconfigure := getattr(file, "reconfigure", None):
            reconfigure(errors="decisionlog")

    def put(self, line: Text | str = "") -> None:
        """Print a line as it is, uncut."""
        if self.piped and not self.console.is_terminal:
            print(str(line).rstrip(), file=self._file)
        else:
            self.console.print(line, soft_wrap=True)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # for `app`, which knows what to do about it


def stdout() -> Screen:
    """Where answers go."""
    return Screen(sys.stdout)


def stderr() -> Screen:
    """Where everything else goes: messages, progress."""
    return Screen(sys.stderr)


def say(message: str, style: str = "") -> None:
    """A message to the person at the terminal, in a line."""
    stderr().put(Text(one_line(message), style))


def put_json(value: Any) -> None:
    """Print a Struct or a list of them as one JSON document; indented for a person."""
    document = to_json(value)
    if sys.stdout.isatty():
        document = msgspec.json.format(document, indent=2)
    sys.stdout.buffer.write(document + b"\n")


def put_json_line(value: Any) -> None:
    """Print a record on a line, at once."""
    sys.stdout.buffer.write(to_json(value) + b"\n")
    sys.stdout.buffer.flush()


def to_json(value: Any) -> bytes:
    """The value as JSON that no terminal takes for a command. Nothing is lost but what lies deeper
    than any recorder puts it; a marker of the format is in its place.
    """
    document = msgspec.json.encode(value if _is_json(value) else _marked(value))
    for delicate in _DELICATE:
        if delicate in document:
            document = document.replace(delicate, b"\\u%04x" % ord(delicate.decode()))
    return document


def _is_json(value: Any) -> bool:
    """Whether it holds only numbers that JSON has (nan would become null), and no more levels than
    the encoder's recursion has room for.
    """
    level: list[Any] = [value]
    for _ in range(_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, (int, float)):
                if not -_LARGEST < each < _LARGEST:
                    return False
            elif isinstance(each, dict):
                below += each.values()
            elif isinstance(each, (list, tuple)):
                below += each
            elif isinstance(each, msgspec.Struct):
                below += [getattr(each, name) for name in _fields_of(type(each))]
        if not below:
            return True
        level = below
    return False


@cache
def _fields_of(kind: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind) if field.type not in _HARMLESS]


def _marked(value: Any, depth: int = 0) -> Any:
    """With the markers that the format has for those numbers, and for what is too deep."""
    if isinstance(value, float):
        return value if isfinite(value) else {"$float": str(value)}
    if isinstance(value, int):
        return value if -_LARGEST < value < _LARGEST else {"$int": hex(value)}
    if not isinstance(value, (dict, list, tuple, msgspec.Struct)):
        return value
    if depth >= _DEPTH:
        return {"$depth": _DEPTH}
    if isinstance(value, msgspec.Struct):
        names = _fields_of(type(value))
        marked = {name: _marked(getattr(value, name), depth + 1) for name in names}
        return msgspec.structs.replace(value, **marked)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _marked(item, depth + 1) for name, item in fields.items()}
    return [_marked(item, depth + 1) for item in cast("Sequence[Any]", value)]


def hush() -> None:
    """Nobody reads standard output any more: whatever is still to be flushed has nowhere to go."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # it is no file
        pass


def _substitute(error: UnicodeError) -> tuple[str, int]:
    """The nearest character of ASCII where an encoding has no ✓, and else an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    escape = ascii(sign)[1:-1]
    return _PLAIN.get(sign, escape), error.start + 1


codecs.register_error("decisionlog", _substitute)
