"""A runtime that keeps its records in memory, with times and run ids that can be foretold."""

from typing import Any

from decisionlog import Decision, Outcome, Run, Runtime
from decisionlog.testing import CountingIds, FixedClock, MemorySink


def recorded(sink: MemorySink, **settings: Any) -> Runtime:
    """Strict, so that no call of a test is misuse without its knowing."""
    defaults: dict[str, Any] = {"strict": True, "clock": FixedClock(), "new_run_id": CountingIds()}
    return Runtime(sinks=[sink], **(defaults | settings))


def outcome_of(decision: Decision) -> Outcome:
    assert decision.outcome is not None
    return decision.outcome


def only_decision(run: Run) -> Decision:
    [decision] = run.decisions
    return decision


def shape(run: Run) -> list[tuple[str, str | None, str]]:
    """What was decided, inside which decision, and at which node."""
    intents = {decision.id: decision.intent for decision in run.decisions}
    return [
        (d.intent, intents[d.parent_id] if d.parent_id is not None else None, d.node_id)
        for d in run.decisions
    ]
