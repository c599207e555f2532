"""Before and after: what a new version, prompt or model changed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import expm1
from typing import Any, Literal, TypeAlias

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.places import Example, count_if, number
from decisionlog.analysis.many.sources import Frame, Tables, rows
from decisionlog.analysis.many.stats import (
    FALSE_FINDINGS,
    LEAST,
    Counts,
    Difference,
    Rate,
    adjusted,
    difference,
    no_difference,
    overdispersion,
    rate,
)
from decisionlog.analysis.many.text import block, lines
from decisionlog.analysis.one.wording import seconds
from decisionlog.errors import ReadError
from decisionlog.wording import counted

Verdict: TypeAlias = Literal["better", "worse"]
_Days: TypeAlias = tuple[list[tuple[int, int]], list[tuple[int, int]]]
"""Successes and number on each day, before and after."""


class Change(Struct, frozen=True):
    """A rate or an amount before and after.

    `what` is "success" (of runs, or of the first decisions of runs at a node), "tokens" or
    "duration_ms" (geometric means for each run); `target` a goal, a node, or None for all runs,
    compared within goals. `ratio` is after divided by before, of amounts. `verdict` is None where
    the data do not say; `p_value` is corrected for all that was compared.
    """

    what: str
    target: str | None
    before: float
    after: float
    before_rate: Rate | None
    after_rate: Rate | None
    difference: Difference | None
    ratio: float | None
    p_value: float
    verdict: Verdict | None

    def __str__(self) -> str:
        name = f"{self.what} of {self.target or 'all runs'}"
        if self.difference is not None:
            told = f"{self.before_rate} → {self.after_rate}, {self.difference}"
        elif self.what == "duration_ms":
            name = f"time of {self.target or 'all runs'}"
            told = f"{seconds(self.before)} → {seconds(self.after)}"
        else:
            told = f"{self.before:,.0f} → {self.after:,.0f}"
        return f"{name}: {told}, p = {self.p_value:.2g}"


class Step(Struct, frozen=True):
    """From one value of the tag to the next, with a run of each."""

    before: str
    after: str
    before_runs: int
    after_runs: int
    examples: list[Example]
    better: list[Change]
    worse: list[Change]
    unclear: list[Change]

    def __str__(self) -> str:
        return lines(
            f"{self.before} ({counted(self.before_runs, 'run')})"
            f" → {self.after} ({counted(self.after_runs, 'run')})",
            block("Better", self.better),
            block("Worse", self.worse),
            block("No telling", self.unclear),
            ""
            if self.better or self.worse or self.unclear
            else "\nNo goal or node has enough runs of both.",
        )


class Changes(Struct, frozen=True):
    """The values of a tag in the order in which they first came up, each against the one before."""

    tag: str
    values: list[str]
    steps: list[Step]

    def __str__(self) -> str:
        if not self.steps:
            return f"All runs have the same {self.tag}: {self.values[0]}."
        return "\n\n".join(map(str, self.steps))


class _Test(Struct, frozen=True):
    what: str
    target: str | None
    p_value: float
    before: float
    after: float
    strata: list[Counts] = []
    worth: list[Counts] = []
    """The same, as the number of independent runs that these are worth."""


def changes(tables: Tables, tag: str) -> Changes:
    """What got better or worse from each value of a tag to the next.

    Raises:
        ReadError: no run has the tag.
    """
    tags = tables.runs.select("run_id", "tags").explode("tags")
    each = tags.select(
        "run_id", key=nw.col("tags").struct.field("key"), value=nw.col("tags").struct.field("value")
    )
    tagged = each.filter(nw.col("key") == tag)
    runs = tables.runs.join(tagged.select("run_id", "value"), on="run_id", how="inner")
    found = rows(
        runs.group_by("value").agg(
            n=nw.len(), since=nw.col("started_at").min(), one=nw.col("run_id").min()
        )
    )
    if not found:
        keys = sorted(row["key"] for row in rows(each.select("key").unique()) if row["key"])
        raise ReadError(f"no run has the tag {tag!r:.200}; there are {', '.join(keys) or 'none'}")
    found.sort(key=lambda row: (row["since"], row["value"]))
    measured = _measured(tables, runs)
    tested = {
        (before["value"], after["value"]): list(_tests(measured, before["value"], after["value"]))
        for before, after in pairwise(found)
    }
    p_values = iter(adjusted([test.p_value for tests in tested.values() for test in tests]))
    steps: list[Step] = []
    for before, after in pairwise(found):
        told = [_change(t, next(p_values)) for t in tested[before["value"], after["value"]]]
        steps.append(
            Step(
                before["value"],
                after["value"],
                number(before["n"]),
                number(after["n"]),
                [Example(before["one"]), Example(after["one"])],
                [change for change in told if change.verdict == "better"],
                [change for change in told if change.verdict == "worse"],
                [change for change in told if change.verdict is None],
            )
        )
    return Changes(tag, [row["value"] for row in found], steps)


def _measured(tables: Tables, runs: Frame) -> tuple[list[dict[str, Any]], ...]:
    used = nw.when(nw.col("tokens") > 0).then(nw.col("tokens"))  # else nobody counted them
    logs = runs.with_columns(
        log_tokens=(used + 1).log(), log_duration=(nw.col("duration_ms") + 1).log()
    )
    amounts = {
        f"{statistic}_{name}": getattr(nw.col(f"log_{name}"), statistic)()
        for name in ("tokens", "duration")
        for statistic in ("mean", "std", "count")
    }
    counts = {"n": nw.col("succeeded").count(), "k": count_if(nw.col("succeeded"))}
    by_goal = rows(logs.group_by("value", "goal_id").agg(**amounts))
    by_day = rows(runs.group_by("value", "goal_id", "day").agg(**counts))
    first = tables.decisions.filter(nw.col("node_visit") == 1)
    by_node = rows(
        first.join(runs.select("run_id", "value", "day"), on="run_id", how="inner")
        .group_by("value", "goal_id", "node_id", "day")
        .agg(**counts)
    )
    return by_goal, by_day, by_node


def _tests(measured: tuple[list[dict[str, Any]], ...], before: str, after: str) -> Iterable[_Test]:
    by_goal, by_day, by_node = measured
    strata: dict[Any, _Days] = _days(by_day, before, after, "goal_id")
    yield from _rates("success", None, list(strata.values()))
    for goal, old, new in _side_by_side(by_goal, before, after):
        if len(strata) > 1 and goal in strata:
            yield from _rates("success", goal, [strata[goal]])
        for what, name in (("tokens", "tokens"), ("duration_ms", "duration")):
            yield from _amounts(what, name, goal, old, new)
    nodes: dict[str, list[_Days]] = {}
    for (_, node), days in _days(by_node, before, after, "goal_id", "node_id").items():
        nodes.setdefault(node, []).append(days)
    for node, told in sorted(nodes.items()):
        yield from _rates("success", f"node {node}", told)


def _side_by_side(
    found: list[dict[str, Any]], before: str, after: str
) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Only the goals there are of both."""
    old, new = (
        {row["goal_id"]: row for row in found if row["value"] == value} for value in (before, after)
    )
    return [(goal, old[goal], new[goal]) for goal in sorted(old.keys() & new.keys())]


def _days(found: list[dict[str, Any]], before: str, after: str, *keys: str) -> dict[Any, _Days]:
    """By goal (and node), where there are some of both: successes and number, day by day."""
    days: dict[Any, _Days] = {}
    for row in found:
        if row["value"] in (before, after) and number(row["n"]):
            key = row[keys[0]] if len(keys) == 1 else tuple(row[name] for name in keys)
            none: _Days = ([], [])
            old, new = days.setdefault(key, none)
            (new if row["value"] == after else old).append((number(row["k"]), number(row["n"])))
    return {key: days[key] for key in sorted(days) if all(days[key])}


def _rates(what: str, target: str | None, strata: list[_Days]) -> Iterable[_Test]:
    """Days differ, in what there was to do and in what did not work: what differs no more from one
    version to the next than from day to day is no finding.
    """
    told: list[Counts] = []
    for sides in strata:
        (k, n), (new_k, new_n) = ([sum(x) for x in zip(*side, strict=True)] for side in sides)
        told.append((k, n, new_k, new_n))
    k, n, new_k, new_n = (sum(column) for column in zip(*told, strict=True)) if told else (0,) * 4
    if min(n, new_n) >= LEAST:
        alike = overdispersion(side for sides in strata for side in sides)
        worth: list[Counts] = [(a / alike, b / alike, c / alike, d / alike) for a, b, c, d in told]
        yield _Test(what, target, no_difference(worth), k / n, new_k / new_n, told, worth)


def _amounts(
    what: str, name: str, target: str, old: dict[str, Any], new: dict[str, Any]
) -> Iterable[_Test]:
    """Welch's test of the logarithms: such amounts are skewed."""
    sides = [
        (row[f"mean_{name}"], row[f"std_{name}"], number(row[f"count_{name}"]))
        for row in (old, new)
    ]
    (mean, std, n), (new_mean, new_std, new_n) = sides
    if min(n, new_n) < LEAST or std is None or new_std is None or not (std or new_std):
        return
    from decisionlog.analysis.many import hypotheses  # takes a while to import

    p_value = hypotheses.welch((mean, std, n), (new_mean, new_std, new_n))
    yield _Test(what, target, p_value, expm1(mean), expm1(new_mean))


def _change(test: _Test, p_value: float) -> Change:
    if not test.strata:
        verdict: Verdict | None = None
        if p_value <= FALSE_FINDINGS:
            verdict = "better" if test.after < test.before else "worse"
        ratio = test.after / test.before if test.before > 0 else None
        return Change(
            test.what,
            test.target,
            test.before,
            test.after,
            None,
            None,
            None,
            ratio,
            p_value,
            verdict,
        )
    gap = difference(test.worth)
    old_k, old_n, new_k, new_n = (number(sum(c)) for c in zip(*test.strata, strict=True))
    verdict = None
    if gap is not None and p_value <= FALSE_FINDINGS and gap.interval.low * gap.interval.high > 0:
        verdict = "better" if gap.estimate > 0 else "worse"
    return Change(
        test.what, test.target, test.before, test.after, rate(old_k, old_n), rate(new_k, new_n),
        gap, None, p_value, verdict,
    )  # fmt: skip
