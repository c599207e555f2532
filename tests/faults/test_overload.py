"""Row 14: an agent records faster than its disk takes it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from decisionlog import RunStore
from decisionlog.records import Gap
from tests.faults.report import FULL, at_full_size, report, sized
from tests.waiting import LIMIT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured by /proc")

SECONDS = sized(3, 30)
CASES = [("wait", "asyncio"), ("drop", "trio")]
CASES += sized([], [("wait", "trio"), ("drop", "asyncio")])
BUFFER = 64 * 2**20
MOST_HELD_UP_MS = 1.0
ROOT = Path(__file__).parents[2]


def run(
    traces: Path,
    how: str,
    overflow: str = "wait",
    backend: str = "asyncio",
    seconds: float = SECONDS,
) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.faults.overloaded", traces, seconds, BUFFER]
    command += [overflow, backend, how]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=seconds + LIMIT, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def faults(told: dict[str, Any]) -> list[str]:
    """Where it took too much memory, or held up the event loop for too long.

    What holds up the loop is told in CPU time of the whole process, the recorder's thread included:
    by the clock on the wall, others on the computer decide.
    """
    names = ("most_buffered", "grown")
    found = [f"{name}: {told[name]} bytes" for name in names if told[name] > BUFFER * 1.1]
    if FULL and told["cpu"]["p999"] > MOST_HELD_UP_MS:
        found.append(f"the loop was held up for {told['cpu']['p999']} ms")
    return found


async def counted(traces: Path) -> tuple[int, int]:
    """How many records are there, and how many the gap records say are not."""
    here = lost = 0
    store = RunStore(traces)
    async for summary in store.runs():
        if summary.goal_id == "goal":
            records = [record async for record in store.follow(summary.run_id)]
            lost = sum(record.count for record in records if isinstance(record, Gap))
            here = sum(not isinstance(record, Gap) for record in records)
            check = await store.check(summary.run_id)
            assert (check.damage, check.lost_records) == ([], lost)
    return here, lost


WARM_UP = 4
"""Records of the run before."""


@pytest.mark.parametrize(("overflow", "backend"), CASES)
def test_faster_than_the_disk(traces: Path, backend: str, overflow: str) -> None:
    told = run(traces, "records", overflow, backend)
    here, lost = anyio.run(counted, traces)
    assert told["accepted"] == here + lost + WARM_UP
    assert (told["dropped"], told["written"]) == (lost, here + WARM_UP)
    assert lost > 0
    assert faults(told) == []
    idle = run(traces.parent / "idle", "idle", overflow, backend, sized(2, 10))
    report(
        14,
        f"records in {SECONDS} s, overflow={overflow}, {backend}",
        told["accepted"],
        dropped=lost,
        miscounted=0,
        memory_mib=round(told["grown"] / 2**20, 1),
        held_up_cpu_ms=told["cpu"]["p999"],
        held_up_by_the_clock_ms=told["wall"]["p999"],
        the_same_recording_nothing_ms=idle["wall"]["p999"],
    )


HELD_UP = pytest.param("blocks", "held up", marks=at_full_size)


@pytest.mark.parametrize(("how", "complaint"), [("unbounded", "grown"), HELD_UP])
def test_control(traces: Path, how: str, complaint: str) -> None:
    """An agent that keeps what it records, and one that writes in its event loop."""
    found = faults(run(traces, how, "drop", "asyncio"))
    assert any(complaint in fault for fault in found), found
