"""The commands as people run them, into a pipe or on a terminal.

What needs no process of its own to prove what it proves runs in this one: that is most, and ten
times as fast. `test_program` starts processes, and so does everything on a terminal.
"""

import os
import re
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from tests.waiting import LIMIT

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pty")
COMMAND = [sys.executable, "-m", "decisionlog"]


class Shown(NamedTuple):
    """What a terminal got to see."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        """Without colours and cursor movements."""
        return ANSI.sub("", self.raw).replace("\r", "")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


_UNSET = (
    "DECISIONLOG_DIR NO_COLOR FORCE_COLOR COLUMNS LINES TZ PYTHONUNBUFFERED PYTHONUTF8"
).split()


def environment(**changes: str) -> dict[str, str]:
    """As on a computer where nobody has set anything."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return kept | {"PYTHONIOENCODING": "utf-8", "TERM": "xterm-256color"} | changes


def decisionlog(*args: object) -> "subprocess.CompletedProcess[str]":
    """Run a command with its output in pipes; what no command catches is raised."""
    from decisionlog.cli.app import program

    command = [*map(str, args)]
    runner = CliRunner(env=dict.fromkeys(_UNSET))
    done = runner.invoke(program, command, prog_name="python -m decisionlog")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(command, done.exit_code, done.stdout, done.stderr)


def in_a_process(
    *args: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """The same in a process of its own."""
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        env=environment(**(env or {})),
        timeout=LIMIT,
    )


def on_terminal(*args: object, width: int = 80, env: Mapping[str, str] | None = None) -> Shown:
    """Run a command on a terminal of that width."""
    import fcntl
    import pty
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *map(str, args)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(**(env or {})),
    )
    os.close(slave)
    data = b""
    with _no_longer_than_the_limit(process), open(master, "rb", buffering=0) as screen:
        try:
            while piece := screen.read(65536):
                data += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        return Shown(process.wait(), data.decode())


@contextmanager
def started(*args: object, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until its output was read, or it is told to stop."""
    # Shells have what they start in the background ignore ctrl-C, and it would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*COMMAND, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=environment(**changes),
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process, _no_longer_than_the_limit(process):
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _no_longer_than_the_limit(
    process: "subprocess.Popen[str] | subprocess.Popen[bytes]",
) -> Iterator[None]:
    watchdog = threading.Timer(LIMIT, process.kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
