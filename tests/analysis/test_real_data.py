"""The answers from real runs, against a count over the raw data that shares no code with the
replay. `docs/case.md` has the same figures.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from decisionlog.analysis import Analysis

LIMIT = "reached the time limit of the benchmark"
COMMANDS = {
    "auto-gpt": r'"command":\s*{\s*"name":\s*"(\w+)"',
    "mini-agi": r"<c>\s*(\w+)\s*</c>",
    "turbo": r'"cmd":\s*{\s*"name":\s*"(\w+)"',
}


@pytest.fixture(scope="module")
def analysis(real_traces: Path) -> Iterator[Analysis]:
    with Analysis(real_traces) as analysis:
        yield analysis


def raw(path: Path) -> Any:
    with gzip.open(path, "rt") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def labels(real_data: Path) -> list[dict[str, Any]]:
    """The verdicts of the benchmark on runs of which there is a log."""
    lines = (real_data / "autogpt-benchmarks" / "labels.jsonl").read_text().splitlines()
    every = [json.loads(line) for line in lines]
    return [each for each in every if each["agent"] in COMMANDS and each.get("success") is not None]


@pytest.fixture(scope="module")
def commands(
    real_data: Path, labels: list[dict[str, Any]]
) -> dict[tuple[str, str, str], list[str]]:
    """What each run chose, by agent, goal and start."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for agent, pattern in COMMANDS.items():
        log = raw(real_data / "autogpt-benchmarks" / f"{agent}-response.json.gz")
        for label in labels:
            if label["agent"] == agent:
                steps = log[label["goal"]][label["started"]].values()
                chosen = (re.search(pattern, step["content"]) for step in steps)
                key = agent, label["goal"], label["started"]
                found[key] = [match[1] for match in chosen if match]
    return found


def sql(analysis: Analysis, query: str) -> list[Any]:
    return analysis.sql(query).rows


AGENT = "list_filter(tags, lambda t: t.key = 'agent')[1].value"


def test_runs_and_successes_by_goal_and_agent(
    analysis: Analysis, labels: list[dict[str, Any]]
) -> None:
    assert len(labels) == 982
    runs = Counter((label["goal"], label["agent"]) for label in labels)
    good = Counter((label["goal"], label["agent"]) for label in labels if label["success"])
    found = sql(
        analysis,
        f"SELECT goal_id, {AGENT}, count(*), count(*) FILTER (succeeded) FROM runs"
        " WHERE starts_with(goal_id, 'Test') GROUP BY ALL",
    )
    assert {(goal, agent): (n, k) for goal, agent, n, k in found} == {
        key: (n, good[key]) for key, n in runs.items()
    }
    by_goal = Counter(label["goal"] for label in labels)
    told = {goal.goal_id: goal for goal in analysis.goals().goals}
    assert {goal: told[goal].runs for goal in by_goal} == dict(by_goal)
    rest = {goal: (g.runs, g.success.succeeded) for goal, g in told.items() if goal not in by_goal}
    assert rest == {"game-of-24": (200, 118), "crossword": (40, 11), "fix-an-issue": (3, 2)}


def test_time_limits_as_a_cause(analysis: Analysis, labels: list[dict[str, Any]]) -> None:
    cut_off = Counter((each["goal"], each["success"]) for each in labels if each["reached_cutoff"])
    assert sum(n for (_, success), n in cut_off.items() if not success) == 274
    for goal in {goal for goal, _ in cut_off}:
        for cause in analysis.patterns(goal).causes:
            if cause.cause == LIMIT:
                found = cause.runs, cause.succeeded_too
                assert found == (cut_off[goal, False], cut_off[goal, True])
    by_agent = Counter(
        each["agent"] for each in labels if each["reached_cutoff"] and not each["success"]
    )
    found = sql(
        analysis,
        f"SELECT {AGENT}, count(*) FROM runs WHERE NOT succeeded AND cause = '{LIMIT}'"
        " GROUP BY ALL",
    )
    assert dict(found) == by_agent


def test_what_is_suggested_of_time_limits(analysis: Analysis, labels: list[dict[str, Any]]) -> None:
    suggested: set[str] = set()
    for goal in {label["goal"] for label in labels}:
        for each in analysis.suggest(goal):
            if each.target == LIMIT:
                suggested.add(goal)
                mine = [label for label in labels if label["goal"] == goal]
                k = sum(label["success"] for label in mine if label["reached_cutoff"])
                n = sum(label["reached_cutoff"] for label in mine)
                with_it, without_it = each.evidence.with_it, each.evidence.without_it
                assert without_it is not None
                assert (with_it.succeeded, with_it.count) == (k, n)
                good = sum(label["success"] for label in mine)
                assert (without_it.succeeded, without_it.count) == (good - k, len(mine) - n)
                table = [[k, n - k], [good - k, len(mine) - n - (good - k)]]
                assert each.evidence.p_value >= stats.fisher_exact(table).pvalue * 0.999
    assert suggested == {
        "TestBasicRetrieval", "TestDebugSimpleTypoWithGuidance", "TestAdaptLink",
        "TestDebugSimpleTypoWithoutGuidance",
    }  # fmt: skip


def test_choices_by_command(
    analysis: Analysis, commands: dict[tuple[str, str, str], list[str]]
) -> None:
    expected = Counter(
        (agent, command) for (agent, _, _), chosen in commands.items() for command in chosen
    )
    query = "SELECT node_id, chosen_option_id, count(*) FROM decisions d JOIN runs r USING (run_id)"
    found = sql(analysis, query + " WHERE starts_with(r.goal_id, 'Test') GROUP BY ALL")
    assert {(node, command): n for node, command, n in found} == expected
    told = {
        (place.node_id, option.option_id): option.chosen
        for place in analysis.options().places
        for option in place.options
        if place.node_id in COMMANDS
    }
    assert told == expected


def test_who_asks_a_person_fails(
    analysis: Analysis,
    commands: dict[tuple[str, str, str], list[str]],
    labels: list[dict[str, Any]],
) -> None:
    success = {(each["agent"], each["goal"], each["started"]): each["success"] for each in labels}
    last: Counter[tuple[str, bool]] = Counter(
        (chosen[-1], success[key])
        for key, chosen in commands.items()
        if key[0] == "mini-agi" and chosen
    )
    found = sql(
        analysis,
        "SELECT chosen_option_id, run_succeeded, count(*) FROM decisions AS d WHERE"
        " node_id = 'mini-agi' AND step = (SELECT max(step) FROM decisions AS e"
        " WHERE e.run_id = d.run_id) GROUP BY ALL",
    )
    assert {(command, good): n for command, good, n in found} == last
    assert (last["talk_to_user", True], last["talk_to_user", False]) == (20, 87)
    assert (last["done", True], last["done", False]) == (263, 61)
    endings = analysis.patterns("TestDebugMultipleTypo").endings
    [asked] = [each.success for each in endings if each.option_id == "talk_to_user"]
    mine = [
        success[key]
        for key, chosen in commands.items()
        if key[:2] == ("mini-agi", "TestDebugMultipleTypo") and chosen[-1] == "talk_to_user"
    ]
    assert (asked.succeeded, asked.count) == (sum(mine), len(mine))


@pytest.mark.parametrize(
    ("goal", "path", "worse", "better"),
    [
        ("TestAdaptTeslaRevenue", [], "talk_to_user", "web_search"),
        ("TestBasicMemory", ["ingest_data"], "web_search", "ingest_data"),
    ],
)
def test_choices_that_separate_success_from_failure(
    analysis: Analysis,
    commands: dict[tuple[str, str, str], list[str]],
    labels: list[dict[str, Any]],
    goal: str,
    path: list[str],
    worse: str,
    better: str,
) -> None:
    success = {(each["agent"], each["goal"], each["started"]): each["success"] for each in labels}
    split = analysis.divergence(goal).divergence
    assert split is not None
    assert [taken.option_id for taken in split.path] == path
    found = {b.choice.option_id: b.success for b in split.branches}
    for option in (worse, better):
        mine = [
            success[key]
            for key, chosen in commands.items()
            if key[:2] == ("mini-agi", goal) and chosen[: len(path) + 1] == [*path, option]
        ]
        assert (found[option].succeeded, found[option].count) == (sum(mine), len(mine))
    [suggestion] = [each for each in analysis.suggest(goal) if each.type == "change_path"]
    assert suggestion.target.endswith(f"{better} instead of {worse}")


def test_what_differs_between_agents(analysis: Analysis, labels: list[dict[str, Any]]) -> None:
    step = analysis.changes("agent").steps[0]
    assert (step.before, step.after) == ("mini-agi", "auto-gpt")
    changed = {each.target: each for each in (*step.worse, *step.better, *step.unclear)
               if each.what == "success"}  # fmt: skip
    assert changed[None].verdict == "worse"
    weights = gap = 0.0
    for goal in {label["goal"] for label in labels}:
        old, new = (
            [each["success"] for each in labels if (each["agent"], each["goal"]) == (agent, goal)]
            for agent in ("mini-agi", "auto-gpt")
        )
        if old and new:
            weight = len(old) * len(new) / (len(old) + len(new))
            weights += weight
            gap += weight * (sum(new) / len(new) - sum(old) / len(old))
    assert changed[None].difference is not None
    assert changed[None].difference.estimate == pytest.approx(gap / weights)


@pytest.fixture(scope="module")
def puzzles(real_data: Path) -> list[dict[str, Any]]:
    name = "gpt-4_0.7_propose1_value3_greedy5_start900_end1000.json.gz"
    found: list[dict[str, Any]] = raw(real_data / "tot-game24" / name)
    return found


def test_how_well_values_predict_success(analysis: Analysis, puzzles: list[dict[str, Any]]) -> None:
    said: list[tuple[float, bool]] = []
    for puzzle in puzzles:
        reached = [y for y, i in zip(puzzle["ys"], puzzle["infos"], strict=True) if i["r"]]
        for step in puzzle["steps"]:
            best = step["select_new_ys"][0]
            if any(other != 30 for other in step["values"]):
                value = step["values"][step["new_ys"].index(best)] / 60
                said.append((value, any(answer.startswith(best) for answer in reached)))
    found = analysis.calibration("game-of-24", "search")
    assert found.count == len(said)
    assert found.brier == pytest.approx(sum((p - good) ** 2 for p, good in said) / len(said))
    assert found.verdict == "overconfident"
    bins: dict[int, list[tuple[float, bool]]] = {}
    for p, good in said:
        bins.setdefault(min(9, int(p * 10)), []).append((p, good))
    assert [(each.success.succeeded, each.success.count) for each in found.curve] == [
        (sum(good for _, good in bins[i]), len(bins[i])) for i in sorted(bins)
    ]
    off = [abs(sum(p - good for p, good in each)) for each in bins.values()]
    assert found.ece == pytest.approx(sum(off) / len(said))


def test_positions_in_a_list_are_not_compared(analysis: Analysis) -> None:
    [place] = analysis.options("game-of-24", "search").places
    assert place.positions
    assert not any(option.regret for option in place.options)
    assert analysis.divergence("game-of-24").divergence is None
    assert [each.type for each in analysis.suggest("game-of-24")] == ["calibrate"]


def test_trees_against_chains(
    analysis: Analysis, real_data: Path, puzzles: list[dict[str, Any]]
) -> None:
    name = "gpt-4_0.7_naive_cot_sample_100_start900_end1000.json.gz"
    chains = raw(real_data / "tot-game24" / name)
    good = [sum(info["r"] for info in chain["infos"]) for chain in chains]
    trees = sum(any(info["r"] for info in puzzle["infos"]) for puzzle in puzzles)
    [step] = [s for s in analysis.changes("method").steps if s.after == "tree of thought"]
    [change] = [
        each
        for each in (*step.better, *step.unclear)
        if (each.what, each.target) == ("success", None)
    ]
    assert change.before_rate is not None
    assert change.after_rate is not None
    assert (change.before_rate.succeeded, change.after_rate.succeeded) == (49, 69)
    assert (sum(n > 0 for n in good), trees) == (49, 69)
    [sampler] = [node for node in analysis.nodes("game-of-24").nodes if node.node_id == "sampler"]
    assert (sampler.success.succeeded, sampler.decisions) == (sum(good), 10_000)


def test_crosswords(analysis: Analysis, real_data: Path) -> None:
    solved: list[bool] = []
    words = gained = 0
    for name in ("infoss_dfs_no_prune.json.gz", "infoss_dfs_prune.json.gz"):
        for steps in raw(real_data / "tot-game24" / name):
            solved.append(any(step["info"]["r_word"] == 1 for step in steps))
            seen: dict[str, float] = {"[]": 0.0}
            for step in steps:
                words += 1
                gained += step["info"]["r_letter"] > seen.get(str(step["actions"][:-1]), 0.0)
                seen[str(step["actions"])] = step["info"]["r_letter"]
    [node] = analysis.nodes("crossword").nodes
    assert (node.decisions, node.success.succeeded) == (words, gained)
    assert analysis.patterns("crossword").success.succeeded == sum(solved) == 11


def test_coding_agents(analysis: Analysis, real_data: Path) -> None:
    path = real_data / "openhands" / "multi_swe_bench_output.jsonl.gz"
    with gzip.open(path, "rt") as file:
        runs = [json.loads(line) for line in file]
    calls = Counter(
        event["tool_call_metadata"]["function_name"]
        for run in runs
        for event in run["history"]
        if event.get("tool_call_metadata") and "action" in event
    )
    nodes = {node.node_id: node for node in analysis.nodes("fix-an-issue").nodes}
    assert {name: node.decisions for name, node in nodes.items()} == calls
    failed = sum(
        1
        for run in runs
        for event in run["history"]
        if event.get("observation") == "run" and event["extras"]["metadata"]["exit_code"]
    )
    assert nodes["execute_bash"].failed == failed
    [cause] = analysis.patterns("fix-an-issue").causes
    assert cause.cause is not None
    assert cause.cause.startswith("Agent reached maximum iteration")
