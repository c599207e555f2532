"""Row 15: a sink, or a file system, that hangs for ever. Closing, and the end of the program, take
no longer than `close_timeout`, and say what was lost.

What cannot be promised: a process that is stuck where the kernel lets no signal reach it (in the
middle of a disk that answers no more) cannot end, whatever it wants to.
"""

import re
import subprocess
import time
from pathlib import Path

import pytest
from msgspec import Struct

from tests.faults import mounts, processes
from tests.faults.report import FULL, report, sized
from tests.waiting import LIMIT

CLOSE_TIMEOUT = 0.5
"""Seconds, given to the runtime."""
GRACE = 0.5
"""For what else takes time: letting go of sinks, and the end of an interpreter."""
HANGS = sized(LIMIT, 5)
"""Seconds after which a process does not end."""
RECORDS = 4


class Ended(Struct):
    closing: float
    """Seconds that closing took."""
    exiting: float
    """Seconds from the last line of the program to the end of its process."""
    taken: int
    """Records that a sink had taken, where it could be asked."""
    dropped: int
    stderr: str


def end(
    directory: Path, *, close: bool, hangs: float = HANGS, close_timeout: float = CLOSE_TIMEOUT,
    **how: object,
) -> Ended:  # fmt: skip
    """Have an agent record where something hangs, close or not, and end."""
    notes = directory / "notes"
    settings = {"traces": directory / "disk" / "traces", "notes": notes} | how
    agent = processes.start("left_alone", close=close, close_timeout=close_timeout, **settings)
    try:
        _, stderr = processes.finish(agent, hangs)
        over = time.monotonic_ns()
        assert agent.returncode == 0, stderr
    except subprocess.TimeoutExpired:
        over, stderr = time.monotonic_ns(), "it did not end"
    told = processes.told(notes)
    times, said = told.times, told.said
    closing = times.get("closed", over) - times.get("closing", 0) if close else 0
    exiting = max(0, over - times.get("exiting", over))
    taken, dropped = sum(map(int, said.get("taken", []))), int(said.get("dropped", ["0"])[0])
    return Ended(closing / 1e9, exiting / 1e9, taken, dropped, stderr)


def faults(ended: Ended, *, close: bool, lost: int | None) -> list[str]:
    """`lost` is how many records should have been, where that can be known."""
    wrong: list[str] = []
    if "did not end" in ended.stderr:
        wrong.append(ended.stderr)
    if FULL and ended.closing > CLOSE_TIMEOUT + GRACE:
        wrong.append(f"closing took {ended.closing} s")
    if FULL and ended.exiting > CLOSE_TIMEOUT * (not close) + GRACE:
        wrong.append(f"exit took {ended.exiting} s")
    said = re.search(r"(\d+) (of 4 )?records were (not written|lost at exit)", ended.stderr)
    told = int(said[1]) if said else 0
    if lost not in (None, told) or (close and told != ended.dropped):
        wrong.append(f"lost {lost}, counted {ended.dropped}, said {ended.stderr!r}")
    return wrong


def tell(ended: Ended, what: str, times: int, *, close: bool) -> None:
    figures = {"closing_ms": round(ended.closing * 1000)} if close else {}
    report(
        15, f"{what}; {'closed' if close else 'never closed'}", times, **figures,
        exit_ms=round(ended.exiting * 1000), losses_not_told=0,
    )  # fmt: skip


closed = pytest.mark.parametrize("close", [True, False], ids=["closed", "never closed"])


@closed
@pytest.mark.parametrize("how", ["awaits", "shields", "blocks"])
@pytest.mark.parametrize("where", ["open", "write", "flush", "close"])
def test_a_sink_that_hangs(tmp_path: Path, where: str, how: str, close: bool) -> None:
    ended = end(tmp_path, close=close, hang=[where, how])
    assert faults(ended, close=close, lost=RECORDS - ended.taken) == []
    tell(ended, f"a sink that {how} for ever in one of its four methods", 1, close=close)


@closed
def test_a_file_system_that_hangs(tmp_path: Path, close: bool) -> None:
    """At each request in turn, from making the directory to removing the lock."""
    with mounts.hanging(tmp_path / "disk", 1000) as requests:
        ended = end(tmp_path, close=close, close_timeout=sized(60, CLOSE_TIMEOUT))
    assert faults(ended, close=close, lost=0) == []
    slowest = Ended(0, 0, 0, 0, "")
    numbers = range(0, len(requests), sized(7, 1))
    for number in numbers:
        (place := tmp_path / str(number)).mkdir()
        with mounts.hanging(place / "disk", number) as answered:
            ended = end(place, close=close)
        lost = RECORDS if "write" not in answered else None
        assert faults(ended, close=close, lost=lost) == [], answered
        slowest.closing = max(slowest.closing, ended.closing)
        slowest.exiting = max(slowest.exiting, ended.exiting)
    tell(slowest, "a file system that hangs at each of its requests", len(numbers), close=close)


def test_a_file_system_that_hangs_does_not_stop_an_agent_that_names_its_run(tmp_path: Path) -> None:
    with mounts.hanging(tmp_path / "disk", 1):
        ended = end(tmp_path, close=True, run_id="mine")
    assert faults(ended, close=True, lost=RECORDS) == []


def test_control_a_sink_that_hangs_in_a_thread_that_exit_waits_for(tmp_path: Path) -> None:
    ended = end(tmp_path, close=True, hangs=5, hang=["write", "thread"])
    assert "it did not end" in ended.stderr
    assert len(faults(ended, close=True, lost=RECORDS)) > 1
