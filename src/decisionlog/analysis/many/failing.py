"""How runs fail: why, with which errors of decisions, and after which last choice."""

from __future__ import annotations

from typing import Any

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.places import Example, count_if, number, of_goal
from decisionlog.analysis.many.sources import Tables, rows
from decisionlog.analysis.many.stats import Rate, rate
from decisionlog.analysis.proportion import Interval, wilson
from decisionlog.wording import counted

MOST = 50
"""How many causes, errors and choices are named; the commonest."""


class Cause(Struct, frozen=True):
    """What failed runs have in common; `cause` is a fingerprint, None where nothing is recorded.

    `share` is the part of the failed runs. `succeeded_too` is how many runs succeeded although they
    had this error or problem: if they are many, it may be no cause.
    """

    cause: str | None
    runs: int
    share: float
    interval: Interval | None
    statuses: dict[str, int]
    example: Example
    succeeded_too: int

    def __str__(self) -> str:
        found = counted(self.runs, "run")
        text = f"{found} ({self.share:.0%}): {self.cause or 'no cause recorded'}"
        if self.succeeded_too:
            text += f" (which {counted(self.succeeded_too, 'run')} that succeeded had as well)"
        return text


class Failure(Struct, frozen=True):
    """A kind of error of decisions, in whatever runs; `failed_runs` are those that did not succeed
    either.
    """

    error: str
    node_id: str
    decisions: int
    runs: int
    failed_runs: int
    example: Example

    def __str__(self) -> str:
        where = f"{counted(self.runs, 'run')} at {self.node_id}"
        error = self.error or "(no text)"
        return f"{counted(self.decisions, 'decision')} of {where}: {error}"


class Ending(Struct, frozen=True):
    """The last choice of some runs, and how often those that ended with it succeeded."""

    node_id: str
    option_id: str
    success: Rate
    example: Example

    def __str__(self) -> str:
        return f"{self.node_id} → {self.option_id}: success {self.success}"


def causes(tables: Tables, goal_id: str, failed: int) -> list[Cause]:
    """Why runs of the goal did not succeed, the commonest cause first; `failed` is how many."""
    mine = of_goal(tables.runs, goal_id).filter(~nw.col("succeeded"))
    found = rows(mine.group_by("cause_print", "status").agg(n=nw.len(), one=nw.col("run_id").min()))
    groups: dict[str | None, dict[str, Any]] = {}
    for row in found:
        group = groups.setdefault(row["cause_print"], {"statuses": {}, "one": row["one"]})
        group["statuses"][row["status"]] = number(row["n"])
        group["one"] = min(group["one"], row["one"])
    ordered = sorted(
        groups.items(), key=lambda item: (-sum(item[1]["statuses"].values()), item[0] or "")
    )[:MOST]
    ids = [group["one"] for _, group in ordered]
    texts = mine.filter(nw.col("run_id").is_in(ids)) if ids else mine.head(0)
    told = {
        row["run_id"]: Example(row["run_id"], row["cause_decision_id"], row["cause"])
        for row in rows(texts.select("run_id", "cause_decision_id", "cause"))
    }
    although = _although(tables, goal_id, [cause for cause, _ in ordered if cause is not None])
    found_causes: list[Cause] = []
    for cause, group in ordered:
        n = sum(group["statuses"].values())
        statuses = dict(sorted(group["statuses"].items()))
        one, too = told[group["one"]], although.get(cause or "", 0)
        found_causes.append(Cause(cause, n, n / failed, wilson(n, failed), statuses, one, too))
    return found_causes


def _although(tables: Tables, goal_id: str, prints: list[str]) -> dict[str, int]:
    """How many runs succeeded with these errors of decisions, or problems."""
    found: dict[str, int] = {}
    columns = ((tables.decisions, "error_print"), (tables.problems, "cause_print"))
    for frame, column in columns if prints else ():
        mine = of_goal(frame, goal_id).filter(nw.col("run_succeeded"), nw.col(column).is_in(prints))
        runs = mine.select("run_id", column).unique().group_by(column).agg(n=nw.len())
        for row in rows(runs):
            found[row[column]] = max(found.get(row[column], 0), number(row["n"]))
    return found


def failures(tables: Tables, goal_id: str) -> list[Failure]:
    """The kinds of error that decisions of the goal ended with, those in most runs first."""
    mine = of_goal(tables.decisions, goal_id).filter(
        nw.col("state") == "failed", ~nw.col("error_print").is_null()
    )
    per_run = mine.group_by("error_print", "node_id", "run_id").agg(
        n=nw.len(), failed=nw.when(~nw.col("run_succeeded")).then(1).otherwise(0).max()
    )
    found = rows(
        per_run.group_by("error_print", "node_id")
        .agg(
            decisions=nw.col("n").sum(),
            runs=nw.len(),
            failed=nw.col("failed").sum(),
            one=nw.col("run_id").min(),
        )
        .sort("runs", "error_print", "node_id", descending=[True, False, False])
        .head(MOST)
    )
    ids = [row["one"] for row in found]
    examples = mine.filter(nw.col("run_id").is_in(ids)) if ids else mine.head(0)
    columns = ("run_id", "decision_id", "seq", "error_print", "node_id", "error", "error_type")
    first: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in sorted(rows(examples.select(*columns)), key=lambda row: row["seq"]):
        first.setdefault((row["run_id"], row["error_print"], row["node_id"]), row)
    kinds: list[Failure] = []
    for row in found:
        one = first[row["one"], row["error_print"], row["node_id"]]
        kinds.append(
            Failure(
                row["error_print"],
                row["node_id"],
                number(row["decisions"]),
                number(row["runs"]),
                number(row["failed"]),
                Example(one["run_id"], one["decision_id"], one["error"] or one["error_type"]),
            )
        )
    return kinds


def endings(tables: Tables, goal_id: str) -> list[Ending]:
    """The last choices that more than one run of the goal made."""
    chosen = nw.col("chosen_option_id")
    known = of_goal(tables.decisions, goal_id).filter(~nw.col("run_succeeded").is_null())
    last = of_goal(tables.runs, goal_id).select("run_id", step=nw.col("decisions"))
    found = rows(
        known.join(last, on=["run_id", "step"], how="inner")
        .filter(~chosen.is_null(), chosen != "")
        .group_by("node_id", "chosen_option_id")
        .agg(
            n=nw.len(),
            k=count_if(nw.col("run_succeeded")),
            one=nw.concat_str([nw.col("run_id"), nw.col("decision_id")], separator="\x1f").min(),
        )
        .filter(nw.col("n") > 1)
        .sort("n", "node_id", "chosen_option_id", descending=[True, False, False])
        .head(MOST)
    )
    return [
        Ending(
            row["node_id"],
            row["chosen_option_id"],
            rate(number(row["k"]), number(row["n"])),
            Example(*row["one"].split("\x1f")),
        )
        for row in found
    ]
