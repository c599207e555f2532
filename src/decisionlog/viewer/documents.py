"""What the JSON API answers with: the shapes, and how they come of runs and decisions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from decisionlog.jsontext import EXACT, to_json
from decisionlog.model import (
    SEVERITIES,
    Damage,
    Decision,
    DecisionType,
    Outcome,
    Problem,
    Run,
    RunMetrics,
    RunStatus,
    RunSummary,
)

_TEXT = 200
"""How much of an error or a summary a row shows."""
_NARRATIVE = 400
_PENDING = "pending"


class RunRow(Struct, frozen=True, gc=False):
    """A run in the list."""

    run_id: str
    goal_id: str
    goal_description: str
    status: RunStatus
    started_at: datetime | None
    duration_ms: float | None
    decisions: int
    success_rate: float | None
    tokens: int
    problems: int
    narrative: str
    tags: dict[str, str]


class RunHead(Struct, frozen=True):
    """A run without its decisions and problems. `cost_usd` is None when nobody said."""

    id: str
    goal_id: str
    goal_description: str
    started_at: datetime | None
    completed_at: datetime | None
    status: RunStatus
    duration_ms: float | None
    metrics: RunMetrics
    tokens: int
    cost_usd: float | None
    narrative: str
    input_data: Any
    output_data: Any
    tags: dict[str, str]
    parent_run_id: str | None
    parent_decision_id: str | None
    error: str | None
    error_type: str | None
    traceback: str | None
    host: str
    pid: int
    writer: str
    lost_records: int
    damage: list[Damage]
    unknown_records: int
    extra: dict[str, Any]


class DecisionRow(Struct, frozen=True, gc=False):
    """A decision in the timeline. `start_ms` counts from the start of the run. `state` is
    "success", "failure", "cancelled" or "pending"; `severity` that of the worst of its problems.
    `seq` grows with each change.
    """

    id: str
    parent_id: str | None
    node_id: str
    intent: str
    decision_type: DecisionType
    chosen_option_id: str | None
    chosen: str | None
    options: int
    state: str
    start_ms: float
    latency_ms: float | None
    tokens: int
    problems: int
    severity: str | None
    error: str | None
    summary: str | None
    supersedes: str | None
    seq: int


class RunDocument(Struct, frozen=True):
    """A run as its page shows it; or, after a record, what has changed since."""

    run: RunHead
    decisions: Sequence[DecisionRow]
    problems: Sequence[Problem]
    seq: int


class DecisionDocument(Struct, frozen=True):
    """A decision, whole; `records` are its lines in the file, as they stand there."""

    decision: Decision
    problems: list[Problem]
    records: list[Any]
    children: list[str]


def run_row(summary: RunSummary) -> RunRow:
    """A run in the list."""
    narrative = summary.narrative
    return RunRow(
        summary.run_id, summary.goal_id, summary.goal_description, summary.status,
        summary.started_at, summary.duration_ms, summary.decision_count, summary.success_rate,
        summary.total_tokens, summary.problem_count,
        narrative if len(narrative) <= _NARRATIVE else narrative[:_NARRATIVE] + "…",
        summary.tags,
    )  # fmt: skip


def run_head(run: Run) -> RunHead:
    """A run without what happened in it."""
    told = {name: getattr(run, name) for name in RunHead.__struct_fields__ if hasattr(run, name)}
    costs = [each.outcome.cost_usd for each in run.decisions if each.outcome is not None]
    known = [cost for cost in costs if cost is not None]
    return RunHead(
        tokens=run.metrics.total_tokens,
        cost_usd=sum(known) if known else None,
        unknown_records=len(run.unknown),
        **told,
    )


def decision_row(
    decision: Decision,
    outcome: Outcome | None,
    started_at: datetime | None,
    problems: Collection[Problem] = (),
    seq: int = 0,
) -> DecisionRow:
    """A decision in the timeline."""
    since = (decision.timestamp - started_at).total_seconds() * 1e3 if started_at else 0.0
    chosen = decision.chosen_option
    row = DecisionRow(
        decision.id, decision.parent_id, decision.node_id, decision.intent,
        decision.decision_type, decision.chosen_option_id,
        chosen.description if chosen is not None else None, len(decision.options),
        _PENDING, max(0.0, since), None, 0,
        len(problems), worst(problem.severity for problem in problems) if problems else None,
        None, None, decision.supersedes, seq,
    )  # fmt: skip
    return row if outcome is None else with_outcome(row, outcome, seq)


def with_outcome(row: DecisionRow, outcome: Outcome, seq: int) -> DecisionRow:
    """The same, once it is known what came of it."""
    return replace(
        row,
        state="cancelled" if outcome.cancelled else "success" if outcome.success else "failure",
        latency_ms=outcome.latency_ms,
        tokens=outcome.tokens_used,
        error=_cut(outcome.error or outcome.error_type),
        summary=_cut(outcome.summary),
        seq=seq,
    )


def run_document(run: Run, seq: int) -> RunDocument:
    """The document of a run that was read whole; everything in it changed with `seq`."""
    by_decision: dict[str, list[Problem]] = {}
    for problem in run.problems:
        if problem.decision_id is not None:
            by_decision.setdefault(problem.decision_id, []).append(problem)
    rows = [
        decision_row(each, each.outcome, run.started_at, by_decision.get(each.id, ()), seq)
        for each in run.decisions
    ]
    return RunDocument(run_head(run), rows, run.problems, seq)


def encoded(document: RunDocument) -> bytes:
    """The document as JSON: rows hold texts and numbers, which need no look."""
    rows = msgspec.json.encode(document.decisions)
    head, problems = (to_json(each, largest=EXACT) for each in (document.run, document.problems))
    return b'{"run":%b,"decisions":%b,"problems":%b,"seq":%d}' % (
        head, rows, problems, document.seq,
    )  # fmt: skip


def worst(severities: Iterable[str | None]) -> str | None:
    """The gravest of some severities."""
    found = set(severities)
    return next((each for each in SEVERITIES if each in found), None)


def _cut(text: str | None) -> str | None:
    if not text:
        return None
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
