"""The flight recorder of AI agents: what they decided, why, and what came of it."""

from decisionlog.context import LogContext, current_decision, current_run
from decisionlog.decisions import DecisionHandle
from decisionlog.errors import (
    DecisionLogError,
    DecisionNotFoundError,
    EndedError,
    InvalidValueError,
    MisuseError,
    NoRunError,
    ReadError,
    RunInProgressError,
    RunNotFoundError,
    RuntimeStateError,
    UnknownDecisionError,
    UnknownOptionError,
    WriteError,
)
from decisionlog.model import (
    Damage,
    Decision,
    DecisionType,
    Evaluation,
    Option,
    Outcome,
    Problem,
    Run,
    RunCheck,
    RunMetrics,
    RunStatus,
    RunSummary,
)
from decisionlog.runs import NodeHandle, RunHandle
from decisionlog.runtime import Runtime, Stats, decision, run
from decisionlog.sinks import Chunk, FileSink, Sink, Unwritten
from decisionlog.store import RunStore
from decisionlog.version import __version__

__all__ = [
    "Chunk",
    "Damage",
    "Decision",
    "DecisionHandle",
    "DecisionLogError",
    "DecisionNotFoundError",
    "DecisionType",
    "EndedError",
    "Evaluation",
    "FileSink",
    "InvalidValueError",
    "LogContext",
    "MisuseError",
    "NoRunError",
    "NodeHandle",
    "Option",
    "Outcome",
    "Problem",
    "ReadError",
    "Run",
    "RunCheck",
    "RunHandle",
    "RunInProgressError",
    "RunMetrics",
    "RunNotFoundError",
    "RunStatus",
    "RunStore",
    "RunSummary",
    "Runtime",
    "RuntimeStateError",
    "Sink",
    "Stats",
    "UnknownDecisionError",
    "UnknownOptionError",
    "Unwritten",
    "WriteError",
    "__version__",
    "current_decision",
    "current_run",
    "decision",
    "run",
]
