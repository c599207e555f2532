"""Where times come from."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """A source of times; `decisionlog.testing.FixedClock` is another one."""

    def now(self) -> datetime:
        """The wall clock, in UTC, for timestamps."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds from a clock that is never set, for latencies."""
        ...


class SystemClock:
    """The computer's clocks."""

    now = staticmethod(partial(datetime.now, UTC))
    monotonic_ns = staticmethod(time.perf_counter_ns)
