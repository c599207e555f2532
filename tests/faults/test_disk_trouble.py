"""Row 4: writes that fail or are cut short, each in turn, on a disk that recovers. The agent sees
no exception, and what it recorded is read back or counted in gap records, exactly.
"""

from pathlib import Path

import pytest

from decisionlog import RunStatus, RunStore
from tests.faults import processes
from tests.faults.report import report, sized
from tests.faults.strace import strace

WRITES = sized([1, 2, 25, 49], list(range(1, 51)))
"""Which write to the run file fails: there are 50."""
RECORDS = 50
# Which loop the agent runs on is beside the point: writing happens on another.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def faults(traces: Path, notes: Path) -> tuple[list[str], int]:
    """Whether it adds up, and how many records were lost."""
    told = processes.told(notes)
    accepted, dropped = (int(told.said[what][0]) for what in ("accepted", "dropped"))
    found = processes.on_disk(traces)
    wrong = found.wrong + await processes.damage(traces, RunStatus.COMPLETED)
    if accepted != RECORDS or accepted != len(found.names) + found.lost:
        wrong.append(f"{accepted} were accepted, {len(found.names)} + {found.lost} are there")
    if dropped != found.lost:
        wrong.append(f"{dropped} were counted, {found.lost} are told of")
    if lost := processes.losses(told, found, 0).acknowledged:
        wrong.append(f"{lost} were acknowledged")
    run = await RunStore(traces).load("brief")
    if run.lost_records != found.lost:
        wrong.append(f"the library reads {run.lost_records} losses")
    return wrong, found.lost


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EINTR"])
async def test_a_write_that_fails(tmp_path: Path, error: str) -> None:
    """Each in turn, once: nothing is lost."""
    for number in WRITES:
        traces, notes = tmp_path / f"t{number}", tmp_path / f"n{number}"
        under = strace(traces, "write", f"error={error}:when={number}")
        processes.run("brief", under=under, traces=traces, notes=notes)
        assert await faults(traces, notes) == ([], 0), number
        # Python itself makes up for EINTR.
        errors = 0 if error == "EINTR" else 1
        assert processes.told(notes).said["errors"] == [str(errors)], number
    report(4, f"{error} at a write", len(WRITES), lost=0, faults=0)


@pytest.mark.parametrize("error", ["EMFILE", "EACCES", "ENOSPC"])
async def test_a_file_that_cannot_be_opened(tmp_path: Path, error: str) -> None:
    """For a while, with the records of the run waiting."""
    traces, notes = tmp_path / "traces", tmp_path / "notes"
    times = sized(3, 8)
    under = strace(traces, "openat", f"error={error}:when=1..{times}")
    processes.run("brief", under=under, traces=traces, notes=notes)
    assert await faults(traces, notes) == ([], 0)
    assert processes.told(notes).said["errors"] == [str(times)]
    report(4, f"{error} at opening the file", times, lost=0, faults=0)


async def test_writes_that_fail_for_longer_than_the_buffer_lasts(tmp_path: Path) -> None:
    """From the Nth on, so many that records are dropped; each is counted."""
    lost = 0
    writes = sized([1, 20], list(range(1, 41)))
    for number in writes:
        traces, notes = tmp_path / f"t{number}", tmp_path / f"n{number}"
        under = strace(traces, "write", f"error=ENOSPC:when={number}..{number + 11}")
        processes.run(
            "brief", under=under, traces=traces, notes=notes, size=20_000, timeout=0.01,
            overflow="drop", max_buffer=2**16, flush_interval=0.001,
        )  # fmt: skip
        wrong, dropped = await faults(traces, notes)
        assert wrong == [], number
        lost += dropped
    assert lost > 0
    report(4, "ENOSPC for longer than the buffer lasts", len(writes), lost_and_counted=lost)


@pytest.mark.parametrize("cut", ["by a limit", "by the system"])
async def test_a_write_that_is_cut_short(tmp_path: Path, cut: str) -> None:
    """Every write of the run, at ever other bytes: either by a limit to the size of files, which is
    lifted after some vain attempts; or always, but without an error.
    """
    rounds = sized(1, 40)
    for number in range(rounds):
        traces, notes = tmp_path / f"t{number}", tmp_path / f"n{number}"
        how = {"limit": number * 2 + 1} if cut == "by a limit" else {"short_writes": True}
        processes.run("brief", traces=traces, notes=notes, flush_interval=0.005, **how)
        assert await faults(traces, notes) == ([], 0), number
        if cut == "by a limit":
            assert int(processes.told(notes).said["errors"][0]) > 40
    report(4, f"runs all of whose writes are cut short {cut}", rounds, lost=0, faults=0)


async def test_a_short_write_that_cannot_be_taken_back(tmp_path: Path) -> None:
    """The limit cuts it short, and for a while ftruncate fails as well."""
    calls = sized([9], list(range(1, 41)))
    for number in calls:
        traces, notes = tmp_path / f"t{number}", tmp_path / f"n{number}"
        under = strace(traces, "ftruncate", f"error=EIO:when={number}..{number + 2}")
        how = {"limit": 7, "flush_interval": 0.005}
        processes.run("brief", under=under, traces=traces, notes=notes, **how)
        assert await faults(traces, notes) == ([], 0), number
    report(4, "writes cut short, and EIO at ftruncate", len(calls), lost=0, faults=0)


@pytest.mark.parametrize("trouble", ["EIO", "short writes"])
async def test_control_a_sink_that_ignores_what_write_says(tmp_path: Path, trouble: str) -> None:
    traces, notes = tmp_path / "traces", tmp_path / "notes"
    under = strace(traces, "write", "error=EIO:when=9") if trouble == "EIO" else ()
    processes.run(
        "brief", under=under, traces=traces, notes=notes, bug="ignores what write says",
        short_writes=trouble != "EIO",
    )  # fmt: skip
    wrong, _ = await faults(traces, notes)
    assert wrong
