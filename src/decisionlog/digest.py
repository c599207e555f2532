"""What a summary of a run needs, kept up while the run goes; its size does not grow with the run.

Recording and reading use the same one, so a run that ended and one that was interrupted are summed
up alike.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, Protocol

from decisionlog.model import Outcome, RunMetrics, RunStatus

KEPT = 10
"""How many decisions, problems and successes a summary names."""
_NODES = 1000
_TEXT = 300
_KEPT_TEXT = 4 * _TEXT
_TRIMMED_AT = 4 * KEPT
_HOW = {
    RunStatus.COMPLETED: "completed successfully",
    RunStatus.FAILED: "failed",
    RunStatus.STUCK: "got stuck",
    RunStatus.CANCELLED: "was cancelled",
    RunStatus.INTERRUPTED: "was interrupted",
    RunStatus.RUNNING: "is in progress",
}


class Decided(Protocol):
    """What is told of a decision."""

    @property
    def intent(self) -> str: ...
    @property
    def chosen_option_id(self) -> str | None: ...
    @property
    def parent_id(self) -> str | None: ...
    @property
    def options(self) -> Sized: ...


class Digest:
    """Counts, and the few things worth naming: the latest of each, and before those that happened
    inside another decision those that did not.

    Key decisions are the failed ones, then the first that had a choice of several options. It is
    told of one thing at a time: whoever shares it brings a lock.
    """

    __slots__ = (
        "_choices", "_critical", "_failures", "_nodes", "_successes", "_warnings", "cancelled",
        "failed", "latency", "made", "problems", "successful", "tokens",
    )  # fmt: skip

    def __init__(self) -> None:
        self.made = 0
        self.successful = self.failed = self.cancelled = 0
        self.tokens = self.problems = 0
        self.latency = 0.0
        self._nodes: dict[str, None] = {}
        self._choices: list[str] = []
        self._failures = _Latest()
        self._successes = _Latest()
        self._critical = _Latest()
        self._warnings = _Latest()

    def decided(self, node_id: str) -> int:
        """A decision was made; returns how many there were before."""
        before = self.made
        self.made = before + 1
        if node_id not in self._nodes and len(self._nodes) < _NODES:
            self._nodes[node_id] = None
        return before

    def came_out(self, decision: Decided, outcome: Outcome) -> None:
        """A decision has its outcome."""
        self.tokens += outcome.tokens_used
        self.latency += outcome.latency_ms
        if outcome.success:
            self.successful += 1
            self._successes.add(outcome.summary or decision.intent, decision.parent_id)
        elif outcome.cancelled:
            self.cancelled += 1
        else:
            self.failed += 1
            text = f"{_choice(decision)} failed: {outcome.error or 'no error given'}"
            self._failures.add(text, decision.parent_id)
            return
        if len(self._choices) < KEPT and len(decision.options) > 1:
            self._choices.append(_choice(decision))

    def problem(self, severity: str, description: str) -> int:
        """A problem was reported; returns how many there were before."""
        before = self.problems
        self.problems = before + 1
        if severity == "critical":
            self._critical.add(description)
        elif severity == "warning":
            self._warnings.add(description)
        return before

    def metrics(self) -> RunMetrics:
        """The counts."""
        pending = self.made - self.successful - self.failed - self.cancelled
        return RunMetrics(
            self.made, self.successful, self.failed, self.cancelled, pending, self.tokens,
            self.latency, list(self._nodes),
        )  # fmt: skip

    def narrative(self, status: RunStatus) -> str:
        """What there is to say about a run of which nobody said anything."""
        metrics = self.metrics()
        counts = {
            "successful": metrics.successful_decisions,
            "failed": metrics.failed_decisions,
            "cancelled": metrics.cancelled_decisions,
            "pending": metrics.pending_decisions,
        }
        made = f"Made {metrics.total_decisions} decision{'s' * (metrics.total_decisions != 1)}"
        if metrics.total_decisions:
            made += ": " + ", ".join(f"{n} {name}" for name, n in counts.items() if n)
        parts = [f"Run {_HOW[status]}.", f"{made}."]
        if critical := self._critical.texts():
            parts.append(f"Critical issues: {'; '.join(text.rstrip('.') for text in critical)}.")
        if status != RunStatus.COMPLETED and (failure := self._failures.latest()):
            parts.append(f"Failed on: {failure.rstrip('.')}.")
        return " ".join(parts)

    def highlights(self) -> dict[str, Any]:
        """The rest of what `RunEnded` and `RunSummary` have in common, as their fields."""
        return {
            "problem_count": self.problems,
            "key_decisions": [*self._failures.texts(), *map(_short, self._choices)][:KEPT],
            "critical_problems": self._critical.texts(),
            "warnings": self._warnings.texts(),
            "successes": self._successes.texts(),
        }


class _Latest:
    """The latest texts; those that belong to something larger give way to those that do not."""

    __slots__ = ("_inner", "_outer")

    def __init__(self) -> None:
        self._outer: list[str] = []  # not deques: empty, those take ten times as much
        self._inner: list[str] = []

    def add(self, text: str, parent_id: str | None = None) -> None:
        texts = self._outer if parent_id is None else self._inner
        texts.append(text[:_KEPT_TEXT])
        if len(texts) > _TRIMMED_AT:
            del texts[:-KEPT]

    def texts(self) -> list[str]:
        outer = self._outer[-KEPT:]
        inner = self._inner[max(len(self._inner) - KEPT + len(outer), 0) :]
        return [_short(text) for text in (*outer, *inner)]

    def latest(self) -> str:
        return _short([*self._inner, *self._outer][-1]) if self.texts() else ""


def _choice(decision: Decided) -> str:
    chosen = decision.chosen_option_id
    return f"{decision.intent} → {chosen}" if chosen else decision.intent


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
