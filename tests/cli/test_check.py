"""`decisionlog check`: is every record whole and in its place?"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from decisionlog import RunCheck, RunStore
from decisionlog.records import Gap, decode, encode, seal, unseal
from tests.cli.recorded import Recorded, plain
from tests.cli.terminal import decisionlog


def checks(recorded: Recorded) -> dict[str, RunCheck]:
    async def collect() -> dict[str, RunCheck]:
        store = RunStore(recorded.path)
        ids = (recorded.completed, recorded.failed, recorded.stuck)
        return {run_id: await store.check(run_id) for run_id in ids}

    return anyio.run(collect)


def test_all_is_well(recorded: Recorded) -> None:
    records = sum(each.records for each in checks(recorded).values())
    for arguments, summary in (
        ([recorded.path], f"3 runs in {recorded.path}, {records} records"),
        (["last", recorded.path], f"1 run in {recorded.path}, 3 records"),
        ([recorded.completed[:-1], recorded.path], f"1 run in {recorded.path}, 4 records"),
    ):
        result = decisionlog("check", *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout == f"✓ {summary}: all whole\n"


def flip(lines: list[bytes]) -> None:
    lines[2] = lines[2].replace(b'"', b"'", 1)


def remove(lines: list[bytes]) -> None:
    del lines[1]


def repeat(lines: list[bytes]) -> None:
    lines.insert(2, lines[1])


@pytest.mark.parametrize(
    ("harm", "line"), [(flip, 3), (remove, 2), (repeat, 3)], ids=["flip", "remove", "repeat"]
)
def test_damage_is_named_with_its_line(
    recorded: Recorded, harm: Callable[[list[bytes]], None], line: int
) -> None:
    recorded.damage(recorded.completed, harm)
    result = decisionlog("check", recorded.path)
    assert (result.returncode, result.stderr) == (1, "")
    first, *_, last = result.stdout.splitlines()
    assert first.startswith(f"✗ {recorded.file(recorded.completed)}:{line}: ")
    assert last.endswith(": 1 not whole")
    assert decisionlog("check", recorded.completed, recorded.path).returncode == 1
    assert decisionlog("check", recorded.failed, recorded.path).returncode == 0


def test_data_after_the_end_is_damage(recorded: Recorded) -> None:
    with recorded.file(recorded.completed).open("ab") as file:
        file.write(b'{"type":"outc')
    result = decisionlog("check", recorded.path)
    assert result.returncode == 1
    assert result.stdout.startswith(f"✗ {recorded.file(recorded.completed)}")


def test_json_is_what_the_store_says_whatever_that_is(recorded: Recorded) -> None:
    recorded.damage(recorded.completed, remove)
    found = checks(recorded)
    result = decisionlog("check", "--json", recorded.path)
    assert (result.returncode, result.stderr) == (1, "")
    assert json.loads(result.stdout) == [plain(found[run_id]) for run_id in sorted(found)]
    result = decisionlog("check", "--json", recorded.stuck, recorded.path)
    assert (result.returncode, json.loads(result.stdout)) == (0, [plain(found[recorded.stuck])])


def test_records_which_the_writer_lost_are_a_loss(recorded: Recorded) -> None:
    def lose(lines: list[bytes]) -> None:
        lost = decode(unseal(lines[2].rstrip(b"\n"))[0])
        assert not isinstance(lost, dict)
        lines[2] = seal(encode(Gap(1, lost.timestamp, "disk full", recorded.completed, lost.seq)))

    recorded.damage(recorded.completed, lose)
    result = decisionlog("check", recorded.path)
    assert result.returncode == 1
    assert "1 record lost, as its writer noted\n" in result.stdout
    assert "1 not whole" in result.stdout
    tail = decisionlog("tail", recorded.completed, recorded.path)
    assert "1 record lost: disk full\n" in tail.stdout
    show = decisionlog("show", recorded.completed, recorded.path)
    assert "✗ 1 record lost, as its writer noted\n" in show.stdout


KILLED = """
import sys, time
from decisionlog import Runtime
runtime = Runtime(sys.argv[1]).__enter__()
runtime.run("goal").__enter__()
runtime.decision("Before the end").__enter__()
assert runtime.flush_blocking()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_process_leaves_an_interrupted_run_and_no_damage(traces: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(traces)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"ready\n"
        result = decisionlog("check", traces)
        assert (result.returncode, result.stdout.count("\n")) == (0, 1)
        os.kill(agent.pid, signal.SIGKILL)
    [file] = (traces / "runs").iterdir()
    with file.open("ab") as torn:
        torn.write(b'{"type":"outcome","success":tr')
    result = decisionlog("check", traces)
    assert (result.returncode, result.stderr) == (0, "")
    note, summary = result.stdout.splitlines()
    assert note.startswith(f"! {file}: interrupted: it never ended, 30 bytes of a record")
    assert summary.startswith("✓ 1 run")
    assert "! interrupted" in decisionlog("ls", traces).stdout
    shown = decisionlog("show", traces).stdout
    assert shown.startswith("! goal interrupted")
    assert "… Before the end" in shown


def test_a_directory_without_runs_is_whole(tmp_path: Path) -> None:
    result = decisionlog("check", tmp_path)
    assert (result.returncode, result.stdout) == (
        0,
        f"✓ 0 runs in {tmp_path}, 0 records: all whole\n",
    )
    result = decisionlog("check", tmp_path / "nowhere")
    assert (result.returncode, result.stdout) == (1, "")
    assert "there is no directory" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links")
def test_a_file_that_cannot_be_read_is_told_and_the_others_are_checked(recorded: Recorded) -> None:
    file = recorded.file(recorded.completed)
    file.unlink()
    file.symlink_to(recorded.file(recorded.failed))
    result = decisionlog("check", recorded.path)
    assert result.returncode == 1
    assert recorded.completed in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout.startswith("✓ 2 runs")
