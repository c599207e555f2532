"""Row 13: hostile files: fuzzed ones, bombs, and what is no file of ours."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.faults.bombs import AMPLIFIED, BOMBS, make, make_huge
from tests.faults.report import FULL, report, sized
from tests.test_paths import NO_FILES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured by /proc")

INPUTS = int(os.environ.get("DECISIONLOG_FAULTS_INPUTS", sized(3_000, 1_000_000)))
"""Ten million were tried once: docs/faults.md."""
HUGE = sized(2**27, 2**30)
MOST_MIB, MOST_SECONDS = 256, 2.0


class Cost(Struct):
    """What reading a directory cost: the longest call, in CPU seconds, and memory."""

    name: str
    seconds: float
    mib: int
    errors: list[str]

    @property
    def faults(self) -> list[str]:
        found = self.errors.copy()
        if self.mib > MOST_MIB:
            found.append(f"{self.mib} MiB")
        if FULL and self.seconds > MOST_SECONDS:
            found.append(f"{self.seconds:.1f} s")
        return [f"{self.name}: {fault}" for fault in found]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *map(str, arguments)]
    root = Path(__file__).parents[2]
    return subprocess.run(command, capture_output=True, text=True, timeout=3600 * 9, cwd=root)


def read(directories: list[Path], *how: str) -> list[Cost]:
    done = run("tests.faults.reader", *directories, *how, *([] if FULL else ["--short"]))
    assert done.returncode == 0, done.stderr[-2000:]
    costs = [Cost(*json.loads(line)) for line in done.stdout.splitlines()]
    assert len(costs) == len(directories)
    return costs


def tell(what: str, costs: list[Cost]) -> None:
    seconds = round(max(cost.seconds for cost in costs), 2)
    report(
        13, what, len(costs), uncaught=0, memory_mib=max(cost.mib for cost in costs),
        slowest_cpu_s=seconds,
    )  # fmt: skip


# ------------------------------------------------------------- fuzzing


def test_fuzzed(tmp_path: Path) -> None:
    done = run("tests.faults.fuzz", INPUTS, tmp_path / "fuzz")
    assert done.returncode == 0, done.stderr[-4000:]
    [figures] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert figures["inputs"] == INPUTS
    assert figures["peak_mib"] < MOST_MIB
    assert figures["most_cpu_s"] < MOST_SECONDS or not FULL
    report(
        13, f"fuzz inputs, made by {figures['by']}", INPUTS, uncaught=0,
        memory_mib=figures["peak_mib"], slowest_cpu_s=figures["most_cpu_s"],
    )  # fmt: skip


def test_control_a_naive_reader_is_found_out(tmp_path: Path) -> None:
    done = run("tests.faults.fuzz", 10_000, tmp_path / "fuzz", "--control")
    assert done.returncode != 0
    assert re.search("(Assertion|Type|Key|Recursion)Error", done.stdout + done.stderr)


# ------------------------------------------------------------- bombs


def test_bombs(tmp_path: Path) -> None:
    names = list(BOMBS)[:: sized(3, 1)]
    made = [make(tmp_path, name, BOMBS[name]()) for name in names]
    costs = read([*made, make_huge(tmp_path, HUGE)])
    assert [fault for cost in costs for fault in cost.faults] == []
    tell("bombs", costs)


def test_lines_that_grow_in_memory(tmp_path: Path) -> None:
    names = sized(["empty lists"], list(AMPLIFIED))
    costs = read([make(tmp_path, name, AMPLIFIED[name]()) for name in names])
    assert [fault for cost in costs for fault in cost.faults] == []
    tell("lines that grow in memory", costs)


def test_what_is_no_file(tmp_path: Path) -> None:
    directories: list[Path] = []
    for kind in NO_FILES:
        directories.append(traces := make(tmp_path, kind.__name__, []))
        (traces / "runs" / "made.jsonl").unlink()
        place(kind, traces / "runs" / "made.jsonl", tmp_path)
    costs = read(directories)
    assert [fault for cost in costs for fault in cost.faults] == []
    tell("links, pipes, devices, directories, sockets", costs)


def place(kind: Callable[[Path, Path], Any], path: Path, outside: Path) -> None:
    if kind.__name__ == "unreadable":
        path.write_bytes(b"")
        path.chmod(0)
    else:
        kind(path, outside)


ON_THE_COMMAND_LINE = ["988 deep", "years of all sorts", "lone surrogates"]
ON_THE_COMMAND_LINE += sized(
    [],
    [
        "[ a million deep",
        "200,000 damaged lines",
        "a gap of everything",
        "an integer of 16 million digits",
    ],
)


@pytest.mark.parametrize("name", ON_THE_COMMAND_LINE)
def test_on_the_command_line(tmp_path: Path, name: str) -> None:
    traces = make(tmp_path, name, BOMBS[name]())
    for arguments in (["check"], ["ls"], ["show", "made"], ["show", "--json", "made"]):
        done = run("decisionlog", *arguments, traces)
        assert done.returncode in (0, 1), (arguments, done.stderr[-1000:])
        assert "Traceback" not in done.stderr
    report(13, "bombs and the command line", 1, tracebacks=0)


def test_control_a_naive_reader_and_the_bombs(tmp_path: Path) -> None:
    names = ["invalid UTF-8 everywhere", "[ a million deep", "200,000 damaged lines", "UTF-16"]
    made = [make(tmp_path, name, BOMBS[name]()) for name in names]
    costs = read([*made, make_huge(tmp_path, 2**28)], "--control")
    assert all(cost.faults for cost in costs)
    assert any("MiB" in fault for fault in costs[-1].faults)
