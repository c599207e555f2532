"""`Flag`: tells a task on any event loop, or a thread without one, that something has happened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
from anyio.lowlevel import current_token


class Flag:
    """Set once, from any thread; awaited on any event loop, or waited for without one."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._wakers: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()
        for wake in self._wakers.copy():
            wake()

    async def wait(self, timeout: float) -> None:
        """Wait until it is set, `timeout` seconds at the most."""
        event = anyio.Event()
        loop: Any = current_token().native_token
        # Not anyio.from_thread: that waits for the agent's loop, which may be blocked.
        call = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

        def wake() -> None:
            with suppress(RuntimeError):  # that loop has ended
                call(event.set)

        self._wakers.append(wake)
        if not self.is_set:
            with anyio.move_on_after(timeout):
                await event.wait()

    def wait_blocking(self, timeout: float) -> None:
        """The same, for a thread that runs no event loop."""
        self._event.wait(timeout)
