"""Rates, differences and whether they mean anything; what is here says which method it is.

Tests are in `hypotheses`, which is imported when one is asked for: not every answer needs one, and
numpy and scipy take a while.

Decisions of one run are not independent: a hard case fails them all. So a rate over decisions has
the interval of as many independent ones as they are worth (the design effect, from how much runs
differ), and never of more than there are runs while those are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import TypeAlias

from msgspec import Struct

from decisionlog.analysis.proportion import Interval, Z, wilson

FALSE_FINDINGS = 0.015
"""How large a part of what is reported may be chance (after Benjamini and Hochberg). A third of
what one might allow: who asks several questions of the same runs has several chances."""
FEW_RUNS = 20
"""With fewer, how much runs differ cannot be told, and each counts as one observation at most."""
LEAST = 5
"""An option, a cause or a branch that fewer runs stand for is not compared."""
_PERIODS = 10
_EXACT = 2_000
"""Up to how many observations in a stratum the exact distribution is computed."""

Counts: TypeAlias = tuple[float, float, float, float]
"""Two groups of a stratum: successes and number of the one, then of the other."""


class Rate(Struct, frozen=True):
    """How many of how many succeeded; `rate` and `interval` (Wilson) are None if there are none.

    `runs` is how many runs these come from.
    """

    succeeded: int
    count: int
    runs: int
    rate: float | None
    interval: Interval | None

    def __str__(self) -> str:
        if self.rate is None or self.interval is None:
            return "none known"
        return f"{self.rate:.0%} ({self.interval}; {self.succeeded} of {self.count})"


class Sums(Struct, frozen=True):
    """What is known of the successes in clusters, for k successes of n in each."""

    k: int
    n: int
    clusters: int
    kk: float
    kn: float
    nn: float


def rate(successes: int, count: int) -> Rate:
    """The rate of independent observations."""
    known = successes / count if count else None
    return Rate(successes, count, count, known, wilson(successes, count))


def clustered_rate(sums: Sums) -> Rate:
    """The rate of observations that come in clusters."""
    if not sums.n:
        return Rate(0, 0, 0, None, None)
    share, worth = sums.k / sums.n, max(1, round(effective_count(sums)))
    interval = wilson(share * worth, worth)
    if interval is not None:  # successes were rounded to whole numbers
        interval = Interval(min(interval.low, share), max(interval.high, share))
    return Rate(sums.k, sums.n, sums.clusters, share, interval)


def effective_count(sums: Sums) -> float:
    """How many independent observations those in clusters are worth."""
    if not sums.n:
        return 0.0
    if sums.clusters < FEW_RUNS:
        return float(min(sums.clusters, sums.n))
    p = sums.k / sums.n
    spread = sums.kk - 2 * p * sums.kn + p * p * sums.nn  # of the clusters about the rate
    variance = spread * sums.clusters / (sums.clusters - 1) / sums.n**2
    if variance <= 0:  # all alike: no telling how alike those within a cluster are
        return float(sums.clusters)
    return min(p * (1 - p) / variance, float(sums.n))


def overdispersion(groups: Iterable[Sequence[tuple[int, int]]]) -> float:
    """How many times more the rates of periods differ than chance would have it, at least 1: the
    statistic of Pearson by its degrees of freedom. Each group is successes and number by period.

    With few periods there is no telling, and it is 1.
    """
    off, freedom = 0.0, 0
    for periods in groups:
        k, n = sum(k for k, _ in periods), sum(n for _, n in periods)
        if 0 < k < n:
            p = k / n
            off += sum((k - n * p) ** 2 / (n * p * (1 - p)) for k, n in periods if n)
            freedom += sum(1 for _, n in periods if n) - 1
    return max(1.0, off / freedom) if freedom >= _PERIODS else 1.0


def no_difference(strata: Sequence[Counts]) -> float:
    """The probability of a difference as large as this, or larger, if there were none between the
    two groups in any stratum (two-sided): Fisher's exact test in a single one, the exact
    conditional test of Cochran, Mantel and Haenszel in several.
    """
    from decisionlog.analysis.many import hypotheses

    told = [s for s in strata if s[1] and s[3] and 0 < s[0] + s[2] < s[1] + s[3]]
    if not told:
        return 1.0
    whole = [(round(a), round(n_a), round(b), round(n_b)) for a, n_a, b, n_b in told]
    if max(s[1] + s[3] for s in told) > _EXACT or len(told) > 200:
        return hypotheses.mantel_haenszel(whole)
    return hypotheses.fisher(*whole[0]) if len(whole) == 1 else hypotheses.stratified(whole)


class Difference(Struct, frozen=True):
    """The one rate less the other, with its interval."""

    estimate: float
    interval: Interval

    def __str__(self) -> str:
        low, high = 100 * self.interval.low, 100 * self.interval.high
        return f"{100 * self.estimate:+.0f} points ({low:+.0f} to {high:+.0f})"

    def __mul__(self, share: float) -> Difference:
        bounds = self.interval
        return Difference(self.estimate * share, Interval(bounds.low * share, bounds.high * share))


def difference(strata: Sequence[Counts]) -> Difference | None:
    """The second group's rate less the first's, within strata, with the weights of Mantel and
    Haenszel. The interval is Newcombe's, from the Wilson intervals of the two, in a single stratum;
    in several, from their variances, with a success and a failure added to each group as Agresti
    and Caffo do, so that none claims to be sure.
    """
    told = [s for s in strata if round(s[1]) and round(s[3])]
    if not told:
        return None
    sizes = [n_a * n_b / (n_a + n_b) for _, n_a, _, n_b in told]
    weighted = [(size / sum(sizes), stratum) for size, stratum in zip(sizes, told, strict=True)]
    middle = sum(weight * (b / n_b - a / n_a) for weight, (a, n_a, b, n_b) in weighted)
    if len(told) == 1:
        low, high = _newcombe(*told[0])
    else:
        half = Z * sqrt(sum(w**2 * (_spread(a, n) + _spread(b, m)) for w, (a, n, b, m) in weighted))
        low, high = middle - half, middle + half
    return Difference(middle, Interval(max(-1.0, low), min(1.0, high)))


def _spread(k: float, n: float) -> float:
    """The variance of a rate, with a success and a failure more."""
    p = (k + 1) / (n + 2)
    return p * (1 - p) / n


def _newcombe(a: float, n_a: float, b: float, n_b: float) -> tuple[float, float]:
    first, second = wilson(a, n_a), wilson(b, n_b)
    assert first is not None
    assert second is not None
    p, q = a / n_a, b / n_b
    return (
        q - p - sqrt((q - second.low) ** 2 + (first.high - p) ** 2),
        q - p + sqrt((second.high - q) ** 2 + (p - first.low) ** 2),
    )


def adjusted(p_values: Sequence[float]) -> list[float]:
    """The p-values after Benjamini and Hochberg, for all that was looked at."""
    if not p_values:
        return []
    from decisionlog.analysis.many import hypotheses

    return hypotheses.adjusted(p_values)


def not_expected(sums: Sums, expected: float) -> float:
    """The probability of a rate as far from the expected one, or further (exact binomial test, for
    as many observations as those in clusters are worth).
    """
    n = int(effective_count(sums))
    if n < 1:
        return 1.0
    from decisionlog.analysis.many import hypotheses

    return hypotheses.binomial(round(sums.k / sums.n * n), n, min(max(expected, 0.0), 1.0))
