"""What a summary of a run needs, kept up while the run goes; its size does not grow with the run.

Recording and reading use the same one, so a run that ended and one that was interrupted are summed
up alike.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from decisionlog.model import Outcome, RunMetrics, RunStatus

KEPT = 10
"""How many decisions, problems and successes a summary names."""
_NODES = 1000
_TEXT = 300


class Digest:
    """Counts, and the few things worth naming.

    Key decisions are the latest that failed, then the first that had a choice of several options.
    """

    __slots__ = (
        "_cancelled",
        "_choices",
        "_critical",
        "_failed",
        "_failures",
        "_latency",
        "_lock",
        "_made",
        "_nodes",
        "_problems",
        "_successes",
        "_successful",
        "_tokens",
        "_warnings",
    )

    def __init__(self) -> None:
        # Re-entrant for the same reason as the recorder's.
        self._lock = threading.RLock()
        self._made = self._successful = self._failed = self._cancelled = 0
        self._tokens = self._problems = 0
        self._latency = 0.0
        self._nodes: dict[str, None] = {}
        self._failures: deque[str] = deque(maxlen=KEPT)
        self._choices: list[str] = []
        self._successes: deque[str] = deque(maxlen=KEPT)
        self._critical: deque[str] = deque(maxlen=KEPT)
        self._warnings: deque[str] = deque(maxlen=KEPT)

    def decided(self, node_id: str) -> int:
        """A decision was made; returns how many there were before."""
        with self._lock:
            before = self._made
            self._made = before + 1
            if node_id not in self._nodes and len(self._nodes) < _NODES:
                self._nodes[node_id] = None
        return before

    def came_out(self, intent: str, chosen: str | None, options: int, outcome: Outcome) -> None:
        """A decision has its outcome."""
        with self._lock:
            self._tokens += outcome.tokens_used
            self._latency += outcome.latency_ms
            if outcome.success:
                self._successful += 1
                self._successes.append(outcome.summary or intent)
            elif outcome.cancelled:
                self._cancelled += 1
            else:
                self._failed += 1
                self._failures.append(f"{_choice(intent, chosen)} failed: {outcome.error or '?'}")
            if options > 1 and len(self._choices) < KEPT and (outcome.success or outcome.cancelled):
                self._choices.append(_choice(intent, chosen))

    def problem(self, severity: str, description: str) -> int:
        """A problem was reported; returns how many there were before."""
        with self._lock:
            before = self._problems
            self._problems = before + 1
            if severity == "critical":
                self._critical.append(description)
            elif severity == "warning":
                self._warnings.append(description)
        return before

    def made(self) -> int:
        """How many decisions there are."""
        return self._made

    def metrics(self) -> RunMetrics:
        """The counts."""
        with self._lock:
            known = self._successful + self._failed + self._cancelled
            return RunMetrics(
                total_decisions=self._made,
                successful_decisions=self._successful,
                failed_decisions=self._failed,
                cancelled_decisions=self._cancelled,
                pending_decisions=max(0, self._made - known),
                total_tokens=self._tokens,
                total_latency_ms=self._latency,
                nodes_executed=list(self._nodes),
            )

    def narrative(self, status: RunStatus) -> str:
        """What there is to say about a run of which nobody said anything."""
        metrics = self.metrics()
        how = "completed successfully" if status == RunStatus.COMPLETED else f"was {status}"
        if status in (RunStatus.FAILED, RunStatus.STUCK):
            how = "failed" if status == RunStatus.FAILED else "got stuck"
        counts = {
            "successful": metrics.successful_decisions,
            "failed": metrics.failed_decisions,
            "cancelled": metrics.cancelled_decisions,
            "pending": metrics.pending_decisions,
        }
        made = metrics.total_decisions
        parts = [f"Run {how}.", f"Made {made} decision{'' if made == 1 else 's'}"]
        if made:
            parts[1] += ": " + ", ".join(f"{n} {name}" for name, n in counts.items() if n)
        parts[1] += "."
        if self._critical:
            parts.append(f"Critical issues: {_joined(self._critical)}.")
        if self._failures and status != RunStatus.COMPLETED:
            parts.append(f"Failed on: {_short(self._failures[-1])}.")
        return " ".join(parts)

    def highlights(self) -> dict[str, Any]:
        """The rest of what `RunEnded` and `RunSummary` have in common, as their fields."""
        with self._lock:
            key = [*self._failures, *self._choices][:KEPT]
            return {
                "problem_count": self._problems,
                "key_decisions": [_short(text) for text in key],
                "critical_problems": [_short(text) for text in self._critical],
                "warnings": [_short(text) for text in self._warnings],
                "successes": [_short(text) for text in self._successes],
            }


def _choice(intent: str, chosen: str | None) -> str:
    return f"{intent} → {chosen}" if chosen else intent


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"


def _joined(texts: deque[str]) -> str:
    return "; ".join(_short(text).rstrip(".") for text in texts)
