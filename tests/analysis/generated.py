"""Runs that are made up, with or without something in them to be found, as the four tables.

Even where nothing is planted they are as awkward as real ones: hard cases fail in all they do, and
go on longer; an agent sticks to its choices, and tries the second option after the first has
failed; some options are taken more often for one goal, which fails more often than another.
"""

from dataclasses import dataclass, field
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
GOALS = ["easy", "hard"]


@dataclass(frozen=True)
class World:
    """What the runs are like; the last four say what is planted."""

    runs: int = 120
    places: int = 3
    visits: int = 2
    options: tuple[str, ...] = ("a", "b", "c")
    heterogeneity: float = 1.0
    bad_option: float = 0.0
    cause: float = 0.0
    overconfidence: float = 0.0
    fatal_option: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)


def _chance(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def tables(world: World, seed: int) -> dict[str, pa.Table]:
    """The four tables of a world, drawn at random."""
    draw = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for number in range(world.runs):
        _run(world, draw, number, rows)
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


def _run(world: World, draw: np.random.Generator, number: int, rows: dict[str, Any]) -> None:
    run_id = f"run_{number:05}"
    goal = int(draw.random() < 0.4)
    ease = draw.normal(0, world.heterogeneity) - goal
    length = world.visits + int(ease < 0) * draw.integers(0, 3)  # hard cases go on longer
    succeeded = draw.random() < _chance(0.5 + ease)
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
            logit = 0.5 + ease
            if option == world.options[-1] and place == 0:
                logit -= world.bad_option
                succeeded &= draw.random() >= world.fatal_option
            chance = _chance(logit)
            good = bool(draw.random() < chance)
            failed = not good
            error = None if good else str(draw.choice(ERRORS))
            said = min(1.0, max(0.0, _chance(logit + world.overconfidence)))
            made = _decision(
                run_id, goal, len(mine), f"node-{place % 2}", f"place {'xyzuvw'[place]}", option,
                good, error, visit, said, world.options,
            )  # fmt: skip
            mine.append(made)
    if mine[0]["intent_print"] == "connect":
        mine[0]["menu"], mine[0]["option_count"] = "go", 1
    for row in mine:
        row["run_succeeded"] = bool(succeeded)
    failures = 0
    for row in mine:
        row["failures_before"] = failures
        failures += not row["succeeded"]
    visits: dict[str, int] = {}
    for row in mine:
        visits[row["node_id"]] = row["node_visit"] = visits.get(row["node_id"], 0) + 1
    rows["decisions"] += mine
    rows["runs"].append({
        "run_id": run_id, "goal_id": GOALS[goal], "succeeded": bool(succeeded),
        "status": "completed" if succeeded else "failed", "decisions": len(mine), "tokens": 10,
        "day": "2026-01-19", "duration_ms": 1.0, "problems": 0, "failed_decisions": 0,
        "tags": [{"key": "version", "value": "ab"[number % 2]}],
        "started_at": np.datetime64("2026-01-19T00:00:00", "us").astype(object),
    })  # fmt: skip


def _liking(options: int, goal: int) -> Any:
    weights = np.ones(options)
    weights[-1] += 2 * goal
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
