"""`decisionlog prune`: runs removed for good."""

import json
from pathlib import Path

import pytest

from decisionlog import Runtime
from tests.cli.recorded import Recorded
from tests.cli.terminal import decisionlog
from tests.runfiles import started, write


def left(path: Path) -> set[str]:
    return {file.stem for file in (path / "runs").glob("*.jsonl")}


def test_the_newest_stay(recorded: Recorded) -> None:
    result = decisionlog("prune", "--keep", 1, recorded.path)
    assert result.returncode == 0
    assert result.stdout.split() == [recorded.completed, recorded.failed]
    assert result.stderr == f"2 runs removed from {recorded.path}\n"
    assert left(recorded.path) == {recorded.stuck}


def test_what_is_old_enough_goes(recorded: Recorded) -> None:
    old = "run_20200101_000000_00000000000000ab"
    write(recorded.path, old, json.dumps(started(run_id=old)).encode() + b"\n")
    result = decisionlog("prune", "--json", "--older-than", "1w", recorded.path)
    assert json.loads(result.stdout) == [old]
    assert left(recorded.path) == {recorded.completed, recorded.failed, recorded.stuck}


@pytest.mark.parametrize("options", [["--keep", "2"], ["--older-than", "0s"], ["--keep", "0"]])
def test_a_dry_run_foretells_it(recorded: Recorded, options: list[str]) -> None:
    with Runtime(recorded.path) as runtime, runtime.run("live") as run:
        runtime.flush_blocking()
        foretold = decisionlog("prune", "--dry-run", *options, recorded.path)
        assert len(left(recorded.path)) == 4
        done = decisionlog("prune", *options, recorded.path)
        assert run.id in left(recorded.path)  # it is being written
    assert foretold.stdout == done.stdout != ""
    assert "would be removed" in foretold.stderr


def test_nothing_to_remove(recorded: Recorded) -> None:
    result = decisionlog("prune", "--older-than", "1h", recorded.path)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.startswith("0 runs removed")
