"""What the Builder learns from runs: why one failed, which options pay, what to change.

`explain`, `compare` and `summarize`, for one run or two, need nothing but the core. `Analysis`, for
many runs, needs the extra `decisionlog[analysis]`, and is only imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decisionlog.analysis.one import Comparison, FailureExplanation, compare, explain, summarize

if TYPE_CHECKING:
    from decisionlog.analysis.many import Analysis

__all__ = ["Analysis", "Comparison", "FailureExplanation", "compare", "explain", "summarize"]


def __getattr__(name: str) -> Any:
    if name == "Analysis":
        from decisionlog.analysis.many import Analysis

        return Analysis
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
