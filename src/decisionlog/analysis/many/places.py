"""Where decisions are made, and how often what is decided there succeeds.

A place is a node and the fingerprint of an intent. Where a node's intents hardly ever repeat
(a model words each anew), the node alone is the place.

Choices are compared by a run's first decision at a place only: one vote for each run. So the votes
are independent, and an agent that tries the second option only after the first has failed does not
make the second look bad. And only runs in as much trouble are compared: with none, one or more
failures before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.sources import Frame, Tables, rows
from decisionlog.analysis.many.stats import Rate, Sums, clustered_rate
from decisionlog.errors import ReadError

_REPEATS = 3
_FEW = 20
"""A node with more intents than this, each of which comes fewer times than `_REPEATS` on average,
words them anew each time."""

_MUCH = 2

EXAMPLES = 5
_SOUGHT, _NAMED = 1000, 3
"""Among how many goals the nearest to one that is not there are sought; how many are named."""


class Example(Struct, frozen=True):
    """Where to look: a run, and a decision in it."""

    run_id: str
    decision_id: str | None = None
    text: str | None = None

    def __str__(self) -> str:
        where = self.run_id + (f" {self.decision_id}" if self.decision_id else "")
        return f"{where}: {self.text}" if self.text else where


def number(value: Any) -> int:
    """A count from any engine: some give decimals, and nothing for the sum of no rows."""
    return 0 if value is None else int(value)


def count_if(condition: nw.Expr) -> nw.Expr:
    """How many rows of a group the condition holds for; if it is unknown, it does not."""
    return nw.when(condition).then(1).count()


def of_goal(frame: Frame, goal_id: str | None) -> Frame:
    """The rows of a goal, or all."""
    return frame if goal_id is None else frame.filter(nw.col("goal_id") == goal_id)


def check_goal(tables: Tables, goal_id: str | None) -> None:
    """That there are runs of this goal.

    Raises:
        ReadError: there are none.
    """
    if goal_id is None or rows(of_goal(tables.runs, goal_id).select("run_id").head(1)):
        return
    from difflib import get_close_matches

    often = tables.runs.group_by("goal_id").agg(n=nw.len())
    found = rows(often.sort("n", "goal_id", descending=[True, False]).head(_SOUGHT))
    lowered = {row["goal_id"].lower(): row["goal_id"] for row in reversed(found)}
    near = [lowered[each] for each in get_close_matches(goal_id.lower(), lowered, _NAMED, 0.5)]
    word = "nearest" if near else "the commonest"
    named = ", ".join(
        f"{goal!r:.100}" for goal in near or [row["goal_id"] for row in found[:_NAMED]]
    )
    hint = f"{word}: {named}" if named else "there are no runs"
    raise ReadError(f"no run has the goal {goal_id!r:.200}; {hint}")


def placed(tables: Tables, goal_id: str | None, node_id: str | None = None) -> Frame:
    """Decisions with their `place`, which is "" where the node alone is it, and `is_first`: whether
    the decision is the run's first there.
    """
    frame = of_goal(tables.decisions, goal_id)
    if node_id is not None:
        frame = frame.filter(nw.col("node_id") == node_id)
    anew = worded_anew(tables)
    first = nw.col("visit") == 1
    if anew:
        alone = nw.col("node_id").is_in(anew)
        first = nw.when(alone).then(nw.col("node_visit") == 1).otherwise(first)
    return with_place(frame, anew).with_columns(is_first=first)


def with_place(frame: Frame, worded_anew: list[str]) -> Frame:
    """The same with the `place` that an intent makes, given the nodes that word each anew."""
    intent = nw.col("intent_print")
    if not worded_anew:
        return frame.with_columns(place=intent)
    alone = nw.col("node_id").is_in(worded_anew)
    return frame.with_columns(place=nw.when(alone).then(nw.lit("")).otherwise(intent))


def has_chosen() -> tuple[nw.Expr, nw.Expr]:
    """Whether a decision took an option; both have to hold."""
    chosen = nw.col("chosen_option_id")
    return ~chosen.is_null(), chosen != ""


def trouble() -> nw.Expr:
    """How many failures a run had seen by then: 0, 1, or 2 for more."""
    failures = nw.col("failures_before")
    return nw.when(failures > _MUCH).then(_MUCH).otherwise(failures)


def intents(tables: Tables) -> Frame:
    """How many decisions there are for each goal, node and intent, and how many of them `chosen`
    something.
    """
    known, not_empty = has_chosen()
    keys = ("goal_id", "node_id", "intent_print")
    return tables.decisions.group_by(*keys).agg(n=nw.len(), chosen=count_if(known & not_empty))


def worded_anew(tables: Tables, every: Frame | None = None) -> list[str]:
    """The nodes whose intents hardly ever repeat, in all runs; `every` is `intents`, if somebody
    has them.
    """
    if "worded_anew" not in tables.memo:
        keys = ("node_id", "intent_print")
        if every is None:
            by_intent = tables.decisions.group_by(*keys).agg(n=nw.len())
        else:
            by_intent = every.group_by(*keys).agg(n=nw.col("n").sum())
        by_node = by_intent.group_by("node_id").agg(intents=nw.len(), n=nw.col("n").sum())
        tables.memo["worded_anew"] = sorted(
            row["node_id"]
            for row in rows(by_node.filter(nw.col("intents") > _FEW))
            if number(row["n"]) < _REPEATS * number(row["intents"])
        )
    found: list[str] = tables.memo["worded_anew"]
    return found


def by_run(frame: Frame, keys: Sequence[str], *sums: str) -> Frame:
    """For each group and run: decisions, those whose outcome is known and those that succeeded."""
    return frame.group_by(*keys, "run_id").agg(
        n=nw.len(),
        known=nw.col("succeeded").count(),
        k=count_if(nw.col("succeeded")),
        **{name: nw.col(name).sum() for name in sums},
    )


def over_runs(frame: Frame, keys: Sequence[str], *sums: str) -> Frame:
    """What `by_run` made, summed up, with what the interval of a rate needs."""
    k, n = nw.col("k"), nw.col("known")
    summed = frame.with_columns(kk=k * k, kn=k * n, nn=n * n)
    return summed.group_by(*keys).agg(
        decisions=nw.col("n").sum(),
        runs=nw.len(),
        known=n.sum(),
        known_runs=count_if(n > 0),
        k=k.sum(),
        kk=nw.col("kk").sum(),
        kn=nw.col("kn").sum(),
        nn=nw.col("nn").sum(),
        **{name: nw.col(name).sum() for name in sums},
    )


def rate_of(row: dict[str, Any]) -> Rate:
    """The rate of successes that a row of `over_runs` tells of."""
    return clustered_rate(sums_of(row))


def sums_of(row: dict[str, Any]) -> Sums:
    """What a row of `over_runs` knows about the clusters."""
    return Sums(
        number(row["k"]),
        number(row["known"]),
        number(row["known_runs"]),
        float(row["kk"]),
        float(row["kn"]),
        float(row["nn"]),
    )


def examples(frame: Frame, text: str | None = None) -> list[Example]:
    """The first few rows as examples, by run."""
    columns = ["run_id", "decision_id", *([text] if text else [])]
    found = rows(frame.select(*columns).sort("run_id", "decision_id").head(EXAMPLES))
    return [
        Example(row["run_id"], row["decision_id"], row[text] if text else None) for row in found
    ]
