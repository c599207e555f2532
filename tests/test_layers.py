"""How the package hangs together, and how large its parts are."""

import ast
import subprocess
import sys
from pathlib import Path

import decisionlog
from tests.waiting import LIMIT

CORE = sorted(Path(decisionlog.__file__).parent.glob("*.py"))
RECORDING = {"buffer", "decisions", "imperative", "intake", "lanes", "recorder", "runs", "runtime"}
READING = {"reading", "store"}


def imports(path: Path, *, later: bool = False) -> set[str]:
    """The modules of the package that are imported when this one is; or also those that some
    function of it imports.
    """
    tree = ast.parse(path.read_text("utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree) if later else tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("decisionlog"):
            found |= {(node.module or "").partition(".")[2] or alias.name for alias in node.names}
    return found


def test_recording_and_reading_share_the_records_and_what_is_below_them() -> None:
    for path in CORE:
        if path.stem in RECORDING:
            assert not imports(path) & READING, path.stem
        if path.stem in READING:
            assert not imports(path) & RECORDING, path.stem


def test_the_core_knows_nothing_of_the_edge() -> None:
    edge = {"analysis", "bridges", "cli", "demo", "testing", "viewer"}
    known: set[tuple[str, str]] = set()
    for path in CORE:
        assert not {name.partition(".")[0] for name in imports(path)} & edge, path.stem
        later = imports(path, later=True)
        known |= {(path.stem, name) for name in later if name.partition(".")[0] in edge}
    # The command starts what it is the command of, and a notebook asks a run to show itself.
    assert known == {("__main__", "cli.app"), ("model", "viewer.notebook")}


def test_importing_takes_nothing_but_the_three_dependencies() -> None:
    script = (
        "import sys, aiofiles.os, anyio.lowlevel, msgspec; before = set(sys.modules)\n"
        "import decisionlog\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - {'decisionlog'} - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT
    )
    assert done.stderr == ""
    assert [name for name in done.stdout.split() if name not in ("anyio", "aiofiles")] == []


def test_no_file_of_the_core_takes_more_than_one_sitting() -> None:
    for path in CORE:
        assert len(path.read_text("utf-8").splitlines()) <= 400, path.name
