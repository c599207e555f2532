"""The tables say what `RunStore` says, whatever is in the files."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import anyio
import pytest

from decisionlog import Evaluation, Option, Run, RunStatus, RunStore, Runtime
from decisionlog.analysis import Analysis
from decisionlog.analysis.fingerprints import fingerprint
from decisionlog.analysis.many.sources import rows
from decisionlog.analysis.many.tables import TABLES
from tests.analysis.recorded import record, run_file

GOAL = 'it\'s a "goal"; DROP TABLE runs; --'


async def everything(path: Path) -> None:
    """Runs with all that a run can have."""
    async with Runtime(path) as runtime:
        async with runtime.run(GOAL, "all of it", tags={"version": "1", "a b": "c'd"}) as run:
            async with runtime.decision("outer 1", node_id="one") as outer:
                async with runtime.decision(
                    "choose 12",
                    [Option("x", "X", confidence=0.9), Option("y", "Y"), Option("z", "Z")],
                    chosen="x",
                ) as inner:
                    inner.choose("y", "on second thoughts")
                    inner.choose("x")
                    inner.succeed(tokens_used=3, cost_usd=0.5, model="m", summary="well")
                outer.fail("File 'a/b.py' is missing")
            with pytest.raises(ZeroDivisionError):
                async with runtime.decision("off the menu", [Option("x")], chosen="other"):
                    _ = 1 / 0
            run.report_problem(
                "critical", "no luck 7", decision_id="dec_2", root_cause="bad luck 7"
            )
            run.report_problem("minor", "untidy", suggested_fix="tidy up")
            run.fail()
        with pytest.raises(KeyError):
            async with runtime.run("raises"):
                async with runtime.decision("raises"):
                    raise KeyError("k")
        async with runtime.run("stuck") as run:
            await runtime.decide("left pending", [{"id": "a"}, {"id": "b"}], "a", "why")
            run.stuck("nothing works")
        with anyio.CancelScope() as scope:
            async with runtime.run("cancelled"):
                async with runtime.decision("cancelled"):
                    scope.cancel()
                    await anyio.sleep(1)
        async with runtime.run("nothing happens"):
            pass


def damaged(path: Path) -> None:
    """The first runs again, under other names, each spoiled in some way."""
    [*_, whole] = sorted(
        (path / "runs").iterdir(), key=lambda file: b'"goal_id":"it' in file.read_bytes()
    )
    lines = whole.read_bytes().splitlines(keepends=True)
    n = len(lines)
    cases = {
        "flipped": [*lines[:3], lines[3].replace(b"12", b"13"), *lines[4:]],
        "missing": [*lines[:3], *lines[4:]],
        "twice": [*lines[:5], lines[4], *lines[5:]],
        "late": [*lines[:3], lines[4], lines[3], *lines[5:]],
        "no-start": lines[1:],
        "no-end": lines[:-1],
        "torn": [*lines[: n - 2], lines[n - 2][:20]],
        "garbage": [*lines[:2], b"\xff\x00{\n", b"[]\n", *lines[2:]],
        "after-the-end": [*lines, *lines[1:3]],
        "empty": [],
        "no-checksums": [line.partition(b',"crc"')[0] + b"}\n" for line in lines],
    }
    for name, those in cases.items():
        text = b"".join(those).replace(whole.stem.encode(), name.encode())
        run_file(path, name).write_bytes(b"".join(those) if name != "no-checksums" else text)
    plain = (
        b'{"type":"run_started","goal_id":"foreign","timestamp":"2026-01-19T00:00:00Z"}\n'
        b'{"type":"decision","id":"1","intent":"a","timestamp":"2026-01-19T00:00:00Z"}\n'
        b'{"type":"outcome","decision_id":"1","success":true,"timestamp":"2026-01-19T00:00:00Z"}\n'
        b'{"type":"outcome","decision_id":"1","success":false,"timestamp":"2026-01-19T00:00:00Z"}\n'
        b'{"type":"decision","id":"1","intent":"b","timestamp":"2026-01-19T00:00:00Z"}\n'
        b'{"type":"decision","id":"2","intent":7,"timestamp":"2026-01-19T00:00:00Z"}\n'
        b'{"type":"run_ended","status":"completed","timestamp":"2026-01-19T00:00:01Z"}\n'
    )
    run_file(path, "foreign").write_bytes(plain)


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "traces"
    anyio.run(everything, path)
    damaged(path)
    [judged, *_] = sorted((path / "runs").glob("run_*.jsonl"))

    async def judge() -> None:
        store = RunStore(path)
        bad = Evaluation(goal_aligned=False, better_option_id="y", outcome_quality=0.2)
        await store.evaluate(judged.stem, "dec_1", bad)

    anyio.run(judge)
    return path


@pytest.fixture(scope="module")
def told(traces: Path) -> Iterator[dict[str, list[dict[str, Any]]]]:
    with Analysis(traces) as analysis:
        yield {name: rows(getattr(analysis.tables, name)) for name in TABLES}


@pytest.fixture(scope="module")
def runs(traces: Path) -> dict[str, Run]:
    async def load() -> dict[str, Run]:
        store = RunStore(traces)
        return {run.run_id: await store.load(run.run_id) async for run in store.runs()}

    return anyio.run(load)


def test_runs(told: dict[str, list[dict[str, Any]]], runs: dict[str, Run]) -> None:
    assert {row["run_id"] for row in told["runs"]} == runs.keys()
    for row in told["runs"]:
        run = runs[row["run_id"]]
        assert row["status"] == run.status, row
        assert row["goal_id"] == run.goal_id
        started = row["started_at"]
        assert (started and started.replace(tzinfo=UTC)) == run.started_at
        assert (row["completed_at"] is None) == (run.completed_at is None)
        assert row["duration_ms"] == (run.duration_ms if run.completed_at else None)
        assert row["decisions"] == run.metrics.total_decisions
        assert row["failed_decisions"] == run.metrics.failed_decisions
        assert row["tokens"] == run.metrics.total_tokens
        assert row["problems"] == len(run.problems)
        assert row["damage"] == len(run.damage)
        assert row["error_type"] == run.error_type
        assert {tag["key"]: tag["value"] for tag in row["tags"] or []} == run.tags
        decided = {"completed": True, "failed": False, "stuck": False, "interrupted": False}
        assert row["succeeded"] is decided.get(run.status)


def test_decisions_and_options(told: dict[str, list[dict[str, Any]]], runs: dict[str, Run]) -> None:
    found = {(row["run_id"], row["decision_id"]): row for row in told["decisions"]}
    offered: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in told["options"]:
        offered.setdefault((row["run_id"], row["decision_id"]), []).append(row)
    assert found.keys() == {(run.id, d.id) for run in runs.values() for d in run.decisions}
    for (run_id, decision_id), row in found.items():
        decision = runs[run_id].decision(decision_id)
        assert decision is not None
        outcome = decision.outcome
        assert row["intent"] == decision.intent
        assert row["intent_print"] == fingerprint(decision.intent)
        assert row["node_id"] == decision.node_id
        assert row["chosen_option_id"] == decision.chosen_option_id
        assert (row["reasoning"] or "") == decision.reasoning
        assert row["parent_id"] == decision.parent_id
        assert row["option_count"] == len(decision.options)
        if decision.options:
            assert row["menu"].split("\x1f") == [option.id for option in decision.options]
        assert (row["state"] == "pending") == decision.is_pending
        assert (row["state"] == "succeeded") == decision.was_successful
        assert row["succeeded"] == (
            None if outcome is None or outcome.cancelled else outcome.success
        )
        if outcome is not None:
            assert row["error"] == outcome.error
            assert row["tokens"] == outcome.tokens_used
            assert row["latency_ms"] == outcome.latency_ms
            assert row["cost_usd"] == outcome.cost_usd
        assert row["good"] == (decision.was_good_decision if decision.evaluation else None)
        every = sorted(offered.get((run_id, decision_id), []), key=lambda each: each["position"])
        assert [each["option_id"] for each in every] == [option.id for option in decision.options]
        chosen = [each["option_id"] for each in every if each["chosen"]]
        assert chosen == ([o.id] if (o := decision.chosen_option) else [])
        assert row["offered"] == (bool(chosen) if decision.chosen_option_id else None)


def test_confidence_is_null_where_none_was_given(told: dict[str, list[dict[str, Any]]]) -> None:
    given = {row["intent"]: row["confidence"] for row in told["decisions"]}
    assert given["choose 12"] == 0.9
    assert given["left pending"] is None
    assert given["off the menu"] is None


def test_problems(told: dict[str, list[dict[str, Any]]], runs: dict[str, Run]) -> None:
    found = {(row["run_id"], row["problem_id"]): row for row in told["problems"]}
    every = {(run.id, problem.id): problem for run in runs.values() for problem in run.problems}
    assert found.keys() == every.keys()
    for key, problem in every.items():
        assert found[key]["severity"] == problem.severity
        assert found[key]["suggested_fix"] == problem.suggested_fix
        expected = fingerprint(problem.root_cause or problem.description)
        assert found[key]["cause_print"] == expected


def test_causes(told: dict[str, list[dict[str, Any]]]) -> None:
    causes = {row["goal_id"]: row for row in told["runs"] if row["run_id"].startswith("run_")}
    assert causes[GOAL]["cause"] == "bad luck 7"
    assert causes[GOAL]["cause_print"] == "bad luck <n>"
    assert causes[GOAL]["cause_decision_id"] == "dec_2"
    assert causes["raises"]["cause_decision_id"] == "dec_0"
    assert causes["nothing happens"]["cause"] is None
    assert causes["cancelled"]["cause"] is None


def test_visits_and_failures_so_far(tmp_path: Path) -> None:
    good, bad = {"intent": "look 1"}, {"intent": "look 2", "error": "no"}
    record(tmp_path, ("a", [good, bad, {"intent": "jump"}, bad, good | {"node": "other"}]))
    with Analysis(tmp_path) as analysis:
        found = sorted(rows(analysis.tables.decisions), key=lambda row: row["step"])
    columns = ("step", "visit", "node_visit", "failures_before")
    assert [tuple(row[name] for name in columns) for row in found] == [
        (1, 1, 1, 0), (2, 2, 2, 0), (3, 1, 3, 1), (4, 3, 4, 1), (5, 1, 1, 2),
    ]  # fmt: skip


def test_who_is_writing_and_who_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        async with Runtime(tmp_path) as runtime:
            await runtime.start_run("live")
            await runtime.decide("x", [], None, "")
            await runtime.flush()
            shutil.copytree(tmp_path / "runs", tmp_path / "gone" / "runs")
            with Analysis(tmp_path) as analysis, Analysis(tmp_path / "gone") as gone:
                [live], [dead] = rows(analysis.tables.runs), rows(gone.tables.runs)
                assert (live["status"], live["succeeded"]) == (RunStatus.RUNNING, None)
                assert (dead["status"], dead["succeeded"]) == (RunStatus.INTERRUPTED, False)
                assert rows(analysis.tables.decisions)[0]["state"] == "pending"

    anyio.run(main)


def test_links_are_not_followed(tmp_path: Path) -> None:
    [run_id] = record(tmp_path / "elsewhere", ("secret", [{}]))
    record(tmp_path / "traces", ("a", [{}]))
    os.symlink(run_file(tmp_path / "elsewhere", run_id), run_file(tmp_path / "traces", run_id))
    with Analysis(tmp_path / "traces") as analysis:
        assert [row["goal_id"] for row in rows(analysis.tables.runs)] == ["a"]


def test_all_columns_are_there_in_the_order_of_the_list(traces: Path) -> None:
    with Analysis(traces) as analysis:
        for name, columns in TABLES.items():
            frame = getattr(analysis.tables, name)
            assert frame.collect_schema().names() == [column.name for column in columns]
