"""Row 1: SIGKILL at random moments. What flush() acknowledged is there; of the rest, nothing that
was recorded more than 200 ms before.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from decisionlog import RunStatus
from tests.faults import processes
from tests.faults.report import FULL, at_full_size, report, sized
from tests.waiting import LIMIT

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


def kill(directory: Path, count: int, at_once: int, **how: object) -> Iterator[tuple[Path, int]]:
    """Start so many agents and kill each within half a second of its first record; where it was,
    and when it was killed.
    """
    killers = [
        processes.start("kill_each", directory=directory, seeds=list(seeds), **how)
        for seeds in (range(first, count, at_once) for first in range(at_once))
    ]
    said = [processes.finish(killer, LIMIT + 5 * count) for killer in killers]
    ends = [tuple(map(int, line.split())) for lines, _ in said for line in lines.splitlines()]
    assert sorted(seed for seed, _, _ in ends) == list(range(count)), said
    for seed, killed, code in ends:
        assert code == -9
        yield directory / str(seed), killed


def kills(directory: Path, count: int, **how: object) -> list[Killed]:
    """What is left. Two at a time: more would measure how the computer shares its processors."""
    return [_look(place, killed) for place, killed in kill(directory, count, 2, **how)]


def _look(place: Path, killed: int) -> Killed:
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
        assert losses.age < PROMISE or not FULL, killed.traces
        assert await processes.damage(killed.traces, RunStatus.INTERRUPTED) == []
        records += killed.records
        acknowledged += killed.acknowledged
        oldest = max(oldest, losses.age)
    assert 0 < acknowledged < records
    report(
        1, f"SIGKILL, {anyio_backend}", KILLS, records=records, acknowledged=acknowledged,
        acknowledged_and_lost=0, oldest_lost_ms=round(oldest, 1),
    )  # fmt: skip


async def test_sigkill_of_an_agent_that_makes_no_pause(tmp_path: Path, anyio_backend: str) -> None:
    """Its recorder has to wait for a turn."""
    records, oldest = 0, 0.0
    count = sized(3, 50)
    for place, killed in kill(tmp_path, count, 1, victim="relentless", backend=anyio_backend):
        made, lost = relentlessly(place, killed)
        assert lost < PROMISE or not FULL, place
        records, oldest = records + made, max(oldest, lost)
    report(
        1, f"SIGKILL of an agent that makes no pause, {anyio_backend}", count, records=records,
        oldest_lost_ms=round(oldest, 1),
    )  # fmt: skip


def relentlessly(place: Path, killed: int) -> tuple[int, float]:
    """How many decisions it made, and how many milliseconds ago the first that is lost."""
    times = array("Q", (place / "notes").read_bytes())
    made = times.index(0)
    found = processes.on_disk(place / "traces")
    decided = [name for name in found.names if name.endswith(".decision")]
    assert found.wrong == []
    assert decided == [f"{n}.decision" for n in range(len(decided))]
    lost = times[len(decided) : made]
    return made * 2, (killed - lost[0]) / 1e6 if lost else 0.0


@pytest.mark.parametrize("bug", ["flush always says yes", "acknowledges before it writes"])
def test_control_acknowledging_too_early(tmp_path: Path, bug: str) -> None:
    for attempt in range(10):  # the kill has to come before the next write does
        (place := tmp_path / str(attempt)).mkdir()
        found = kills(place, 6, bug=bug)
        if any(killed.losses.acknowledged for killed in found):
            return
    pytest.fail("nothing acknowledged was lost")


@at_full_size
def test_control_writing_too_late(tmp_path: Path) -> None:
    found = kills(tmp_path, 6, flush_interval=2, flushes=False)
    assert any(killed.losses.age >= PROMISE for killed in found)


@at_full_size
def test_control_writing_too_late_without_a_pause(tmp_path: Path) -> None:
    late = kill(tmp_path, 6, 1, victim="relentless", flush_interval=2)
    assert any(relentlessly(place, killed)[1] >= PROMISE for place, killed in late)
