"""The benchmarks run, and measure what they say: the quick form, and never how long it takes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import grown, limit
from benchmarks.__main__ import MEASURES
from benchmarks.contenders import decide_each
from benchmarks.measure import Figure
from benchmarks.report import row, table
from benchmarks.targets import ANALYSIS, BY_ROW, TARGETS, chosen
from benchmarks.work import pool
from decisionlog import RunStore
from decisionlog.analysis import Analysis
from decisionlog.testing import MemorySink, Runtime

ROOT = Path(__file__).parents[1]
CHEAP = ["decision", "imperative", "eliot", "runs", "decoding", "import", "no-op"]
OF_EACH_CALL = {"id", "decision_id", "run_id", "seq", "timestamp", "latency_ms", "crc"}


def bench(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_table_and_the_same_as_json(tmp_path: Path) -> None:
    json_file = tmp_path / "new" / "bench.json"
    args = ("--quick", "--only", ",".join(CHEAP), "--json", json_file, "--directory", tmp_path)
    done = bench(*args)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(json_file.read_bytes())
    assert document["quick"] is True
    assert document["packages"]["msgspec"]
    assert document["others_cores"] is None or document["others_cores"] >= 0
    assert [measured["row"] for measured in document["rows"]] == CHEAP
    for measured in document["rows"]:
        assert measured["figure"] in done.stdout
        assert (measured["target"] + " ") in done.stdout
        if measured["value"] is None:
            assert measured["note"] == "eliot is not installed"
            continue
        assert measured["lowest"] <= measured["value"] <= measured["highest"]
        assert measured["lowest"] > 0
        assert 0 <= measured["rounds_that_hold"] <= measured["rounds"]
        assert measured["holds"] is BY_ROW[measured["row"]].holds(measured["value"])
    assert [path.name for path in tmp_path.iterdir()] == ["new"]  # what was recorded is gone


def test_the_profile(tmp_path: Path) -> None:
    done = bench("--quick", "--profile", "--json", tmp_path / "profile.json")
    assert done.returncode == 0, done.stderr
    profile = json.loads((tmp_path / "profile.json").read_bytes())["profile"]
    for step in profile["ladder"] + profile["parts"]:
        assert step["name"] in done.stdout
        assert step["total_us"] > 0
    assert profile["ladder"][0]["name"] == "limit"
    assert any(name.endswith(" (C)") for name in profile["calls"])
    assert any(name.startswith("decisionlog.") for name in profile["calls"])


def test_a_row_that_is_not_there_is_a_wrong_use() -> None:
    done = bench("--only", "decision,speed")
    assert done.returncode == 2
    assert "no row 'speed' among decision, imperative" in done.stderr


def test_every_row_is_measured_somewhere() -> None:
    measured = [name for rows in MEASURES.values() for name in rows]
    assert sorted(measured) == sorted(BY_ROW)


def test_rows_are_chosen_by_name_and_by_beginning() -> None:
    assert chosen("") == list(TARGETS)
    rows = [target.row for target in chosen("lateness,decision")]
    assert rows == ["decision", "lateness-asyncio", "lateness-uvloop", "lateness-trio"]


def test_those_of_the_analysis_are_measured_when_asked_for() -> None:
    assert chosen("analysis") == chosen("", ANALYSIS) == list(ANALYSIS)
    assert not set(TARGETS) & set(ANALYSIS)


async def test_grown_run_files_are_whole(tmp_path: Path) -> None:
    grown.copies(tmp_path / "traces", runs=7, decisions=2, options=4)
    store = RunStore(tmp_path / "traces")
    runs = [run async for run in store.runs()]
    assert [run.decision_count for run in runs] == [2] * 7
    for run in runs:
        assert not (await store.check(run.run_id)).damage


def test_a_grown_dataset_holds_what_it_says(tmp_path: Path) -> None:
    grown.dataset(tmp_path / "parquet", runs=12)
    with Analysis(tmp_path / "parquet") as analysis:
        counted = "SELECT count(*), count(DISTINCT run_id), count(DISTINCT run_succeeded) FROM "
        assert analysis.sql(counted + "decisions").rows == [[12 * grown.LENGTH, 12, 2]]
        assert analysis.sql(counted + "options").rows == [[4 * 12 * grown.LENGTH, 12, 2]]
        assert analysis.sql("SELECT count(*) FROM runs").rows == [[12]]
        assert {goal.goal_id for goal in analysis.goals().goals} <= set(grown.GOALS)


async def test_the_limit_builds_the_lines_that_are_recorded() -> None:
    """But for what differs from call to call, and the checksum."""
    items = pool(20)
    sink = MemorySink()
    async with Runtime(sinks=[sink]) as runtime:
        async with runtime.run("queue") as run:
            await decide_each(runtime, items)
    _, *recorded, _ = sink.data(run.id).splitlines()
    lines = [
        line for item in items for line in (limit.decision_line(item), limit.outcome_line(item))
    ]
    assert len(recorded) == len(lines)
    for theirs, ours in zip(map(json.loads, recorded), map(json.loads, lines), strict=True):
        assert theirs.keys() - ours.keys() == {"crc"}
        assert ours.keys() <= theirs.keys()
        for key in ours.keys() - OF_EACH_CALL:
            assert theirs[key] == ours[key]
        for key in ours.keys() & {"run_id", "timestamp"}:
            assert len(theirs[key]) == len(ours[key])


def test_items_are_as_large_as_they_are_said_to_be() -> None:
    for item in pool(200):
        assert 35 <= len(item.intent) <= 40
        assert 55 <= len(item.reasoning) <= 60
        assert 35 <= len(item.summary) <= 40
        assert len(item.context) == 3
        assert item.result is not None and len(item.result) == 2
        assert [len(option) for option in item.options] == [6, 6]
        assert item.chosen in {option["id"] for option in item.options}
    assert pool(50) == pool(50)


@pytest.mark.parametrize(
    ("name", "samples", "value", "holds"),
    [
        ("decision", [5.0, 4.0, 4.25], "4.25x", "yes"),
        ("decision", [5.0, 6.0, 4.0], "5x", "NO"),
        ("eliot", [1.0, 1.5, 1.25], "1.25x", "yes"),
        ("longest-tick", [10, 700, 20], "700 ms", "NO"),
        ("runs", [2500.0], "2,500 a second", "yes"),
    ],
)
def test_a_verdict(name: str, samples: list[float], value: str, holds: str) -> None:
    printed = table([row(BY_ROW[name], Figure(name, samples))]).splitlines()[2]
    assert [cell.strip() for cell in printed.split("|")][3:5] == [value, holds]


def test_what_is_not_measured_says_why() -> None:
    measured = row(BY_ROW["eliot"], Figure("eliot", note="eliot is not installed"))
    assert measured.holds is None
    assert "| not measured |" in table([measured])
    assert "eliot is not installed" in table([measured])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_the_viewer_takes(tmp_path: Path) -> None:
    args = ("--runs", "30", "--decisions", "50", "--directory", str(tmp_path))
    command = [sys.executable, "-m", "benchmarks.viewer", *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    for told in ("the first page of the list", "all runs read", "the run", "its last decision"):
        assert f"\n{told} " in done.stdout
    assert list(tmp_path.iterdir()) == []
