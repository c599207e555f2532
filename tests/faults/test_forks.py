"""Row 10: a process that is writing forks, and spawns, children that write as well."""

import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from msgspec import Struct

from decisionlog import RunStatus, RunStore
from tests.faults import processes
from tests.faults.forking import OF_A_CHILD, THREADS
from tests.faults.report import report, sized
from tests.waiting import LIMIT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")

FORKED, SPAWNED = sized((12, 3), (160, 40))


class Told(Struct):
    statuses: list[int | str]
    """Of the children: exit codes, or "hung"."""
    counts: list[int]
    """How many decisions each thread of the parent made."""


def fork(
    traces: Path, forked: int, spawned: int = 0, recorder: str = "decisionlog", hangs: float = LIMIT
) -> Told:
    command = [sys.executable, "-m", "tests.faults.forking", traces, forked, spawned, recorder]
    # Coverage's own locks do not survive a fork in the middle of everything.
    process = processes.popen([*map(str, command), str(hangs)])
    stdout, stderr = processes.finish(process, 1200)
    assert process.returncode == 0, stderr
    return Told(*json.loads(stdout.splitlines()[-1]))


def duplicates(traces: Path) -> list[str]:
    """The records that are there twice, in whichever files."""
    files = [path for path in (traces / "runs").iterdir() if path.suffix == ".jsonl"]
    lines = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    counts = Counter(f"{line['run_id']} {line['seq']}" for line in lines)
    return [record for record, count in counts.items() if count > 1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_forks_and_spawns_in_mid_write(traces: Path) -> None:
    told = fork(traces, FORKED, SPAWNED)
    assert told.statuses == [0] * (FORKED + SPAWNED)
    assert duplicates(traces) == []
    store = RunStore(traces)
    runs = [await store.load(summary.run_id) async for summary in store.runs()]
    by_goal = {run.goal_id: run for run in runs}
    again = len([n for n in range(FORKED) if n % 4 == 1])
    assert len(by_goal) == len(runs) == FORKED + again + SPAWNED + THREADS + 1
    for run in runs:
        assert (run.status, run.damage, run.lost_records) == (RunStatus.COMPLETED, [], 0), run
    for thread, count in enumerate(told.counts):
        intents = [decision.intent for decision in by_goal[f"parent-{thread}"].decisions]
        assert intents == [f"parent {n}" for n in range(count)]
        assert count > 0
    parent = by_goal["parent-forks"]
    for goal, run in by_goal.items():
        if not goal.startswith("parent"):
            assert [d.intent for d in run.decisions] == [f"child {n}" for n in range(OF_A_CHILD)]
            assert run.pid != parent.pid and run.writer != parent.writer
            if not goal.endswith("again"):
                assert (run.parent_run_id, run.parent_decision_id) == (parent.id, "dec_0")
    locks = len(list((traces / "writers").iterdir()))
    assert locks == len(range(0, FORKED, 2))  # of those who left by os._exit
    report(
        10, "children, forked and spawned", len(told.statuses) + again, deadlocks=0, duplicated=0,
        lost=0, recorded_by_the_parent_meanwhile=sum(told.counts),
    )  # fmt: skip


def test_control_an_inherited_buffer(traces: Path) -> None:
    fork(traces, 4, recorder="naive")
    assert len(duplicates(traces)) > 0


def test_control_an_inherited_lock(traces: Path) -> None:
    told = fork(traces, 4, recorder="naive and locked", hangs=0.5)
    assert "hung" in told.statuses
