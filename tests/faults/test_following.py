"""Row 16: readers follow a run while another process writes it, with records of 200 bytes to a
megabyte. They see each record once, and no damage where there is none.
"""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import anyio
import pytest

from decisionlog import RunStatus, RunStore
from decisionlog.records import AnyRecord
from tests import runfiles
from tests.faults import processes
from tests.faults.report import report, sized
from tests.waiting import LIMIT

SECONDS = sized(1.5, 30.0)
Reader = Callable[[Path], AsyncIterator[int]]
"""Yields the numbers of records, and 0 for damage."""


async def following(traces: Path) -> AsyncIterator[int]:
    async for record in RunStore(traces).follow("talk", poll_interval=0.001):
        yield number_of(record)


def number_of(record: AnyRecord) -> int:
    return record["seq"] if isinstance(record, dict) else record.seq


async def skipping(traces: Path) -> AsyncIterator[int]:
    """The bug: misses one record in a hundred."""
    async for number in following(traces):
        if number % 100:
            yield number


async def stuttering(traces: Path) -> AsyncIterator[int]:
    """The bug: sees one in a hundred twice."""
    async for number in following(traces):
        yield number
        if number % 100 == 0:
            yield number


async def hasty(traces: Path) -> AsyncIterator[int]:
    """The bug: takes what has been read so far for whole lines."""
    path = runfiles.path_of(traces, "talk")
    with path.open("rb", buffering=0) as file:
        while True:
            data = file.read(2**20 - 1)
            for line in data.splitlines(keepends=True):
                try:
                    record = runfiles.unsealed(line)
                except (AssertionError, ValueError):
                    yield 0
                    continue
                yield record["seq"]
                if record["type"] == "run_ended":
                    return
            if not data and (await RunStore(traces).summary("talk")).status != RunStatus.RUNNING:
                return
            await anyio.sleep(0)


async def follow(place: Path, readers: Sequence[Reader], seed: int) -> tuple[int, list[list[str]]]:
    """How many records there were, and for each reader what was wrong with what it saw; meanwhile
    another reads the whole run over and over.
    """
    traces, notes = place / "traces", place / "notes"
    writer = processes.start("talkative", traces=traces, notes=notes, seconds=SECONDS, seed=seed)
    seen: list[list[int]] = [[] for _ in readers]
    damage: list[str] = []

    async def read(reader: Reader, into: list[int]) -> None:
        into.extend([number async for number in reader(traces)])

    async def check() -> None:
        while True:
            check = await RunStore(traces).check("talk")
            damage.extend(place.reason for place in check.damage)
            if check.status != RunStatus.RUNNING:
                return

    try:
        with anyio.fail_after(LIMIT + 4 * SECONDS):
            while not processes.told(notes).times:
                await anyio.sleep(0.01)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(check)
                for reader, into in zip(readers, seen, strict=True):
                    tasks.start_soon(read, reader, into)
    finally:
        _, stderr = processes.finish(writer)
    assert writer.returncode == 0, stderr
    written = int(processes.told(notes).said["written"][0])
    return written, [faults(numbers, written) + damage for numbers in seen]


def faults(numbers: list[int], written: int) -> list[str]:
    counts = Counter(numbers)
    missed = [number for number in range(1, written + 1) if not counts[number]]
    twice = [number for number, count in counts.items() if count > 1 and number]
    wrong = [f"{len(missed)} missed"] * bool(missed) + [f"{len(twice)} twice"] * bool(twice)
    wrong += [f"{counts[0]} called damaged"] * bool(counts[0])
    if any(before >= after for before, after in itertools.pairwise(numbers) if after):
        wrong.append("out of order")
    return wrong


async def test_following_a_run_while_it_is_written(tmp_path: Path, anyio_backend: str) -> None:
    written, found = await follow(tmp_path, [following, following], seed=16)
    assert found == [[], []]
    size = runfiles.path_of(tmp_path / "traces", "talk").stat().st_size
    report(
        16, f"records followed for {SECONDS:g} s, {anyio_backend}", written,
        megabytes=round(size / 1e6), missed=0, twice=0, called_damaged=0,
    )  # fmt: skip


async def test_control_readers_with_a_bug(tmp_path: Path) -> None:
    for attempt in range(20):  # a line has to be looked at while it is written
        (place := tmp_path / str(attempt)).mkdir()
        _, [missing, twice, torn] = await follow(place, [skipping, stuttering, hasty], seed=17)
        assert any("missed" in fault for fault in missing)
        assert any("twice" in fault for fault in twice)
        if any("called damaged" in fault for fault in torn):
            return
    pytest.fail("no torn line was taken for a whole one")
