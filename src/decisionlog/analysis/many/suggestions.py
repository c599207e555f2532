"""What to change, as far as the data say so."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many import calibration, choices, contrasts, divergence
from decisionlog.analysis.many.places import (
    Example,
    check_goal,
    count_if,
    examples,
    number,
    of_goal,
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

Kind: TypeAlias = Literal["prefer_option", "fix_cause", "calibrate", "change_path"]
Priority: TypeAlias = Literal["high", "medium", "low"]

_CAUSES = 200
_HIGH, _MEDIUM = 0.1, 0.03
"""From how much gain on (at the lower end of its interval) the priority is this."""
_CLEAR = 0.2
"""How much more often runs with a cause must fail, at the least, where there is no other cause to
compare it with: runs of hard cases have more of any error."""


class Evidence(Struct, frozen=True):
    """What a suggestion rests on: how often what it is about succeeded, and the rest instead, how
    likely that is by chance (corrected for all that was looked at), and runs to look at.
    """

    with_it: Rate
    without_it: Rate | None
    p_value: float
    examples: list[Example]

    def __str__(self) -> str:
        rest = f", otherwise {self.without_it}" if self.without_it else ""
        seen = ", ".join(dict.fromkeys(example.run_id for example in self.examples))
        return f"success {self.with_it}{rest}; p = {self.p_value:.2g}; see {seen or 'no run'}"


class Suggestion(Struct, frozen=True):
    """A proposal. `expected_gain` is how much higher the success rate of the goal's runs would be
    (of its decisions, where `gain_of` says so) if the difference were all due to this; None where
    no gain can be derived.
    """

    type: Kind
    target: str
    reason: str
    evidence: Evidence
    expected_gain: Difference | None
    gain_of: contrasts.Outcome
    priority: Priority

    def __str__(self) -> str:
        gain = f"; expected gain {self.expected_gain}" if self.expected_gain else ""
        return (
            f"[{self.priority}] {self.type} {self.target}: {self.reason}{gain}\n  {self.evidence}"
        )


class _Mark(Struct, frozen=True):
    """An error or a problem, the runs that have it, and all others."""

    kind: Literal["error", "problem"]
    print: str
    counts: Counts
    rivals: Counts
    p_value: float


def suggest(tables: Tables, goal_id: str) -> list[Suggestion]:
    """Proposals for a goal, that with the largest sure gain first; none if the data support none.

    Raises:
        ReadError: no run has this goal.
    """
    check_goal(tables, goal_id)
    firsts = contrasts.first_choices(choices.made(tables, goal_id))
    compared = contrasts.contrasts(tables, firsts)
    marks = _marks(tables, goal_id)
    told = calibration.calibration(tables, goal_id)
    parting = divergence.divergence(tables, goal_id)
    # All that is looked at shares one allowance of false findings.
    p_values = adjusted(
        [
            *(test.p_value for test in compared),
            *(mark.p_value for mark in marks),
            *([told.p_value] if told.p_value is not None else []),
        ]
    )
    tested, rest = p_values[: len(compared)], p_values[len(compared) :]
    found = [
        *_better_options(tables, goal_id, list(zip(compared, tested, strict=True))),
        *(_cause(tables, goal_id, mark, p) for mark, p in zip(marks, rest, strict=False)
          if _is_cause(mark, p)),
    ]  # fmt: skip
    if told.p_value is not None and rest[-1] <= FALSE_FINDINGS:
        found += _calibrate(tables, goal_id, told, rest[-1])
    if not any(each.type == "prefer_option" for each in found):
        found += _path(parting)
    return sorted(found, key=lambda each: (-_sure(each.expected_gain), each.type, each.target))


def _sure(gain: Difference | None) -> float:
    return gain.interval.low if gain else 0.0


def _priority(gain: Difference | None) -> Priority:
    sure = _sure(gain)
    return "high" if sure >= _HIGH else "medium" if sure >= _MEDIUM else "low"


def _better_options(
    tables: Tables, goal_id: str, tested: list[tuple[contrasts.Contrast, float]]
) -> list[Suggestion]:
    """For each option that another beats, the best of those; rather by what becomes of runs."""
    best: dict[tuple[contrasts.Key, str], tuple[tuple[bool, float], contrasts.Contrast, float]] = {}
    for test, p_value in tested:
        gap = difference(test.strata)
        if gap is not None and contrasts.is_finding(test, p_value):
            rank = (test.of == "run", gap.estimate)
            key = test.place, test.worse
            if key not in best or rank > best[key][0]:
                best[key] = rank, test, p_value
    if not best:
        return []
    total = _decided(tables, goal_id)[1]
    found: list[Suggestion] = []
    for (place, worse), (_, test, p_value) in best.items():
        regret = contrasts.regret_of(test, p_value)
        gain = regret.difference * (test.chosen / (total if test.of == "run" else test.of_all))
        where = f"{place[0]}: {place[1]}" if place[1] else place[0]
        found.append(
            Suggestion(
                "prefer_option",
                f"{where} → {test.better} instead of {worse}",
                f"where {test.better} is a {test.of}'s first choice there, {test.of}s succeed"
                f" {regret.better}; with {worse} {regret.own}",
                Evidence(regret.own, regret.better, p_value, regret.examples),
                gain,
                test.of,
                _priority(gain),
            )
        )
    return found


def _decided(tables: Tables, goal_id: str) -> tuple[int, int]:
    """How many runs succeeded, and of how many that is known."""
    [row] = rows(
        of_goal(tables.runs, goal_id).select(
            k=count_if(nw.col("succeeded")), n=nw.col("succeeded").count()
        )
    )
    return number(row["k"]), number(row["n"])


def _marks(tables: Tables, goal_id: str) -> list[_Mark]:
    """First errors and problems of runs, and whether runs that have them fail more often.

    A run counts for the first error of its decisions only, and for each problem once. What went
    wrong inside a decision comes before the failure of the whole; and that a run did not reach what
    it claims to have reached is how it failed, and not why.
    """
    succeeded, total = _decided(tables, goal_id)
    known = ~nw.col("run_succeeded").is_null()
    failed = of_goal(tables.decisions, goal_id).filter(
        nw.col("state") == "failed", nw.col("decision_type") != "termination", known
    )
    around = failed.select("run_id", decision_id=nw.col("parent_id"))
    failed = failed.join(around, on=["run_id", "decision_id"], how="anti")
    first = failed.group_by("run_id").agg(seq=nw.col("seq").min())
    errors = failed.join(first, on=["run_id", "seq"], how="inner").filter(
        ~nw.col("error_print").is_null()
    )
    problems = of_goal(tables.problems, goal_id).filter(
        known, nw.col("severity") != "minor", ~nw.col("cause_print").is_null()
    )
    kinds: tuple[tuple[Literal["error", "problem"], Frame], ...] = (
        ("error", errors.select("run_id", "run_succeeded", mark=nw.col("error_print"))),
        (
            "problem",
            problems.select("run_id", "run_succeeded", mark=nw.col("cause_print")).unique(),
        ),
    )
    found: list[_Mark] = []
    for kind, frame in kinds:
        by_mark = frame.group_by("mark").agg(n=nw.len(), k=count_if(nw.col("run_succeeded")))
        with kept(tables, by_mark) as counted:
            [whole] = rows(counted.select(nw.col("n").sum(), nw.col("k").sum()))
            often = counted.filter(nw.col("n") >= LEAST)
            most = often.sort("n", "mark", descending=[True, False]).head(_CAUSES)
            commonest = rows(most)
        every = number(whole["k"]), number(whole["n"])
        for row in commonest:
            k, n = number(row["k"]), number(row["n"])
            if total - n < LEAST:
                continue
            counts = (k, n, succeeded - k, total - n)
            rivals = (k, n, every[0] - k, every[1] - n)
            found.append(_Mark(kind, row["mark"], counts, rivals, _chance(counts, rivals)))
    return found


def _chance(counts: Counts, rivals: Counts) -> float:
    """That of the weaker of two claims: runs with this fail more often than others, and than others
    that have something else of the kind.
    """
    p_value = no_difference([counts])
    return max(p_value, no_difference([rivals])) if rivals[3] >= LEAST else p_value


def _is_cause(mark: _Mark, p_value: float) -> bool:
    gap = difference([mark.counts])
    if gap is None or p_value > FALSE_FINDINGS:
        return False
    against = difference([mark.rivals]) if mark.rivals[3] >= LEAST else None
    if against is not None:
        return gap.interval.low > 0 and against.interval.low > 0
    return gap.interval.low >= _CLEAR


def _cause(tables: Tables, goal_id: str, mark: _Mark, p_value: float) -> Suggestion:
    k, n, other_k, other_n = (int(x) for x in mark.counts)
    gap = difference([mark.counts])
    assert gap is not None  # or it were no cause
    gain = gap * (n / (n + other_n))
    column, frame = (
        ("error_print", tables.decisions)
        if mark.kind == "error"
        else ("cause_print", tables.problems)
    )
    where = of_goal(frame, goal_id).filter(nw.col(column) == mark.print, ~nw.col("run_succeeded"))
    return Suggestion(
        "fix_cause",
        mark.print,
        f"of runs with this {mark.kind}, {rate(k, n)} succeed; of the others"
        f" {rate(other_k, other_n)}",
        Evidence(
            rate(k, n),
            rate(other_k, other_n),
            p_value,
            examples(where, "error" if mark.kind == "error" else "description"),
        ),
        gain,
        "run",
        _priority(gain),
    )


def _calibrate(
    tables: Tables, goal_id: str, told: calibration.Calibration, p_value: float
) -> list[Suggestion]:
    if told.bias is None or told.confidence is None:
        return []
    off = nw.col("succeeded") if told.bias < 0 else ~nw.col("succeeded")
    where = of_goal(tables.decisions, goal_id).filter(~nw.col("confidence").is_null(), off)
    word = "too high" if told.bias > 0 else "too low"
    return [
        Suggestion(
            "calibrate",
            f"confidence of {goal_id}",
            f"it is {word}: {told.confidence:.0%} on average, and {told.success} succeed",
            Evidence(told.success, None, p_value, examples(where)),
            None,
            "decision",
            "low",
        )
    ]


def _path(parting: divergence.Divergence) -> list[Suggestion]:
    split = parting.divergence
    if split is None:
        return []
    ordered = sorted(split.branches, key=lambda each: each.success.rate or 0.0)
    worst, best = ordered[0], ordered[-1]
    counts: Any = tuple(
        x for b in (worst, best) for x in (b.success.succeeded, b.success.count)
    )  # fmt: skip
    gap = difference([counts])
    gain = gap * (worst.success.count / parting.runs) if gap and parting.runs else None
    return [
        Suggestion(
            "change_path",
            f"decision {split.step}, {best.choice} instead of {worst.choice.option_id}",
            f"here runs that fail part from those that succeed: {worst.choice.option_id}"
            f" {worst.success}, {best.choice.option_id} {best.success}",
            Evidence(worst.success, best.success, split.p_value, [Example(worst.example)]),
            gain,
            "run",
            _priority(gain),
        )
    ]
