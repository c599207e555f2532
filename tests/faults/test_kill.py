"""Row 1: SIGKILL at random moments. What flush() acknowledged is there; of the rest, nothing that
was recorded more than 200 ms before.
"""

from pathlib import Path

import pytest
from msgspec import Struct

from decisionlog import RunStatus
from tests.faults import processes
from tests.faults.report import report, sized

KILLS = sized(20, 500)
"""On each event loop."""
PROMISE = 200
"""Milliseconds."""


class Killed(Struct):
    traces: Path
    records: int
    acknowledged: int
    losses: processes.Losses
    wrong: list[str]


def kills(directory: Path, count: int, **how: object) -> list[Killed]:
    """Start so many agents, kill each within half a second of its first record, and look what is
    left. Two at a time: more would measure how the computer shares its processors.
    """
    halves = [list(range(first, count, 2)) for first in range(2)]
    killers = [
        processes.start("kill_each", directory=directory, seeds=seeds, **how) for seeds in halves
    ]
    said = [processes.finish(killer, 60 + 5 * count) for killer in killers]
    ends = [tuple(map(int, line.split())) for lines, _ in said for line in lines.splitlines()]
    assert sorted(seed for seed, _, _ in ends) == list(range(count)), said
    return [_look(directory / str(seed), killed, code) for seed, killed, code in ends]


def _look(place: Path, killed: int, code: int) -> Killed:
    assert code == -9
    told = processes.told(place / "notes")
    found = processes.on_disk(place / "traces")
    losses = processes.losses(told, found, killed)
    return Killed(place / "traces", len(told.made), told.acknowledged, losses, found.wrong)


async def test_sigkill_at_random_moments(tmp_path: Path, anyio_backend: str) -> None:
    records = acknowledged = 0
    oldest = 0.0
    for killed in kills(tmp_path, KILLS, backend=anyio_backend):
        losses = killed.losses
        assert (losses.acknowledged, losses.twice, killed.wrong) == ([], [], []), killed.traces
        assert losses.age < PROMISE, killed.traces
        assert await processes.damage(killed.traces, RunStatus.INTERRUPTED) == []
        records += killed.records
        acknowledged += killed.acknowledged
        oldest = max(oldest, losses.age)
    assert 0 < acknowledged < records
    report(
        1, f"SIGKILL, {anyio_backend}", KILLS, records=records, acknowledged=acknowledged,
        acknowledged_and_lost=0, oldest_lost_ms=round(oldest, 1),
    )  # fmt: skip


@pytest.mark.parametrize("bug", ["flush always says yes", "acknowledges before it writes"])
def test_control_acknowledging_too_early(tmp_path: Path, bug: str) -> None:
    for attempt in range(10):  # the kill has to come before the next write does
        (place := tmp_path / str(attempt)).mkdir()
        found = kills(place, 6, bug=bug)
        if any(killed.losses.acknowledged for killed in found):
            return
    pytest.fail("nothing acknowledged was lost")


def test_control_writing_too_late(tmp_path: Path) -> None:
    found = kills(tmp_path, 6, flush_interval=2, flushes=False)
    assert any(killed.losses.age >= PROMISE for killed in found)
