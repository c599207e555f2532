"""What was planted is found, and where nothing was, nothing is said."""

import os

import msgspec
import pytest

from decisionlog.analysis import Analysis
from tests.analysis.generated import World, tables

DATA_SETS = int(os.environ.get("DECISIONLOG_NULL_DATA_SETS", "12"))
"""1,000 took 25 minutes of processor time; see docs/analysis-many.md for what they gave."""


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
    with Analysis(tables(World(cause=0.3), seed=2)) as analysis:
        [suggestion] = analysis.suggest("easy")
        assert (suggestion.type, suggestion.target) == ("fix_cause", "db-17 is away")
        assert suggestion.expected_gain is not None
        assert suggestion.expected_gain.estimate == pytest.approx(0.22, abs=0.1)
        assert suggestion.priority == "high"
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
    from tests.analysis.generated import table

    with Analysis(after | {"runs": table("runs", runs)}) as analysis:
        [step] = analysis.changes("version").steps
        changed = step.better if off > 0 else step.worse
        assert ("success", None) in {(each.what, each.target) for each in changed}
        assert not any(each.what == "success" for each in (step.worse if off > 0 else step.better))


def test_nothing_is_found_where_nothing_is() -> None:
    wrong: dict[str, list[int]] = {"regret": [], "suggest": [], "divergence": [], "verdict": []}
    for seed in range(DATA_SETS):
        world = World(
            runs=(30, 80, 160, 300)[seed % 4],
            visits=1 + seed % 3,
            heterogeneity=(0.0, 1.0, 2.0)[seed // 4 % 3],
            options=("a", "b", "c")[: 2 + seed % 2],
        )
        with Analysis(tables(world, seed)) as analysis:
            places = analysis.options().places
            if any(option.regret for place in places for option in place.options):
                wrong["regret"].append(seed)
            if analysis.suggest("hard"):
                wrong["suggest"].append(seed)
            if analysis.divergence("hard").divergence:
                wrong["divergence"].append(seed)
            if analysis.calibration().verdict not in (None, "in line"):
                wrong["verdict"].append(seed)
    print(f"false findings in {DATA_SETS} data sets: {wrong}")
    assert all(len(seeds) <= 0.05 * DATA_SETS for seeds in wrong.values())
