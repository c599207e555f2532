"""Runs that are made up, with or without something in them to be found, as the four tables.

Even where nothing is planted they are as awkward as real ones: hard cases fail in all they do, and
go on longer; an agent sticks to its choices, and tries the second option after the first has
failed; some options are taken more often for one goal, which fails more often than another.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from decisionlog.analysis.many.tables import TABLES

ARROW = {
    "VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
    "STRUCT(key VARCHAR,value VARCHAR)[]": pa.list_(
        pa.struct([("key", pa.string()), ("value", pa.string())])
    ),
}  # fmt: skip
ERRORS = ["it timed out", "it was refused", "there was no answer"]
PROBLEMS = ["the page was slow", "a field was empty", "the quota is low"]
GOALS = ["easy", "hard", "third", "fourth", "fifth"]


@dataclass(frozen=True)
class World:
    """What the runs are like; the last five say what is planted.

    Of the goals, each fails more often than the one before, and has fewer runs. `batch` runs in a
    row share their luck. `confidence` is "honest", "unrelated" to success (and a half on average),
    "equal" for all, or "none". With `outcomes` off, only the runs have any.
    """

    runs: int = 120
    places: int = 3
    visits: int = 2
    options: tuple[str, ...] = ("a", "b", "c")
    goals: int = 2
    ease: float = 0.5
    heterogeneity: float = 1.0
    batch: int = 0
    confidence: str = "honest"
    outcomes: bool = True
    problems: float = 0.0
    reworded: bool = False
    second: float = 0.5
    """Of the runs, the share of version "b"; which comes after "a"."""
    bad_option: float = 0.0
    cause: float = 0.0
    overconfidence: float = 0.0
    fatal_option: float = 0.0
    change: float = 0.0


def null_worlds() -> dict[str, World]:
    """Worlds with nothing to be found in them, each awkward in its own way."""
    many = tuple("abcdefghij")
    return {
        "thirty runs": World(runs=30),
        "hard cases": World(runs=160, heterogeneity=2.0, visits=3),
        "very hard cases": World(runs=160, heterogeneity=3.0),
        "two options": World(runs=300, options=("a", "b"), heterogeneity=0.0),
        "eight runs": World(runs=8, goals=1),
        "ten options": World(runs=250, options=many),
        "five goals": World(runs=200, goals=5),
        "batches": World(runs=160, batch=8),
        "only runs have outcomes": World(runs=160, outcomes=False, confidence="none"),
        "confidence says nothing": World(
            runs=120, confidence="unrelated", ease=0.0, heterogeneity=0.0, goals=1
        ),
        "equal confidences": World(runs=120, confidence="equal", heterogeneity=2.0),
        "problems": World(runs=160, problems=0.4),
        "reworded": World(runs=160, reworded=True, visits=4),
        "long runs": World(runs=60, visits=12, heterogeneity=1.5),
        "few failures": World(runs=200, ease=3.0),
        "few successes": World(runs=200, ease=-3.0),
        "few of the new version": World(runs=200, second=0.05, problems=0.2),
    }


def _chance(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def tables(world: World, seed: int) -> dict[str, pa.Table]:
    """The four tables of a world, drawn at random."""
    draw = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    luck = 0.0
    for number in range(world.runs):
        if world.batch and number % world.batch == 0:
            luck = draw.normal(0, 1)
        _run(world, draw, number, luck, rows)
    return {name: table(name, rows[name]) for name in TABLES}


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a table with all its columns; what is not given is null."""
    columns = TABLES[name]
    return pa.table(
        {
            column.name: pa.array([row.get(column.name) for row in rows], ARROW[column.type])
            for column in columns
        }
    )


def _run(
    world: World, draw: np.random.Generator, number: int, luck: float, rows: dict[str, Any]
) -> None:
    run_id = f"run_{number:05}"
    sizes = 0.67 ** np.arange(world.goals)
    goal = int(draw.choice(world.goals, p=sizes / sizes.sum()))
    is_new = number >= world.runs * (1 - world.second)
    ease = world.ease + luck + draw.normal(0, world.heterogeneity) - goal
    length = world.visits + int(ease < 0) * draw.integers(0, 3)  # hard cases go on longer
    succeeded = draw.random() < _chance(ease + world.change * is_new)
    liked = str(draw.choice(world.options, p=_liking(len(world.options), goal)))
    mine: list[dict[str, Any]] = []
    if world.cause and draw.random() < world.cause:
        succeeded = draw.random() < 0.05
        mine.append(_decision(run_id, goal, 0, "start", "connect", "go", False, "db-17 is away"))
    failed = False
    for visit in range(1, length + 1):
        for place in range(world.places):
            option = liked if draw.random() < 0.5 else str(draw.choice(world.options))
            if failed and draw.random() < 0.7:
                option = world.options[-1]  # tried when the first did not do
            logit = ease
            if option == world.options[-1] and place == 0:
                logit -= world.bad_option
                succeeded &= draw.random() >= world.fatal_option
            good = bool(draw.random() < _chance(logit))
            failed = not good and world.outcomes
            error = None if good else str(draw.choice(ERRORS))
            intent = f"place {'xyzuvw'[place]}" + f" {number} {visit}" * world.reworded
            made = _decision(
                run_id, goal, len(mine), f"node-{place % 2}", intent, option, good, error, visit,
                _said(world, draw, logit), world.options,
            )  # fmt: skip
            if not world.outcomes:
                made |= {"state": "pending", "succeeded": None, "error": None, "error_print": None}
            mine.append(made)
    if mine[0]["intent_print"] == "connect":
        mine[0]["menu"], mine[0]["option_count"] = "go", 1
    for row in mine:
        row["run_succeeded"] = bool(succeeded)
    failures = 0
    for row in mine:
        row["failures_before"] = failures
        failures += row["state"] == "failed"
    visits: dict[str, int] = {}
    for row in mine:
        visits[row["node_id"]] = row["node_visit"] = visits.get(row["node_id"], 0) + 1
    reported = [text for text in PROBLEMS if draw.random() < world.problems]
    rows["problems"] += [
        {
            "run_id": run_id, "goal_id": GOALS[goal], "problem_id": f"prob_{i}", "seq": i,
            "severity": "warning", "description": text, "cause_print": text,
            "run_succeeded": bool(succeeded),
        }
        for i, text in enumerate(reported)
    ]  # fmt: skip
    rows["decisions"] += mine
    rows["options"] += [
        {
            "run_id": run_id, "goal_id": GOALS[goal], "decision_id": row["decision_id"],
            "node_id": row["node_id"], "intent_print": row["intent_print"], "option_id": option,
            "description": f"Do {option}", "position": i,
            "chosen": option == row["chosen_option_id"],
        }
        for row in mine
        for i, option in enumerate(world.options, 1)
    ]  # fmt: skip
    rows["runs"].append({
        "run_id": run_id, "goal_id": GOALS[goal], "succeeded": bool(succeeded),
        "status": "completed" if succeeded else "failed", "decisions": len(mine),
        "tokens": int(draw.lognormal(6 + goal, 1)), "duration_ms": draw.lognormal(8 + goal, 1),
        "day": f"2026-01-{1 + 28 * number // world.runs:02}", "problems": len(reported),
        "failed_decisions": failures, "tags": [{"key": "version", "value": "ab"[is_new]}],
        "started_at": np.datetime64("2026-01-01T00:00:00", "us").astype(object)
        + timedelta(minutes=number),
    })  # fmt: skip


def _said(world: World, draw: np.random.Generator, logit: float) -> float | None:
    match world.confidence:
        case "none":
            return None
        case "equal":
            return 0.7
        case "unrelated":
            return float(draw.random())
        case _:
            return min(1.0, max(0.0, _chance(logit + world.overconfidence)))


def _liking(options: int, goal: int) -> Any:
    """Some options are taken more often, most of all the last one, for hard goals."""
    weights = 1 / (1 + 0.3 * np.arange(options))
    weights[-1] = 1 + 2 * goal
    return weights / weights.sum()


def _decision(
    run_id: str,
    goal: int,
    place: int,
    node: str,
    intent: str,
    option: str,
    good: bool,
    error: str | None,
    visit: int = 1,
    confidence: float | None = None,
    options: tuple[str, ...] = (),
) -> dict[str, Any]:
    return {
        "run_id": run_id, "goal_id": GOALS[goal], "decision_id": f"dec_{place}", "seq": place + 2,
        "step": place + 1, "visit": visit, "node_visit": visit, "node_id": node, "intent": intent,
        "intent_print": intent, "decision_type": "custom", "option_count": len(options),
        "menu": "\x1f".join(options), "chosen_option_id": option, "confidence": confidence,
        "state": "succeeded" if good else "failed", "succeeded": good, "error": error,
        "error_print": error, "tokens": 5, "latency_ms": 1.0,
    }  # fmt: skip
