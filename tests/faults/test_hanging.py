"""Row 15: a sink, or a file system, that hangs for ever. Closing, and the end of the program, take
no longer than `close_timeout`, and say what was lost.
"""

import re
import subprocess
import time
from pathlib import Path

import pytest
from msgspec import Struct

from tests.faults import processes
from tests.faults.report import report
from tests.faults.strace import strace

CLOSE_TIMEOUT = 0.5
"""Seconds, given to the runtime."""
GRACE = 0.75
"""For what else takes time: the end of an interpreter, with strace and other processes around."""
RECORDS = 4


class Ended(Struct):
    flushed: str
    closing: float
    """Seconds that closing took."""
    exiting: float
    """Seconds from the last line of the program to the end of its process."""
    dropped: int
    stderr: str


def end(directory: Path, **how: object) -> Ended:
    """Have an agent record where something hangs, and end."""
    notes = directory / "notes"
    settings = {"traces": directory / "traces", "notes": notes, "close": True}
    agent = processes.start("left_alone", **(settings | {"close_timeout": CLOSE_TIMEOUT} | how))
    try:
        _, stderr = processes.finish(agent, 30)
        over = time.monotonic_ns()
        assert agent.returncode == 0, stderr
    except subprocess.TimeoutExpired:
        over, stderr = time.monotonic_ns(), "it did not end"
    told = processes.told(notes)
    times = told.times
    closing = times.get("closed", over) - times["closing"] if "closing" in times else 0
    exiting = max(0, over - times.get("exiting", over))
    dropped = int(told.said.get("dropped", ["0"])[0])
    return Ended(told.said["flushed"][0], closing / 1e9, exiting / 1e9, dropped, stderr)


def faults(ended: Ended, *, close: bool, lost: int | None) -> list[str]:
    """`lost` is how many records should have been, if that is known."""
    wrong: list[str] = []
    if ended.closing > CLOSE_TIMEOUT + GRACE:
        wrong.append(f"closing took {ended.closing} s")
    if ended.exiting > CLOSE_TIMEOUT + GRACE:
        wrong.append(f"exit took {ended.exiting} s")
    said = re.search(r"(\d+)( of \d+)? records were (not written|lost at exit)", ended.stderr)
    if lost != 0 and (said is None or lost not in (None, int(said[1]))):
        wrong.append(f"it said {ended.stderr!r}")
    if close and lost not in (None, ended.dropped):
        wrong.append(f"{ended.dropped} were counted")
    return wrong


slowest = {"closing": 0.0, "exiting": 0.0}


def check(ended: Ended, what: str, *, close: bool, lost: int | None) -> None:
    assert faults(ended, close=close, lost=lost) == []
    report(
        15, f"{what}, {'closed' if close else 'never closed'}", 1,
        closing_ms=round(ended.closing * 1000), exit_ms=round(ended.exiting * 1000),
    )  # fmt: skip


@pytest.mark.parametrize("close", [True, False], ids=["closed", "never closed"])
@pytest.mark.parametrize("how", ["awaits", "shields", "blocks"])
@pytest.mark.parametrize("where", ["open", "write", "flush", "close"])
def test_a_sink_that_hangs(tmp_path: Path, where: str, how: str, close: bool) -> None:
    ended = end(tmp_path, close=close, hang=[where, how])
    check(ended, f"a sink that {how} in {where}", close=close, lost=None)
    print(ended)


@pytest.mark.parametrize("close", [True, False], ids=["closed", "never closed"])
@pytest.mark.parametrize(
    ("call", "number"), [("openat", 1), ("write", 1), ("write", 2), ("fdatasync", 1), ("close", 1)]
)
def test_a_system_call_that_hangs(tmp_path: Path, call: str, number: int, close: bool) -> None:
    fault = f"delay_enter=1000s:when={number}"
    under = strace(tmp_path / "traces", call, fault, at="runs/left.jsonl")
    ended = end(tmp_path, close=close, under=under)
    check(ended, f"{call} {number} hangs", close=close, lost=None)
    print(ended)
