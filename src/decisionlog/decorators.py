"""Scopes as decorators: each call of the function gets a scope of its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import ExitStack
from typing import Any, Protocol, TypeAlias

from decisionlog.context import Frame, innermost


class Handle(Protocol):
    """What a decorator needs of the handle of a call."""

    def returned(self, value: object) -> None: ...


Exit: TypeAlias = type[BaseException] | None


class Scope(Protocol):
    """What a decorator needs of a scope."""

    def for_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Scope: ...
    def __enter__(self) -> Handle: ...
    def __exit__(self, kind: Exit, error: Any, trace: Any, /) -> None: ...
    async def __aenter__(self) -> Handle: ...
    async def __aexit__(self, kind: Exit, error: Any, trace: Any, /) -> None: ...


def decorate(scope: Scope, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with each call inside a scope like this one."""
    call = getattr(function, "__call__", None)  # noqa: B004 - an object with `async def __call__`
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call):
        return _coroutine_function(scope, function)
    if inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(call):
        return _async_generator_function(scope, function)
    if inspect.isgeneratorfunction(function):
        return _generator_function(scope, function)
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"a run or decision decorates functions, not {function!r}")
    return _plain_function(scope, function)


def _coroutine_function(
    scope: Scope, function: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        async with scope.for_call(args, kwargs) as handle:
            value = await function(*args, **kwargs)
            handle.returned(value)
            return value

    return wrapper


def _plain_function(scope: Scope, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        outside = innermost.get()
        with ExitStack() as stack:
            handle = stack.enter_context(scope.for_call(args, kwargs))
            value = function(*args, **kwargs)
            if inspect.iscoroutine(value):  # the work is still to come
                return _finish(stack.pop_all(), handle, _Place(outside), value)
            handle.returned(value)
            return value

    return wrapper


async def _finish(
    stack: ExitStack, handle: Handle, place: _Place, value: Coroutine[Any, Any, Any]
) -> Any:
    with stack, place:
        result = await value
        handle.returned(result)
        return result


class _Place:
    """A function's own place in the context, kept from step to step.

    A generator runs in the context of whoever consumes it: what it enters in one step would be
    seen by the consumer until the next one.
    """

    def __init__(self, outside: Frame | None) -> None:
        self._inside = innermost.get()
        innermost.set(outside)

    def __enter__(self) -> None:
        self._outside = innermost.get()
        innermost.set(self._inside)

    def __exit__(self, *_: object) -> None:
        self._inside = innermost.get()
        innermost.set(self._outside)


def _async_generator_function(
    scope: Scope, function: Callable[..., AsyncGenerator[Any, Any]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        outside = innermost.get()
        async with scope.for_call(args, kwargs):
            place = _Place(outside)
            generator = function(*args, **kwargs)
            step = generator.__anext__()
            while True:
                try:
                    with place:
                        item = await step
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    with place:
                        await generator.aclose()
                    raise
                except BaseException as error:
                    step = generator.athrow(error)
                else:
                    step = generator.asend(sent)

    return wrapper


def _generator_function(
    scope: Scope, function: Callable[..., Generator[Any, Any, Any]]
) -> Callable[..., Generator[Any, Any, Any]]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        outside = innermost.get()
        with scope.for_call(args, kwargs) as handle:
            place = _Place(outside)
            generator = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with place:
                        item = step()
                except StopIteration as stop:
                    handle.returned(stop.value)
                    return stop.value
                try:
                    sent = yield item
                except GeneratorExit:
                    with place:
                        generator.close()
                    raise
                except BaseException as error:
                    step = functools.partial(generator.throw, error)
                else:
                    step = functools.partial(generator.send, sent)

    return wrapper
