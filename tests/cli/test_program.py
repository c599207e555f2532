"""What all commands have in common: exit codes, pipes, hostile traces, installation, shells."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from decisionlog import Option, Runtime, __version__
from tests.cli.recorded import Recorded
from tests.cli.terminal import (
    COMMAND,
    decisionlog,
    environment,
    in_a_process,
    needs_terminal,
    on_terminal,
    started,
)

VIEWS = [
    ["ls"],
    ["show", "--full"],
    ["why"],
    ["why", "--full"],
    ["diff", "last", "last", "--full"],
    ["tail"],
    ["check"],
]


def python(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment())


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_how_to_install_it(missing: str) -> None:
    result = python(f"""
import sys
sys.modules["{missing}"] = None
from decisionlog.__main__ import main
sys.exit(main())
""")
    assert (result.returncode, result.stdout) == (2, "")
    assert 'python -m pip install "decisionlog[cli]"' in result.stderr
    assert result.stderr.count("\n") == 1


def test_another_missing_module_is_not_taken_for_it() -> None:
    result = python("""
import sys
sys.modules["decisionlog.cli.app"] = None
from decisionlog.__main__ import main
sys.exit(main())
""")
    assert "ModuleNotFoundError" in result.stderr


def test_the_library_does_not_import_its_command_line() -> None:
    result = python("""
import sys
import decisionlog, decisionlog.__main__
print([name for name in sys.modules if name.split(".")[0] in ("click", "rich")
       or name.startswith(("decisionlog.cli", "decisionlog.demo"))])
""")
    assert result.stdout == "[]\n"


def test_the_installed_command_is_the_same() -> None:
    script = Path(sys.executable).with_name("decisionlog")
    command = [str(script), "--version"]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment())
    assert result.stdout == f"decisionlog, version {__version__}\n"
    assert result.stdout.split()[-1] == in_a_process("--version").stdout.split()[-1]


def test_usage(recorded: Recorded) -> None:
    for arguments in (
        ["dance"],
        ["ls", "--nope"],
        ["ls", "--status", "happy"],
        ["ls", "--since", "yesterday"],
        ["ls", "--since", "9999-99-99"],
        ["ls", "--limit", "-1"],
        ["show", "last", recorded.path, "more"],
        ["why", "last", recorded.path, "more"],
        ["diff", "last"],
        ["prune", recorded.path],
        ["prune", "--older-than", "yesterday", recorded.path],
        ["prune", "--keep", "-1", recorded.path],
    ):
        result = decisionlog(*arguments)
        assert (result.returncode, result.stdout) == (2, ""), arguments
        assert "Usage: " in result.stderr
    result = in_a_process("--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.findall(r"^  (\w+)  ", result.stdout, re.MULTILINE) == [
        *("calibration", "changes", "check", "demo", "diff", "divergence", "export", "goals", "ls"),
        *("nodes", "options", "patterns", "prune", "report", "show", "sql", "suggest", "tail"),
        *("view", "why"),
    ]


def test_it_runs_within_a_program_as_well(recorded: Recorded) -> None:
    from decisionlog.cli.app import program

    for view in VIEWS:
        result = CliRunner().invoke(program, [*view, str(recorded.path)])
        assert result.exit_code == 0, result.output
        assert recorded.stuck in result.output or view == ["check"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("command", ["ls", "show", "why", "tail", "check"])
def test_a_reader_who_has_seen_enough_ends_it_quietly(
    recorded: Recorded, command: str, options: list[str]
) -> None:
    with started(command, *options, recorded.path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


# Traces are written by agents, and by those whom they listened to.

TITLE = "\x1b]0;title\x07"
EVIL = f"{TITLE}\x1b[35;45m\x1b[2J\x9b31m\x08\r\u202e[red]markup[/red] [/] [bold\x00\x7f\u2028"
BROKEN = "broken\nin\r\nlines\tand tabs"


@pytest.fixture
def hostile(traces: Path) -> Path:
    option = Option(EVIL, EVIL + BROKEN, pros=[EVIL], cons=[BROKEN], confidence=0.5)
    wide = Option("漢字" * 40, "漢字" * 60, confidence=0.5)
    with (
        Runtime(traces) as runtime,
        runtime.run(EVIL, EVIL + BROKEN, {EVIL: EVIL}, tags={EVIL: EVIL}) as run,
    ):
        with runtime.decision(
            EVIL + BROKEN,
            [option, wide],
            EVIL,
            EVIL + BROKEN,
            EVIL,
            constraints=[EVIL],
            context={EVIL: EVIL},
        ) as decision:
            decision.report_problem("critical", EVIL + BROKEN, root_cause=EVIL, suggested_fix=EVIL)
            with runtime.decision("家族👨‍👩‍👧" * 20, chosen=EVIL) as inner:
                inner.succeed(EVIL, summary=EVIL, state_changes={EVIL: EVIL}, model=EVIL)
            decision.fail(EVIL + BROKEN)
        run.fail(EVIL + BROKEN, EVIL)
    return traces


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_in_a_trace_reaches_a_pipe_raw(hostile: Path, view: list[str]) -> None:
    result = decisionlog(*view, hostile)
    assert (result.returncode, result.stderr) == (0, "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", result.stdout)
    if view != ["check"]:
        assert "[red]markup[/red] [/] [bold" in result.stdout
        assert r"\x1b]0;title\x07\x1b[35;45m" in result.stdout


@needs_terminal
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [60, 200])
def test_nothing_in_a_trace_reaches_a_terminal_raw(
    hostile: Path, view: list[str], width: int
) -> None:
    shown = on_terminal(*view, hostile, width=width)
    assert shown.code == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", shown.text)
    assert "\x1b[35;45m" not in shown.raw
    if view != ["check"]:
        assert max(map(cell_len, shown.lines)) <= width


@needs_terminal
@pytest.mark.parametrize("view", VIEWS)
def test_nor_does_it_in_json(hostile: Path, view: list[str]) -> None:
    shown = on_terminal(*view, "--json", hostile)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown.text)
    if view == ["ls"]:
        assert json.loads(shown.text)[0]["goal_id"] == EVIL
    if view == ["show", "--full"]:
        assert json.loads(shown.text)["decisions"][0]["options"][0]["cons"] == [BROKEN]
        assert shown.text.count("\n") > 20  # a person reads it


def test_an_unknown_run_is_named_harmlessly(recorded: Recorded) -> None:
    result = decisionlog("show", "\x1b[2J\x9b[red]", recorded.path)
    assert result.returncode == 1
    assert r"'\x1b[2J\x9b[red]'" in result.stderr


# The shell


def asked(words: str) -> dict[str, str]:
    """How bash asks what to offer for the last of these words."""
    place = len(words.split(" ")) - 1
    return {"_DECISIONLOG_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(place)}


def complete(words: str) -> list[str]:
    """What it is offered."""
    from decisionlog.cli.app import program

    env = environment(**asked(words))
    return CliRunner(env=env).invoke(program, prog_name="decisionlog").output.split()


def test_runs_are_completed(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [recorded.stuck, recorded.failed, recorded.completed]
    monkeypatch.delenv("DECISIONLOG_DIR", raising=False)
    monkeypatch.chdir(recorded.path.parent)
    assert complete("decisionlog show ") == [f"plain,{name}" for name in ["last", *ids]]
    assert complete("decisionlog show la") == ["plain,last"]
    assert complete(f"decisionlog tail {ids[0][:-2]}") == [f"plain,{ids[0]}"]
    assert complete("decisionlog check trac") == ["dir,trac"]
    assert complete("decisionlog why la") == ["plain,last"]
    assert complete(f"decisionlog diff last {ids[1][:-2]}") == [f"plain,{ids[1]}"]
    assert "plain,show" in complete("decisionlog s")
    monkeypatch.chdir(recorded.path)
    assert complete("decisionlog show ") == ["plain,last"]


def test_the_installed_command_completes(recorded: Recorded) -> None:
    script = Path(sys.executable).with_name("decisionlog")
    env = environment(**asked("decisionlog show "), DECISIONLOG_DIR=str(recorded.path))
    done = subprocess.run([str(script)], capture_output=True, encoding="utf-8", env=env)
    assert f"plain,{recorded.stuck}" in done.stdout.split()


def test_the_command_says_how_it_is_called() -> None:
    assert COMMAND[-2:] == ["-m", "decisionlog"]
    assert in_a_process("ls", "--help").stdout.startswith("Usage: python -m decisionlog ls")
