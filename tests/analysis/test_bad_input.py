"""Little, odd or no data: a clear answer or a clear error, and no statistic that is none."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from decisionlog import ReadError
from decisionlog.analysis import Analysis
from tests.analysis.recorded import record

GOAL = 'it\'s a "goal"; DROP TABLE runs; --'
ONE: list[Any] = [{"id": "only", "confidence": 0.5}]


def test_an_empty_directory(tmp_path: Path) -> None:
    with Analysis(tmp_path) as analysis:
        assert analysis.goals().goals == []
        assert analysis.options().places == []
        assert analysis.nodes().nodes == []
        assert analysis.calibration().brier is None
        assert analysis.sql("SELECT count(*) FROM runs").rows == [[0]]
        for ask in (analysis.patterns, analysis.suggest, analysis.divergence, analysis.changes):
            with pytest.raises(ReadError, match="no run has the"):
                ask("x")
    with pytest.raises(ReadError, match="no directory"):
        Analysis(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "decisions",
    [[], [{}], [{"options": []}], [{"options": ONE, "chosen": "only"}] * 2, [{"pending": True}],
     [{"error": ""}], [{"intent": "x'y;--", "node": "n'\"x"}] * 3],
)  # fmt: skip
def test_one_run(tmp_path: Path, decisions: list[dict[str, Any]]) -> None:
    record(tmp_path, (GOAL, decisions), strict=False)
    with Analysis(tmp_path) as analysis:
        answers = [
            analysis.goals(), analysis.patterns(GOAL), analysis.options(GOAL), analysis.nodes(GOAL),
            analysis.calibration(GOAL), analysis.divergence(GOAL), analysis.options(None, "n'\"x"),
        ]  # fmt: skip
        assert analysis.suggest(GOAL) == []
        assert all(map(str, answers))
        assert msgspec.json.encode(answers)
        known = analysis.patterns(GOAL).success
        assert known.count == 1
        if not decisions or decisions[0].get("pending") or decisions[0].get("options") is ONE:
            assert analysis.calibration(GOAL).ece is None
        with pytest.raises(ReadError, match="; nearest: "):
            analysis.patterns(GOAL[:-1])


def test_an_unknown_goal_names_the_nearest(tmp_path: Path) -> None:
    record(tmp_path, *(("fetch", [{}]) for _ in range(2)), ("Ask Mum", [{}]))
    with Analysis(tmp_path) as analysis:
        asked = (analysis.patterns, analysis.options, analysis.nodes, analysis.calibration,
                 analysis.divergence, analysis.suggest)  # fmt: skip
        for ask in asked:
            with pytest.raises(
                ReadError, match="no run has the goal 'ask mum'; nearest: 'Ask Mum'"
            ):
                ask("ask mum")
        with pytest.raises(ReadError, match="'zzz'; the commonest: 'fetch', 'Ask Mum'"):
            analysis.patterns("zzz")


def test_missing_tables_and_columns_are_named(tmp_path: Path) -> None:
    with Analysis(tmp_path) as analysis:
        tables = {"runs": analysis.tables.runs}
        with pytest.raises(ReadError, match="'decisions' is missing"):
            Analysis(tables)
        every = dict.fromkeys(("runs", "decisions", "options", "problems"), analysis.tables.runs)
        with pytest.raises(ReadError, match="lacks the columns decision_id"):
            Analysis(every)
