"""Which of two options does better at a place: by the first decisions of runs there."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any, Literal, TypeAlias

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.naming import positions
from decisionlog.analysis.many.places import EXAMPLES, Example, count_if, number, trouble
from decisionlog.analysis.many.sources import Frame, Tables, rows
from decisionlog.analysis.many.stats import (
    FALSE_FINDINGS,
    LEAST,
    Counts,
    Difference,
    Rate,
    difference,
    no_difference,
    rate,
)
from decisionlog.analysis.many.tables import MENU_SEPARATOR

KEYS = ("node_id", "place")
COMPARED = 12
"""How many options of a place are compared with each other; those chosen most often."""

Outcome: TypeAlias = Literal["decision", "run"]
Key: TypeAlias = tuple[str, str]
_OUTCOMES: dict[Outcome, str] = {"decision": "succeeded", "run": "run_succeeded"}


class Regret(Struct, frozen=True):
    """How much better another option did at the same place: `difference` is its rate less this
    one's, among the first decisions of runs there, within goals, and within runs that had seen as
    many failures by then.

    `of` says which success is meant, that of the decision or that of the run. `p_value` is
    corrected for everything that was compared.
    """

    better_option_id: str
    of: Outcome
    difference: Difference
    own: Rate
    better: Rate
    p_value: float
    examples: list[Example]

    def __str__(self) -> str:
        return (
            f"{self.better_option_id} does better: {self.difference}, {self.of}s succeed"
            f" {self.better} instead of {self.own}, p = {self.p_value:.2g}"
        )


class Contrast(Struct, frozen=True):
    """Two options of a place, and whether the second one's rate differs from the first one's.

    `chosen` is how many first decisions there chose the first one, `of_all` how many there are;
    `examples` are some of these that came to nothing.
    """

    place: Key
    worse: str
    better: str
    of: Outcome
    strata: list[Counts]
    p_value: float
    chosen: int
    of_all: int
    examples: list[Example]


class _Tally(Struct):
    """The first decisions of runs at a place that chose an option: how many of how many succeeded,
    by goal and by how much trouble the run was in.
    """

    strata: dict[tuple[str, int], tuple[int, int]] = {}
    examples: list[Example] = []

    @property
    def count(self) -> int:
        return sum(n for _, n in self.strata.values())


def first_choices(frame: Frame, numbered: Frame | None = None) -> list[dict[str, Any]]:
    """How often runs first chose each option of each place, by goal and trouble, and what came of
    it; `numbered` is what the places are called that `frame` has by number.
    """
    first = frame.filter(nw.col("is_first")).with_columns(
        which=nw.concat_str([nw.col("run_id"), nw.col("decision_id")], separator=MENU_SEPARATOR),
        trouble=trouble(),
    )
    counts: dict[str, nw.Expr] = {}
    for of, name in _OUTCOMES.items():
        counts |= {
            f"n_{of}": nw.col(name).count(),
            f"k_{of}": count_if(nw.col(name)),
            f"first_{of}": nw.when(~nw.col(name)).then(nw.col("which")).min(),
            f"last_{of}": nw.when(~nw.col(name)).then(nw.col("which")).max(),
        }
    rest = ["goal_id", "trouble", "chosen_option_id"]
    place = [*KEYS] if numbered is None else ["at"]
    by_choice = first.group_by(*place, *rest).agg(**counts)
    if numbered is not None:
        by_choice = by_choice.join(numbered, on="at", how="inner")
    return rows(by_choice.sort(*KEYS, *rest))


def contrasts(tables: Tables, counted: list[dict[str, Any]]) -> list[Contrast]:
    """Each two options of a place that enough runs chose first there, given `first_choices`."""
    tests: list[Contrast] = []
    for of in _OUTCOMES:
        at: dict[Key, dict[str, _Tally]] = {}
        for row in counted:
            options = at.setdefault((row["node_id"], row["place"]), {})
            tally = options.setdefault(row["chosen_option_id"], _Tally())
            stratum = row["goal_id"], number(row["trouble"])
            tally.strata[stratum] = number(row[f"k_{of}"]), number(row[f"n_{of}"])
            some = {row[f"first_{of}"], row[f"last_{of}"]} - {None}
            tally.examples += [Example(*each.split(MENU_SEPARATOR)) for each in sorted(some)]
        listed = positions(tables, ((*key, option) for key in at for option in at[key]))
        for key, tallies in at.items():
            named = {name: t for name, t in tallies.items() if (*key, name) not in listed}
            tests += _pairs(key, of, named)
    return tests


def _pairs(place: Key, of: Outcome, tallies: dict[str, _Tally]) -> list[Contrast]:
    often = [option for option, tally in tallies.items() if tally.count >= LEAST]
    often.sort(key=lambda option: (-tallies[option].count, option))
    every = sum(tally.count for tally in tallies.values())
    found: list[Contrast] = []
    for one, other in combinations(often[:COMPARED], 2):
        first, second = tallies[one].strata, tallies[other].strata
        pairs = [(first[key], second[key]) for key in sorted(first.keys() & second.keys())]
        pairs = [(a, b) for a, b in pairs if a[1] and b[1]]
        gap = difference([(*a, *b) for a, b in pairs])
        if gap is None:
            continue
        if gap.estimate < 0:
            one, other = other, one
            pairs = [(b, a) for a, b in pairs]
        strata: list[Counts] = [(*a, *b) for a, b in pairs]
        mine = tallies[one]
        found.append(
            Contrast(
                place, one, other, of, strata, no_difference(strata), mine.count, every,
                mine.examples[:EXAMPLES],
            )
        )  # fmt: skip
    return found


def is_finding(test: Contrast, p_value: float) -> bool:
    """Whether the data say that the one is better: by the test, and by the interval."""
    gap = difference(test.strata)
    return p_value <= FALSE_FINDINGS and gap is not None and gap.interval.low > 0


def regret_of(test: Contrast, p_value: float) -> Regret:
    """What is to be said of a finding."""
    k, n, better_k, better_n = (number(sum(column)) for column in zip(*test.strata, strict=True))
    gap = difference(test.strata)
    assert gap is not None  # or it were no finding
    return Regret(
        test.better, test.of, gap, rate(k, n), rate(better_k, better_n), p_value, test.examples
    )


def regrets(tested: Iterable[tuple[Contrast, float]]) -> dict[tuple[Key, str], Regret]:
    """Of each option that some other beats, that with the largest difference; by decisions' own
    outcomes rather than by runs'.
    """
    best: dict[tuple[Key, str], tuple[tuple[bool, float], Contrast, float]] = {}
    for test, p_value in tested:
        if is_finding(test, p_value):
            gap = difference(test.strata)
            rank = (test.of == "decision", gap.estimate if gap else 0.0)
            key = test.place, test.worse
            if key not in best or rank > best[key][0]:
                best[key] = rank, test, p_value
    return {key: regret_of(test, p_value) for key, (_, test, p_value) in best.items()}
