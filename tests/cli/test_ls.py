"""`decisionlog ls`: which runs there are."""

import json
import re
from pathlib import Path

import pytest

from decisionlog import Runtime
from tests.cli.recorded import Recorded, plain
from tests.cli.terminal import decisionlog, in_a_process, needs_terminal, on_terminal


def ids(*args: object) -> list[str]:
    """The runs that a listing names."""
    result = decisionlog("ls", *args)
    assert result.returncode == 0, result.stderr
    return re.findall(r"run_\w+", result.stdout)


def test_the_newest_run_comes_first_with_all_there_is_to_say(recorded: Recorded) -> None:
    result = decisionlog("ls", recorded.path)
    assert (result.returncode, result.stderr) == (0, "")
    title, stuck, failed, completed = result.stdout.splitlines()
    assert title.split()[:3] == ["STATUS", "RUN", "GOAL"]
    assert stuck.startswith(f"◆ stuck      {recorded.stuck}  rest ")
    assert failed.startswith(f"✗ failed     {recorded.failed}  fetch ")
    assert re.search(r"s +2 +0 % +1  Gave up on b.txt$", failed)
    assert completed.startswith(f"✓ completed  {recorded.completed}  fetch ")
    assert re.search(r"s +1 +100 % +0  Fetched a.txt$", completed)


def test_json_is_what_the_store_says(recorded: Recorded) -> None:
    result = decisionlog("ls", "--json", recorded.path)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == plain(recorded.summaries())
    assert result.stdout.count("\n") == 1


def test_filters(recorded: Recorded) -> None:
    assert ids("--goal", "fetch", recorded.path) == [recorded.failed, recorded.completed]
    assert ids("--status", "failed", recorded.path) == [recorded.failed]
    both = ids("--status", "failed", "--status", "stuck", recorded.path)
    assert both == [recorded.stuck, recorded.failed]
    assert ids("--limit", 2, recorded.path) == [recorded.stuck, recorded.failed]
    assert len(ids("--limit", 0, recorded.path)) == 3
    assert len(ids("--since", "1h", "--until", "2999-01-01T12:00", recorded.path)) == 3
    for arguments in (["--until", "1h"], ["--since", "2999-01-01"], ["--goal", "x"]):
        result = decisionlog("ls", *arguments, recorded.path)
        assert (result.returncode, result.stdout) == (0, "")
        assert result.stderr == "no run matches\n"
    result = decisionlog("ls", "--goal", "x", "--json", recorded.path)
    assert json.loads(result.stdout) == []


def test_times_are_local_with_their_zone_and_utc_in_json(recorded: Recorded) -> None:
    started = recorded.summaries()[0].started_at
    assert started is not None
    result = in_a_process("ls", recorded.path, env={"TZ": "XYZ-05:30"})
    hours = (started.hour + 5 + (started.minute + 30) // 60) % 24
    assert "STARTED (XYZ)" in result.stdout
    assert f"{hours:02}:{(started.minute + 30) % 60:02}:{started.second:02}" in result.stdout
    result = in_a_process("ls", "--json", recorded.path, env={"TZ": "XYZ-05:30"})
    assert json.loads(result.stdout)[0]["started_at"].endswith("Z")


def test_the_directory_is_that_of_the_environment_else_traces(recorded: Recorded) -> None:
    elsewhere = recorded.path.parent
    assert recorded.path.name == "traces"
    assert in_a_process("ls", cwd=elsewhere).stdout.count("run_") == 3
    named = in_a_process(
        "ls", cwd=elsewhere / "traces", env={"DECISIONLOG_DIR": str(recorded.path)}
    )
    assert named.stdout.count("run_") == 3
    empty = in_a_process("ls", cwd=elsewhere, env={"DECISIONLOG_DIR": ""})
    assert empty.stdout.count("run_") == 3


def test_a_directory_without_runs_is_no_error(tmp_path: Path) -> None:
    result = decisionlog("ls", tmp_path)
    assert (result.returncode, result.stdout) == (0, "")
    assert "there are no runs in" in result.stderr
    result = decisionlog("ls", "--json", tmp_path)
    assert (result.returncode, json.loads(result.stdout)) == (0, [])


def test_a_directory_that_is_not_there_is_one(tmp_path: Path) -> None:
    for arguments in ([], ["--json"]):
        result = decisionlog("ls", *arguments, tmp_path / "traces")
        assert (result.returncode, result.stdout) == (1, "")
        assert "there is no directory" in result.stderr
        assert result.stderr.count("\n") == 1
    (tmp_path / "file").touch()
    result = decisionlog("ls", tmp_path / "file")
    assert (result.returncode, result.stdout) == (1, "")
    assert "cannot be read" in result.stderr


def test_one_directory_too_deep_is_told(recorded: Recorded) -> None:
    result = decisionlog("ls", recorded.path / "runs")
    assert f"you may mean the directory above, '{recorded.path}'" in result.stderr


def test_a_run_in_progress_is_running(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("live"):
        assert runtime.flush_blocking()
        assert "► running" in decisionlog("ls", traces).stdout


@needs_terminal
@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_it_fits_the_terminal(recorded: Recorded, width: int) -> None:
    shown = on_terminal("ls", recorded.path, width=width)
    assert shown.code == 0
    assert max(map(len, shown.lines)) <= width
    for run_id in (recorded.completed, recorded.failed, recorded.stuck):
        assert run_id.rsplit("_", 1)[1][:8] in shown.text
    assert "Gave up on b.txt" in shown.text
    assert ("PROBLEMS" in shown.text) == (width >= 80)
    assert any("fetch" in line and "Gave up" in line for line in shown.lines) == (width >= 160)


@needs_terminal
def test_a_terminal_gets_the_newest_unless_it_wants_more(traces: Path) -> None:
    with Runtime(traces) as runtime:
        for n in range(51):
            with runtime.run(f"goal-{n}"):
                pass
    shown = on_terminal("ls", traces)
    assert "goal-50 " in shown.text
    assert "goal-1 " in shown.text
    assert "goal-0 " not in shown.text
    assert shown.lines[-1] == "the newest 50 runs; --limit 0 lists all"
    assert "goal-0 " in on_terminal("ls", "--limit", 0, traces).text
    assert decisionlog("ls", traces).stdout.count("run_") == 51
