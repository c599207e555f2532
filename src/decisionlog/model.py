"""What a reader sees: runs, the decisions in them, their outcomes and problems.

`Decision`, `Outcome` and `Problem` are also what a line of a run file holds (see `records`), so a
field has one home. All are frozen msgspec Structs: JSON-encodable as they are. Times are UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, field

SEVERITIES = ("critical", "warning", "minor")


class RunStatus(StrEnum):
    """How a run stands. `INTERRUPTED` is never written: a reader finds that the writer is gone."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STUCK = "stuck"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class DecisionType(StrEnum):
    """What kind of thing is being decided."""

    TOOL_SELECTION = "tool_selection"
    PARAMETER_CHOICE = "parameter_choice"
    PATH_CHOICE = "path_choice"
    OUTPUT_FORMAT = "output_format"
    RETRY_STRATEGY = "retry_strategy"
    DELEGATION = "delegation"
    TERMINATION = "termination"
    CUSTOM = "custom"


def _now() -> datetime:
    return datetime.now(UTC)


class LineStruct(
    Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False, tag_field="type"
):
    """How the records of a run file are encoded: what is empty is left out."""


def _always(value: str | float) -> Any:
    """A default that says something is written like any other value: only what is empty is not."""
    return field(default_factory=lambda: value)


class Option(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One of the things the agent could have done.

    `confidence` is the agent's own estimate, from 0 to 1, that the option leads to success. A dict
    with these keys serves as well wherever options are taken; unknown keys end up in `extra`.

    >>> Option("ask", "Ask the lead directly", pros=["certain"], cons=["slow"], confidence=0.8).id
    'ask'
    """

    id: str
    description: str = ""
    action_type: str = _always("unknown")
    action_params: dict[str, Any] = {}
    pros: list[str] = []
    cons: list[str] = []
    confidence: Annotated[float, Meta(ge=0, le=1)] = _always(0.5)
    extra: dict[str, Any] = {}


class Outcome(LineStruct, frozen=True, tag="outcome"):
    """What came of a decision.

    `cancelled` is neither a success nor a failure of the agent. `latency_ms` comes from the
    monotonic clock. `tokens_used` and `cost_usd` are the decision's own, without those of the
    decisions made inside it, so totals add up. `extra` keeps fields this version does not know.
    """

    success: bool
    cancelled: bool = False
    result: Any = None
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    summary: str = ""
    state_changes: dict[str, Any] = {}
    tokens_used: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    model: str | None = None
    attributes: dict[str, Any] = {}
    latency_ms: float = 0.0
    timestamp: datetime = field(default_factory=_now)
    decision_id: str = ""
    run_id: str = ""
    seq: int = 0
    extra: dict[str, Any] = {}


class Evaluation(Struct, frozen=True, gc=False):
    """A judgement of a decision made afterwards, by a person or a program; scores from 0 to 1."""

    goal_aligned: bool = True
    alignment_score: float = 1.0
    better_option_existed: bool = False
    better_option_id: str | None = None
    why_better: str | None = None
    outcome_quality: float = 1.0
    contributed_to_success: bool | None = None
    explanation: str = ""


class Decision(LineStruct, frozen=True, tag="decision"):
    """What the agent decided: the intent, the options it saw, the one it chose and why.

    `parent_id` is the decision inside which this one was made; `supersedes` one that it replaces.
    """

    id: str
    parent_id: str | None = None
    timestamp: datetime = field(default_factory=_now)
    node_id: str = _always("unknown")
    intent: str = ""
    decision_type: DecisionType = _always(DecisionType.CUSTOM)
    options: list[Option] = []
    chosen_option_id: str | None = None
    reasoning: str = ""
    active_constraints: list[str] = []
    input_context: dict[str, Any] = {}
    supersedes: str | None = None
    outcome: Outcome | None = None
    evaluation: Evaluation | None = None
    run_id: str = ""
    seq: int = 0
    extra: dict[str, Any] = {}

    @property
    def chosen_option(self) -> Option | None:
        """The option that was chosen; None when there was no choice, or one off the menu."""
        for option in self.options:
            if option.id == self.chosen_option_id:
                return option
        return None

    @property
    def is_pending(self) -> bool:
        """No outcome is known. A pending decision is not a failed one."""
        return self.outcome is None

    @property
    def was_successful(self) -> bool:
        """There is an outcome, and it is a success."""
        return self.outcome is not None and self.outcome.success

    @property
    def was_good_decision(self) -> bool:
        """As evaluated (aligned with the goal, quality over 0.5); else whether it succeeded."""
        if self.evaluation is None:
            return self.was_successful
        return self.evaluation.goal_aligned and self.evaluation.outcome_quality > 0.5


class Problem(LineStruct, frozen=True, tag="problem"):
    """Something that went wrong; `severity` is "critical", "warning" or "minor"."""

    id: str
    severity: str = _always("warning")
    description: str = ""
    root_cause: str | None = None
    decision_id: str | None = None
    suggested_fix: str | None = None
    timestamp: datetime = field(default_factory=_now)
    run_id: str = ""
    seq: int = 0
    extra: dict[str, Any] = {}


class RunMetrics(Struct, frozen=True, gc=False):
    """Counts over a run. `total_latency_ms` adds up all decisions, nested and parallel ones too."""

    total_decisions: int = 0
    successful_decisions: int = 0
    failed_decisions: int = 0
    cancelled_decisions: int = 0
    pending_decisions: int = 0
    total_tokens: int = 0
    total_latency_ms: float = 0.0
    nodes_executed: list[str] = []

    @property
    def success_rate(self) -> float | None:
        """Successes among the decisions that succeeded or failed; None when there are none."""
        known = self.successful_decisions + self.failed_decisions
        return self.successful_decisions / known if known else None


class Damage(Struct, frozen=True, gc=False):
    """A place in a run file that did not read: `line` counts from 1, `offset` in bytes from 0."""

    line: int
    offset: int
    reason: str


class Run(Struct, frozen=True, omit_defaults=True):
    """One run of an agent, whole: put together from the records in its file.

    `unknown` holds records of types this version does not know (and those that belong to a decision
    whose own record is lost), `lost_records` counts what gap records own up to, and `damage` names
    the lines that could not be read.
    """

    id: str
    goal_id: str = ""
    goal_description: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    status: RunStatus = RunStatus.RUNNING
    decisions: list[Decision] = []
    problems: list[Problem] = []
    metrics: RunMetrics = RunMetrics()
    narrative: str = ""
    input_data: Any = None
    output_data: Any = None
    tags: dict[str, str] = {}
    parent_run_id: str | None = None
    parent_decision_id: str | None = None
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    unknown: list[dict[str, Any]] = []
    host: str = ""
    pid: int = 0
    writer: str = ""
    lost_records: int = 0
    damage: list[Damage] = []
    duration_ms: float | None = None
    """From the monotonic clock of the writer; None while the run has not ended."""
    extra: dict[str, Any] = {}

    def decision(self, decision_id: str) -> Decision | None:
        """The decision with this id, if the run holds it."""
        return next((d for d in self.decisions if d.id == decision_id), None)

    def _repr_html_(self) -> str:
        """How a notebook shows the run: what happened, why, and its decisions."""
        # Imported here, for what shows a run is no part of the core, and most programs show none.
        from decisionlog.viewer.notebook import run_html

        return run_html(self)


class RunCheck(Struct, frozen=True):
    """What verifying a run file came to. `torn_bytes` at its end are an unfinished record of a run
    that is in progress or was interrupted: nothing that was ever acknowledged.
    """

    run_id: str
    status: RunStatus
    records: int = 0
    lost_records: int = 0
    torn_bytes: int = 0
    damage: list[Damage] = []


class RunSummary(Struct, frozen=True):
    """A run at a glance, read from the head and the tail of its file."""

    run_id: str
    goal_id: str = ""
    status: RunStatus = RunStatus.RUNNING
    started_at: datetime | None = None
    duration_ms: float | None = None
    decision_count: int = 0
    success_rate: float | None = None
    total_tokens: int = 0
    problem_count: int = 0
    narrative: str = ""
    goal_description: str = ""
    tags: dict[str, str] = {}
    key_decisions: list[str] = []
    critical_problems: list[str] = []
    warnings: list[str] = []
    successes: list[str] = []

    def __str__(self) -> str:
        """For people, a few lines; what a terminal would obey is spelled out."""
        lines = [f"{self.goal_id or '(no goal)'}: {self.status} ({self.run_id})", self.narrative]
        for title, texts in (
            ("Key decisions", self.key_decisions),
            ("Critical problems", self.critical_problems),
            ("Warnings", self.warnings),
            ("What worked", self.successes),
        ):
            if texts:
                lines += [f"{title}:", *(f"  {text}" for text in texts)]
        return "\n".join(map(printable, filter(None, lines)))


def printable(line: str) -> str:
    """The text with what a terminal would obey, or not show, spelled out."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
