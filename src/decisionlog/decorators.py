"""Scopes as decorators: each call of the function gets a scope of its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from decisionlog.context import Place, go_to, here

if TYPE_CHECKING:
    from decisionlog.scopes import Scope


def decorate(scope: Scope, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with each call inside a scope like this one."""
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"a run or decision decorates functions, not {function!r}")
    call = getattr(function, "__call__", None)  # noqa: B004 - an object with `async def __call__`
    for kind, wrap in (
        (inspect.iscoroutinefunction, _coroutine_function),
        (inspect.isasyncgenfunction, _async_generator_function),
        (inspect.isgeneratorfunction, _generator_function),
    ):
        if kind(function) or kind(call):
            return wrap(scope, function)
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
        outside = here()
        with ExitStack() as stack:
            handle = stack.enter_context(scope.for_call(args, kwargs))
            value = function(*args, **kwargs)
            if inspect.iscoroutine(value):  # the work is still to come
                return _finish(stack.pop_all(), handle, _Inside(outside), value)
            handle.returned(value)
            return value

    return wrapper


async def _finish(
    stack: ExitStack, handle: Scope, inside: _Inside, value: Coroutine[Any, Any, Any]
) -> Any:
    with stack, inside:
        result = await value
        handle.returned(result)
        return result


class _Inside:
    """A function's own place in the context, kept from step to step.

    A generator runs in the context of whoever consumes it: what it enters in one step would be
    seen by the consumer until the next one.
    """

    def __init__(self, outside: Place) -> None:
        self._place = here()
        go_to(outside)

    def __enter__(self) -> None:
        self._outside = here()
        go_to(self._place)

    def __exit__(self, *_: object) -> None:
        self._place = here()
        go_to(self._outside)


def _async_generator_function(
    scope: Scope, function: Callable[..., AsyncGenerator[Any, Any]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        outside = here()
        async with scope.for_call(args, kwargs):
            inside = _Inside(outside)
            generator = function(*args, **kwargs)
            step = generator.__anext__()
            while True:
                try:
                    with inside:
                        item = await step
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    with inside:
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
        outside = here()
        with scope.for_call(args, kwargs) as handle:
            inside = _Inside(outside)
            generator = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with inside:
                        item = step()
                except StopIteration as stop:
                    handle.returned(stop.value)
                    return stop.value
                try:
                    sent = yield item
                except GeneratorExit:
                    with inside:
                        generator.close()
                    raise
                except BaseException as error:
                    step = functools.partial(generator.throw, error)
                else:
                    step = functools.partial(generator.send, sent)

    return wrapper
