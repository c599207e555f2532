"""What the Builder learns from runs: why one failed, which options pay, what to change.

`explain`, `compare` and `summarize`, for one run or two, need nothing but the core.
"""

from decisionlog.analysis.one import Comparison, FailureExplanation, compare, explain, summarize

__all__ = ["Comparison", "FailureExplanation", "compare", "explain", "summarize"]
