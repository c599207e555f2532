"""Scopes as decorators: each call of the function gets a scope of its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Protocol, Self

from decisionlog.context import innermost


class Scope(Protocol):
    """What a decorator needs of a scope."""

    def for_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self: ...
    def returned(self, value: object) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


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
        async with scope.for_call(args, kwargs) as call:
            value = await function(*args, **kwargs)
            call.returned(value)
            return value

    return wrapper


def _plain_function(scope: Scope, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = scope.for_call(args, kwargs)
        place = _Place()
        with place:
            call.__enter__()
        try:
            with place:
                value = function(*args, **kwargs)
            if inspect.isawaitable(value):  # the work is still to come
                return _finish(call, place, value)
            call.returned(value)
        except BaseException as error:
            call.__exit__(type(error), error, error.__traceback__)
            raise
        call.__exit__(None, None, None)
        return value

    return wrapper


async def _finish(call: Scope, place: _Place, value: Awaitable[Any]) -> Any:
    try:
        with place:
            result = await value
        call.returned(result)
    except BaseException as error:
        await call.__aexit__(type(error), error, error.__traceback__)
        raise
    await call.__aexit__(None, None, None)
    return result


class _Place:
    """A function's own place in the context, kept from step to step.

    A generator runs in the context of whoever consumes it: what it enters in one step would be
    seen by the consumer until the next one.
    """

    __slots__ = ("_inside", "_outside")

    def __init__(self) -> None:
        self._inside = innermost.get()

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
        call = scope.for_call(args, kwargs)
        place = _Place()
        with place:
            await call.__aenter__()
        try:
            generator = function(*args, **kwargs)
            step = generator.__anext__()
            while True:
                try:
                    with place:
                        item = await step
                except StopAsyncIteration:
                    break
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
        except BaseException as error:
            with place:
                await call.__aexit__(type(error), error, error.__traceback__)
            raise
        with place:
            await call.__aexit__(None, None, None)

    return wrapper


def _generator_function(
    scope: Scope, function: Callable[..., Generator[Any, Any, Any]]
) -> Callable[..., Generator[Any, Any, Any]]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = scope.for_call(args, kwargs)
        place = _Place()
        with place:
            call.__enter__()
        try:
            generator = function(*args, **kwargs)
            step = functools.partial(next, generator)
            while True:
                try:
                    with place:
                        item = step()
                except StopIteration as stop:
                    value = stop.value
                    break
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
            if value is not None:
                call.returned(value)
        except BaseException as error:
            with place:
                call.__exit__(type(error), error, error.__traceback__)
            raise
        with place:
            call.__exit__(None, None, None)
        return value

    return wrapper
