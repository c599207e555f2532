"""Where the caller stands: the run, node and decision of the surrounding context.

One context variable holds the innermost scope that was entered; each scope knows the one outside
it. A scope that has ended is stepped over, so nothing has to be undone in a particular order, or in
the context in which it was done.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from decisionlog.decisions import DecisionHandle
    from decisionlog.runs import NodeHandle, RunHandle
    from decisionlog.runtime import Runtime


class Frame(Protocol):
    """What the context sees of a scope: its run, itself if it is a decision, the node in force."""

    outer: Frame | None
    ended: bool

    @property
    def run(self) -> RunHandle: ...
    @property
    def decision(self) -> DecisionHandle | None: ...
    @property
    def node(self) -> NodeHandle | None: ...


innermost: ContextVar[Any] = ContextVar("decisionlog", default=None)
"""A `Frame`, or None."""
set_node: ContextVar[tuple[RunHandle, NodeHandle | None, str] | None] = ContextVar(
    "decisionlog.set_node", default=None
)
"""A run, the node in force when `Runtime.set_node` was called there, and the name it set."""
open_runtimes: list[Runtime] = []

Place: TypeAlias = "tuple[Frame | None, tuple[RunHandle, NodeHandle | None, str] | None]"


def here() -> Place:
    """Where the caller stands, to come back to."""
    return innermost.get(), set_node.get()


def go_to(place: Place) -> None:
    """Stand there."""
    innermost.set(place[0])
    set_node.set(place[1])


def current() -> Frame | None:
    """The innermost scope that is in progress, of whichever runtime."""
    frame: Frame | None = innermost.get()
    while frame is not None and (frame.ended or frame.run.ended):
        frame = frame.outer
    return frame


def current_in(runtime: Runtime, run: RunHandle | None = None) -> Frame | None:
    """The innermost scope in progress of this runtime, and in this run."""
    frame: Frame | None = innermost.get()
    while frame is not None:
        of = frame.run
        if not (frame.ended or of.ended) and of.runtime is runtime and (run is None or of is run):
            return frame
        frame = frame.outer
    return None


def forget_ended(frame: Frame) -> None:
    """Let go of the scopes next outside this one that have ended. Tasks that each start the next
    one would otherwise string together all there ever were.
    """
    while (beyond := frame.outer) is not None and (beyond.ended or beyond.run.ended):
        frame.outer = beyond.outer


def leave(frame: Frame) -> None:
    """Step out of a scope, if this is the context it was entered in."""
    if innermost.get() is frame:
        innermost.set(frame.outer)


def decision_at(frame: Frame | None) -> DecisionHandle | None:
    """The decision in progress around a place in a run."""
    run = frame.run if frame is not None else None
    while frame is not None and frame is not run:
        if frame.decision is not None and frame.run is run and not frame.ended:
            return frame.decision
        frame = frame.outer
    return None


def node_at(frame: Frame | None) -> str:
    """The name of the node in force at a place in a run."""
    if frame is None:
        return "unknown"
    node, latest = frame.node, set_node.get()
    if latest is not None and latest[0] is frame.run and node in (None, latest[1]):
        return latest[2]
    return node.id if node is not None else "unknown"


def bound_runtime() -> Runtime | None:
    """The runtime of the surrounding run, else the only open one of the process."""
    if (frame := current()) is not None:
        return frame.run.runtime
    runtimes = open_runtimes.copy()
    return runtimes[0] if len(runtimes) == 1 else None


def current_run() -> RunHandle | None:
    """The run in progress here, or None.

    >>> current_run() is None
    True
    """
    frame = current()
    return frame.run if frame is not None else None


def current_decision() -> DecisionHandle | None:
    """The innermost decision in progress here, or None. A decorated step uses it to choose late,
    or to report tokens.

    >>> if decision := current_decision():
    ...     decision.succeed(tokens_used=123)
    """
    return decision_at(current())


class LogContext(logging.Filter):
    """Puts `run_id` and `decision_id` on every log record; "-" where there is none.

    >>> handler = logging.StreamHandler()
    >>> handler.addFilter(LogContext())
    >>> handler.setFormatter(logging.Formatter("%(run_id)s %(decision_id)s %(message)s"))
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True: nothing is filtered out."""
        run, decision = current_run(), current_decision()
        record.run_id = run.id if run is not None else "-"
        record.decision_id = decision.id if decision is not None else "-"
        return True
