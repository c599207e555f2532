"""Parquet: only what is new, only what has ended, and nothing half done."""

from pathlib import Path

import anyio
import pytest

from decisionlog import DecisionLogError, ReadError, Runtime
from decisionlog.analysis import Analysis
from decisionlog.analysis.many import export_parquet
from tests.analysis.recorded import record


def goals(path: Path) -> list[str]:
    with Analysis(path) as analysis:
        return sorted(goal.goal_id for goal in analysis.goals().goals)


def test_only_runs_that_are_new_and_have_ended(tmp_path: Path) -> None:
    traces, out = tmp_path / "traces", tmp_path / "out"
    record(traces, ("first", [{}]))
    seen: list[tuple[int, int]] = []
    assert export_parquet(traces, out, progress=lambda *n: seen.append(n)).exported == 1
    assert seen == [(0, 1), (1, 1)]

    async def main() -> None:
        async with Runtime(traces) as runtime:
            await runtime.start_run("second")
            await runtime.flush()
            done = export_parquet(traces, out)
            assert (done.exported, done.present, done.in_progress) == (0, 1, 1)
            await runtime.end_run(True)

    anyio.run(main)
    assert goals(out) == ["first"]
    assert export_parquet(traces, out).exported == 1
    assert goals(out) == ["first", "second"]


def test_what_an_export_left_that_was_killed_does_not_count(tmp_path: Path) -> None:
    traces, out = tmp_path / "traces", tmp_path / "out"
    record(traces, ("a", [{}, {"error": "no"}]))
    export_parquet(traces, out)
    for committed in (out / "runs").iterdir():  # what is put there last
        committed.unlink()
    (out / ".x.tmp").mkdir()
    export_parquet(traces, out)
    with Analysis(out) as analysis:
        assert analysis.sql("SELECT count(*) FROM decisions").rows == [[2]]
    assert not list(out.glob(".*.tmp"))


def test_elsewhere_it_does_not_write(tmp_path: Path) -> None:
    record(tmp_path / "traces", ("a", [{}]))
    (tmp_path / "mine.txt").touch()
    for place in (tmp_path, tmp_path / "traces"):
        with pytest.raises(DecisionLogError, match="export elsewhere"):
            export_parquet(tmp_path / "traces", place)
    with pytest.raises(ReadError):
        export_parquet(tmp_path / "nowhere", tmp_path / "out")
