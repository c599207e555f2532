"""The statistics against textbook formulas, against brute force, and in simulated trials."""

from itertools import product
from math import comb, sqrt

import numpy as np
import pytest
from scipy import stats

from decisionlog.analysis.many.stats import (
    Counts,
    Sums,
    adjusted,
    clustered_rate,
    difference,
    no_difference,
    not_expected,
    overdispersion,
    wilson,
)
from decisionlog.analysis.one.elsewhere import chance_of


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 9), (1, 2), (7, 9), (9, 9), (500, 1000)])
def test_wilson(k: int, n: int) -> None:
    z, p = float(stats.norm.ppf(0.975)), k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    found = wilson(k, n)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), abs=1e-12)


def test_benjamini_and_hochberg() -> None:
    draw = np.random.default_rng(1)
    for count in (1, 2, 7, 40):
        p_values = draw.random(count) ** 2
        found = adjusted(list(p_values))
        for rate in (0.01, 0.05, 0.2, 0.7):
            ordered = sorted(p_values)
            passed = [i for i, p in enumerate(ordered, 1) if p <= i / count * rate]
            limit = ordered[passed[-1] - 1] if passed else -1.0
            assert [p <= rate for p in found] == [p <= limit for p in p_values]


def every_table(n_a: int, n_b: int, good: int) -> dict[int, int]:
    """In how many ways k of the good ones fall into the first group, by counting them all."""
    ways: dict[int, int] = {}
    for drawn in product((0, 1), repeat=n_a + n_b):
        if sum(drawn) == good:
            ways[sum(drawn[:n_a])] = ways.get(sum(drawn[:n_a]), 0) + 1
    return ways


@pytest.mark.parametrize(("a", "n_a", "b", "n_b"), [(0, 5, 4, 6), (3, 4, 1, 7), (2, 6, 3, 6)])
def test_a_difference_against_all_tables_there_are(a: int, n_a: int, b: int, n_b: int) -> None:
    ways = every_table(n_a, n_b, a + b)
    as_rare = sum(count for count in ways.values() if count <= ways[a]) / sum(ways.values())
    assert no_difference([(a, n_a, b, n_b)]) == pytest.approx(as_rare)
    assert chance_of(a, n_a, b, n_b) == pytest.approx(as_rare)


def test_strata_against_permutations() -> None:
    strata: list[Counts] = [(1, 8, 5, 7), (4, 12, 9, 10), (0, 5, 2, 4)]
    draw = np.random.default_rng(7)
    times = 40_000
    totals = np.zeros(times)
    for a, n_a, b, n_b in strata:
        totals += draw.hypergeometric(int(a + b), int(n_a + n_b - a - b), int(n_a), times)
    seen = sum(s[0] for s in strata)
    tails = (totals <= seen).mean(), (totals >= seen).mean()
    assert no_difference(strata) == pytest.approx(2 * min(tails), abs=0.003)


def test_the_difference_within_strata_is_that_of_mantel_and_haenszel() -> None:
    strata: list[Counts] = [(1, 8, 5, 7), (4, 12, 9, 10)]
    above = sum((b * n_a - a * n_b) / (n_a + n_b) for a, n_a, b, n_b in strata)
    below = sum(n_a * n_b / (n_a + n_b) for _, n_a, _, n_b in strata)
    found = difference(strata)
    assert found is not None
    assert found.estimate == pytest.approx(above / below)


@pytest.mark.parametrize(
    "groups",
    [
        [(0.3, 40, 40)],
        [(0.3, 15, 25), (0.6, 30, 12)],
        [(0.5, 10, 10)] * 3,
        [(0.05, 8, 6), (0.1, 20, 9), (0.5, 30, 30), (0.75, 12, 25), (0.8, 5, 5)],
    ],
)
def test_the_interval_of_a_difference_covers_it(groups: list[tuple[float, int, int]]) -> None:
    draw = np.random.default_rng(3)
    covered = 0
    for _ in range(600):
        strata: list[Counts] = []
        for p, n_a, n_b in groups:
            strata.append((draw.binomial(n_a, p), n_a, draw.binomial(n_b, p + 0.15), n_b))
        found = difference(strata)
        assert found is not None
        covered += found.interval.low <= 0.15 <= found.interval.high
    assert 0.92 <= covered / 600 <= 0.98


@pytest.mark.parametrize(("runs", "alike"), [(40, 0.5), (40, 3.0), (120, 1.0), (15, 1.0)])
def test_the_interval_of_a_rate_over_clusters_covers_it(runs: int, alike: float) -> None:
    """Runs whose decisions succeed at a rate of their own: Beta with a mean of 0.6."""
    draw = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        n = draw.integers(1, 12, runs)
        k = draw.binomial(n, draw.beta(0.6 * alike, 0.4 * alike, runs))
        sums = Sums(
            int(k.sum()), int(n.sum()), runs,
            float((k * k).sum()), float((k * n).sum()), float((n * n).sum()),
        )  # fmt: skip
        found = clustered_rate(sums)
        assert found.interval is not None
        covered += found.interval.low <= 0.6 <= found.interval.high
    assert covered / 400 >= 0.92


def test_a_rate_that_is_expected_is_seldom_called_another() -> None:
    draw = np.random.default_rng(9)
    called = 0
    for _ in range(400):
        n = draw.integers(1, 6, 60)
        k = draw.binomial(n, draw.beta(1.4, 0.6, 60))
        sums = Sums(
            int(k.sum()), int(n.sum()), 60,
            float((k * k).sum()), float((k * n).sum()), float((n * n).sum()),
        )  # fmt: skip
        called += not_expected(sums, 0.7) <= 0.05
    assert called / 400 <= 0.075


def test_overdispersion() -> None:
    draw = np.random.default_rng(2)
    even = [[(int(k), 20) for k in draw.binomial(20, 0.4, 200)]]
    uneven = [[(int(k), 20) for k in draw.binomial(20, draw.beta(2, 3, 200))]]
    assert overdispersion(even) == pytest.approx(1, abs=0.2)
    # Beta-binomial: 1 + (n - 1) / (a + b + 1)
    assert overdispersion(uneven) == pytest.approx(1 + 19 / 6, rel=0.2)
    assert overdispersion([[(1, 2), (9, 9)]]) == 1.0
    assert overdispersion([]) == 1.0


def test_the_ways_are_counted_right() -> None:
    assert every_table(3, 3, 2) == {k: comb(3, k) * comb(3, 2 - k) for k in range(3)}
