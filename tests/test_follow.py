"""A reader follows a run while it is written: no record is missed, none comes twice."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from decisionlog import Outcome, RunNotFoundError, RunStatus, RunStore, Runtime
from decisionlog.records import AnyRecord, RunEnded, RunStarted
from tests import runfiles
from tests.waiting import LIMIT, until

WRITER = """
import random, sys
from decisionlog import Runtime
from decisionlog.testing import CountingIds

sizes = random.Random(int(sys.argv[2]))
settings = {"new_run_id": CountingIds(), "wait_timeout": 60}
with Runtime(sys.argv[1], **settings) as runtime, runtime.run("goal"):
    assert runtime.flush_blocking()
    print("begun", flush=True)
    for _ in range(int(sys.argv[3])):
        with runtime.decision("decide", context={"filler": "c" * sizes.randrange(400)}) as made:
            made.succeed("r" * int(200 * 5000 ** sizes.random()))
    {then}
print("ended", flush=True)
"""


@contextmanager
def writing(
    traces: Path, decisions: int, then: str = "pass", seed: int = 0
) -> Iterator[subprocess.Popen[str]]:
    """A process that writes a run, after its first record is there."""
    script = WRITER.replace("{then}", then)
    command = [sys.executable, "-c", script, str(traces), str(seed), str(decisions)]
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert said(process) == "begun"
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(LIMIT)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def followed(
    traces: Path, run_id: str = "run_1", seen: Callable[[AnyRecord], Any] = lambda record: None
) -> list[AnyRecord]:
    records: list[AnyRecord] = []
    with anyio.fail_after(LIMIT):
        async for record in RunStore(traces).follow(run_id):
            records.append(record)
            seen(record)
    return records


def numbers(records: list[AnyRecord]) -> list[int]:
    return [record["seq"] if isinstance(record, dict) else record.seq for record in records]


async def assert_whole(traces: Path, run_id: str, records: list[AnyRecord]) -> None:
    """They are what the file holds: each once, in order, undamaged."""
    lines = runfiles.path_of(traces, run_id).read_bytes().splitlines(keepends=True)
    complete = [runfiles.unsealed(line) for line in lines if line.endswith(b"\n")]
    assert (
        numbers(records)
        == [record["seq"] for record in complete]
        == list(range(1, len(complete) + 1))
    )
    check = await RunStore(traces).check(run_id)
    assert (check.records, check.damage) == (len(records), [])
    told = [len(record.result) for record in records if isinstance(record, Outcome)]
    assert told == [len(record["result"]) for record in complete if record["type"] == "outcome"]


async def test_a_run_of_the_same_process(traces: Path) -> None:
    sizes = random.Random(3)
    heard: list[AnyRecord] = []

    async def follow(run_id: str) -> None:
        await followed(traces, run_id, heard.append)

    async with (
        Runtime(traces) as runtime,
        anyio.create_task_group() as tasks,
        runtime.run("goal") as run,
    ):
        assert await runtime.flush()
        for _ in range(2):
            tasks.start_soon(follow, run.id)
        for number in range(60):
            async with runtime.decision("decide") as made:
                made.succeed("r" * int(200 * 5000 ** sizes.random()))
            if number % 20 == 10:  # they catch up
                await until(lambda n=number: len(heard) >= 2 * (1 + 2 * n))  # type: ignore[misc]
    alternating = sorted(heard, key=lambda record: numbers([record]))
    assert alternating[::2] == alternating[1::2]
    await assert_whole(traces, run.id, alternating[::2])
    assert len(alternating) == 2 * (1 + 2 * 60 + 1)


@pytest.mark.parametrize("seed", range(3))
async def test_a_run_of_another_process(traces: Path, seed: int) -> None:
    with writing(traces, 150, seed=seed):
        records = await followed(traces)
    assert len(records) == 302
    await assert_whole(traces, "run_1", records)


@pytest.mark.large
async def test_the_writer_is_killed(traces: Path) -> None:
    with writing(traces, 20_000) as process:
        kill = random.Random(5).randrange(100, 1000)
        records = await followed(
            traces, seen=lambda record: process.kill() if numbers([record]) == [kill] else None
        )
        assert process.wait() == -9
    assert kill <= len(records) < 40_000
    await assert_whole(traces, "run_1", records)
    assert (await RunStore(traces).load("run_1")).status == RunStatus.INTERRUPTED


async def test_it_waits_for_a_writer_that_pauses(traces: Path) -> None:
    records: list[AnyRecord] = []

    async def follow() -> None:
        await followed(traces, seen=records.append)

    with writing(traces, 5, then="sys.stdin.readline()") as process:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await until(lambda: len(records) == 11)
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        assert said(process) == "ended"
    assert isinstance(records[-1], RunEnded)
    await assert_whole(traces, "run_1", records)


async def test_a_run_that_has_ended(traces: Path) -> None:
    with writing(traces, 5) as process:
        assert said(process) == "ended"
    records = await followed(traces)
    assert isinstance(records[0], RunStarted)
    assert isinstance(records[-1], RunEnded)
    await assert_whole(traces, "run_1", records)


async def test_a_run_that_was_interrupted(traces: Path) -> None:
    with writing(traces, 5, then="assert runtime.flush_blocking(); import os; os._exit(9)") as it:
        assert it.wait() == 9
    assert numbers(await followed(traces)) == list(range(1, 12))


async def test_one_who_follows_is_cancelled(traces: Path) -> None:
    async with Runtime(traces) as runtime, runtime.run("goal") as run:
        assert await runtime.flush()
        records: list[AnyRecord] = []
        seen = records.append

        async def follow() -> None:
            async with aclosing(RunStore(traces).follow(run.id)) as following:
                async for record in following:
                    seen(record)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await until(lambda: records)
            tasks.cancel_scope.cancel()
        async with aclosing(RunStore(traces).follow(run.id)) as following:
            seen(await anext(following))
        assert len(records) == 2
        open_files = Path("/proc/self/fd")
        if open_files.is_dir():
            name = f"{run.id}.jsonl"
            held = [os.readlink(path) for path in open_files.iterdir() if path.is_symlink()]
            assert sum(path.endswith(name) for path in held) == 1  # the writer's own


async def test_no_record_is_read_before_it_is_complete(traces: Path) -> None:
    chance = random.Random(7)
    # Of another host: nobody can tell that its writer is gone.
    head = runfiles.sealed(runfiles.started(host="elsewhere"))
    rest = b"".join(map(runfiles.sealed, runfiles.whole_run(10)[1:-1]))
    path = runfiles.write(traces, "made", head)
    records: list[AnyRecord] = []
    seen = records.append

    async def follow() -> None:
        async for record in RunStore(traces).follow("made", poll_interval=0.001):
            seen(record)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        with path.open("ab", buffering=0) as file:
            while rest:
                size = chance.randrange(1, 200)
                piece, rest = rest[:size], rest[size:]
                file.write(piece)
                if piece.endswith(b"\n") or chance.random() < 0.3:
                    complete = path.read_bytes().count(b"\n")
                    await until(lambda n=complete: len(records) == n)  # type: ignore[misc]
            file.write(runfiles.sealed(runfiles.ended(22)))
    assert numbers(records) == list(range(1, 23))


async def test_one_that_begins_before_the_first_record_is_there(traces: Path) -> None:
    async with Runtime(traces) as runtime, runtime.run("other"):
        assert await runtime.flush()
        path = runfiles.write(traces, "made")
        records: list[AnyRecord] = []

        async def follow() -> None:
            await followed(traces, "made", records.append)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            whole = runfiles.whole_run()
            whole[0] |= {"host": "elsewhere"}
            with path.open("ab") as file:
                file.write(b"".join(map(runfiles.sealed, whole)))
    assert numbers(records) == [1, 2, 3, 4, 5, 6]


async def test_damaged_lines_are_passed_over(traces: Path) -> None:
    lines = [runfiles.sealed(record) for record in runfiles.whole_run()]
    lines[2] = lines[2].replace(b'"success":true', b'"success":null')
    runfiles.write(traces, "made", *lines[:4], b"\n", b"nonsense\n", lines[3], *lines[4:])
    assert numbers(await followed(traces, "made")) == [1, 2, 4, 5, 6]


async def test_a_file_without_checksums_is_told_once_nobody_writes_to_it(traces: Path) -> None:
    lines = [runfiles.plain(record) for record in runfiles.whole_run()]
    runfiles.write(traces, "made", *lines[:-1])
    assert numbers(await followed(traces, "made")) == [1, 2, 3, 4, 5]
    runfiles.write(traces, "made", *lines)
    assert numbers(await followed(traces, "made")) == [1, 2, 3, 4, 5, 6]


async def test_a_stale_run_of_another_host_is_not_waited_for(traces: Path) -> None:
    path = runfiles.write(traces, "made", runfiles.sealed(runfiles.started(host="elsewhere")))
    os.utime(path, (1, 1))
    store = RunStore(traces, stale_after=timedelta(minutes=1))
    with anyio.fail_after(LIMIT):
        assert numbers([record async for record in store.follow("made")]) == [1]


async def test_a_run_that_is_not_there(traces: Path) -> None:
    with pytest.raises(RunNotFoundError):
        await followed(traces, "made")
