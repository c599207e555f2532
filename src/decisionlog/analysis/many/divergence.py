"""Where the runs of a goal part, and whether it matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.naming import positions
from decisionlog.analysis.many.places import check_goal, count_if, number, placed, trouble
from decisionlog.analysis.many.sources import Tables, kept, rows
from decisionlog.analysis.many.stats import FALSE_FINDINGS, LEAST, Rate, adjusted, rate
from decisionlog.analysis.many.text import block, lines

_DEPTH = 6
"""How many decisions of a run are followed, from its first."""
_PATHS = 2_000
"""How many paths of a length are followed; the commonest."""
_PARTS = "\x1f"

Step: TypeAlias = tuple[str, str, str, str]
Path: TypeAlias = tuple[Step, ...]


class Taken(Struct, frozen=True):
    """A choice on the way; `intent` is a fingerprint, and `failures_before` how many decisions of
    the run were known to have failed by then: 0, 1, or 2 for more.
    """

    node_id: str
    intent: str | None
    failures_before: int
    option_id: str | None

    def __str__(self) -> str:
        return f"{self.node_id}: {self.intent or 'decides'} → {self.option_id or 'no choice'}"


class Branch(Struct, frozen=True):
    """Runs that took the same choices so far; `branches` is how they went on, without those that
    too few took. `example` is one of them.
    """

    choice: Taken
    success: Rate
    example: str
    branches: list[Branch]

    def __str__(self) -> str:
        inner = "\n".join(map(str, self.branches)).replace("\n", "\n  ")
        return f"{self.choice}: success {self.success}" + (f"\n  {inner}" if inner else "")


class Split(Struct, frozen=True):
    """Runs that had taken the same choices (`path`), and seen as many failures, part here, at their
    `step`-th decision, by what they choose. `p_value` is corrected for all splits looked at.
    """

    step: int
    path: list[Taken]
    branches: list[Branch]
    p_value: float

    def __str__(self) -> str:
        at = f"decision {self.step}" + (f", after {self.path[-1]}" if self.path else "")
        return f"at {at} (p = {self.p_value:.2g})" + block("", self.branches)


class Divergence(Struct, frozen=True):
    """The tree of choices of a goal's runs. `divergence` is the earliest split whose branches
    differ in how often the runs succeed; None if none of the `looked_at` does.
    """

    goal_id: str
    runs: int
    looked_at: int
    divergence: Split | None
    splits: list[Split]
    tree: list[Branch]

    def __str__(self) -> str:
        told = (
            f"The runs of {self.goal_id} part {self.divergence}"
            if self.divergence
            else f"No choice separates the runs of {self.goal_id} that succeed from those that fail"
            f" ({self.looked_at} splits looked at)."
        )
        return lines(told, block("All choices", self.tree))


def divergence(tables: Tables, goal_id: str) -> Divergence:
    """Where the runs of a goal part.

    Raises:
        ReadError: no run has this goal.
    """
    check_goal(tables, goal_id)
    counted = _paths(tables, goal_id)
    groups: dict[tuple[Path, Step], list[Path]] = {}
    for path in counted:
        groups.setdefault((path[:-1], (*path[-1][:3], "")), []).append(path)
    listed = positions(tables, {(*path[-1][:2], path[-1][3]) for path in counted})
    looked_at = [
        (key, sorted(paths))
        for key, paths in groups.items()
        if len(paths) > 1 and not any((*p[-1][:2], p[-1][3]) in listed for p in paths)
    ]
    p_values = adjusted([_test([counted[path] for path in paths]) for _, paths in looked_at])
    splits = [
        Split(
            len(prefix) + 1,
            [_taken(step) for step in prefix],
            [_branch(path, counted, deep=False) for path in paths],
            p_value,
        )
        for ((prefix, _), paths), p_value in zip(looked_at, p_values, strict=True)
        if p_value <= FALSE_FINDINGS
    ]
    splits.sort(key=lambda split: (split.step, split.p_value))
    starts = sorted(path for path in counted if len(path) == 1)
    return Divergence(
        goal_id,
        sum(counted[path][1] for path in starts),
        len(looked_at),
        splits[0] if splits else None,
        splits,
        [_branch(path, counted, deep=True) for path in starts],
    )


def _paths(tables: Tables, goal_id: str) -> dict[Path, tuple[int, int, str]]:
    """For each path that enough runs took: how many succeeded, how many there are, and one."""
    step = nw.col("step")
    frame = placed(tables, goal_id).filter(step <= _DEPTH, ~nw.col("run_succeeded").is_null())
    chosen = (
        nw.when(nw.col("chosen_option_id").is_null())
        .then(nw.lit(""))
        .otherwise(nw.col("chosen_option_id"))
    )
    label = nw.concat_str(
        [nw.col("node_id"), nw.col("place"), trouble().cast(nw.String), chosen], separator=_PARTS
    )
    names = [f"step_{i}" for i in range(1, _DEPTH + 1)]
    wide = (
        frame.with_columns(label=label)
        .group_by("run_id", "run_succeeded")
        .agg(
            **{
                name: nw.when(step == i).then(nw.col("label")).max()
                for i, name in enumerate(names, 1)
            }
        )
    )
    counted: dict[Path, tuple[int, int, str]] = {}
    with kept(tables, wide) as ways:
        for depth in range(1, _DEPTH + 1):
            keys = names[:depth]
            found = rows(
                ways.filter(~nw.col(keys[-1]).is_null())
                .group_by(*keys)
                .agg(n=nw.len(), k=count_if(nw.col("run_succeeded")), one=nw.col("run_id").min())
                .filter(nw.col("n") >= LEAST)
                .sort("n", *keys, descending=[True, *(False for _ in keys)])
                .head(_PATHS)
            )
            if not found:
                break
            for row in found:
                counted[_path(row, keys)] = number(row["k"]), number(row["n"]), row["one"]
    return counted


def _path(row: dict[str, Any], keys: list[str]) -> Path:
    steps: list[Step] = []
    for key in keys:
        node, intent, failures, option = str(row[key]).split(_PARTS, 3)
        steps.append((node, intent, failures, option))
    return tuple(steps)


def _test(branches: Sequence[tuple[int, int, str]]) -> float:
    """How likely such different rates are if the branches do not differ."""
    from decisionlog.analysis.many import hypotheses  # takes a while to import

    table = [(k, n - k) for k, n, _ in branches]
    if not all(map(sum, zip(*table, strict=True))):
        return 1.0
    if len(branches) == 2:
        (a, n_a, _), (b, n_b, _) = branches
        return hypotheses.fisher(a, n_a, b, n_b)
    p_value, least_expected = hypotheses.alike(table)
    return p_value if least_expected >= LEAST else hypotheses.sampled_fisher(table)


def _taken(step: Step) -> Taken:
    return Taken(step[0], step[1] or None, int(step[2]), step[3] or None)


def _branch(path: Path, counted: dict[Path, tuple[int, int, str]], *, deep: bool) -> Branch:
    k, n, one = counted[path]
    inner = sorted(p for p in counted if p[:-1] == path and len(p) == len(path) + 1) if deep else []
    return Branch(
        _taken(path[-1]), rate(k, n), one, [_branch(p, counted, deep=True) for p in inner]
    )
