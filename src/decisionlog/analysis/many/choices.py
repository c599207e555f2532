"""Which option pays: for each place and option how often it was offered and chosen, what came of
it, and whether another would have been better.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any, Literal, TypeAlias

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.places import (
    Example,
    by_run,
    check_goal,
    count_if,
    examples,
    number,
    over_runs,
    placed,
    rate_of,
)
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
    rate,
)
from decisionlog.analysis.many.text import block, lines

_PLACES = 200
"""How many places are looked at; those with most decisions."""
_COMPARED = 12
"""How many options of a place are compared with each other; those chosen most often."""

Outcome: TypeAlias = Literal["decision", "run"]
Key: TypeAlias = tuple[str, str]


class Quantiles(Struct, frozen=True):
    """The median and the value that 95 % do not exceed."""

    median: float
    p95: float


class Regret(Struct, frozen=True):
    """How much better another option did at the same place: `difference` is its rate less this
    one's, among the first decisions of runs there, within goals.

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
            f" {self.success}; of runs {self.run_success}"
        )
        return text + (f"\n  {self.regret}" if self.regret else "")


class Place(Struct, frozen=True):
    """Where one of several options is taken; `intent` is a fingerprint, None where the node's
    intents are worded anew each time, so that they make one place.
    """

    node_id: str
    intent: str | None
    decisions: int
    options: list[OptionPattern]

    def __str__(self) -> str:
        return lines(block(f"{self.node_id}: {self.intent or 'whatever it decides'}", self.options))


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
    """Two options of a place, and whether the second one's rate differs from the first one's."""

    place: Key
    worse: str
    better: str
    of: Outcome
    strata: list[Counts]
    p_value: float


def options(tables: Tables, goal_id: str | None = None, node_id: str | None = None) -> Options:
    """The options of each place, with what came of them.

    Raises:
        ReadError: no run has this goal.
    """
    check_goal(tables, goal_id)
    frame = placed(tables, goal_id, node_id).filter(~nw.col("chosen_option_id").is_null())
    places, left_out = _places(frame)
    if not places:
        return Options(goal_id, node_id, 0, [], 0)
    mine = _within(frame, places)
    tests = contrasts(mine)
    p_values = adjusted([test.p_value for test in tests])
    regrets = _regrets(mine, zip(tests, p_values, strict=True))
    offered = _offered(tables, mine, goal_id, node_id)
    found = _patterns(mine, offered, regrets)
    return Options(
        goal_id,
        node_id,
        len(tests),
        [Place(key[0], key[1] or None, n, found.get(key, [])) for key, n in places.items()],
        left_out,
    )


def _places(frame: Frame) -> tuple[dict[Key, int], int]:
    grouped = frame.group_by("node_id", "place").agg(n=nw.len())
    found = rows(grouped.sort("n", "node_id", "place", descending=[True, False, False]).head(_PLACES))
    total = number(rows(grouped.select(n=nw.len()))[0]["n"]) if len(found) == _PLACES else len(found)
    return {(row["node_id"], row["place"]): number(row["n"]) for row in found}, total - len(found)


def _within(frame: Frame, places: Iterable[Key]) -> Frame:
    """Only what was decided at these places; if that is all, as it is."""
    keys = list(places)
    if len(keys) < _PLACES:
        return frame
    nodes, intents = {node for node, _ in keys}, {place for _, place in keys}
    return frame.filter(nw.col("node_id").is_in(sorted(nodes)), nw.col("place").is_in(sorted(intents)))


def contrasts(frame: Frame) -> list[Contrast]:
    """Each two options of a place that enough runs chose first there, compared within goals."""
    first = frame.filter(nw.col("is_first"))
    counted = rows(
        first.group_by("node_id", "place", "goal_id", "chosen_option_id").agg(
            n_decision=nw.col("succeeded").count(),
            k_decision=count_if(nw.col("succeeded")),
            n_run=nw.col("run_succeeded").count(),
            k_run=count_if(nw.col("run_succeeded")),
        )
    )
    tests: list[Contrast] = []
    ways: tuple[Outcome, ...] = ("decision", "run")
    for of in ways:
        at: dict[Key, dict[str, dict[str, tuple[int, int]]]] = {}
        for row in counted:
            k, n = number(row[f"k_{of}"]), number(row[f"n_{of}"])
            place = at.setdefault((row["node_id"], row["place"]), {})
            place.setdefault(row["chosen_option_id"], {})[row["goal_id"]] = k, n
        for key, by_option in sorted(at.items()):
            tests += _pairs(key, of, by_option)
    return tests


def _pairs(
    place: Key, of: Outcome, by_option: dict[str, dict[str, tuple[int, int]]]
) -> list[Contrast]:
    totals = {option: sum(n for _, n in goals.values()) for option, goals in by_option.items()}
    ranked = sorted((o for o, n in totals.items() if n >= LEAST), key=lambda o: (-totals[o], o))
    found: list[Contrast] = []
    for one, other in combinations(ranked[:_COMPARED], 2):
        shared = sorted(by_option[one].keys() & by_option[other].keys())
        strata: list[Counts] = [(*by_option[one][g], *by_option[other][g]) for g in shared]
        strata = [s for s in strata if s[1] and s[3]]
        gap = difference(strata)
        if gap is None:
            continue
        if gap.estimate < 0:
            one, other = other, one
            strata = [(*s[2:], *s[:2]) for s in strata]  # type: ignore[misc]
        found.append(Contrast(place, one, other, of, strata, no_difference(strata)))
    return found


def is_finding(test: Contrast, p_value: float) -> bool:
    """Whether the data say that the one is better: by the test, and by the interval."""
    gap = difference(test.strata)
    return p_value <= FALSE_FINDINGS and gap is not None and gap.interval.low > 0


def regret_of(test: Contrast, p_value: float, frame: Frame) -> Regret:
    """What is to be said of a finding, with runs in which the worse option came to nothing."""
    failed = nw.col("succeeded") if test.of == "decision" else nw.col("run_succeeded")
    where = frame.filter(
        nw.col("is_first"),
        nw.col("node_id") == test.place[0],
        nw.col("place") == test.place[1],
        nw.col("chosen_option_id") == test.worse,
        ~failed,
    )
    k, n, better_k, better_n = (number(sum(column)) for column in zip(*test.strata, strict=True))
    gap = difference(test.strata)
    assert gap is not None  # or it were no finding
    return Regret(
        test.better, test.of, gap, rate(k, n), rate(better_k, better_n), p_value, examples(where)
    )


def _regrets(frame: Frame, tested: Iterable[tuple[Contrast, float]]) -> dict[tuple[Key, str], Regret]:
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
    return {key: regret_of(test, p_value, frame) for key, (_, test, p_value) in best.items()}


def _offered(
    tables: Tables, frame: Frame, goal_id: str | None, node_id: str | None
) -> dict[tuple[str, str, str], int]:
    """How often each option was on the table, by node, place and option."""
    offered = tables.options
    if goal_id is not None:
        offered = offered.filter(nw.col("goal_id") == goal_id)
    if node_id is not None:
        offered = offered.filter(nw.col("node_id") == node_id)
    counted = offered.group_by("node_id", "intent_print", "option_id").agg(n=nw.len())
    named = frame.select("node_id", "intent_print", "place").unique()
    joined = counted.join(named, on=["node_id", "intent_print"], how="inner")
    found = rows(joined.group_by("node_id", "place", "option_id").agg(n=nw.col("n").sum()))
    return {(row["node_id"], row["place"], row["option_id"]): number(row["n"]) for row in found}


def _patterns(
    frame: Frame,
    offered: dict[tuple[str, str, str], int],
    regrets: dict[tuple[Key, str], Regret],
) -> dict[Key, list[OptionPattern]]:
    keys = ["node_id", "place", "chosen_option_id"]
    firsts = frame.with_columns(
        first_known=nw.when(nw.col("is_first") & ~nw.col("run_succeeded").is_null())
        .then(1)
        .otherwise(0),
        first_good=nw.when(nw.col("is_first") & nw.col("run_succeeded")).then(1).otherwise(0),
    )
    sums = ("first_known", "first_good")
    counted = rows(over_runs(by_run(firsts, keys, *sums), keys, *sums))
    spent = {tuple(row[key] for key in keys): row for row in rows(_spent(frame, keys))}
    found: dict[Key, list[OptionPattern]] = {}
    for row in counted:
        node_id, place, option_id = key = tuple(row[name] for name in keys)
        chosen = number(row["decisions"])
        found.setdefault((node_id, place), []).append(
            OptionPattern(
                option_id,
                offered.get((node_id, place, option_id), 0),
                chosen,
                number(row["runs"]),
                rate_of(row),
                rate(number(row["first_good"]), number(row["first_known"])),
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
