"""How a run, a decision or a node surrounds code: `with`, `async with`, or as a decorator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import get_running_loop
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar

from anyio.lowlevel import current_token

from decisionlog.context import Frame, current, forget_ended, innermost
from decisionlog.decorators import decorate
from decisionlog.errors import EndedError, InvalidValueError

if TYPE_CHECKING:
    from decisionlog.buffer import Buffer
    from decisionlog.runtime import Runtime

F = TypeVar("F", bound=Callable[..., Any])
Kind: TypeAlias = type[BaseException] | None
Error: TypeAlias = BaseException | None
Given: TypeAlias = tuple[Any, ...]
"""The arguments of `run`, `decision` or `node`, in their order."""


class Binder(Protocol):
    """Says in which runtime a scope records, when it is entered."""

    def bound(self) -> Runtime | None: ...


class Scope(ABC):
    """Records something on the way in, and on the way out what came of it.

    It is its own handle. It surrounds one block at a time; once that has ended it may be entered
    again, and is then a run or decision of its own. As a decorator it makes one like itself for
    each call. One that has nothing to record to (no run in progress, the runtime closed or
    disabled) takes everything and does nothing.
    """

    __slots__ = ("_binder", "_given", "_intruders", "buffer", "ended", "id", "outer")

    outer: Frame | None
    buffer: Buffer | None

    def __init__(self, binder: Binder, given: Given) -> None:
        self._binder = binder
        self._given = given
        self._intruders = 0
        self.buffer = None
        self.id = ""
        self.ended = True

    @abstractmethod
    def begin(self, runtime: Runtime, outer: Frame | None) -> None:
        """Record that it starts, and be in progress; `outer` is the innermost scope here."""

    @abstractmethod
    def end(self, error: Error) -> None:
        """Record what came of it, if it is in progress; it was left with this exception."""

    @abstractmethod
    def returned(self, value: object) -> None:
        """The decorated function returned this."""

    def __enter__(self) -> Self:
        self.start()
        buffer = self.buffer
        if buffer is not None and buffer.full and _may_block():
            buffer.wait_for_room_blocking()
        return self

    def __exit__(self, kind: Kind, error: Error, trace: TracebackType | None, /) -> None:
        if self._intruders:
            self._intruders -= 1
        elif not self.ended:
            self.end(error)
            buffer = self.buffer
            if buffer is not None and buffer.full and error is None and _may_block():
                buffer.wait_for_room_blocking()

    async def __aenter__(self) -> Self:
        self.start()
        buffer = self.buffer
        if buffer is not None and buffer.full:
            try:
                await buffer.wait_for_room()
            except BaseException as error:
                await self.__aexit__(type(error), error, None)
                raise
        return self

    async def __aexit__(self, kind: Kind, error: Error, trace: TracebackType | None, /) -> None:
        if self._intruders:
            self._intruders -= 1
        elif not self.ended:
            self.end(error)
            buffer = self.buffer
            if buffer is not None and buffer.full and error is None:
                await buffer.wait_for_room()

    def __call__(self, function: F) -> F:
        """Decorate a coroutine function, a generator function of either kind, or a plain function:
        each call is a run or decision of its own, and what it returns the output or the result.
        """
        return decorate(self, function)  # type: ignore[return-value]

    def for_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        """A scope like this one for a call of the decorated function."""
        given = self._given
        if runtime := self._binder.bound():
            given = tuple(
                _called(runtime, value, args, kwargs) if callable(value) else value
                for value in given
            )
        return type(self)(self._binder, given)

    def start(self, *, in_context: bool = True) -> None:
        """Begin, whatever happens, and be the innermost scope of this context, or of none."""
        runtime = self._binder.bound()
        if runtime is None:
            return
        if not self.ended:
            what = f"{self!r} is in use; the block that enters it again is not recorded"
            runtime.misuse(EndedError, f"{what}: make a scope for each")
            self._intruders += 1
            return
        outer = innermost.get() if in_context else None
        if outer is not None and (outer.ended or outer.run.ended):
            outer = current()
        try:
            self.begin(runtime, outer)
        except (KeyboardInterrupt, SystemExit) as interrupt:  # from within a value
            self.end(interrupt)
            raise
        except Exception as failure:
            runtime.trouble(failure)
        if in_context and not self.ended:
            self.outer = outer
            innermost.set(self)
            if outer is not None and outer.outer is not None:
                forget_ended(outer)


def _called(
    runtime: Runtime, value: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    try:
        return value(*args, **kwargs)
    except Exception as error:
        name = getattr(value, "__qualname__", type(value).__name__)
        what = f"{name:.80}, given to a decorator, raised {type(error).__name__}; left out"
        runtime.misuse(InvalidValueError, what)
        return None


def _may_block() -> bool:
    """Whether waiting here would block no event loop; callbacks of asyncio's are in no task, and
    anyio doesn't see that loop.
    """
    for running in (get_running_loop, current_token):
        with suppress(RuntimeError):
            running()
            return False
    return True
