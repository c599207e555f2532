"""Run files that are to overwhelm whoever reads them: made by name, below a directory."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from decisionlog.records import MAX_LINE_BYTES
from tests import runfiles
from tests.runfiles import plain, sealed, whole_run

HEAD = plain(runfiles.started())[:-2]
"""The start of a line, to be gone on with."""
LONGEST = MAX_LINE_BYTES - 400
"""The most that a value may take for the line to be read at all."""

Lines = Iterable[bytes]
BOMBS: dict[str, Callable[[], Lines]] = {}


def among(*lines: bytes) -> Lines:
    """In the middle of a run that is otherwise sound."""
    records = whole_run()
    return [*map(sealed, records[:3]), *lines, *map(sealed, records[3:])]


def value(raw: bytes, field: bytes = b"input_data") -> Lines:
    """A run whose input this is, without checksums."""
    return [HEAD + b',"%b":%b}\n' % (field, raw), *map(plain, whole_run()[1:])]


def filled(item: bytes, around: bytes = b"[]") -> bytes:
    """As many of them as a line takes."""
    count = (LONGEST - 2) // (len(item) + 1)
    return around[:1] + b",".join([item] * count) + around[1:]


DEEP = 10**6
DIGITS = b"9" * 10**6
for kind in ("sealed", "plain"):
    line = sealed if kind == "sealed" else plain
    BOMBS |= {
        f"nothing but line ends, {kind}": lambda: [b"\n" * 2**20],
        f"a line of every byte, {kind}": lambda line=line: [
            bytes(range(256)) * 64, b"\n", *map(line, whole_run())
        ],
        f"NULs between, {kind}": lambda line=line: [
            part for record in whole_run() for part in (line(record), b"\x00" * 2**16, b"\n")
        ],
    }  # fmt: skip
for opened, closed in ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"$a":', b"}]"), (b'"\\ud800', b'"')):
    name = opened.decode()
    BOMBS |= {
        f"{name} a million deep": lambda o=opened, c=closed: value(o * DEEP + b"1" + c * DEEP),
        f"{name} never closed": lambda o=opened: value(o * DEEP),
        f"{name} in a field nobody knows": lambda o=opened, c=closed: value(
            o * DEEP + b"1" + c * DEEP, b"unheard_of"
        ),
        f"{name} as a line of its own": lambda o=opened: among(o * DEEP + b"\n"),
    }
BOMBS |= {
    "empty": list,
    "a byte order mark": lambda: [b"\xef\xbb\xbf", *map(plain, whole_run())],
    "UTF-16": lambda: [b"".join(map(plain, whole_run())).decode().encode("utf-16")],
    "carriage returns alone": lambda: [plain(r).replace(b"\n", b"\r") for r in whole_run()],
    "invalid UTF-8 everywhere": lambda: [
        plain(r).replace(b"e", b) for r in whole_run() for b in (b"\xff", b"\xed\xa0\x80", b"\xc0")
    ],
    "lone surrogates": lambda: value(b'["\\ud800","\\udfff\\ud800"]'),
    "numbers beyond belief": lambda: value(b"[1e999,-1e999,%b,0.%b]" % (DIGITS, DIGITS)),
    "an integer of 16 million digits": lambda: value(b'{"$int":"0x%b"}' % (b"f" * (LONGEST - 20))),
    "one string": lambda: value(b'"%b"' % (b"x" * LONGEST)),
    "a string of escapes": lambda: value(b'"%b"' % (b"\\u0000" * (LONGEST // 6))),
    "a key of 16 MB": lambda: value(b'{"%b":1}' % (b"k" * LONGEST)),
    "keys that collide": lambda: value(filled(b'"a":1', b"{}")),
    "dollars": lambda: value(b'{"%b":1}' % (b"$" * LONGEST)),
    "200,000 damaged lines": lambda: among(b"x\n" * 200_000),
    "200,000 gaps": lambda: among(
        *(sealed({"type": "gap", "count": 1, "timestamp": runfiles.TIME, "seq": 10 + 2 * n})
          for n in range(40_000))
    ),
    "a gap of everything": lambda: among(
        sealed({"type": "gap", "count": 2**63, "timestamp": runfiles.TIME, "seq": 2**63 - 1})
    ),
    "numbers backwards": lambda: [
        sealed(runfiles.decided(n, 2 * n)) for n in range(40_000, 0, -1)
    ],
    "joints": lambda: among(b'{"type":"x","crc":"00000000"} ' * 100_000 + b"\n"),
    "years of all sorts": lambda: [
        plain(runfiles.started(timestamp=time)) for time in (
            "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z")
    ],
}  # fmt: skip
# What the longest line of them takes in memory is many times its length.
AMPLIFIED = {
    "empty lists": lambda: value(filled(b"[]")),
    "empty dicts": lambda: value(filled(b"{}")),
    "dicts of one": lambda: value(filled(b'{"":1}')),
    "fractions": lambda: value(filled(b".5".join([b"1", b""]))),
    "options": lambda: [
        HEAD + b"}\n",
        plain(runfiles.decided(0, 2))[:-2] + b',"options":%b}\n' % filled(b'{"id":"a"}'),
    ],
}  # fmt: skip


def edge(depth: int) -> Lines:
    """Nested as deeply as can just be decoded, or cannot, in records that are put aside."""
    deep = b"[" * depth + b"]" * depth
    twice = [plain(runfiles.decided(0, 2))[:-2] + b',"input_context":{"a":%b}}\n' % deep] * 2
    lost = plain(runfiles.came_out(7, 4))[:-2] + b',"result":%b}\n' % deep
    other = b'{"type":"thought","run_id":"made","$a":%b}\n' % deep
    return [HEAD + b"}\n", *twice, lost, other]


BOMBS |= {f"{depth} deep": lambda depth=depth: edge(depth) for depth in (
    *range(300, 1100, 50), *range(480, 500, 2), *range(960, 1000, 2), 1500, 5000)
}  # fmt: skip


def make(directory: Path, name: str, lines: Lines) -> Path:
    """The directory of traces with such a run."""
    traces = directory / name.replace("/", " ").replace("\\", "")
    (traces / "runs").mkdir(parents=True)
    with (traces / "runs" / "made.jsonl").open("wb") as file:
        file.writelines(lines)
    return traces


def make_huge(directory: Path, size: int) -> Path:
    """A line of so many bytes; the file is a hole, and takes no room."""
    traces = make(directory, f"a line of {size >> 20} MiB", map(sealed, whole_run()[:3]))
    with (traces / "runs" / "made.jsonl").open("r+b") as file:
        file.seek(size, os.SEEK_END)
        file.write(b"\n" + b"".join(map(sealed, whole_run()[3:])))
    return traces
