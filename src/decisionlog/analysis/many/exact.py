"""Tests of hypotheses, from the special functions of scipy.

`scipy.stats` has them as well, and gives the same (a test compares them); it takes longer to import
than many an answer takes, and fifteen times as long for each small table.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil, exp, floor, sqrt
from typing import Any, TypeAlias

import numpy as np
from scipy import special

Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

_ALIKE = 1 + 1e-7
"""Probabilities within this ratio count as equal, as in R: they may be, but for rounding."""


def hypergeometric(total: int, good: int, drawn: int) -> tuple[int, Floats]:
    """The least number of good ones among those drawn, and the probabilities of that number and of
    each that follows.
    """
    least = max(0, drawn - (total - good))
    k = np.arange(least, min(good, drawn) + 1)
    logs = (
        special.betaln(good + 1, 1)
        + special.betaln(total - good + 1, 1)
        + special.betaln(total - drawn + 1, drawn + 1)
        - special.betaln(k + 1, good - k + 1)
        - special.betaln(drawn - k + 1, total - good - drawn + k + 1)
        - special.betaln(total + 1, 1)
    )
    return least, np.exp(logs)


def fisher(a: int, n_a: int, b: int, n_b: int) -> float:
    """Fisher's exact test of a of n_a against b of n_b, two-sided."""
    least, chance = hypergeometric(n_a + n_b, a + b, n_a)
    return _at_most_one(chance[chance <= chance[a - least] * _ALIKE].sum())


def stratified(strata: Sequence[tuple[int, int, int, int]]) -> float:
    """The exact conditional test of Cochran, Mantel and Haenszel, two-sided: twice the smaller of
    both tails.
    """
    at, chance = 0, np.ones(1)
    for a, n_a, b, n_b in strata:
        least, inside = hypergeometric(n_a + n_b, a + b, n_a)
        chance = np.convolve(chance, inside)
        at += a - least
    return _at_most_one(2 * min(chance[: at + 1].sum(), chance[at:].sum()))


def mantel_haenszel(strata: Sequence[tuple[int, int, int, int]]) -> float:
    """The same from the normal distribution, with a correction for continuity."""
    a, n_a, b, n_b = np.array(strata, float).T
    total, good = n_a + n_b, a + b
    off = float(np.sum(a - n_a * good / total))
    variance = float(np.sum(n_a * n_b * good * (total - good) / (total**2 * (total - 1))))
    if not variance:
        return 1.0
    return float(special.chdtrc(1, max(0.0, abs(off) - 0.5) ** 2 / variance))


def binomial(k: int, n: int, p: float) -> float:
    """The exact binomial test of k of n, two-sided, where p is expected."""
    if not 0 < p < 1:
        return float(k == n * p)

    def chance(at: float) -> float:
        logs = (
            special.xlogy(at, p) + special.xlog1py(n - at, -p) - special.betaln(at + 1, n - at + 1)
        )
        return exp(logs) / (n + 1)

    limit = chance(k) * _ALIKE
    if k < p * n:  # from some number above the mode on, each is as rare
        start = ceil(p * n)
        other = start + bisect_left(range(start, n + 1), -limit, key=lambda x: -chance(x))
        tails = special.bdtr(k, n, p) + (special.bdtrc(other - 1, n, p) if other <= n else 0.0)
    else:
        end = floor(p * n)
        other = bisect_left(range(end + 1), True, key=lambda x: chance(x) > limit)
        tails = (special.bdtr(other - 1, n, p) if other else 0.0) + special.bdtrc(k - 1, n, p)
    return _at_most_one(tails)


def welch(one: tuple[float, float, int], other: tuple[float, float, int]) -> float:
    """Welch's test of two means, each with its standard deviation and number, two-sided."""
    (mean, std, n), (other_mean, other_std, other_n) = one, other
    part, other_part = std**2 / n, other_std**2 / other_n
    spread = part + other_part
    freedom = spread**2 / (part**2 / (n - 1) + other_part**2 / (other_n - 1))
    return _at_most_one(2 * special.stdtr(freedom, -abs(mean - other_mean) / sqrt(spread)))


def alike(table: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Pearson's chi-squared test of several groups, successes and failures of each; and the least
    number that is expected anywhere.
    """
    counts = np.array(table, float)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    off = float(((counts - expected) ** 2 / expected).sum())
    return float(special.chdtrc(len(table) - 1, off)), float(expected.min())


def sampled_fisher(table: Sequence[tuple[int, int]]) -> float:
    """Fisher's exact test of several groups, of which few are expected somewhere: from 9,999 tables
    drawn with the same sums, always the same ones.
    """
    from scipy import stats

    method = stats.MonteCarloMethod(n_resamples=9_999, rng=0)
    return float(stats.fisher_exact(np.array(table), method=method).pvalue)


def adjusted(p_values: Sequence[float]) -> list[float]:
    """The p-values after Benjamini and Hochberg."""
    p = np.clip(np.array(p_values, float), 0, 1)
    order = np.argsort(p)
    ranked = p[order] * (len(p) / np.arange(1, len(p) + 1))
    found = np.empty_like(p)
    found[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    return [float(each) for each in np.clip(found, 0, 1)]


def _at_most_one(chance: Any) -> float:
    return min(1.0, float(chance))
