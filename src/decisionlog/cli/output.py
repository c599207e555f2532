"""How things reach the terminal, the pipe or the file that was asked for."""

from __future__ import annotations

import codecs
import os
import sys
from typing import Any, TextIO

import msgspec
from rich.console import Console
from rich.text import Text

from decisionlog import jsontext
from decisionlog.cli.text import one_line

_PIPE_WIDTH = 10**6
"""Whoever reads a pipe cuts lines as they like."""
_PLAIN = dict(zip("✓✗⊘…►◆·→●○█░├┤└─│≠", "+x-~>#.>*o#.||`-|!", strict=True))
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
    """The value as JSON that no terminal takes for a command."""
    document = jsontext.to_json(value)
    for delicate in _DELICATE:
        if delicate in document:
            document = document.replace(delicate, b"\\u%04x" % ord(delicate.decode()))
    return document


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
