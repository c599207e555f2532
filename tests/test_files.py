"""`FileSink`: run files under trouble of the kind file systems make."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from decisionlog import FileSink, RunStatus, RunStore, Runtime, WriteError, sinks
from decisionlog.testing import CountingIds
from tests.waiting import LIMIT, of, until

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def lines(traces: Path, run_id: str) -> int:
    return (traces / "runs" / f"{run_id}.jsonl").read_bytes().count(b"\n")


def failing(call: Callable[..., Any], times: int, error: int) -> Callable[..., Any]:
    """The operating system's call, which fails so many times and then works again."""
    left = times

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise OSError(error, os.strerror(error))
        return call(*args, **kwargs)

    return wrapper


async def test_files_and_directories_are_private(traces: Path) -> None:
    async with Runtime(traces) as runtime, runtime.run("goal"):
        assert await runtime.flush()
        modes = {p.relative_to(traces.parent): p.stat().st_mode & 0o777 for p in traces.rglob("*")}
        modes[Path("traces")] = traces.stat().st_mode & 0o777
        assert {mode for path, mode in modes.items() if not path.suffix} == {0o700}
        assert {mode for path, mode in modes.items() if path.suffix} == {0o600}
        assert {path.suffix for path in modes} == {"", ".jsonl", ".lock"}


async def test_live_runs_may_outnumber_open_files(traces: Path) -> None:
    sink = FileSink(traces, max_open_files=3)
    async with Runtime(sinks=[sink], new_run_id=CountingIds()) as runtime:
        runs = [await runtime.start_run(f"goal-{n}") for n in range(20)]
        for _ in range(3):
            for run_id in runs:
                await runtime.decide("x", [], "a", "b", run_id=run_id)
            assert await runtime.flush(durable=True)
            descriptors = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                           if os.path.islink(f"/proc/self/fd/{fd}")}  # fmt: skip
            assert sum(str(traces / "runs") in path for path in descriptors) <= 4
        for run_id in runs[:10]:
            await runtime.end_run(True, run_id=run_id)
    for n, run_id in enumerate(runs):
        check = await RunStore(traces).check(run_id)
        assert (check.records, check.damage) == (5 if n < 10 else 4, [])


async def test_two_processes_with_the_same_run_id_do_not_mix(traces: Path) -> None:
    first = Runtime(traces)
    second = Runtime("elsewhere", sinks=[FileSink(traces)])  # does not see that the id is taken
    async with first, second:
        async with first.run("mine", run_id="same"), second.run("theirs", run_id="same"):
            assert await first.flush() and await second.flush()
    assert runtime_losses(first) == runtime_losses(second) == 0
    summaries = [s async for s in RunStore(traces).runs()]
    assert {s.goal_id for s in summaries} == {"mine", "theirs"}
    assert len({s.run_id for s in summaries}) == 2
    assert {s.run_id[:4] for s in summaries} == {"same"}


def runtime_losses(runtime: Runtime) -> int:
    return runtime.stats().dropped


async def test_a_directory_that_is_cleared_away_comes_back(traces: Path) -> None:
    async with Runtime(traces, new_run_id=CountingIds()) as runtime:
        async with runtime.run("goal"):
            assert await runtime.flush()
        shutil.rmtree(traces)
        async with runtime.run("goal"):
            assert await runtime.flush()
        assert lines(traces, "run_2") == 2 or lines(traces, "run_2") == 1
    assert lines(traces, "run_2") == 2


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("times", [1, 2, 5])
async def test_writes_that_fail_are_made_up_for(
    traces: Path, monkeypatch: pytest.MonkeyPatch, error: int, times: int
) -> None:
    async with Runtime(traces, new_run_id=CountingIds(), flush_interval=0.001) as runtime:
        async with runtime.run("goal"):
            assert await runtime.flush()
            real = os.write
            broken = failing(real, times, error)

            def write(descriptor: int, data: bytes) -> int:
                if ".jsonl" in os.readlink(f"/proc/self/fd/{descriptor}"):
                    return int(broken(descriptor, data))
                return real(descriptor, data)

            monkeypatch.setattr(os, "write", write)
            async with runtime.decision("x"):
                pass
            assert await runtime.flush()
            monkeypatch.undo()
        # One that could not write several chunks at once has tried them one by one.
        assert 0 < runtime.stats().errors <= times
    check = await RunStore(traces).check("run_1")
    assert (check.records, check.damage, check.torn_bytes) == (4, [], 0)


@pytest.mark.parametrize("fails", [1, 3])
async def test_what_cannot_be_written_at_once_is_tried_in_pieces(
    traces: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    async with Runtime(traces, new_run_id=CountingIds(), flush_interval=60) as runtime:
        async with runtime.run("goal"):
            assert await runtime.flush()
            for _ in range(8):
                async with runtime.decision("x", context={"page": "y" * 40_000}):
                    pass
            monkeypatch.setattr(os, "write", failing(os.write, fails, errno.ENOSPC))
            assert await runtime.flush()
            monkeypatch.undo()
            assert runtime.stats().errors > 0
    check = await RunStore(traces).check("run_1")
    assert (check.records, check.damage, check.torn_bytes) == (18, [], 0)


@pytest.mark.parametrize("name", ["runs", "writers"])
async def test_a_link_in_place_of_a_directory_is_not_followed(
    tmp_path: Path, traces: Path, name: str
) -> None:
    (tmp_path / "theirs").mkdir()
    traces.mkdir()
    (traces / name).symlink_to(tmp_path / "theirs")
    with pytest.raises(WriteError, match="symbolic link"):
        async with Runtime(traces, strict=True, close_timeout=0.05):
            pass
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.parametrize("truncate_fails", [0, 1, 3])
async def test_a_short_write_leaves_no_torn_line(
    traces: Path, monkeypatch: pytest.MonkeyPatch, truncate_fails: int
) -> None:
    """A write that stops half way and cannot go on: what it wrote is taken back in the end."""
    async with Runtime(traces, new_run_id=CountingIds(), flush_interval=0.001) as runtime:
        async with runtime.run("goal"):
            assert await runtime.flush()
            real = os.write
            calls = 0

            def write(descriptor: int, data: bytes) -> int:
                nonlocal calls
                if ".jsonl" not in os.readlink(f"/proc/self/fd/{descriptor}"):
                    return real(descriptor, data)
                calls += 1
                if calls == 1:
                    return real(descriptor, bytes(data)[: len(data) // 2])
                if calls == 2:
                    raise OSError(errno.ENOSPC, "full")
                if calls == 3:
                    return 0
                return real(descriptor, data)

            monkeypatch.setattr(os, "write", write)
            monkeypatch.setattr(os, "ftruncate", failing(os.ftruncate, truncate_fails, errno.EIO))
            async with runtime.decision("x"):
                pass
            assert await runtime.flush()
            monkeypatch.undo()
    check = await RunStore(traces).check("run_1")
    assert (check.records, check.damage, check.torn_bytes) == (4, [], 0)


async def test_a_write_that_is_only_short_is_completed(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:7]))
    async with Runtime(traces, new_run_id=CountingIds()) as runtime:
        async with runtime.run("goal"):
            pass
    monkeypatch.undo()
    assert (await RunStore(traces).check("run_1")).records == 2


async def test_a_run_whose_sync_failed_is_never_vouched_for_again(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Runtime(traces) as runtime:
        async with runtime.run("goal"):
            monkeypatch.setattr(os, "fdatasync", failing(os.fdatasync, 1, errno.EIO))
            assert not await runtime.flush(durable=True)
            async with runtime.decision("x"):
                assert not await runtime.flush(durable=True)  # the kernel would say it worked
            assert await runtime.flush()
            assert runtime.stats().synced == 0
        assert not await runtime.flush(durable=True)
        async with runtime.run("another"):
            assert await runtime.flush(durable=True)


@linux
async def test_what_is_kept_of_runs_does_not_grow_with_their_number(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run that ever ended was remembered until someone asked for a durable flush."""
    monkeypatch.setattr(sinks, "_SETTLED", 0)
    real = os.fdatasync
    synced: list[str] = []

    def fdatasync(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).stem)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    async with Runtime(traces, new_run_id=CountingIds()) as runtime:
        for _ in range(5):
            async with runtime.run("goal"):
                pass
            assert await runtime.flush()
        by_itself = [f"run_{n}" for n in range(1, len(synced) + 1)]
        assert len(synced) >= 4 and synced == by_itself
        assert await runtime.flush(durable=True)
        assert synced == ["run_1", "run_2", "run_3", "run_4", "run_5"]


async def test_a_sync_that_fails_long_after_a_run_is_told_by_the_next_durable_flush(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "_SETTLED", 0)
    monkeypatch.setattr(os, "fdatasync", failing(os.fdatasync, 1, errno.EIO))
    async with Runtime(traces) as runtime:
        for _ in range(2):
            async with runtime.run("goal"):
                pass
            assert await runtime.flush()
        assert not await runtime.flush(durable=True)
        assert await runtime.flush(durable=True)


async def test_a_directory_that_cannot_be_synced_is_not_durable(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Runtime(traces) as runtime, runtime.run("goal"):
        monkeypatch.setattr(os, "fsync", failing(os.fsync, 1, errno.EIO))
        assert not await runtime.flush(durable=True)
        assert await runtime.flush(durable=True)


@linux
def test_a_file_size_limit_stops_one_run_and_not_the_others(traces: Path) -> None:
    """`ulimit -f`: a real short write, and a file that can never grow again."""
    script = """
import resource, signal, sys, time
from pathlib import Path
from decisionlog import Runtime
from decisionlog.testing import CountingIds
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
short = [Path(sys.argv[1], "runs", f"run_{n}.jsonl") for n in range(2, 12)]
with Runtime(sys.argv[1], new_run_id=CountingIds(), close_timeout=0.5) as runtime:
    with runtime.run("long"):
        for _ in range(1000):
            with runtime.decision("x" * 200):
                pass
        for _ in range(10):
            with runtime.run("short"):
                pass
        while sum(path.read_bytes().count(b"\\n") for path in short if path.exists()) < 20:
            time.sleep(0.01)
stats = runtime.stats()
print(stats.accepted, stats.written, stats.dropped, stats.last_error)
"""
    result = subprocess.run(
        [sys.executable, "-c", script, str(traces)], capture_output=True, text=True, timeout=LIMIT
    )
    assert result.returncode == 0, result.stderr
    accepted, written, dropped, error = result.stdout.split(maxsplit=3)
    assert int(accepted) == 2002 + 20 == int(written) + int(dropped)
    assert "File too large" in error
    assert [lines(traces, f"run_{n}") for n in range(2, 12)] == [2] * 10
    data = (traces / "runs" / "run_1.jsonl").read_bytes()
    assert data.endswith(b"\n") and len(data) > 100_000


async def test_a_write_that_hangs_past_closing_does_no_harm_when_it_goes_on(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, go_on = threading.Event(), threading.Event()
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if ".jsonl" in os.readlink(f"/proc/self/fd/{descriptor}"):
            stuck.set()
            assert go_on.wait(30)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    async with Runtime(traces, close_timeout=0.05, new_run_id=CountingIds()) as runtime:
        async with runtime.run("goal"):
            await of(stuck)
    assert runtime.stats().dropped == 2
    go_on.set()
    await until(lambda: lines(traces, "run_1") == 1)
    monkeypatch.undo()
    async with runtime, runtime.run("goal"):  # and once more, with a thread of its own
        assert await runtime.flush()


async def test_two_runtimes_write_to_one_directory(traces: Path) -> None:
    async with Runtime(traces) as first, Runtime(traces) as second:
        async with first.run("one"), second.run("two"):
            assert await first.flush() and await second.flush()
            store = RunStore(traces)
            assert [s.status async for s in store.runs()] == [RunStatus.RUNNING] * 2
    assert [s.status async for s in store.runs()] == [RunStatus.COMPLETED] * 2
    assert list((traces / "writers").iterdir()) == []


async def test_a_sink_given_by_the_caller_can_be_opened_again(traces: Path) -> None:
    runtime = Runtime(sinks=[FileSink(traces)], new_run_id=CountingIds())
    for _ in range(2):
        async with runtime, runtime.run("goal"):
            pass
    assert lines(traces, "run_1") == lines(traces, "run_2") == 2


async def test_a_run_file_is_opened_once(traces: Path) -> None:
    """The cost of a record does not hold the opening of a file."""
    async with Runtime(traces) as runtime, runtime.run("goal") as run:
        assert await runtime.flush()
        path = traces / "runs" / f"{run.id}.jsonl"
        aside = path.with_name("aside")
        path.rename(aside)
        async with runtime.decision("x"):
            pass
        await until(lambda: aside.read_bytes().count(b"\n") == 3)
        aside.rename(path)
