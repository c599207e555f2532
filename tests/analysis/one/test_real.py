"""What the analysis says of real runs, against an independent count over the raw data."""

import importlib.util
import json
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from decisionlog import Run, RunStore
from decisionlog.analysis import compare, explain, summarize

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("DECISIONLOG_EXAMPLE_DATA", ROOT.parent / "shared" / "data"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not here")


def replayer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("replay", ROOT / "examples" / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """All of them, recorded."""
    traces = str(tmp_path_factory.mktemp("real"))
    anyio.run(replayer().replay, traces, DATA, -1)
    return RunStore(traces)


@pytest.fixture(scope="module")
def runs(store: RunStore) -> list[Run]:
    async def load() -> list[Run]:
        return [await store.load(each.run_id) async for each in store.runs(newest_first=False)]

    return anyio.run(load)


@pytest.fixture(scope="module")
def of_autogpt(runs: list[Run]) -> list[Run]:
    return [run for run in runs if run.tags.get("agent") == "auto-gpt"]


def labels() -> list[dict[str, object]]:
    lines = (DATA / "autogpt-benchmarks" / "labels.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [
        label
        for label in found
        if label["agent"] == "auto-gpt" and label.get("success") is not None
    ]


def test_runs_that_were_cut_off_are_explained_as_that(of_autogpt: list[Run]) -> None:
    expected = Counter(
        (bool(label["success"]), bool(label["reached_cutoff"])) for label in labels()
    )
    told: Counter[tuple[bool, bool]] = Counter()
    for run in of_autogpt:
        found = explain(run)
        limited = bool(found.causes) and found.causes[0].kind == "limit"
        told[run.status == "completed", limited] += 1
        if limited:
            assert found.causes[0].summary.startswith("Ran out of time: Stopped after ")
            assert found.causes[0].problem_ids == ["prob_0"]
    assert told == expected


def test_the_others_claimed_to_be_done_and_were_not(of_autogpt: list[Run]) -> None:
    failed = [run for run in of_autogpt if run.status == "failed" and not run.problems]
    assert failed
    for run in failed:
        [cause] = explain(run).causes
        assert cause.error == "The benchmark does not agree"
        assert cause.decision_ids == [run.decisions[-1].id]
        assert cause.chain[-1].summary.endswith("→ goals_accomplished")
        assert [link.relation for link in cause.chain[:-1]] == ["before"] * (len(cause.chain) - 1)


def test_a_lost_game_is_lost_from_its_first_wrong_step(runs: list[Run]) -> None:
    lost = [run for run in runs if run.goal_id == "game-of-24" and run.status == "failed"]
    assert lost
    for run in lost:
        first = explain(run).causes[0]
        wrong = next(d for d in run.decisions[1:] if d.outcome and not d.outcome.success)
        assert first.decision_ids[:2] == ["dec_0", wrong.id]


def test_each_is_like_itself_and_two_are_different_in_both_directions(runs: list[Run]) -> None:
    for run, another in pairwise(runs):
        assert not compare(run, run).differences
        there, back = compare(run, another), compare(another, run)
        assert [(b, a) for a, b in back.aligned] == there.aligned
        assert str(there)


def test_everything_can_be_said_of_all_of_them(runs: list[Run]) -> None:
    for run in runs:
        found = explain(run)
        assert str(found)
        assert len(found.pending) == run.metrics.pending_decisions
        summary = summarize(run)
        ids = {text.split()[0] for text in summary.key_decisions}
        assert ids <= {decision.id for decision in run.decisions}


def test_other_runs_of_the_goal(of_autogpt: list[Run], store: RunStore) -> None:
    goals = Counter(run.goal_id for run in of_autogpt)
    for run in [run for run in of_autogpt if run.status == "failed"][::50]:
        found = explain(run, store)
        assert len(found.compared_with) == goals[run.goal_id] - 1
        if found.contrast is not None:
            assert found.contrast.run_id in found.compared_with
            assert found.contrast.in_common
