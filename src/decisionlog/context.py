"""Where the caller stands: the run, node and decision of the surrounding context.

One context variable holds the innermost scope that was entered; each scope knows the one outside
it. A scope that has ended is stepped over, so nothing has to be undone in a particular order, or in
the context in which it was done.
"""

from __future__ import annotations

import logging
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from decisionlog.handles import DecisionHandle, RunHandle
    from decisionlog.runtime import Runtime


class Frame(Protocol):
    """What the context sees of a scope: its run, itself if it is a decision, the node in force."""

    @property
    def run(self) -> RunHandle | None: ...
    @property
    def decision(self) -> DecisionHandle | None: ...
    @property
    def node(self) -> str | None: ...
    @property
    def outer(self) -> Frame | None: ...
    @property
    def ended(self) -> bool: ...


innermost: ContextVar[Frame | None] = ContextVar("decisionlog", default=None)
open_runtimes: weakref.WeakSet[Runtime] = weakref.WeakSet()


def current(runtime: Runtime | None = None) -> Frame | None:
    """The innermost scope that is in progress (of this runtime)."""
    frame = innermost.get()
    while frame is not None:
        run = frame.run
        if (
            run is not None
            and not frame.ended
            and not run.ended
            and (runtime is None or run.runtime is runtime)
        ):
            return frame
        frame = frame.outer
    return None


def leave() -> None:
    """Step out of scopes that have ended, if this is the context they were entered in."""
    frame = innermost.get()
    if frame is not None and (frame.ended or frame.run is None or frame.run.ended):
        innermost.set(current())


def decision_at(frame: Frame | None) -> DecisionHandle | None:
    """The decision in progress around a place in a run."""
    run = frame.run if frame is not None else None
    while frame is not None and frame.run is run:
        if frame.decision is not None and not frame.ended:
            return frame.decision
        frame = frame.outer
    return None


def bound_runtime() -> Runtime | None:
    """The runtime of the surrounding run, else the only open one of the process."""
    frame = current()
    if frame is not None and frame.run is not None:
        return frame.run.runtime
    runtimes = list(open_runtimes)
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
