"""Tests wait for a state, not for a time; the limit only ends what hangs, on any computer."""

from collections.abc import Callable
from threading import Event

import anyio
from anyio import to_thread

LIMIT = 120
"""Seconds."""


async def until(condition: Callable[[], object]) -> None:
    """Let others go on until the condition holds."""
    with anyio.fail_after(LIMIT):
        while not condition():
            await anyio.sleep(0.001)


async def of(event: Event) -> None:
    """Wait for something to happen on another thread."""
    assert await to_thread.run_sync(event.wait, LIMIT)
