"""Tests of hypotheses, as scipy has them. It takes a while to import, so this module is imported
when the first test is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def fisher(a: int, n_a: int, b: int, n_b: int) -> float:
    """Fisher's exact test of a of n_a against b of n_b, two-sided."""
    return float(stats.fisher_exact(np.array([[a, n_a - a], [b, n_b - b]])).pvalue)


def stratified(strata: Sequence[tuple[int, int, int, int]]) -> float:
    """The exact conditional test of Cochran, Mantel and Haenszel, two-sided: twice the smaller of
    both tails. scipy lacks it, and has the distribution within a stratum.
    """
    at, chance = 0, np.ones(1)
    for a, n_a, b, n_b in strata:
        least, most = max(0, a + b - n_b), min(n_a, a + b)
        inside = stats.hypergeom.pmf(np.arange(least, most + 1), n_a + n_b, a + b, n_a)
        chance = np.convolve(chance, inside)
        at += a - least
    return min(1.0, float(2 * min(chance[: at + 1].sum(), chance[at:].sum())))


def mantel_haenszel(strata: Sequence[tuple[int, int, int, int]]) -> float:
    """The same from the normal distribution, with a correction for continuity."""
    a, n_a, b, n_b = np.array(strata).T
    drawn = n_a + n_b, a + b, n_a
    off = float(np.sum(a - stats.hypergeom.mean(*drawn)))
    variance = float(np.sum(stats.hypergeom.var(*drawn)))
    if not variance:
        return 1.0
    return float(stats.chi2.sf(max(0.0, abs(off) - 0.5) ** 2 / variance, 1))


def binomial(k: int, n: int, p: float) -> float:
    """The exact binomial test of k of n, two-sided, where p is expected."""
    return float(stats.binomtest(k, n, p).pvalue)


def welch(one: tuple[float, float, int], other: tuple[float, float, int]) -> float:
    """Welch's test of two means, each with its standard deviation and number, two-sided."""
    return float(stats.ttest_ind_from_stats(*one, *other, equal_var=False).pvalue)


def alike(table: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Pearson's chi-squared test of several groups, successes and failures of each; and the least
    number that is expected anywhere.
    """
    found = stats.chi2_contingency(np.array(table), correction=False)
    return float(found.pvalue), float(found.expected_freq.min())


def sampled_fisher(table: Sequence[tuple[int, int]]) -> float:
    """Fisher's exact test of several groups, of which few are expected somewhere: from 9,999 tables
    drawn with the same sums, always the same ones.
    """
    method = stats.MonteCarloMethod(n_resamples=9_999, rng=0)
    return float(stats.fisher_exact(np.array(table), method=method).pvalue)


def adjusted(p_values: Sequence[float]) -> list[float]:
    """The p-values after Benjamini and Hochberg."""
    return [float(p) for p in stats.false_discovery_control(np.clip(p_values, 0, 1))]
