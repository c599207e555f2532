"""File systems made for a test: small ones, such as lose their power, and such as hang."""

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import processes
from tests.waiting import LIMIT

SHUTDOWN = 0x8004587D
"""The ioctl XFS_IOC_GOINGDOWN, which ext4 has as well."""
WITHOUT_FLUSHING_THE_LOG = struct.pack("I", 2)


def need(*programs: str) -> None:
    """Skip the test where we cannot do that."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux, to mount file systems")
    for program in programs:
        if subprocess.run(["which", program], capture_output=True).returncode:
            pytest.skip(f"needs {program}")


def command(*words: object) -> None:
    """Run it; skip the test when this computer refuses."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=LIMIT)
    if done.returncode:
        pytest.skip(f"refused here: {' '.join(map(str, words))}: {done.stderr.strip()}")


def unmount(place: Path) -> None:
    subprocess.run(["umount", str(place)], check=True, capture_output=True, timeout=LIMIT)


@contextmanager
def small(place: Path, size: str) -> Iterator[Path]:
    """A file system in memory of this size."""
    need("mount")
    place.mkdir()
    command("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place)
    try:
        yield place
    finally:
        unmount(place)


@contextmanager
def hanging(place: Path, number: int) -> Iterator[list[str]]:
    """A file system that answers so many requests and then hangs for ever. Afterwards, the list has
    the names of those that it answered.
    """
    need("umount")
    place.mkdir()
    answered: list[str] = []
    with processes.popen(
        [sys.executable, "-m", "tests.faults.hanging_disk", str(place), str(number)]
    ) as server:
        assert server.stdout is not None and server.stderr is not None
        try:
            if server.stdout.readline() != "ready\n":
                pytest.skip(f"FUSE is refused here: {server.stderr.read()[-200:]}")
            yield answered
        finally:
            server.kill()
            answered += server.stdout.read().split()
            subprocess.run(["umount", "--lazy", str(place)], capture_output=True, timeout=LIMIT)


class Disk:
    """A file system in a file, whose power can be cut."""

    def __init__(self, kind: str, directory: Path) -> None:
        need("mount", "losetup", f"mkfs.{kind}")
        self.kind = kind
        self._image = directory / "image"
        self._place = directory / "disk"
        self._place.mkdir()
        with self._image.open("wb") as file:
            file.truncate(512 * 2**20 if kind == "xfs" else 64 * 2**20)
        command(f"mkfs.{kind}", "-q", self._image)

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Reading its journal, if it was not put away in order."""
        command("mount", "-o", "loop", self._image, self._place)
        try:
            yield self._place
        finally:
            unmount(self._place)

    def cut_power(self) -> None:
        """From here on, nothing that it has not written yet will ever be, its journal included."""
        directory = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(directory, SHUTDOWN, WITHOUT_FLUSHING_THE_LOG)
        finally:
            os.close(directory)
