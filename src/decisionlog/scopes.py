"""How a run or a decision surrounds code: `with`, `async with`, or as a decorator."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from anyio.lowlevel import current_token

from decisionlog import errors
from decisionlog.buffer import Buffer
from decisionlog.context import Frame, bound_runtime, enter, innermost
from decisionlog.decorators import decorate
from decisionlog.handles import (
    DecisionHandle,
    Given,
    NodeHandle,
    RunHandle,
    open_decision,
    open_node,
    open_run,
)
from decisionlog.model import DecisionType, Option

if TYPE_CHECKING:
    from decisionlog.runtime import Runtime

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
Options: TypeAlias = Sequence[Option | Mapping[str, Any]]
OrCallable: TypeAlias = T | Callable[..., T]
Kind: TypeAlias = type[BaseException] | None
Error: TypeAlias = BaseException | None


class Handle(Frame, Protocol):
    """What a scope needs of the handle it gives."""

    def end(self, error: BaseException | None) -> None: ...
    def returned(self, value: object) -> None: ...


H = TypeVar("H", bound=Handle)


class Scope(Generic[H]):
    """Opens a handle on the way in, and ends it on the way out with what came of it.

    A scope may be entered any number of times, also at once, and each is a run or decision of its
    own; as a decorator it makes one like itself for each call.
    """

    __slots__ = ("_given", "_handles", "_maker", "_open")

    def __init__(self, maker: Scopes, opener: Callable[..., H], given: Given) -> None:
        self._maker = maker
        self._open = opener
        self._given = given
        self._handles: list[H] = []

    def __enter__(self) -> H:
        handle = self._enter()
        if (buffer := _full(handle)) and _may_block():
            buffer.wait_for_room_blocking()
        return handle

    def __exit__(self, kind: Kind, error: Error, trace: TracebackType | None, /) -> None:
        handle = self._mine()
        handle.end(error)
        if error is None and (buffer := _full(handle)) and _may_block():
            buffer.wait_for_room_blocking()

    async def __aenter__(self) -> H:
        handle = self._enter()
        if buffer := _full(handle):
            try:
                await buffer.wait_for_room()
            except BaseException as error:
                self._handles.remove(handle)
                handle.end(error)
                raise
        return handle

    async def __aexit__(self, kind: Kind, error: Error, trace: TracebackType | None, /) -> None:
        handle = self._mine()
        handle.end(error)
        if error is None and (buffer := _full(handle)):
            await buffer.wait_for_room()

    def __call__(self, function: F) -> F:
        """Decorate a coroutine function, a generator function of either kind, or a plain function:
        each call is a run or decision of its own, and what it returns the output or the result.
        """
        return decorate(self, function)  # type: ignore[return-value]

    def for_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Scope[H]:
        """A scope like this one for a call of the decorated function."""
        given = self._given
        if runtime := self._maker.bound():
            given = tuple(
                _called(runtime, value, args, kwargs) if callable(value) else value
                for value in given
            )
        return Scope(self._maker, self._open, given)

    def _enter(self) -> H:
        handle = self._open(self._maker.bound(), self._given)
        if not handle.ended:
            enter(handle)
        self._handles.append(handle)
        return handle

    def _mine(self) -> H:
        """The handle of the `with` block that ends here."""
        if len(self._handles) == 1:
            return self._handles.pop(0)
        handles = self._handles.copy()
        frame = innermost.get()
        while frame is not None and all(handle is not frame for handle in handles):
            frame = frame.outer
        # What is not found was not recorded, or has ended before; or it was opened elsewhere.
        found = (h for h in handles if (h.ended if frame is None else h is frame))
        mine = next(found, handles[-1])
        self._handles.remove(mine)
        return mine


class Scopes:
    """Makes scopes for the runtime of the surrounding run, else for the only open one of the
    process; where there is none, nothing is recorded. A `Runtime` makes them for itself.
    """

    def bound(self) -> Runtime | None:
        """The runtime in which to record now."""
        return bound_runtime()

    def run(
        self,
        goal_id: OrCallable[str],
        goal_description: OrCallable[str] = "",
        input_data: Any = None,
        *,
        run_id: OrCallable[str | None] = None,
        tags: OrCallable[Mapping[str, str] | None] = None,
        parent: OrCallable[RunHandle | DecisionHandle | str | None] = None,
    ) -> Scope[RunHandle]:
        """A run: `with`, `async with`, or as a decorator.

        Args:
            goal_id: What the run is for; runs are compared within a goal.
            goal_description: The same, for people.
            input_data: What the run was given.
            run_id: An id of your own, 1 to 100 of `A-Z a-z 0-9 _ -`, never used before.
            tags: What to tell runs apart by: a version, a prompt, an experiment.
            parent: The run or decision that this one is part of, if it is not the surrounding one:
                a handle or, from another process, `"<run id>"` or `"<run id>/<decision id>"`.

        As a decorator, arguments may be callables of the call's arguments. `decisionlog.run` is for
        library code, which has no runtime at import time: when the scope is entered or the function
        called, it is bound to the runtime of the surrounding run, else to the only one that is open
        in the process. Where there is none, nothing is recorded.
        """
        return Scope(self, open_run, (goal_id, goal_description, input_data, run_id, tags, parent))

    def decision(
        self,
        intent: OrCallable[str],
        options: OrCallable[Options] = (),
        chosen: OrCallable[str | None] = None,
        reasoning: OrCallable[str] = "",
        node_id: OrCallable[str | None] = None,
        decision_type: OrCallable[DecisionType | str] = DecisionType.CUSTOM,
        constraints: OrCallable[Sequence[str] | None] = None,
        context: OrCallable[Mapping[str, Any] | None] = None,
        *,
        supersedes: OrCallable[str | None] = None,
        run: RunHandle | None = None,
    ) -> Scope[DecisionHandle]:
        """A decision in the surrounding run: `with`, `async with`, or as a decorator.

        It is recorded on entry, before the work inside begins; its outcome and latency on the way
        out: a success, unless an exception leaves the scope or the handle says otherwise.

        Args:
            intent: What is being decided.
            options: What could be done, each an `Option` or a dict with the same keys.
            chosen: The id of the option taken; `DecisionHandle.choose` chooses later.
            reasoning: Why.
            node_id: The part of the agent that decides; else the surrounding `node`.
            decision_type: What kind of thing is decided.
            constraints: What had to be respected.
            context: What the decision was based on.
            supersedes: The id of an earlier decision of this run that this one replaces.
            run: The handle of the run to record it in, instead of the surrounding one.

        As a decorator, arguments may be callables of the call's arguments. `decisionlog.decision`,
        for library code, is bound as `decisionlog.run` is.
        """
        given = (
            intent, options, chosen, reasoning, node_id, decision_type, constraints, context,
            supersedes,
        )  # fmt: skip
        return Scope(self, open_decision if run is None else partial(open_decision, run=run), given)

    def node(self, node_id: OrCallable[str]) -> Scope[NodeHandle]:
        """Name the node for the decisions inside a `with` block, and only those."""
        return Scope(self, open_node, (node_id,))


def _called(
    runtime: Runtime, value: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    try:
        return value(*args, **kwargs)
    except Exception as error:
        name = getattr(value, "__qualname__", type(value).__name__)
        what = f"{name:.80}, given to a decorator, raised {type(error).__name__}; left out"
        runtime.misuse(errors.InvalidValueError, what)
        return None


def _full(handle: Handle) -> Buffer | None:
    """The buffer that has no room, if there is none."""
    buffer = handle.run.buffer
    return buffer if buffer is not None and buffer.is_full else None


def _may_block() -> bool:
    """Whether waiting here would block no event loop; callbacks of asyncio's are in no task, and
    anyio doesn't see that loop.
    """
    for running in (get_running_loop, current_token):
        with suppress(RuntimeError):
            running()
            return False
    return True
