"""Which option pays: for each place and option how often it was offered and chosen, what came of
it, and whether another would have been better.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any, Literal, TypeAlias

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.naming import Choice, positions
from decisionlog.analysis.many.places import (
    EXAMPLES,
    Example,
    by_run,
    check_goal,
    count_if,
    has_chosen,
    intents,
    number,
    of_goal,
    over_runs,
    placed,
    rate_of,
    trouble,
    with_place,
    worded_anew,
)
from decisionlog.analysis.many.sources import Frame, Tables, kept, rows
from decisionlog.analysis.many.stats import (
    FALSE_FINDINGS,
    LEAST,
    Counts,
    Difference,
    Rate,
    adjusted,
    difference,
    no_difference,
    rate,
)
from decisionlog.analysis.many.tables import MENU_SEPARATOR
from decisionlog.analysis.many.text import block, lines

_KEYS = ("node_id", "place")
_PLACES = 200
"""How many places are looked at; those with most decisions."""
_COMPARED = 12
"""How many options of a place are compared with each other; those chosen most often."""

Outcome: TypeAlias = Literal["decision", "run"]
Key: TypeAlias = tuple[str, str]
_OUTCOMES: dict[Outcome, str] = {"decision": "succeeded", "run": "run_succeeded"}


class Quantiles(Struct, frozen=True):
    """The median and the value that 95 % do not exceed."""

    median: float
    p95: float


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


class OptionPattern(Struct, frozen=True):
    """An option at a place.

    `offered` and `chosen` count decisions. `success` is of the decisions that chose it, with an
    interval that knows that those of one run are alike; `run_success` of the runs whose first
    choice there it was. Latency in ms; None where there are no outcomes.
    """

    option_id: str
    offered: int
    chosen: int
    runs: int
    success: Rate
    run_success: Rate
    latency_ms: Quantiles | None
    tokens: Quantiles | None
    regret: Regret | None

    def __str__(self) -> str:
        text = (
            f"{self.option_id}: chosen {self.chosen} of {self.offered} times; success"
            f" {self.success}"
        )
        if self.run_success.count:
            text += f"; of runs that chose it first {self.run_success}"
        return text + (f"\n  {self.regret}" if self.regret else "")


class Place(Struct, frozen=True):
    """Where one of several options is taken; `intent` is a fingerprint, None where the node's
    intents are worded anew each time, so that they make one place. `positions` is true where ids
    of options only say where in a list they stood, so that they are not compared.
    """

    node_id: str
    intent: str | None
    decisions: int
    options: list[OptionPattern]
    positions: bool = False

    def __str__(self) -> str:
        title = f"{self.node_id}: {self.intent or 'whatever it decides'}"
        if self.positions:
            title += " (an id is a place in a list here, so options are not compared)"
        return lines(block(title, self.options))


class Options(Struct, frozen=True):
    """The places, that with most decisions first; `places_left_out` more have fewer."""

    goal_id: str | None
    node_id: str | None
    compared: int
    places: list[Place]
    places_left_out: int

    def __str__(self) -> str:
        if not self.places:
            return "No options were chosen."
        more = f"\n{self.places_left_out} more places" if self.places_left_out else ""
        return lines(*map(str, self.places), more).lstrip("\n")


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


def options(tables: Tables, goal_id: str | None = None, node_id: str | None = None) -> Options:
    """The options of each place, with what came of them.

    Raises:
        ReadError: no run has this goal.
    """
    check_goal(tables, goal_id)
    with (
        kept(tables, intents(tables)) as every,
        kept(tables, _numbered(counted := _counted(tables, every, goal_id, node_id))) as places,
    ):
        foremost = rows(places.sort("at"))
        if not foremost:
            return Options(goal_id, node_id, 0, [], 0)
        left_out = 0
        if len(foremost) == _PLACES:
            [whole] = rows(counted.select(n=nw.len()))
            left_out = number(whole["n"]) - _PLACES
        # By number, because long texts take longer to group by.
        numbered = places.select("at", *_KEYS)
        frame = made(tables, goal_id, node_id).join(numbered, on=[*_KEYS], how="inner")
        firsts = first_choices(frame, numbered)
        tests = contrasts(tables, firsts)
        p_values = adjusted([test.p_value for test in tests])
        regrets = _regrets(zip(tests, p_values, strict=True))
        offered = _offered(tables, frame, numbered)
        found = _patterns(frame, numbered, firsts, offered, regrets)
        listed = {choice[:2] for choice in positions(tables, _often(found))}
    keys = [(row["node_id"], row["place"]) for row in foremost]
    return Options(
        goal_id,
        node_id,
        len(tests),
        [
            Place(key[0], key[1] or None, number(row["n"]), found.get(key, []), key in listed)
            for key, row in zip(keys, foremost, strict=True)
        ],
        left_out,
    )


def made(tables: Tables, goal_id: str | None, node_id: str | None = None) -> Frame:
    """The decisions that chose something, with their places."""
    return placed(tables, goal_id, node_id).filter(*has_chosen())


def _counted(tables: Tables, every: Frame, goal_id: str | None, node_id: str | None) -> Frame:
    """How many decisions chose something, at each place where any did."""
    mine = of_goal(every, goal_id)
    if node_id is not None:
        mine = mine.filter(nw.col("node_id") == node_id)
    chosen = with_place(mine, worded_anew(tables, every)).filter(nw.col("chosen") > 0)
    return chosen.group_by(*_KEYS).agg(n=nw.col("chosen").sum())


def _numbered(counted: Frame) -> Frame:
    """The places with most decisions; the first is `at` 0."""
    ordered = counted.with_columns(less=0 - nw.col("n"))
    return ordered.with_row_index("at", order_by=["less", *_KEYS]).filter(nw.col("at") < _PLACES)


def _often(found: dict[Key, list[OptionPattern]]) -> Iterable[Choice]:
    for place, patterns in found.items():
        yield from ((*place, pattern.option_id) for pattern in patterns[:_COMPARED])


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
    place, rest = ["at"] if numbered else [*_KEYS], ["goal_id", "trouble", "chosen_option_id"]
    by_choice = first.group_by(*place, *rest).agg(**counts)
    if numbered is not None:
        by_choice = by_choice.join(numbered, on="at", how="inner")
    return rows(by_choice.sort(*_KEYS, *rest))


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
    for one, other in combinations(often[:_COMPARED], 2):
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


def _regrets(tested: Iterable[tuple[Contrast, float]]) -> dict[tuple[Key, str], Regret]:
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


def _offered(tables: Tables, frame: Frame, numbered: Frame) -> dict[tuple[str, str, str], int]:
    """How often each option was on the table, by node, place and option.

    By way of menus, which are few: a row for each option offered would be ten times as many.
    """
    offered = frame.filter(nw.col("option_count") > 0)
    with kept(tables, offered.group_by("at", "menu").agg(n=nw.len())) as menus:
        each = menus.with_columns(option=nw.col("menu").str.split(MENU_SEPARATOR))
        ids = each.select("at", "option", "n").explode("option")
        by_option = ids.group_by("at", "option").agg(n=nw.col("n").sum())
        found = rows(by_option.join(numbered, on="at", how="inner"))
    return {(row["node_id"], row["place"], row["option"]): number(row["n"]) for row in found}


def _patterns(
    frame: Frame,
    numbered: Frame,
    firsts: list[dict[str, Any]],
    offered: dict[tuple[str, str, str], int],
    regrets: dict[tuple[Key, str], Regret],
) -> dict[Key, list[OptionPattern]]:
    keys = ["at", "chosen_option_id"]
    runs: dict[tuple[int, str], tuple[int, int]] = {}
    for row in firsts:
        key = row["at"], row["chosen_option_id"]
        k, n = runs.get(key, (0, 0))
        runs[key] = k + number(row["k_run"]), n + number(row["n_run"])
    by_option = over_runs(by_run(frame, keys), keys)
    counted = rows(by_option.join(numbered, on="at", how="inner"))
    spent = {tuple(row[key] for key in keys): row for row in rows(_spent(frame, keys))}
    found: dict[Key, list[OptionPattern]] = {}
    for row in counted:
        node_id, place, option_id = (row[name] for name in (*_KEYS, "chosen_option_id"))
        key = row["at"], option_id
        chosen = number(row["decisions"])
        found.setdefault((node_id, place), []).append(
            OptionPattern(
                option_id,
                offered.get((node_id, place, option_id), 0),
                chosen,
                number(row["runs"]),
                rate_of(row),
                rate(*runs.get(key, (0, 0))),
                _quantiles(spent.get(key), "latency_ms"),
                _quantiles(spent.get(key), "tokens"),
                regrets.get(((node_id, place), option_id)),
            )
        )
    for patterns in found.values():
        patterns.sort(key=lambda each: (-each.chosen, each.option_id))
    return found


def _spent(frame: Frame, keys: list[str]) -> Frame:
    columns = ("latency_ms", "tokens")
    known = frame.filter(~nw.col("latency_ms").is_null())
    return known.group_by(*keys).agg(
        **{f"{name}_median": nw.col(name).median() for name in columns},
        **{f"{name}_p95": nw.col(name).quantile(0.95, "linear") for name in columns},
    )


def _quantiles(row: dict[str, Any] | None, name: str) -> Quantiles | None:
    if row is None or row[f"{name}_median"] is None:
        return None
    return Quantiles(float(row[f"{name}_median"]), float(row[f"{name}_p95"]))
