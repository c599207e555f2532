"""What the analysis says of real runs, against an independent count over the raw data."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from decisionlog import Run, RunStore
from decisionlog.analysis import compare, explain, summarize

NOT_AGREED = "The benchmark does not agree"


@pytest.fixture(scope="module")
def store(real_traces: Path) -> RunStore:
    """All of them, recorded."""
    return RunStore(real_traces)


@pytest.fixture(scope="module")
def runs(store: RunStore) -> list[Run]:
    async def load() -> list[Run]:
        return [await store.load(each.run_id) async for each in store.runs(newest_first=False)]

    return anyio.run(load)


@pytest.fixture(scope="module")
def of_agents(runs: list[Run]) -> list[Run]:
    return [run for run in runs if run.tags.get("agent") in ("auto-gpt", "mini-agi", "turbo")]


def labels(data: Path) -> list[dict[str, object]]:
    lines = (data / "autogpt-benchmarks" / "labels.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [
        label
        for label in found
        if label["agent"] in ("auto-gpt", "mini-agi", "turbo") and label.get("success") is not None
    ]


def test_runs_that_were_cut_off_are_explained_as_that(
    of_agents: list[Run], real_data: Path
) -> None:
    expected = Counter(
        (bool(label["success"]), bool(label["reached_cutoff"])) for label in labels(real_data)
    )
    told: Counter[tuple[bool, bool]] = Counter()
    for run in of_agents:
        causes = explain(run).causes
        limited = [cause for cause in causes if cause.kind == "limit"]
        told[run.status == "completed", bool(limited)] += 1
        if limited and run.status == "failed":
            assert causes[0] is limited[0]
            assert causes[0].summary.startswith("Ran out of time: Stopped after ")
            assert causes[0].problem_ids == ["prob_0"]
    assert told == expected


def test_who_claimed_to_be_done_and_was_not(of_agents: list[Run]) -> None:
    claimed = [
        run
        for run in of_agents
        if run.status == "failed" and not run.problems and run.decisions
        and run.decisions[-1].decision_type == "termination"
    ]  # fmt: skip
    assert len(claimed) > 50
    for run in claimed:
        cause = next(each for each in explain(run).causes if each.error == NOT_AGREED)
        assert cause.decision_ids[0] == run.decisions[-1].id
        assert cause.chain[-1].relation == "here"


def test_who_ended_by_asking_a_person(of_agents: list[Run], store: RunStore) -> None:
    asked = [
        run
        for run in of_agents
        if run.status == "failed" and not run.problems and run.decisions
        and run.decisions[-1].chosen_option_id == "talk_to_user"
    ]  # fmt: skip
    assert len(asked) == 78
    for run in asked:
        found = explain(run)
        assert found.causes or "ended with" in found.headline
    found = explain(asked[0], store)
    assert found.ending is not None
    assert found.ending.option_id == "talk_to_user"
    assert found.ending.runs + found.ending.others == len(found.compared_with)


def test_a_limit_on_steps_that_nobody_named(runs: list[Run], store: RunStore) -> None:
    crosswords = [run for run in runs if run.goal_id == "crossword" and run.status == "failed"]
    steps = Counter(len(run.decisions) == 100 for run in crosswords)
    assert steps == {True: 26, False: 3}
    for run in (crosswords[0], *(run for run in crosswords if len(run.decisions) < 100)):
        first = explain(run, store).causes[0]
        assert (first.kind == "limit") is (len(run.decisions) == 100)
        if first.kind == "limit":
            assert first.summary == "Ran out of steps: it made 100 decisions"
            assert "36 other runs of the goal made as many, and none more" in first.reasons


def test_a_lost_game_is_lost_from_its_first_wrong_step(runs: list[Run]) -> None:
    trees = [run for run in runs if run.tags.get("method") == "tree of thought"]
    lost = [run for run in trees if run.status == "failed"]
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


def test_other_runs_of_the_goal(of_agents: list[Run], store: RunStore) -> None:
    goals = Counter(run.goal_id for run in of_agents)
    for run in [run for run in of_agents if run.status == "failed"][::50]:
        found = explain(run, store)
        assert len(found.compared_with) == min(50, goals[run.goal_id] - 1)
        if found.contrast is not None:
            assert found.contrast.run_id in found.compared_with
            assert found.contrast.in_common
