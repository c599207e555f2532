"""How a run or a decision surrounds code: `with`, `async with`, or as a decorator."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeGuard, TypeVar

import anyio
from anyio.lowlevel import current_token

from decisionlog import errors
from decisionlog.context import Frame, bound_runtime, current, innermost, leave
from decisionlog.decorators import decorate
from decisionlog.handles import Given, RunHandle
from decisionlog.recorder import Recorder

if TYPE_CHECKING:
    from decisionlog.runtime import Runtime

F = TypeVar("F", bound=Callable[..., Any])


class Handle(Frame, Protocol):
    """What a scope needs of the handle it gives."""

    @property
    def recorder(self) -> Recorder | None: ...
    def end(self, error: BaseException | None) -> None: ...
    def returned(self, value: object) -> None: ...


H = TypeVar("H", bound=Handle)


class Scope(Generic[H]):
    """Opens its handle on the way in, and ends it on the way out with what came of it.

    A scope is entered once; as a decorator it makes one of its own kind for each call.
    """

    __slots__ = ("_given", "_handle", "_open", "_runtime")

    def __init__(
        self, runtime: Runtime | None, opener: Callable[..., H], given: Given | None
    ) -> None:
        self._runtime = runtime
        self._open = opener
        self._given = given
        self._handle: H | None = None

    @classmethod
    def inert(cls, handle: H) -> Scope[H]:
        """A scope that never records anything, and may be entered any number of times."""
        scope = cls(None, lambda *_: handle, ())
        scope._handle = handle
        scope._given = None
        return scope

    def __enter__(self) -> H:
        handle = self._enter()
        if _may_block(recorder := handle.recorder):
            recorder.buffer.wait_for_room_blocking()
        return handle

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        if (handle := self._handle) is not None:
            handle.end(error)
            if error is None and _may_block(recorder := handle.recorder):
                recorder.buffer.wait_for_room_blocking()

    async def __aenter__(self) -> H:
        handle = self._enter()
        recorder = handle.recorder
        if recorder is not None and recorder.buffer.is_full:
            try:
                await recorder.buffer.wait_for_room()
            except BaseException as error:
                handle.end(error)
                raise
        return handle

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        if (handle := self._handle) is not None:
            handle.end(error)
            recorder = handle.recorder
            if error is None and recorder is not None and recorder.buffer.is_full:
                await recorder.buffer.wait_for_room()

    def __call__(self, function: F) -> F:
        """Decorate a coroutine function, a generator function of either kind, or a plain function:
        each call is a run or decision of its own, and what it returns the output or the result.
        """
        return function if self._given is None else decorate(self, function)  # type: ignore[return-value]

    def for_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Scope[H]:
        """A scope like this one for a call of the decorated function."""
        runtime = self._runtime or bound_runtime()
        given = self._given or ()
        if runtime is not None:
            given = tuple(
                _called(runtime, value, args, kwargs) if callable(value) else value
                for value in given
            )
        return Scope(self._runtime, self._open, given)

    def _enter(self) -> H:
        if self._given is None and self._handle is not None:
            return self._handle
        if self._handle is not None:
            runtime = self._runtime or bound_runtime()
            if runtime is not None:
                what = f"the scope of {self._handle!r} was entered twice; not recorded again"
                runtime.misuse(errors.RuntimeStateError, what)
            return type(self._handle)()
        self._handle = handle = self._open(self._runtime, self._given)
        if not handle.ended:
            innermost.set(handle)
        return handle


class NodeScope:
    """Names the node for what is inside it. See `Runtime.node`."""

    decision = None

    def __init__(self, runtime: Runtime, node_id: str, *, lasting: bool = False) -> None:
        self._runtime = runtime
        self._node_id = node_id
        self._lasting = lasting
        self.run: RunHandle | None = None
        self.node: str | None = None
        self.outer: Frame | None = None
        self.ended = True

    def __enter__(self) -> Self:
        frame = current(self._runtime)
        while self._lasting and type(frame) is NodeScope and frame._lasting:
            frame = frame.outer  # this one replaces it
        if frame is not None:
            self.run = frame.run
            self.node = self._runtime.intake.text(self._node_id, "node_id")
            self.outer = frame
            self.ended = False
            innermost.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True
        leave()


def _called(
    runtime: Runtime, value: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    try:
        return value(*args, **kwargs)
    except Exception as error:
        name = getattr(value, "__qualname__", repr(value))
        what = f"{name:.80}, given to a decorator, raised {error!r:.80}; left out"
        runtime.misuse(errors.InvalidValueError, what)
        return None


def _may_block(recorder: Recorder | None) -> TypeGuard[Recorder]:
    """Whether to wait for room here: not where that would block an event loop."""
    if recorder is None or not recorder.buffer.is_full:
        return False
    try:
        current_token()
    except anyio.NoEventLoopError:
        return True
    return False
