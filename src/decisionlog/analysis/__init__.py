"""Answers from recorded runs: why one failed, where two of them part, what mattered."""

from decisionlog.analysis.advice import Suggestion, SuggestionType
from decisionlog.analysis.causes import Cause, CauseKind
from decisionlog.analysis.chains import Link
from decisionlog.analysis.comparison import (
    Comparison,
    Difference,
    MetricDifference,
    SettingDifference,
    Side,
    compare,
)
from decisionlog.analysis.elsewhere import Contrast, Elsewhere
from decisionlog.analysis.explanation import FailureExplanation, explain
from decisionlog.analysis.summary import summarize

__all__ = [
    "Cause",
    "CauseKind",
    "Comparison",
    "Contrast",
    "Difference",
    "Elsewhere",
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
