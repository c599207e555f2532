"""What the runs of a goal have in common: how they end, why they fail, where it costs."""

from __future__ import annotations

from typing import Any

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.places import (
    Example,
    by_run,
    check_goal,
    count_if,
    number,
    of_goal,
    over_runs,
    rate_of,
)
from decisionlog.analysis.many.sources import Tables, rows
from decisionlog.analysis.many.stats import Interval, Rate, rate, wilson
from decisionlog.analysis.many.text import block, lines
from decisionlog.wording import counted

_MOST = 50
"""How many causes, errors and nodes are named; the commonest."""
_PERIODS = 12


class Goal(Struct, frozen=True):
    """A goal at a glance. `undecided` runs are in progress or were cancelled."""

    goal_id: str
    runs: int
    undecided: int
    success: Rate
    decisions: int
    tokens: int
    cost_usd: float | None
    duration_ms: float | None
    """The median."""

    def __str__(self) -> str:
        return f"{self.goal_id}: {counted(self.runs, 'run')}, success {self.success}"


class Goals(Struct, frozen=True):
    """All goals, the one with most runs first."""

    goals: list[Goal]

    def __str__(self) -> str:
        return "\n".join(map(str, self.goals)) or "There are no runs."


class Cause(Struct, frozen=True):
    """What failed runs have in common; `cause` is a fingerprint, None where nothing is recorded.

    `share` is the part of the failed runs.
    """

    cause: str | None
    runs: int
    share: float
    interval: Interval | None
    statuses: dict[str, int]
    example: Example

    def __str__(self) -> str:
        return (
            f"{counted(self.runs, 'run')} ({self.share:.0%}): {self.cause or 'no cause recorded'}"
        )


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
        return f"{counted(self.decisions, 'decision')} of {where}: {self.error}"


class NodePattern(Struct, frozen=True):
    """A node: how often what it decides succeeds, and what it spent in vain, that is on decisions
    that failed.
    """

    node_id: str
    decisions: int
    runs: int
    failed: int
    success: Rate
    tokens: int
    tokens_in_vain: int
    latency_ms: float
    latency_ms_in_vain: float

    def __str__(self) -> str:
        return (
            f"{self.node_id}: {self.decisions} decisions, {self.failed} failed; success"
            f" {self.success}; in vain {self.tokens_in_vain} of {self.tokens} tokens and"
            f" {self.latency_ms_in_vain / 1000:.1f} of {self.latency_ms / 1000:.1f} s"
        )


class TypePattern(Struct, frozen=True):
    """A type of decision."""

    decision_type: str
    decisions: int
    runs: int
    success: Rate

    def __str__(self) -> str:
        return f"{self.decision_type}: {self.decisions} decisions, success {self.success}"


class Period(Struct, frozen=True):
    """Some days, from the first to the last, both included."""

    first_day: str
    last_day: str
    runs: int
    success: Rate

    def __str__(self) -> str:
        days = self.first_day + (f" to {self.last_day}" if self.last_day != self.first_day else "")
        return f"{days}: {counted(self.runs, 'run')}, success {self.success}"


class Patterns(Struct, frozen=True):
    """The runs of a goal, together."""

    goal_id: str
    runs: int
    statuses: dict[str, int]
    success: Rate
    causes: list[Cause]
    errors: list[Failure]
    nodes: list[NodePattern]
    decision_types: list[TypePattern]
    trend: list[Period]

    def __str__(self) -> str:
        statuses = ", ".join(f"{n} {status}" for status, n in self.statuses.items())
        return lines(
            f"{self.goal_id}: {counted(self.runs, 'run')} ({statuses}); success {self.success}",
            block("Why runs fail", self.causes),
            block("Errors of decisions", self.errors),
            block("Nodes", self.nodes),
            block("Types of decision", self.decision_types),
            block("Over time", self.trend),
        )


class Nodes(Struct, frozen=True):
    """All nodes, the one that fails most surely first."""

    goal_id: str | None
    nodes: list[NodePattern]

    def __str__(self) -> str:
        return "\n".join(map(str, self.nodes)) or "There are no decisions."


def goals(tables: Tables) -> Goals:
    """All goals."""
    found = rows(
        tables.runs.group_by("goal_id")
        .agg(
            runs=nw.len(),
            known=nw.col("succeeded").count(),
            k=count_if(nw.col("succeeded")),
            decisions=nw.col("decisions").sum(),
            tokens=nw.col("tokens").sum(),
            cost=nw.col("cost_usd").sum(),
            priced=nw.col("cost_usd").count(),
            duration=nw.col("duration_ms").median(),
        )
        .sort("runs", "goal_id", descending=[True, False])
    )
    return Goals(
        [
            Goal(
                row["goal_id"],
                number(row["runs"]),
                number(row["runs"]) - number(row["known"]),
                rate(number(row["k"]), number(row["known"])),
                number(row["decisions"]),
                number(row["tokens"]),
                float(row["cost"]) if row["priced"] else None,
                row["duration"],
            )
            for row in found
        ]
    )


def patterns(tables: Tables, goal_id: str) -> Patterns:
    """What the runs of a goal have in common.

    Raises:
        ReadError: no run has this goal.
    """
    check_goal(tables, goal_id)
    mine = of_goal(tables.runs, goal_id)
    ended = rows(mine.group_by("status", "succeeded").agg(runs=nw.len()).sort("runs", "status"))
    counts = {row["status"]: number(row["runs"]) for row in reversed(ended)}
    k = sum(number(row["runs"]) for row in ended if row["succeeded"])
    known = sum(number(row["runs"]) for row in ended if row["succeeded"] is not None)
    return Patterns(
        goal_id,
        sum(counts.values()),
        counts,
        rate(k, known),
        _causes(tables, goal_id, known - k),
        _failures(tables, goal_id),
        nodes(tables, goal_id).nodes,
        _types(tables, goal_id),
        _trend(tables, goal_id),
    )


def _causes(tables: Tables, goal_id: str, failed: int) -> list[Cause]:
    mine = of_goal(tables.runs, goal_id).filter(~nw.col("succeeded"))
    found = rows(mine.group_by("cause_print", "status").agg(n=nw.len(), one=nw.col("run_id").min()))
    groups: dict[str | None, dict[str, Any]] = {}
    for row in found:
        group = groups.setdefault(row["cause_print"], {"statuses": {}, "one": row["one"]})
        group["statuses"][row["status"]] = number(row["n"])
        group["one"] = min(group["one"], row["one"])
    ordered = sorted(
        groups.items(), key=lambda item: (-sum(item[1]["statuses"].values()), item[0] or "")
    )[:_MOST]
    ids = [group["one"] for _, group in ordered]
    texts = mine.filter(nw.col("run_id").is_in(ids)) if ids else mine.head(0)
    told = {
        row["run_id"]: Example(row["run_id"], row["cause_decision_id"], row["cause"])
        for row in rows(texts.select("run_id", "cause_decision_id", "cause"))
    }
    causes: list[Cause] = []
    for cause, group in ordered:
        n = sum(group["statuses"].values())
        statuses = dict(sorted(group["statuses"].items()))
        causes.append(Cause(cause, n, n / failed, wilson(n, failed), statuses, told[group["one"]]))
    return causes


def _failures(tables: Tables, goal_id: str) -> list[Failure]:
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
        .head(_MOST)
    )
    ids = [row["one"] for row in found]
    examples = mine.filter(nw.col("run_id").is_in(ids)) if ids else mine.head(0)
    columns = ("run_id", "decision_id", "seq", "error_print", "node_id", "error", "error_type")
    first: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in sorted(rows(examples.select(*columns)), key=lambda row: row["seq"]):
        first.setdefault((row["run_id"], row["error_print"], row["node_id"]), row)
    failures: list[Failure] = []
    for row in found:
        one = first[row["one"], row["error_print"], row["node_id"]]
        failures.append(
            Failure(
                row["error_print"],
                row["node_id"],
                number(row["decisions"]),
                number(row["runs"]),
                number(row["failed"]),
                Example(one["run_id"], one["decision_id"], one["error"] or one["error_type"]),
            )
        )
    return failures


def nodes(tables: Tables, goal_id: str | None = None) -> Nodes:
    """The nodes, the one that fails most surely first.

    Raises:
        ReadError: no run has this goal.
    """
    check_goal(tables, goal_id)
    vain = nw.col("state") == "failed"
    spent = of_goal(tables.decisions, goal_id).with_columns(
        failed=nw.when(vain).then(1).otherwise(0),
        tokens_in_vain=nw.when(vain).then(nw.col("tokens")).otherwise(0),
        latency_in_vain=nw.when(vain).then(nw.col("latency_ms")).otherwise(0.0),
    )
    sums = ("failed", "tokens", "tokens_in_vain", "latency_ms", "latency_in_vain")
    found = rows(over_runs(by_run(spent, ["node_id"], *sums), ["node_id"], *sums))
    named = [
        NodePattern(
            row["node_id"],
            number(row["decisions"]),
            number(row["runs"]),
            number(row["failed"]),
            rate_of(row),
            number(row["tokens"]),
            number(row["tokens_in_vain"]),
            float(row["latency_ms"] or 0),
            float(row["latency_in_vain"] or 0),
        )
        for row in found
    ]
    named.sort(
        key=lambda node: (
            node.success.interval.high if node.success.interval else 2.0,
            -node.decisions,
            node.node_id,
        )
    )
    return Nodes(goal_id, named[:_MOST])


def _types(tables: Tables, goal_id: str) -> list[TypePattern]:
    keys = ["decision_type"]
    found = rows(over_runs(by_run(of_goal(tables.decisions, goal_id), keys), keys))
    types = [
        TypePattern(
            row["decision_type"], number(row["decisions"]), number(row["runs"]), rate_of(row)
        )
        for row in found
    ]
    return sorted(types, key=lambda each: (-each.decisions, each.decision_type))


def _trend(tables: Tables, goal_id: str) -> list[Period]:
    """As many periods as there are days, or else a dozen with about as many runs each."""
    found = rows(
        of_goal(tables.runs, goal_id)
        .group_by("day")
        .agg(runs=nw.len(), known=nw.col("succeeded").count(), k=count_if(nw.col("succeeded")))
        .sort("day")
    )
    days = [
        (str(row["day"]), number(row["runs"]), number(row["known"]), number(row["k"]))
        for row in found
    ]
    total = sum(runs for _, runs, _, _ in days)
    wanted = min(_PERIODS, len(days))
    periods: list[Period] = []
    some: list[tuple[str, int, int, int]] = []
    done = 0
    for place, day in enumerate(days):
        some.append(day)
        done += day[1]
        if done * wanted >= total * (len(periods) + 1) or place == len(days) - 1:
            runs, known, k = (sum(column) for column in list(zip(*some, strict=True))[1:])
            periods.append(Period(some[0][0], some[-1][0], runs, rate(k, known)))
            some = []
    return periods
