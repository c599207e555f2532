"""`decisionlog demo`: an agent at work, and what it leaves."""

import json
import re
import shlex
import signal
import sys
from pathlib import Path

import anyio
import pytest
from rich.cells import cell_len

from decisionlog import Decision, Outcome, Problem, Run
from decisionlog.cli.showcase import clearest
from tests.cli.terminal import decisionlog, in_a_process, needs_terminal, on_terminal, started
from tests.waiting import until


def test_it_shows_the_runs_a_failure_and_the_way_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = in_a_process("demo", "--runs", 4, "--out", "my traces", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    table, *rest = result.stdout.split("\n\n")
    assert len(table.splitlines()) == 5
    assert re.fullmatch(r"4 runs and \d+ records in [\d.]+ s, recorded in my traces", rest[0])
    why = result.stdout.split("Why did ")[1].split("Look further")[0]
    assert re.search(r"^✗ Get .+ → wait-", why, re.MULTILINE)
    assert re.search(r"^├─✗ Next step for .+ → ", why, re.MULTILINE)
    assert "    ● " in why.replace("│", " ")
    assert "✗ critical " in why
    commands = re.findall(r"^  python -m decisionlog (\w+.*?)  +\S", result.stdout, re.MULTILINE)
    names = [command.split()[0] for command in commands]
    assert names == ["view", "check", "tail", "ls", "show", "why"]
    view, *commands = commands
    assert view.endswith(" 'my traces'")
    with started("view", tmp_path / "my traces", "--no-open", "--port=0") as viewer:
        assert viewer.stdout is not None
        assert "my traces at http://127.0.0.1:" in viewer.stdout.readline()
        viewer.terminate()
    monkeypatch.chdir(tmp_path)
    for command in commands:
        assert command.endswith(" 'my traces'")
        further = decisionlog(*shlex.split(command))
        assert (further.returncode, further.stderr) == (0, ""), command
    for command in commands[3:]:
        shown = decisionlog(*shlex.split(command)).stdout
        assert shown.startswith("✗ fetch-")


def test_the_failure_it_shows_is_the_one_that_takes_the_fewest_words() -> None:
    def run(name: str, steps: int, *, failed: bool = True, critical: bool = True) -> Run:
        failure = Outcome(False, cancelled=not failed)
        inner = [Decision(f"{name}{n}", parent_id=name, outcome=failure) for n in range(steps)]
        problem = Problem("p", "critical" if critical else "warning", decision_id=name)
        return Run(name, decisions=[Decision(name, outcome=failure), *inner], problems=[problem])

    for best, others in (
        (run("short", 2), [run("trivial", 1), run("long", 3)]),
        (run("critical", 5), [run("minor", 2, critical=False)]),
        (run("failed", 5, critical=False), [run("cut off", 2, failed=False, critical=False)]),
    ):
        for failures in ([best, *others], [*others, best]):
            assert clearest(failures) == (best, best.decisions[0])
    assert clearest([run("trivial", 1), Run("empty")]) is None


def test_json_is_the_report_and_the_runs_are_there(tmp_path: Path) -> None:
    out = tmp_path / "somewhere else"
    result = decisionlog("demo", "--runs", 2, "--seed", 3, "--out", out, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert report["directory"] == str(out)
    assert (len(report["runs"]), report["lost"]) == (2, 0)
    listed = json.loads(decisionlog("ls", "--json", out).stdout)
    assert {each["run_id"] for each in listed} == {each["run_id"] for each in report["runs"]}
    checked = json.loads(decisionlog("check", "--json", out).stdout)
    assert sum(each["records"] for each in checked) == report["records"]


@needs_terminal
def test_a_bar_moves_on_a_terminal_and_is_gone_in_the_end(tmp_path: Path) -> None:
    shown = on_terminal("demo", "--runs", 2, "--out", tmp_path / "traces", width=70)
    assert shown.code == 0
    assert "━" in shown.raw
    assert re.search(r"\d+/\d+ files, [01]/2 runs", shown.text)
    assert shown.raw.rindex("━") < shown.raw.rindex("\x1b[2K")
    table_on = shown.text[shown.text.rindex("GOAL") :]
    for line in table_on.splitlines():
        assert cell_len(line) <= 70 or str(tmp_path) in line


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    with started("demo", "--runs", 1000, "--out", tmp_path / "traces") as demo:
        anyio.run(until, lambda: list(tmp_path.glob("traces/runs/*.jsonl")))
        assert demo.stderr is not None
        demo.send_signal(signal.SIGINT)
        assert demo.wait() == 130
        assert "Traceback" not in demo.stderr.read()
    assert decisionlog("check", tmp_path / "traces").returncode == 0


def test_nothing_recorded_is_told(tmp_path: Path) -> None:
    env = {"DECISIONLOG_DISABLED": "1"}
    result = in_a_process("demo", "--runs", 1, "--out", tmp_path / "traces", env=env)
    assert (result.returncode, result.stdout) == (1, "")
    assert "nothing was recorded; is DECISIONLOG_DISABLED set?" in result.stderr


@pytest.mark.parametrize("arguments", [["--runs", "0"], ["--runs", "x"], ["--seed", "x"], ["here"]])
def test_what_it_does_not_take(arguments: list[str]) -> None:
    result = decisionlog("demo", *arguments)
    assert (result.returncode, result.stdout) == (2, "")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = decisionlog("demo", "--runs", 1, "--out", tmp_path / "file" / "traces")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
