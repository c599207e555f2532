"""The answers from real runs, against a count over the raw data."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from decisionlog.analysis import Analysis

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("DECISIONLOG_EXAMPLE_DATA", ROOT.parent / "shared" / "data"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analysis]:
    path = tmp_path_factory.mktemp("real") / "traces"
    replay = [sys.executable, str(ROOT / "examples" / "replay.py"), str(path), "--data", str(DATA)]
    subprocess.run(replay, check=True, capture_output=True)
    with Analysis(path) as analysis:
        yield analysis


def labels() -> list[dict[str, Any]]:
    lines = (DATA / "autogpt-benchmarks" / "labels.jsonl").read_text().splitlines()
    every = [json.loads(line) for line in lines]
    return [each for each in every if each["agent"] == "auto-gpt" and "success" in each
            and each["success"] is not None]  # fmt: skip


def test_goals(analysis: Analysis) -> None:
    runs = Counter(label["goal"] for label in labels())
    good = Counter(label["goal"] for label in labels() if label["success"])
    found = {goal.goal_id: goal for goal in analysis.goals().goals}
    games = found.pop("game-of-24")
    assert (games.runs, games.success.succeeded) == (100, 69)
    assert {goal: (each.runs, each.success.succeeded) for goal, each in found.items()} == {
        goal: (n, good[goal]) for goal, n in runs.items()
    }


def test_time_limits_as_a_cause(analysis: Analysis) -> None:
    cut_off = Counter(
        label["goal"] for label in labels() if not label["success"] and label["reached_cutoff"]
    )
    for goal, n in cut_off.items():
        causes = {cause.cause: cause.runs for cause in analysis.patterns(goal).causes}
        assert causes["reached the time limit of the benchmark"] == n


def test_how_well_values_predict_success(analysis: Analysis) -> None:
    name = "gpt-4_0.7_propose1_value3_greedy5_start900_end1000.json.gz"
    with gzip.open(DATA / "tot-game24" / name, "rt") as file:
        puzzles = json.load(file)
    squares: list[float] = []
    for puzzle in puzzles:
        reached = [y for y, i in zip(puzzle["ys"], puzzle["infos"], strict=True) if i["r"]]
        for step in puzzle["steps"]:
            best = step["select_new_ys"][0]
            value = step["values"][step["new_ys"].index(best)] / 60
            if all(other == 30 for other in step["values"]):
                continue
            squares.append((value - any(answer.startswith(best) for answer in reached)) ** 2)
    found = analysis.calibration("game-of-24", "search")
    assert found.count == len(squares)
    assert found.brier == pytest.approx(sum(squares) / len(squares))
    assert found.verdict == "overconfident"
