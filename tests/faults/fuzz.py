"""Feeds the reading side files that come of mutated ones: `python -m tests.faults.fuzz INPUTS
DIRECTORY`, with atheris if that is installed (what an input reaches leads it on), else with a
mutator of its own. `--control` puts a naive reader in the place of the library's. An input that is
its undoing stays in the directory.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

try:
    import atheris
except ImportError:  # there are no builds for some systems
    atheris = None

if atheris is not None and __name__ == "__main__":
    with atheris.instrument_imports(
        include=["decisionlog.reading", "decisionlog.records", "decisionlog.digest"]
    ):
        import decisionlog  # noqa: F401

from decisionlog import Decision, RunStore
from decisionlog.reading import Scanner, assemble, summarize
from tests import runfiles
from tests.waiting import LIMIT

GOLDEN = Path(__file__).parents[1] / "golden" / "v1" / "runs"
LONGEST = 4096
EVERY = 100
"""One of so many inputs goes through files and a RunStore as well, which takes longer by far."""
HANGS = LIMIT
"""Seconds. What takes longer than it may is found by its CPU time; this ends what never ends."""
RUNAWAY_MIB = 1024

Reader = Callable[[bytes], None]

WHOLE = list(map(runfiles.sealed, runfiles.whole_run()))
BEFORE, AFTER = b"".join(WHOLE[:3]), b"".join(WHOLE[3:])
PLAIN = b"".join(map(runfiles.plain, runfiles.whole_run()[:3]))


def as_file(data: bytes) -> bytes:
    """An input as a run file. No mutation hits a right checksum, so these are made afterwards."""
    how, rest = data[:1], data[1:]
    match how[0] % 4 if how else 0:
        case 0:
            return rest
        case 1:
            return sealed(rest)
        case 2:
            return BEFORE + sealed(rest) + AFTER
        case _:
            return PLAIN + rest


def sealed(data: bytes) -> bytes:
    lines = [line[:-1] for line in data.split(b"\n")]
    return b"".join([b'%b,"crc":"%08x"}\n' % (line, crc32(line)) for line in lines])


def read(data: bytes) -> None:
    """From memory, in two pieces."""
    scanner = Scanner()
    cut = len(data) // 3
    records = scanner.feed(data[:cut]) + scanner.feed(data[cut:]) + scanner.finish()
    run = assemble("made", scanner, records)
    assert scanner.records == len(records)
    assert run.metrics.total_decisions == len(run.decisions) == summarize(run).decision_count
    made = [record for record in records if type(record) is Decision]
    assert {decision.id for decision in run.decisions} == {record.id for record in made}


def read_naively(data: bytes) -> None:
    """The bug: what is JSON is taken for a record."""
    for line in data.split(b"\n"):
        with suppress(ValueError):
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
    golden = [path.read_bytes() for path in sorted(GOLDEN.glob("*.jsonl"))]
    inputs = [bytes([how]) + plain for how in range(4)]
    return inputs + [b"\0" + data for data in (b"".join(WHOLE), *golden) if len(data) < LONGEST]


class Inputs:
    """Takes one input at a time, and tells the figures once there were so many."""

    def __init__(self, directory: Path, total: int, reader: Reader, by: str) -> None:
        self._directory, self._total, self._reader, self._by = directory, total, reader, by
        self._count = 0
        self._longest = 0.0
        self._loop = asyncio.Runner()

    def take(self, data: bytes) -> None:
        made = as_file(data)
        began = time.process_time()
        self._reader(made)
        self._longest = max(self._longest, time.process_time() - began)
        self._count += 1
        if self._count % EVERY == 0:
            self._loop.run(read_from_disk(self._directory, made))
        if self._count == self._total:
            figures = {"inputs": self._count, "by": self._by, "peak_mib": peak_mib()}
            print(json.dumps(figures | {"most_cpu_s": round(self._longest, 4)}), flush=True)


def peak_mib() -> int:
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as file:
        [peak] = [int(line.split()[1]) // 1024 for line in file if line.startswith("VmHWM")]
        return peak
    return 0


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


def led_by_chance(inputs: Inputs, total: int) -> None:
    chance, seeds = random.Random(13), corpus()
    for _ in range(total):
        inputs.take(mutated(seeds, chance))


def led_by_what_is_reached(fuzzer: Any, inputs: Inputs, total: int, directory: Path) -> None:
    (seeds := directory / "corpus").mkdir()
    for number, data in enumerate(corpus()):
        (seeds / str(number)).write_bytes(data)
    words = "".join(f'"{spelled(token)}"\n' for token in TOKENS if len(token) < 64)
    (dictionary := directory / "words").write_text(words, "ascii")
    settings = {
        "runs": total,
        "seed": 13,
        "max_len": LONGEST,
        "timeout": HANGS,
        "rss_limit_mb": RUNAWAY_MIB,
        "dict": dictionary,
        "artifact_prefix": f"{directory}/",
    }
    given = [f"-{name}={value}" for name, value in settings.items()]
    fuzzer.Setup([sys.argv[0], *given, str(seeds)], inputs.take)
    fuzzer.Fuzz()


def spelled(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def main(total: int, directory: Path, reader: Reader) -> None:
    (traces := directory / "traces").mkdir(parents=True)
    if atheris is None:
        led_by_chance(Inputs(traces, total, reader, "a mutator of its own"), total)
    else:
        inputs = Inputs(traces, total, reader, "atheris")
        led_by_what_is_reached(atheris, inputs, total, directory)


if __name__ == "__main__":
    count, place = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    main(int(count), Path(place), read_naively if "--control" in sys.argv else read)
