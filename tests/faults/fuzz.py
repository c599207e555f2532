"""Feeds the reading side files that come of mutated ones: `python -m tests.faults.fuzz RUNS`, with
atheris if that is installed (what it covers leads it on), else with a small mutator of its own.
`--control` puts a naive reader in the place of the library's.
"""

import asyncio
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from zlib import crc32

try:
    import atheris
except ImportError:  # there are no builds for some Pythons
    atheris = None

if atheris is not None and __name__ == "__main__":
    with atheris.instrument_imports(
        include=["decisionlog.reading", "decisionlog.records", "decisionlog.digest"]
    ):
        import decisionlog.testing  # noqa: F401

from decisionlog import Chunk, Decision, RunStore
from decisionlog.testing import MemorySink
from tests import runfiles

GOLDEN = Path(__file__).parents[1] / "golden" / "v1" / "runs"
LONGEST = 8192
EVERY = 50
"""One of so many inputs goes through files and a RunStore as well, which takes longer by far."""

Reader = Callable[[bytes], None]


def as_file(data: bytes) -> bytes:
    """An input as a run file. No mutation hits a right checksum, so these are made afterwards."""
    how, rest = data[:1], data[1:]
    lines = rest.split(b"\n")
    sealed = [line[:-1] + b',"crc":"%08x"}' % crc32(line[:-1]) for line in lines]
    whole = list(map(runfiles.sealed, runfiles.whole_run()))
    match how[0] % 4 if how else 0:
        case 0:
            return rest
        case 1:
            return b"\n".join([*sealed, b""])
        case 2:  # in the middle of a sound run
            return b"".join([*whole[:3], b"\n".join([*sealed, b""]), *whole[3:]])
        case _:
            return b"".join(map(runfiles.plain, runfiles.whole_run()[:3])) + rest


def read(data: bytes) -> None:
    """From memory."""
    sink = MemorySink()
    sink.chunks.append(Chunk("made", data, 1, 1, 1, False))
    run = sink.run("made")
    assert run.metrics.total_decisions == len(run.decisions)
    made = [record for record in sink.records("made") if isinstance(record, Decision)]
    assert {decision.id for decision in run.decisions} == {record.id for record in made}


def read_naively(data: bytes) -> None:
    for line in data.split(b"\n"):
        assert json.loads(line)["type"]


async def read_from_disk(traces: Path, data: bytes) -> None:
    for directory in ("runs", "evaluations"):
        (traces / directory).mkdir(exist_ok=True)
        (traces / directory / "made.jsonl").write_bytes(data)
    # A run of another host would be followed for ever.
    store = RunStore(traces, stale_after=timedelta(days=-1))
    run, check = await store.load("made"), await store.check("made")
    assert run.damage == check.damage
    summary = await store.summary("made")
    assert [each.run_id async for each in store.runs()] == [summary.run_id]
    assert len([record async for record in store.follow("made")]) == check.records


def corpus() -> list[bytes]:
    records = runfiles.whole_run()
    plain = b"".join(map(runfiles.plain, records))
    inputs = [bytes([how]) + plain for how in range(4)]
    inputs += [b"\0" + b"".join(map(runfiles.sealed, records))]
    golden = [path.read_bytes() for path in sorted(GOLDEN.glob("*.jsonl"))]
    return inputs + [b"\0" + data for data in golden if len(data) < LONGEST]


class Inputs:
    """Takes one input at a time, and counts them."""

    def __init__(self, reader: Reader) -> None:
        self.count = 0
        self._reader = reader
        shared = Path("/dev/shm")
        self.traces = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
        self._loop = asyncio.Runner()

    def take(self, data: bytes) -> None:
        self.count += 1
        made = as_file(data)
        self._reader(made)
        if self.count % EVERY == 0:
            self._loop.run(read_from_disk(self.traces, made))


TOKENS = (
    *(b"[", b"]", b"{", b"}", b'"', b",", b":", b"\n", b"\x00", b"\xff", b"\\u0000", b"null"),
    *(b"1e999", b"true", b"[" * 1100, b'{"a":' * 1100, b'{"$int":"0x"}', b'{"$float":"nan"}'),
    *(b'"seq":', b'"count":', b'"run_id":', b'"type":"gap"', b'"timestamp":', b"-1", b"\xed\xa0"),
    b"18446744073709551616",
)


def mutated(inputs: list[bytes], chance: random.Random) -> bytes:
    data = bytearray(chance.choice(inputs))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0 if at < len(data):
                data[at] = chance.randrange(256)
            case 1:
                data[at:at] = chance.choice(TOKENS)
            case 2:
                del data[at : at + chance.randrange(1, 60)]
            case _:
                start = chance.randrange(len(data) + 1)
                data[at:at] = data[start : start + chance.randrange(1, 200)]
    return bytes(data[:LONGEST])


def main(runs: int, reader: Reader) -> None:
    inputs = Inputs(reader)
    if atheris is None:
        chance, seeds = random.Random(13), corpus()
        for _ in range(runs):
            inputs.take(mutated(seeds, chance))
        done(inputs, "a mutator of its own")
        return
    directory = Path(tempfile.mkdtemp())
    for number, data in enumerate(corpus()):
        (directory / str(number)).write_bytes(data)
    limits = [f"-runs={runs}", f"-max_len={LONGEST}", "-timeout=2", "-rss_limit_mb=256"]

    def take(data: bytes) -> None:
        inputs.take(data)
        if inputs.count == runs:
            done(inputs, "atheris")

    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={directory}/", str(directory)], take)
    atheris.Fuzz()


def done(inputs: Inputs, by: str) -> None:
    shutil.rmtree(inputs.traces)
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as file:
        [peak] = [int(line.split()[1]) // 1024 for line in file if line.startswith("VmHWM")]
        print(json.dumps({"inputs": inputs.count, "by": by, "peak_mib": peak}), flush=True)


if __name__ == "__main__":
    [number] = [argument for argument in sys.argv[1:] if argument.isdecimal()]
    main(int(number), read_naively if "--control" in sys.argv else read)
