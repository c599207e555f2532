"""What was planted is found, and where nothing was, nothing is said."""

import os

import msgspec
import pytest

from decisionlog.analysis import Analysis
from tests.analysis.generated import World, null_worlds, table, tables

DATA_SETS = int(os.environ.get("DECISIONLOG_NULL_DATA_SETS", "17"))
"""Each takes one or two seconds; see docs/analysis-many.md for what many of them gave."""


def test_a_bad_option_is_found() -> None:
    with Analysis(tables(World(bad_option=2.5), seed=2)) as analysis:
        found = analysis.options()
        regrets = {
            (place.intent, option.option_id): option.regret
            for place in found.places
            for option in place.options
            if option.regret is not None
        }
        assert set(regrets) == {("place x", "c")}
        regret = regrets["place x", "c"]
        assert regret.better_option_id in {"a", "b"}
        assert regret.difference.interval.low > 0.2
        assert regret.of == "decision"
        assert regret.examples
        assert "does better" in str(found)
        assert b'"regret":{' in msgspec.json.encode(found)
        suggested = analysis.suggest("easy")
        assert [each.type for each in suggested] == ["prefer_option"]
        assert "instead of c" in suggested[0].target
        assert suggested[0].expected_gain is not None
        assert suggested[0].expected_gain.interval.low > 0
        assert suggested[0].evidence.examples


def test_an_option_that_dooms_the_run_is_found_by_how_runs_end() -> None:
    world = World(runs=400, places=1, visits=1, fatal_option=0.9, heterogeneity=0.3)
    with Analysis(tables(world, seed=3)) as analysis:
        regrets = [
            (option.option_id, option.regret.of)
            for place in analysis.options().places
            for option in place.options
            if option.regret is not None
        ]
        assert regrets == [("c", "run")]
        parting = analysis.divergence("easy")
        assert parting.divergence is not None
        assert parting.divergence.step == 1
        rates = {b.choice.option_id: b.success.rate or 0 for b in parting.divergence.branches}
        assert min(rates, key=lambda option: rates[option]) == "c"
        assert b'"divergence":{' in msgspec.json.encode(parting)
        assert "part at decision 1" in str(parting)


def test_a_cause_is_found() -> None:
    with Analysis(tables(World(runs=200, cause=0.3), seed=2)) as analysis:
        [suggestion] = analysis.suggest("easy")
        assert (suggestion.type, suggestion.target) == ("fix_cause", "db-17 is away")
        assert suggestion.expected_gain is not None
        assert suggestion.expected_gain.estimate == pytest.approx(0.22, abs=0.1)
        assert suggestion.priority in ("high", "medium")
        errors = {each.error: each for each in analysis.patterns("easy").errors}
        assert errors["db-17 is away"].failed_runs == errors["db-17 is away"].runs


@pytest.mark.parametrize(("off", "verdict"), [(1.5, "overconfident"), (-1.5, "underconfident")])
def test_miscalibration_is_found(off: float, verdict: str) -> None:
    with Analysis(tables(World(overconfidence=off), seed=2)) as analysis:
        found = analysis.calibration()
        assert found.verdict == verdict
        assert found.brier is not None
        assert found.brier_of_base_rate is not None
        assert found.bias_interval is not None
        assert found.bias_interval.low * found.bias_interval.high > 0
        assert sum(each.success.count for each in found.curve) == found.count
        assert {each.type for each in analysis.suggest("hard")} == {"calibrate"}


@pytest.mark.parametrize("off", [0.8, -0.8])
def test_a_change_is_found(off: float) -> None:
    before, after = tables(World(runs=300), seed=1), tables(World(runs=300), seed=1)
    runs = before["runs"].to_pylist()
    versions = {row["run_id"]: row["tags"][0]["value"] for row in runs}
    for row in runs:
        if versions[row["run_id"]] == "b":
            row["succeeded"] = off > 0
            row["tokens"] *= 3
    with Analysis(after | {"runs": table("runs", runs)}) as analysis:
        [step] = analysis.changes("version").steps
        changed = step.better if off > 0 else step.worse
        assert ("success", None) in {(each.what, each.target) for each in changed}
        assert not any(each.what == "success" for each in (step.worse if off > 0 else step.better))


def findings(analysis: Analysis, world: World) -> set[str]:
    """What kinds of answer claim to have found something."""
    found: set[str] = set()
    if any(option.regret for place in analysis.options().places for option in place.options):
        found.add("regret")
    goal = "easy" if world.goals == 1 else "hard"
    suggested = {each.type for each in analysis.suggest(goal)}
    if suggested - ({"calibrate"} if world.confidence == "equal" else set()):
        found.add("suggest")
    if analysis.divergence(goal).divergence:
        found.add("divergence")
    if any(step.better or step.worse for step in analysis.changes("version").steps):
        found.add("changes")
    if world.confidence == "honest" and analysis.calibration().verdict not in (None, "in line"):
        found.add("verdict")
    return found


def test_nothing_is_found_where_nothing_is() -> None:
    wrong: dict[str, list[str]] = {}
    worlds = list(null_worlds().items())
    for seed in range(DATA_SETS):
        name, world = worlds[seed % len(worlds)]
        with Analysis(tables(world, seed)) as analysis:
            if found := findings(analysis, world):
                wrong[f"{name}, seed {seed}"] = sorted(found)
    print(f"false findings in {len(wrong)} of {DATA_SETS} data sets: {wrong}")
    assert len(wrong) <= max(1, 0.05 * DATA_SETS)
