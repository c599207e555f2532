"""The tests of hypotheses against those of scipy.stats, from which they differ in time alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from decisionlog.analysis.many import exact

few = st.integers(1, 60)
many = st.integers(1, 2_000)
shares = st.floats(0, 1)


def close(value: float) -> object:
    """Far more alike than any decision asks for; logarithms of what is large lose some digits."""
    return pytest.approx(value, rel=1e-6, abs=1e-15)


@settings(max_examples=50, deadline=None)
@given(st.one_of(few, many), st.one_of(few, many), shares, shares)
def test_fisher(n_a: int, n_b: int, p: float, q: float) -> None:
    a, b = round(p * n_a), round(q * n_b)
    found = stats.fisher_exact([[a, n_a - a], [b, n_b - b]]).pvalue
    assert exact.fisher(a, n_a, b, n_b) == close(found)


def test_fisher_of_as_many_runs_as_there_are() -> None:
    found = stats.fisher_exact([[40_100, 9_900], [29_700, 10_300]]).pvalue
    assert exact.fisher(40_100, 50_000, 29_700, 40_000) == close(found)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), shares, shares)
def test_the_hypergeometric_distribution(total: int, good: float, drawn: float) -> None:
    least, chance = exact.hypergeometric(total, round(good * total), round(drawn * total))
    every = np.arange(least, least + len(chance))
    found = stats.hypergeom.pmf(every, total, round(good * total), round(drawn * total))
    assert chance.tolist() == pytest.approx(found.tolist(), rel=1e-9, abs=1e-15)
    assert chance.sum() == pytest.approx(1)


@settings(max_examples=50, deadline=None)
@given(st.one_of(few, many), shares, shares)
def test_binomial(n: int, share: float, p: float) -> None:
    k = round(share * n)
    assert exact.binomial(k, n, p) == close(stats.binomtest(k, n, p).pvalue)


def test_binomial_of_as_many_decisions_as_there_are() -> None:
    found = stats.binomtest(2_000_500, 4_000_000, 0.501).pvalue
    assert exact.binomial(2_000_500, 4_000_000, 0.501) == close(found)


amounts = st.tuples(st.floats(-5, 20), st.floats(0.01, 5), st.integers(2, 10**5))


@settings(max_examples=50, deadline=None)
@given(amounts, amounts)
def test_welch(one: tuple[float, float, int], other: tuple[float, float, int]) -> None:
    found = stats.ttest_ind_from_stats(*one, *other, equal_var=False).pvalue
    assert exact.welch(one, other) == close(found)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(few, few), min_size=3, max_size=6))
def test_several_groups(table: list[tuple[int, int]]) -> None:
    found = stats.chi2_contingency(table)
    p_value, least_expected = exact.alike(table)
    assert p_value == close(found.pvalue)
    assert least_expected == close(found.expected_freq.min())


@settings(max_examples=50, deadline=None)
@given(st.lists(shares, min_size=1, max_size=40))
def test_several_tests(p_values: list[float]) -> None:
    found = stats.false_discovery_control(p_values).tolist()
    assert exact.adjusted(p_values) == pytest.approx(found, rel=1e-12)


def test_many_strata_against_the_normal_distribution() -> None:
    draw = np.random.default_rng(4)
    strata = [(int(draw.binomial(30, 0.5)), 30, int(draw.binomial(40, 0.56)), 40) for _ in range(9)]
    assert exact.mantel_haenszel(strata) == pytest.approx(exact.stratified(strata), rel=0.1)
