"""Rates, differences and whether they mean anything. The statistics are scipy's; where it has none,
what is here says which method it is.

Decisions of one run are not independent: a hard case fails them all. So a rate over decisions has
the interval of as many independent ones as they are worth (the design effect, from how much runs
differ), and never of more than there are runs while those are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from scipy import stats

CONFIDENCE = 0.95
"""Of the intervals."""
FALSE_FINDINGS = 0.02
"""How large a part of what is reported may be chance (after Benjamini and Hochberg). Half of what
one might allow, because one who asks several questions of the same runs has several chances."""
FEW_RUNS = 20
"""With fewer, how much runs differ cannot be told, and each counts as one observation at most."""
LEAST = 5
"""An option, a cause or a branch that fewer runs stand for is not compared."""
_EXACT = 2_000
"""Up to how many observations in a stratum the exact distribution is computed."""

Counts: TypeAlias = tuple[float, float, float, float]
"""Two groups of a stratum: successes and number of the one, then of the other."""


class Interval(Struct, frozen=True):
    """The 95 % confidence interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.0%} to {self.high:.0%}"


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


@lru_cache(10_000)
def wilson(successes: float, count: float) -> Interval | None:
    """The Wilson interval of a proportion; None without observations."""
    n = round(count)
    if n < 1:
        return None
    k = min(round(successes), n)
    # The test comes with the interval; its p-value takes the least time at the rate itself.
    found = stats.binomtest(k, n, k / n).proportion_ci(CONFIDENCE, "wilson")
    return Interval(float(found.low), float(found.high))


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


def no_difference(strata: Sequence[Counts]) -> float:
    """The probability of a difference as large as this, or larger, if there were none between the
    two groups in any stratum (two-sided): Fisher's exact test in a single one, the exact
    conditional test of Cochran, Mantel and Haenszel in several.
    """
    told = [s for s in strata if s[1] and s[3] and 0 < s[0] + s[2] < s[1] + s[3]]
    if not told:
        return 1.0
    if max(s[1] + s[3] for s in told) > _EXACT or len(told) > 200:
        return _mantel_haenszel(told)
    if len(told) == 1:
        a, n_a, b, n_b = (round(x) for x in told[0])
        return float(stats.fisher_exact(np.array([[a, n_a - a], [b, n_b - b]])).pvalue)
    total, chance = 0, np.ones(1)
    least = 0
    for a, n_a, b, n_b in ([round(x) for x in s] for s in told):
        lowest, highest = max(0, a + b - n_b), min(n_a, a + b)
        support = np.arange(lowest, highest + 1)
        chance = np.convolve(chance, stats.hypergeom.pmf(support, n_a + n_b, a + b, n_a))
        total, least = total + a, least + lowest
    at = total - least
    return float(min(1.0, 2 * min(chance[: at + 1].sum(), chance[at:].sum())))


def _mantel_haenszel(strata: Sequence[Counts]) -> float:
    off = variance = 0.0
    for a, n_a, b, n_b in strata:
        spread = stats.hypergeom(round(n_a + n_b), round(a + b), round(n_a))
        off += a - float(spread.mean())
        variance += float(spread.var())
    return float(stats.chi2.sf(max(0.0, abs(off) - 0.5) ** 2 / variance, 1)) if variance else 1.0


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
    """The second group's rate less the first's: within strata, with the weights of Mantel and
    Haenszel; the interval is Newcombe's (from the Wilson intervals of the two).
    """
    weights = estimate = below = above = 0.0
    for a, n_a, b, n_b in strata:
        first, second = wilson(a, n_a), wilson(b, n_b)
        if first is None or second is None:
            continue
        weight = n_a * n_b / (n_a + n_b)
        p, q = a / n_a, b / n_b
        weights += weight
        estimate += weight * (q - p)
        below += weight**2 * ((q - second.low) ** 2 + (first.high - p) ** 2)
        above += weight**2 * ((second.high - q) ** 2 + (p - first.low) ** 2)
    if not weights:
        return None
    middle = estimate / weights
    low, high = middle - sqrt(below) / weights, middle + sqrt(above) / weights
    return Difference(middle, Interval(max(-1.0, low), min(1.0, high)))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """The p-values after Benjamini and Hochberg, for all that was looked at."""
    if not p_values:
        return []
    return [float(p) for p in stats.false_discovery_control(np.clip(p_values, 0, 1))]


def not_expected(sums: Sums, expected: float) -> float:
    """The probability of a rate as far from the expected one, or further (exact binomial test, for
    as many observations as those in clusters are worth).
    """
    n = int(effective_count(sums))
    if n < 1:
        return 1.0
    k = round(sums.k / sums.n * n)
    return float(stats.binomtest(k, n, min(max(expected, 0.0), 1.0)).pvalue)
