"""The interval of a proportion is the one that scipy gives."""

import pytest
import scipy

from decisionlog.analysis.proportion import CONFIDENCE, wilson


@pytest.mark.parametrize("count", [1, 2, 5, 19, 100, 100_000])
def test_it_is_that_of_scipy(count: int) -> None:
    for successes in {0, 1, count // 3, count // 2, count - 1, count}:
        interval = wilson(successes, count)
        assert interval is not None
        found = scipy.stats.binomtest(successes, count).proportion_ci(CONFIDENCE, "wilson")
        assert (interval.low, interval.high) == pytest.approx((found.low, found.high), abs=1e-12)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) is None
