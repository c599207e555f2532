"""Which option pays: for each place and option how often it was offered and chosen, what came of
it, and whether another would have been better.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.contrasts import (
    COMPARED,
    KEYS,
    Key,
    Regret,
    contrasts,
    first_choices,
    regrets,
)
from decisionlog.analysis.many.naming import Choice, positions
from decisionlog.analysis.many.places import (
    by_run,
    check_goal,
    has_chosen,
    intents,
    number,
    of_goal,
    over_runs,
    placed,
    rate_of,
    with_place,
    worded_anew,
)
from decisionlog.analysis.many.sources import Frame, Tables, kept, rows
from decisionlog.analysis.many.stats import Rate, adjusted, rate
from decisionlog.analysis.many.tables import MENU_SEPARATOR
from decisionlog.analysis.many.text import block, lines

_PLACES = 200
"""How many places are looked at; those with most decisions."""


class Quantiles(Struct, frozen=True):
    """The median and the value that 95 % do not exceed."""

    median: float
    p95: float


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
        numbered = places.select("at", *KEYS)
        frame = made(tables, goal_id, node_id).join(numbered, on=[*KEYS], how="inner")
        firsts = first_choices(frame, numbered)
        tests = contrasts(tables, firsts)
        p_values = adjusted([test.p_value for test in tests])
        beaten = regrets(zip(tests, p_values, strict=True))
        offered = _offered(tables, frame, numbered)
        found = _patterns(frame, numbered, firsts, offered, beaten)
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
    return chosen.group_by(*KEYS).agg(n=nw.col("chosen").sum())


def _numbered(counted: Frame) -> Frame:
    """The places with most decisions; the first is `at` 0."""
    ordered = counted.with_columns(less=0 - nw.col("n"))
    return ordered.with_row_index("at", order_by=["less", *KEYS]).filter(nw.col("at") < _PLACES)


def _often(found: dict[Key, list[OptionPattern]]) -> Iterable[Choice]:
    for place, patterns in found.items():
        yield from ((*place, pattern.option_id) for pattern in patterns[:COMPARED])


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
    beaten: dict[tuple[Key, str], Regret],
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
        node_id, place, option_id = (row[name] for name in (*KEYS, "chosen_option_id"))
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
                beaten.get(((node_id, place), option_id)),
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
