"""Row 7: a run file cut off at every byte, and with a byte changed at every offset."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from decisionlog import Chunk, Run, RunStore, Runtime
from decisionlog.testing import MemorySink
from tests import runfiles
from tests.faults.report import report, sized

Case = tuple[str, bytes, bytes]
"""What was done to a file, what it holds then, and what it holds without the damaged line."""
Reader = Callable[[bytes], Any]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The lines of a small run that has one of everything."""
    traces = tmp_path_factory.mktemp("recorded")
    with Runtime(traces) as runtime, runtime.run("goal", "Über", {"n": 1}, run_id="made") as run:
        with runtime.decision("one", [{"id": "a"}, {"id": "b"}], context={"$k": 2**70}) as one:
            one.choose("b")
            one.succeed([float("inf"), "\x00\n"], tokens_used=3)
        run.report_problem("minor", "small")
        with runtime.decision("two") as two:
            two.fail("it broke")
    lines = runfiles.path_of(traces, "made").read_bytes().splitlines(keepends=True)
    assert len(lines) == 8
    return lines


def read(data: bytes) -> Run:
    """What the library makes of a file, but for what it says of damage; without a file system."""
    sink = MemorySink()
    sink.chunks.append(Chunk("made", data, 1, 1, 1, False))
    return replace(sink.run("made"), damage=[])


def cuts(lines: list[bytes]) -> Iterator[Case]:
    """Each start of the file."""
    data = b"".join(lines)
    for size in range(len(data) + 1):
        yield f"cut at {size}", data[:size], data[: data.rfind(b"\n", 0, size) + 1]


def changes(lines: list[bytes], masks: list[int]) -> Iterator[Case]:
    """The file with one byte changed: to a newline, and in other ways."""
    data = b"".join(lines)
    offset = 0
    for number, line in enumerate(lines):
        rest = b"".join(lines[:number] + lines[number + 1 :])
        for place in range(len(line)):
            # Where a newline was changed, no record was, and the next line is told apart.
            spared = place == len(line) - 1 and number < len(lines) - 1
            changes = {ord("\n"), *(data[offset] ^ mask for mask in masks)}
            for changed in changes - {data[offset]}:
                damaged = data[:offset] + bytes([changed]) + data[offset + 1 :]
                yield f"{changed:#x} at {offset}", damaged, data if spared else rest
            offset += 1


def faults(read: Reader, cases: Iterator[Case]) -> tuple[int, list[str]]:
    """How many files were read, and which of them not like one that lacks the damaged line."""
    tried, found = 0, list[str]()
    for name, damaged, rest in cases:
        tried += 1
        try:
            if read(damaged) != read(rest):
                found.append(name)
        except Exception as error:
            found.append(f"{name}: {type(error).__name__}")
    return tried, found


MASKS = sized([1, 255], list(range(1, 256)))


def test_cut_off_at_every_byte(recorded: list[bytes]) -> None:
    tried, found = faults(read, cuts(recorded))
    assert found == []
    report(7, "cut off at every byte", tried, faults=len(found))


def test_a_byte_changed_at_every_offset(recorded: list[bytes]) -> None:
    tried, found = faults(read, changes(recorded, MASKS))
    assert found == []
    report(7, "a byte changed at every offset", tried, faults=len(found))


async def test_on_disk_it_is_named(traces: Path, recorded: list[bytes]) -> None:
    """The store reads the same, and says what is damaged."""
    path = runfiles.write(traces, "made", *recorded)
    store = RunStore(traces)
    tried = 0
    for cases in (cuts(recorded), changes(recorded, [1])):
        for name, damaged, rest in islice(cases, 0, None, sized(13, 1)):
            tried += 1
            path.write_bytes(damaged)
            run, check = await store.load("made"), await store.check("made")
            followed = [record async for record in store.follow("made")]
            assert run.damage == check.damage, name
            assert len(followed) == check.records == rest.count(b"\n"), name
            assert run.decisions == read(rest).decisions, name
            assert run.status == ("completed" if b"run_ended" in rest else "interrupted"), name
            if name.startswith("cut"):
                assert (check.damage, check.torn_bytes) == ([], len(damaged) - len(rest)), name
            else:
                assert check.damage or check.torn_bytes, name
    report(7, "the same through RunStore", tried, faults=0)


# ------------------------------------------------------------- controls: readers with a bug


def believing(data: bytes) -> list[Any]:
    """Accepts a line whose checksum is wrong."""
    read: list[Any] = []
    for line in data.split(b"\n")[:-1]:
        try:
            read.append(json.loads(line))
        except ValueError:
            continue
    return read


def giving_up(data: bytes) -> list[Any]:
    """Stops where the first damage is."""
    read: list[Any] = []
    for line in data.split(b"\n")[:-1]:
        try:
            read.append(runfiles.unsealed(line + b"\n"))
        except (AssertionError, ValueError):
            break
    return read


def raising(data: bytes) -> list[Any]:
    """Raises there."""
    return [runfiles.unsealed(line) for line in data.splitlines(keepends=True)]


def believing_torn_lines(data: bytes) -> list[Any]:
    """Takes a record for one before its newline is there."""
    return [json.loads(line) for line in data.split(b"\n") if line.endswith(b'"}')]


@pytest.mark.parametrize("reader", [believing, giving_up, raising])
def test_control_changes(recorded: list[bytes], reader: Reader) -> None:
    tried, found = faults(reader, changes(recorded, [1]))
    assert len(found) > tried / 4


@pytest.mark.parametrize("reader", [raising, believing_torn_lines])
def test_control_cuts(recorded: list[bytes], reader: Reader) -> None:
    _, found = faults(reader, cuts(recorded))
    assert len(found) >= len(recorded)
