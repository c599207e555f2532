"""One run, or two: `explain`, `compare` and `summarize`; they need the core and nothing else.

```
course ──> incidents, loops, limits, ceilings ──> causes ──> advice ──> explanation   why it failed
                                                         └─> summary                  what mattered
       ──> alignment ──> comparison ──> elsewhere ──> advice                          where two part
```
"""

from decisionlog.analysis.one.advice import Suggestion, SuggestionType
from decisionlog.analysis.one.causes import Cause, CauseKind
from decisionlog.analysis.one.chains import Link
from decisionlog.analysis.one.comparison import (
    Comparison,
    Difference,
    MetricDifference,
    SettingDifference,
    Side,
    compare,
)
from decisionlog.analysis.one.elsewhere import Contrast, Elsewhere, Ending
from decisionlog.analysis.one.explanation import FailureExplanation, explain
from decisionlog.analysis.one.summary import summarize

__all__ = [
    "Cause",
    "CauseKind",
    "Comparison",
    "Contrast",
    "Difference",
    "Elsewhere",
    "Ending",
    "FailureExplanation",
    "Link",
    "MetricDifference",
    "SettingDifference",
    "Side",
    "Suggestion",
    "SuggestionType",
    "compare",
    "explain",
    "summarize",
]
