"""The commands that look at many runs: what they print, as text and as JSON; their exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from decisionlog import Option, Runtime
from tests.cli.terminal import decisionlog, needs_terminal, on_terminal
from tests.waiting import LIMIT

OPTIONS = [Option("near", confidence=0.9), Option("far", confidence=0.6)]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty runs: at one place the agent chooses near, which fails, or far, which does not."""
    path = tmp_path_factory.mktemp("many")
    with Runtime(path) as runtime:
        for number in range(40):
            with runtime.run("fetch it's") as run:
                chosen = "near" if number % 2 else "far"
                with runtime.decision("Which mirror", OPTIONS, chosen, "", "fetcher") as decision:
                    if chosen == "near":
                        decision.fail(f"no answer after {number} ms")
                if chosen == "near":
                    run.fail("gave up")
    return path


def answer(*args: object) -> str:
    result = decisionlog(*args)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def as_json(*args: object) -> Any:
    return json.loads(answer(*args, "--json"))


def test_patterns(traces: Path) -> None:
    assert "20 decisions of 20 runs at fetcher: no answer after <n> ms" in answer(
        "patterns", "fetch it's", traces
    )
    found = as_json("patterns", "fetch it's", traces)
    assert (found["goal_id"], found["runs"]) == ("fetch it's", 40)


def test_options(traces: Path) -> None:
    told = answer("options", traces)
    assert "fetcher: Which mirror" in told
    assert "near: chosen 20 of 40 times; success 0%" in told
    [place] = as_json("options", "--node", "fetcher", "--goal", "fetch it's", traces)["places"]
    regrets = {option["option_id"]: option["regret"] for option in place["options"]}
    assert regrets["near"] is not None
    assert regrets["far"] is None


def test_calibration(traces: Path) -> None:
    assert "Brier score" in answer("calibration", traces)
    assert 0 < as_json("calibration", traces)["brier"] < 1


def test_nodes(traces: Path) -> None:
    assert answer("nodes", traces).startswith("fetcher: 40 decisions, 20 failed")
    [node] = as_json("nodes", "--goal", "fetch it's", traces)["nodes"]
    assert (node["node_id"], node["failed"]) == ("fetcher", 20)


def test_suggest(traces: Path) -> None:
    found = as_json("suggest", "fetch it's", traces)
    assert any("near" in json.dumps(suggestion) for suggestion in found)
    assert found[0]["target"] in answer("suggest", "fetch it's", traces)


def test_a_suggestion_that_the_runs_do_not_support(tmp_path: Path) -> None:
    with Runtime(tmp_path) as runtime, runtime.run("goal"), runtime.decision("decide"):
        pass
    assert answer("suggest", "goal", tmp_path) == "The runs support no suggestion.\n"
    assert as_json("suggest", "goal", tmp_path) == []


def test_sql(traces: Path) -> None:
    told = answer("sql", "SELECT status, count(*) AS n FROM runs GROUP BY 1 ORDER BY 1", traces)
    assert [line.split() for line in told.splitlines()] == [
        ["status", "n"],
        ["completed", "20"],
        ["failed", "20"],
    ]
    assert as_json("sql", "SELECT 1 AS one", traces)["rows"] == [[1]]


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["sql", "COPY runs TO 'stolen.csv'"], "only SELECT is answered"),
        (["sql", "SELECT * FROM read_csv('/etc/passwd')"], ""),
        (["sql", "SELECT nothing FROM runs"], "nothing"),
        (["patterns", "another"], "no run has the goal 'another'; the commonest: \"fetch it's\""),
        (["suggest", "fetch its"], 'nearest: "fetch it\'s"'),
        (["options", "--goal", "fetch"], 'nearest: "fetch it\'s"'),
    ],
)
def test_what_is_not_answered(traces: Path, command: list[str], complaint: str) -> None:
    result = decisionlog(*command, traces)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("decisionlog: ")
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


def test_export(traces: Path, tmp_path: Path) -> None:
    out = tmp_path / "dataset"
    assert answer("export", "parquet", out, traces) == (
        f"Exported 40 runs to {out}; 0 were there already\n"
    )
    again = as_json("export", "parquet", out, traces)
    assert (again["exported"], again["present"]) == (0, 40)
    assert answer("options", out) == answer("options", traces)


@needs_terminal
def test_export_shows_how_far_it_is(traces: Path, tmp_path: Path) -> None:
    told = on_terminal("export", "parquet", tmp_path / "dataset", traces)
    assert "Exporting" in told.raw


def test_without_the_extra_it_says_what_to_install(traces: Path) -> None:
    script = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from importlib import util; find = util.find_spec\n"
        "util.find_spec = lambda name, *p: None if name == 'duckdb' else find(name, *p)\n"
        "from decisionlog.cli.app import program; program(prog_name='decisionlog')"
    )
    command = [sys.executable, "-c", script, "nodes", str(traces)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (1, "")
    needed = 'this needs duckdb; install it with: python -m pip install "decisionlog[analysis]"'
    assert needed in done.stderr
