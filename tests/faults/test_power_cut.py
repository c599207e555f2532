"""Row 3: the power is cut at a random moment, on ext4 and XFS. With `durability="fsync"`, what was
acknowledged as durable is there after it.

The file system is in an image, which is shut down without writing its journal, unmounted and
mounted again. What a disk itself keeps in a cache of its own is not lost here.
"""

import random
import signal
import time
from pathlib import Path

import pytest
from msgspec import Struct

from decisionlog import RunStatus
from tests.faults import processes
from tests.faults.mounts import Disk
from tests.faults.report import report, sized

CUTS = sized(4, 200)
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return Disk(request.param, tmp_path)


class Cut(Struct):
    records: int
    acknowledged: int
    not_synced: int
    """How many fewer records are there than `stats()` said were on the disk."""
    losses: processes.Losses
    damage: list[str]


def vouched(notes: Path, what: str = "acknowledged") -> int:
    return max(map(int, processes.told(notes).said.get(what, ["0"])))


async def cut(disk: Disk, notes: Path, seed: int, *, flushes: bool = True, **how: object) -> Cut:
    """Let an agent record, cut the power within a second and a half, and look what is left."""
    name = f"traces-{seed}"
    with disk.mounted() as place:
        settings = {"traces": place / name, "notes": notes, "seed": seed, "flushes": flushes}
        agent = processes.start("busy", **settings, **({"durability": "fsync"} | how))
        try:
            processes.wait_until(lambda: notes.exists() or agent.poll() is not None)
            if flushes and seed % 4 == 0:  # so that there is something to lose, on any disk
                processes.wait_until(lambda: vouched(notes) or agent.poll() is not None)
            time.sleep(random.Random(seed).uniform(0, 1.5))
            # With its agent stopped; or not, and then it must not acknowledge anything after it.
            if seed % 2:
                agent.send_signal(signal.SIGSTOP)
            disk.cut_power()
            over = time.monotonic_ns()
        finally:
            agent.kill()
            _, stderr = processes.finish(agent)
        assert agent.returncode == -signal.SIGKILL, stderr
    with disk.mounted() as place:
        told, found = processes.told(notes), processes.on_disk(place / name)
        damage = found.wrong + await processes.damage(place / name, RunStatus.INTERRUPTED)
    synced = vouched(notes, "synced")
    losses = processes.losses(told, found, over)
    not_synced = max(0, synced - len(found.names))
    return Cut(len(told.made), told.acknowledged, not_synced, losses, damage)


async def test_acknowledged_as_durable_is_durable(tmp_path: Path, disk: Disk) -> None:
    records = acknowledged = 0
    for seed in range(CUTS):
        found = await cut(disk, tmp_path / str(seed), seed, durable=True)
        assert (found.losses.acknowledged, found.not_synced) == ([], 0), seed
        assert (found.losses.twice, found.damage) == ([], []), seed
        records += found.records
        acknowledged += found.acknowledged
    assert 0 < acknowledged < records
    report(
        3, f"power cut, {disk.kind}", CUTS, records=records, acknowledged=acknowledged,
        acknowledged_and_lost=0,
    )  # fmt: skip


async def test_without_asking_it_is_on_the_disk_soon(tmp_path: Path, disk: Disk) -> None:
    """How soon depends on the disk, and is only measured here."""
    oldest = 0.0
    for seed in range(CUTS // 4):
        found = await cut(disk, tmp_path / str(seed), seed, flushes=False)
        assert (found.losses.twice, found.damage, found.not_synced) == ([], [], 0), seed
        oldest = max(oldest, found.losses.age)
    what = f"power cut, {disk.kind}, nobody calls flush()"
    report(3, what, CUTS // 4, oldest_lost_ms=round(oldest))


@pytest.mark.parametrize("bug", ["no fsync", "fdatasync does nothing"])
async def test_control(tmp_path: Path, disk: Disk, bug: str) -> None:
    how = {"durability": "flush"} if bug == "no fsync" else {"durable": True, "bug": bug}
    cuts, lost, not_synced = sized(2, 20), 0, 0
    for seed in range(cuts):
        found = await cut(disk, tmp_path / str(seed), seed, **how)
        lost += len(found.losses.acknowledged)
        not_synced += found.not_synced
    assert lost
    assert (not_synced > 0) == (bug != "no fsync")
    what = f"power cut, {disk.kind}, the control: {bug}"
    report(3, what, cuts, acknowledged_and_lost=lost)
