"""The lock of a writer, where others are in its way or there are no locks."""

import errno
import os
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from decisionlog import RunStatus, RunStore, Runtime

if sys.platform == "win32":
    pytest.skip("flock is not for Windows", allow_module_level=True)
import fcntl


async def statuses(traces: Path) -> list[RunStatus]:
    return [summary.status async for summary in RunStore(traces).runs()]


async def test_a_file_system_without_locks(traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell whether the writer lives; as long as its file is there, it does."""

    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    async with Runtime(traces) as runtime, runtime.run("goal"):
        assert await runtime.flush()
        assert await statuses(traces) == [RunStatus.RUNNING]
    assert await statuses(traces) == [RunStatus.COMPLETED]


async def test_someone_tries_the_lock_just_when_it_is_taken(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    tries = 0

    def flock(file: IO[bytes], operation: int) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise BlockingIOError
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    async with Runtime(traces) as runtime, runtime.run("goal"):
        assert await runtime.flush()
        assert await statuses(traces) == [RunStatus.RUNNING]
    assert tries >= 2


async def test_someone_clears_the_lock_away_just_when_it_is_taken(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file that has no name would be seen by nobody."""
    real = fcntl.flock
    tries = 0

    def flock(file: IO[Any], operation: int) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            [lock] = (traces / "writers").iterdir()
            lock.unlink()
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    async with Runtime(traces) as runtime, runtime.run("goal"):
        assert await runtime.flush()
        assert await statuses(traces) == [RunStatus.RUNNING]
        assert len(list((traces / "writers").iterdir())) == 1
