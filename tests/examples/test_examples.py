"""Every example runs as a user runs it, and leaves runs that read back."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.waiting import LIMIT

from decisionlog import Decision, Run, RunStatus, RunStore

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = Path(
    os.environ.get("DECISIONLOG_EXAMPLE_DATA", EXAMPLES.parents[1] / "shared" / "data")
).absolute()


def run_example(name: str, cwd: Path, *arguments: str) -> str:
    """What the example printed; it fails on a warning, or on anything else on stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def load_all(traces: Path) -> list[Run]:
    """The runs there, oldest first; none of their files is damaged."""

    async def load() -> list[Run]:
        store = RunStore(traces)
        return [await store.load(s.run_id) async for s in store.runs(newest_first=False)]

    runs = anyio.run(load)
    assert [run.damage for run in runs] == [[]] * len(runs)
    return runs


def the_run(traces: Path) -> Run:
    [run] = load_all(traces)
    return run


def by_intent(run: Run) -> dict[str, Decision]:
    return {decision.intent: decision for decision in run.decisions}


def test_all_examples_are_tested() -> None:
    tested = {name.removeprefix("test_") for name in globals()}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested


@pytest.mark.parametrize(
    "name", ["shortest", "scopes", "decorators", "imperative", "many_runs", "replay"]
)
def test_the_directory_is_an_argument_and_traces_by_default(name: str, tmp_path: Path) -> None:
    some = ["--limit", "1"] if name == "replay" else []
    if name == "replay" and not DATA.is_dir():
        pytest.skip(f"there is no folder {DATA}")
    env = ["--data", str(DATA)] if name == "replay" else []
    run_example(name, tmp_path, *some, *env)
    assert [path.name for path in tmp_path.iterdir()] == ["traces"]
    run_example(name, tmp_path, "other", *some, *env)
    assert len(load_all(tmp_path / "other")) == len(load_all(tmp_path / "traces")) > 0


def test_shortest(tmp_path: Path) -> None:
    printed = run_example("shortest", tmp_path)
    run = the_run(tmp_path / "traces")
    [decision] = run.decisions
    assert run.status == RunStatus.COMPLETED
    assert decision.chosen_option is not None
    assert decision.chosen_option.description == "Work it out"
    assert decision.outcome is not None
    assert (decision.outcome.result, decision.outcome.tokens_used) == (4, 12)
    assert f"decisionlog show {run.id} traces" in printed


def test_scopes(tmp_path: Path) -> None:
    run_example("scopes", tmp_path)
    run = the_run(tmp_path / "traces")
    made = by_intent(run)
    where = made["Where to look for the order"]
    failed, asked = made["Ask the carrier"], made["Ask our database"]
    wording = made["How to word the answer"]

    assert run.status == RunStatus.COMPLETED
    assert run.output_data == {"answer": "Your order was shipped 2 days ago."}
    assert where.chosen_option_id == "database"
    assert where.was_successful
    assert (failed.parent_id, asked.parent_id) == (where.id, where.id)
    assert failed.outcome is not None
    assert failed.outcome.error_type == "ConnectionError"
    assert failed.outcome.traceback
    assert "in ask_carrier" in failed.outcome.traceback
    assert {decision.node_id for decision in (where, failed, asked)} == {"lookup"}
    assert (wording.parent_id, wording.node_id) == (None, "writer")
    assert wording.outcome is not None
    assert wording.outcome.tokens_used == 201
    [problem] = run.problems
    assert (problem.severity, problem.decision_id) == ("warning", where.id)


def test_decorators(tmp_path: Path) -> None:
    run_example("decorators", tmp_path)
    run = the_run(tmp_path / "traces")
    made = by_intent(run)
    where, streamed = made["Where to look for the order"], made["How to word the answer"]

    assert run.output_data == "Your order was shipped 2 days ago."
    assert [option.id for option in where.options] == ["carrier", "database"]
    assert where.chosen_option_id == "database"
    assert where.input_context == {"order": 1042}
    assert made["Ask the carrier"].parent_id == where.id
    assert not made["Ask the carrier"].was_successful
    assert made["Ask our database"].was_successful
    assert streamed.outcome is not None
    assert streamed.outcome.result == run.output_data
    assert streamed.outcome.latency_ms >= 5  # until its last word
    assert [problem.decision_id for problem in run.problems] == [where.id]


def test_imperative(tmp_path: Path) -> None:
    run_example("imperative", tmp_path)
    run = the_run(tmp_path / "traces")
    made = by_intent(run)

    assert run.status == RunStatus.COMPLETED
    assert made["Ask the database?"].was_successful
    assert made["Ask the warehouse?"].was_successful
    assert not made["Ask the carrier?"].was_successful
    assert not made["Ask the carrier?"].is_pending
    assert [option.id for option in made["Ask the carrier?"].options] == ["ask", "skip"]
    assert made["Ask the carrier?"].node_id == "lookup"
    assert made["Which answer to give"].node_id == "writer"
    assert made["Which answer to give"].was_successful
    assert made["Close the ticket"].is_pending
    assert made["Close the ticket"].options[0].action_type == "execute"
    assert [problem.decision_id for problem in run.problems] == [made["Ask the carrier?"].id]


def test_many_runs(tmp_path: Path) -> None:
    run_example("many_runs", tmp_path)
    runs = load_all(tmp_path / "traces")

    assert len(runs) == 40
    for run in runs:
        number = run.input_data["number"]
        factors = run.output_data
        product = 1
        for factor in factors:
            product *= factor
        assert product == number
        assert run.status == ("failed" if factors == [number] else "completed")
        planned, tried = run.decisions[::2], run.decisions[1::2]
        assert [d.parent_id for d in tried] == [d.id for d in planned]
        assert {d.node_id for d in planned} == {"planner"}
        assert {d.node_id for d in tried} == {"tool"}
        assert [d.outcome and d.outcome.result for d in tried] == factors
        assert run.metrics.pending_decisions == 0


def read(path: Path) -> Any:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"there is no folder {DATA}")
def test_replay(tmp_path: Path) -> None:
    run_example("replay", tmp_path, "--data", str(DATA))
    runs = load_all(tmp_path / "traces")
    assert Counter(run.tags.get("agent") or run.tags["method"] for run in runs) == {
        "auto-gpt": 351, "mini-agi": 566, "turbo": 65, "openhands": 3, "tree of thought": 100,
        "chain of thought": 100, "depth first": 20, "pruned": 20,
    }  # fmt: skip
    agents = [run for run in runs if run.tags.get("agent") == "auto-gpt"]
    games = [run for run in runs if run.tags.get("method") == "tree of thought"]

    # Auto-GPT, counted by hand in the raw files.
    responses = read(DATA / "autogpt-benchmarks" / "auto-gpt-response.json.gz")
    lines = (DATA / "autogpt-benchmarks" / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    labels = [
        label
        for label in map(json.loads, lines)
        if label["agent"] == "auto-gpt" and "success" in label
    ]
    messages = [
        message["content"]
        for label in labels
        for message in responses[label["goal"]][label["started"]].values()
    ]
    commands = [message for message in messages if message.startswith('{\n  "thoughts"')]
    chosen = Counter(json.loads(message)["command"]["name"] for message in commands)

    assert len(agents) == len(labels) == 351
    assert Counter(run.status for run in agents) == {
        "completed": sum(label["success"] for label in labels),
        "failed": sum(not label["success"] for label in labels),
    }
    assert Counter(d.chosen_option_id for run in agents for d in run.decisions) == chosen
    assert all(len(d.options) == 8 and d.chosen_option for run in agents for d in run.decisions)
    assert sum(len(run.problems) for run in agents) == sum(
        label["reached_cutoff"] for label in labels
    )
    assert sum(run.output_data["cost_usd"] or 0 for run in agents) == pytest.approx(
        sum(label["cost_usd"] or 0 for label in labels)
    )
    assert sum(run.duration_ms or 0 for run in agents) == pytest.approx(
        1000 * sum(label["run_time_s"] or 0 for label in labels)
    )
    started = sorted(label["started"] for label in labels)
    assert [str(run.started_at) for run in agents] == started

    # The Game of 24.
    puzzles = read(
        DATA / "tot-game24" / "gpt-4_0.7_propose1_value3_greedy5_start900_end1000.json.gz"
    )
    solved = [any(info["r"] for info in puzzle["infos"]) for puzzle in puzzles]
    assert [run.status == "completed" for run in games] == solved
    assert sum(solved) == 69
    assert [run.input_data["numbers"] for run in games] == [p["steps"][0]["x"] for p in puzzles]
    steps = [d for run in games for d in run.decisions[1:]]
    raw = [step for puzzle in puzzles for step in puzzle["steps"]]
    assert [[o.description for o in d.options] for d in steps] == [
        [candidate.strip() for candidate in step["new_ys"]] for step in raw
    ]
    for decision, step in zip(steps, raw, strict=True):
        assert decision.parent_id == "dec_0"
        assert all(0 <= option.confidence <= 1 for option in decision.options)
        assert decision.chosen_option is not None
        assert decision.chosen_option.extra["value"] == max(step["values"])
        assert decision.chosen_option.confidence == max(o.confidence for o in decision.options)
    total = puzzles[-1]["usage_so_far"]
    outcomes = [run.decisions[0].outcome for run in games]
    assert sum(o.input_tokens or 0 for o in outcomes if o) == total["prompt_tokens"]
    assert sum(o.output_tokens or 0 for o in outcomes if o) == total["completion_tokens"]
    assert sum(o.cost_usd or 0 for o in outcomes if o) == pytest.approx(total["cost"])
    assert sum(run.metrics.total_tokens for run in games) == (
        total["prompt_tokens"] + total["completion_tokens"]
    )


@pytest.mark.skipif(not DATA.is_dir(), reason=f"there is no folder {DATA}")
def test_replay_takes_no_more_than_its_limit(tmp_path: Path) -> None:
    printed = run_example("replay", tmp_path, "--data", str(DATA), "--limit", "2")
    assert printed.splitlines()[:3] == [
        "autogpt-benchmarks: 2 runs", "tot-game24: 8 runs", "openhands: 2 runs"
    ]  # fmt: skip
    assert len(load_all(tmp_path / "traces")) == 12


def test_replay_without_data_says_so(tmp_path: Path) -> None:
    printed = run_example("replay", tmp_path, "--data", str(tmp_path / "nowhere"))
    assert len(printed.splitlines()) == 1
    assert "nothing is replayed" in printed
    assert list(tmp_path.iterdir()) == []
