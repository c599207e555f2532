"""Row 5: fdatasync fails, each time in turn. What was not on the disk is never acknowledged as if
it were, although later calls would report success.
"""

from pathlib import Path

import pytest

from decisionlog import RunStatus
from tests.faults import processes
from tests.faults.report import report, sized
from tests.faults.strace import strace

SYNCS = sized([1, 2, 26, 49], list(range(1, 51)))
"""Which one fails: there are 50."""
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def vouched(log: Path) -> int:
    """How many bytes of the file are on the disk for certain, by the calls that were made: those
    before the last fdatasync that succeeded, none having failed before.
    """
    written = safe = 0
    for line in log.read_text("utf-8").splitlines():
        _, call = line.split(maxsplit=1)
        result = call.rpartition(" = ")[2].split()[0]
        if call.startswith("write("):
            written += int(result)
        elif call.startswith("fdatasync(") and result == "0":
            safe = written
        elif call.startswith("fdatasync("):
            break
    return safe


async def acknowledged(directory: Path, fault: str, **how: object) -> tuple[int, int]:
    """How many records the agent was told are on the disk, and how many were."""
    directory.mkdir()
    traces, notes, log = directory / "traces", directory / "notes", directory / "log"
    under = strace(traces, "fdatasync", fault, log=log)
    processes.run("brief", under=under, traces=traces, notes=notes, durable=True, **how)
    found = processes.on_disk(traces)
    assert found.wrong + await processes.damage(traces, RunStatus.COMPLETED) == []
    assert len(found.names) == 50
    safe = (traces / "runs" / "brief.jsonl").read_bytes()[: vouched(log)].count(b"\n")
    told = processes.told(notes)
    return max(told.acknowledged, int(told.said["synced"][0])), safe


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
async def test_a_sync_that_fails(tmp_path: Path, error: str) -> None:
    for number in SYNCS:
        told, safe = await acknowledged(tmp_path / str(number), f"error={error}:when={number}")
        assert told == safe == number - 1, number
    report(5, f"{error} at fdatasync", len(SYNCS), acknowledged_and_not_synced=0)


@pytest.mark.parametrize("at", ["runs", ".", ".."])
async def test_a_directory_that_cannot_be_synced(tmp_path: Path, at: str) -> None:
    """Nothing in a file is safe whose name is not."""
    traces, notes = tmp_path / "traces", tmp_path / "notes"
    traces.mkdir(mode=0o700)
    under = strace(traces, "fsync", "error=EIO:when=1..3", at=at)
    processes.run("brief", under=under, traces=traces, notes=notes, durable=True)
    assert processes.told(notes).said["acknowledged"][0] == "4"
    report(5, f"EIO at fsync of {at}", 3, acknowledged_and_not_synced=0)


async def test_with_no_failure_all_is_acknowledged(tmp_path: Path) -> None:
    assert await acknowledged(tmp_path / "all", "error=EIO:when=1000") == (50, 50)


async def test_control_a_sync_that_is_tried_again(tmp_path: Path) -> None:
    """The second one succeeds: the kernel has forgotten, and so is the data."""
    bug = "a failed fdatasync is tried again"
    told, safe = await acknowledged(tmp_path / "again", "error=EIO:when=9", bug=bug)
    assert told == 50 > safe
