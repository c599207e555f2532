"""Does the agent's confidence mean anything?"""

from __future__ import annotations

from typing import Any, Literal

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many.places import (
    by_run,
    check_goal,
    number,
    of_goal,
    over_runs,
    rate_of,
    sums_of,
)
from decisionlog.analysis.many.sources import Tables, rows
from decisionlog.analysis.many.stats import (
    FALSE_FINDINGS,
    FEW_RUNS,
    Rate,
    Sums,
    adjusted,
    clustered_rate,
    not_expected,
)
from decisionlog.analysis.many.text import block, lines
from decisionlog.analysis.proportion import Interval

_BINS = 10

Verdict = Literal["overconfident", "underconfident", "miscalibrated", "in line"]


class Bin(Struct, frozen=True):
    """The decisions whose confidence is from `low` to below `high` (1 belongs to the last).

    `p_value`, corrected for the number of bins: how likely the rate is if the confidence is right.
    """

    low: float
    high: float
    confidence: float
    success: Rate
    p_value: float

    def __str__(self) -> str:
        return f"{self.low:.1f} to {self.high:.1f}: said {self.confidence:.0%}, was {self.success}"


class Calibration(Struct, frozen=True):
    """How the confidence in the chosen options compares with how often they succeeded.

    `brier` is the mean squared distance of confidence from outcome (0 is perfect, and
    `brier_of_base_rate` what always saying the mean rate would give), `ece` the expected
    calibration error: the mean distance over the bins of `curve`. `bias` is the mean confidence
    less the rate. All are None without decisions that have both a confidence and an outcome.
    `verdict` is what the data support, None if there is too little to support anything:
    "miscalibrated" is right on average, and wrong in some bin.
    """

    goal_id: str | None
    node_id: str | None
    count: int
    runs: int
    confidence: float | None
    success: Rate
    brier: float | None
    brier_of_base_rate: float | None
    ece: float | None
    bias: float | None
    bias_interval: Interval | None
    p_value: float | None
    verdict: Verdict | None
    curve: list[Bin]

    def __str__(self) -> str:
        if self.brier is None:
            return "No decision has both a confidence and an outcome."
        average = f"said {self.confidence:.0%} on average, was {self.success}"
        off = [each for each in self.curve if each.p_value <= FALSE_FINDINGS]
        if self.verdict == "miscalibrated" and off:
            average = f"right on average, but not at {off[0]}; {average}"
        return lines(
            f"{self.verdict or 'too little to tell'}: {average}",
            f"Brier score {self.brier:.3f} (always saying the mean rate:"
            f" {self.brier_of_base_rate:.3f}), expected calibration error {self.ece:.3f}",
            block("Confidence and success", self.curve),
        )


def calibration(
    tables: Tables, goal_id: str | None = None, node_id: str | None = None
) -> Calibration:
    """How confidence compares with success.

    Raises:
        ReadError: no run has this goal.
    """
    check_goal(tables, goal_id)
    found = _bins(tables, goal_id, node_id)
    count = sum(number(row["known"]) for row in found)
    if not count:
        nothing = clustered_rate(Sums(0, 0, 0, 0, 0, 0))
        return Calibration(
            goal_id, node_id, 0, 0, None, nothing, None, None, None, None, None, None, None, []
        )
    whole = _whole(tables, goal_id, node_id)
    success = rate_of(whole)
    confidence = float(whole["confidence"]) / count
    p_overall, *p_bins = adjusted(
        [
            not_expected(sums_of(whole), confidence),
            *(not_expected(sums_of(row), _mean(row)) for row in found),
        ]
    )
    curve = [
        Bin(
            number(row["bin"]) / _BINS,
            (number(row["bin"]) + 1) / _BINS,
            _mean(row),
            rate_of(row),
            p_value,
        )
        for row, p_value in zip(found, p_bins, strict=True)
    ]
    share = success.rate or 0.0
    bounds = success.interval
    return Calibration(
        goal_id,
        node_id,
        count,
        success.runs,
        confidence,
        success,
        float(whole["squares"]) / count,
        share * (1 - share),
        sum(each.success.count * abs(each.confidence - (each.success.rate or 0)) for each in curve)
        / count,
        confidence - share,
        Interval(confidence - bounds.high, confidence - bounds.low) if bounds else None,
        p_overall,
        _verdict(confidence - share, p_overall, curve, success.runs),
        curve,
    )


def _mean(row: dict[str, Any]) -> float:
    return float(row["confidence"]) / number(row["known"])


def _verdict(bias: float, p_value: float, curve: list[Bin], runs: int) -> Verdict | None:
    if p_value <= FALSE_FINDINGS:
        return "overconfident" if bias > 0 else "underconfident"
    if any(each.p_value <= FALSE_FINDINGS for each in curve):
        return "miscalibrated"
    return "in line" if runs >= FEW_RUNS else None


def _known(tables: Tables, goal_id: str | None, node_id: str | None) -> Any:
    frame = of_goal(tables.decisions, goal_id)
    if node_id is not None:
        frame = frame.filter(nw.col("node_id") == node_id)
    confidence = nw.col("confidence")
    known = frame.filter(~confidence.is_null(), ~nw.col("succeeded").is_null())
    off = confidence - nw.when(nw.col("succeeded")).then(1.0).otherwise(0.0)
    return known.with_columns(
        squares=off * off,
        bin=nw.when(confidence >= 1).then(_BINS - 1.0).otherwise((confidence * _BINS).floor()),
    )


def _bins(tables: Tables, goal_id: str | None, node_id: str | None) -> list[dict[str, Any]]:
    per_run = by_run(_known(tables, goal_id, node_id), ["bin"], "confidence")
    return rows(over_runs(per_run, ["bin"], "confidence").sort("bin"))


def _whole(tables: Tables, goal_id: str | None, node_id: str | None) -> dict[str, Any]:
    known = _known(tables, goal_id, node_id).with_columns(all=nw.lit(1))
    sums = ("confidence", "squares")
    return rows(over_runs(by_run(known, ["all"], *sums), ["all"], *sums))[0]
