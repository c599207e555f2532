"""How sure one can be of a proportion. It needs no scipy, which takes a second to import, and which
the viewer's lists do without.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from statistics import NormalDist

from msgspec import Struct

CONFIDENCE = 0.95
"""Of the intervals."""
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""How many standard deviations that is to either side."""


class Interval(Struct, frozen=True):
    """The 95 % confidence interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.0%} to {self.high:.0%}"


@lru_cache(10_000)
def wilson(successes: float, count: float) -> Interval | None:
    """The Wilson score interval of a proportion, without continuity correction (E. B. Wilson,
    JASA 22, 1927); counts are rounded to whole numbers. None without observations.
    """
    n = round(count)
    if n < 1:
        return None
    k = min(round(successes), n)
    p, part = k / n, Z**2 / n
    middle = (p + part / 2) / (1 + part)
    half = Z * sqrt(p * (1 - p) / n + part / 4 / n) / (1 + part)
    return Interval(
        max(0.0, middle - half) if k else 0.0, min(1.0, middle + half) if k < n else 1.0
    )
