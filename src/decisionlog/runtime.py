"""`Runtime`: what an application opens and closes; it records the runs below a directory."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, cast

import anyio
from msgspec import Struct

from decisionlog import errors
from decisionlog.clock import Clock, SystemClock
from decisionlog.context import Frame, current_in, decision_at, open_runtimes
from decisionlog.decisions import DecisionHandle
from decisionlog.errors import brief
from decisionlog.ids import RunIds
from decisionlog.imperative import Imperative
from decisionlog.intake import Intake
from decisionlog.interface import Scopes
from decisionlog.recorder import FlushRequest, Recorder, Settings
from decisionlog.records import RUN_ID, random_run_id
from decisionlog.runs import RunHandle
from decisionlog.sinks import FileSink, Sink
from decisionlog.values import Redact, Values

logger = logging.getLogger("decisionlog")
Error: TypeAlias = BaseException | None
Ids: TypeAlias = tuple[str | None, str | None]
_RANGES = {
    "flush_interval": (0.001, 60),
    "max_buffer": (2**16, 2**40),
    "wait_timeout": (0, 3600),
    "close_timeout": (0, 3600),
    "max_value_bytes": (2**10, 4 * 2**20),
}
_CHOICES = {"durability": ("flush", "fsync"), "overflow": ("wait", "drop")}


class Stats(Struct, frozen=True):
    """What has become of the records since the runtime was opened.

    `accepted` is `written + dropped +` those on their way. `synced` are known to be on the disk.
    `bytes` have been written, `buffered` wait in memory. `misused` counts calls that did not add
    up, `errors` failures of sinks and of the recording itself.
    """

    accepted: int = 0
    written: int = 0
    synced: int = 0
    dropped: int = 0
    misused: int = 0
    bytes: int = 0
    buffered: int = 0
    errors: int = 0
    last_error: str | None = None


class Runtime(Imperative):
    """Records the runs of an agent below a directory. Open it with `async with`, or `with`.

    >>> with Runtime("traces") as runtime, runtime.run("greet", "Greet the user") as run:
    ...     options = [Option("hello", "Politely"), Option("hi", "Casually")]
    ...     with runtime.decision("How to greet", options, chosen="hi") as decision:
    ...         decision.succeed("hi!", tokens_used=12)

    Args:
        path: The directory of the traces; it is made when missing.
        durability: `"flush"` hands records to the kernel: a killed process loses nothing that is
            older than `flush_interval`. `"fsync"` also has them on the disk, within a second and at
            the end of each run.
        flush_interval: Seconds between two writes; the first record after a pause is written at
            once.
        max_buffer: Bytes of records that may wait in memory.
        overflow: What to do when they do: `"wait"`, in scopes and awaited calls, for up to
            `wait_timeout` seconds, and drop records only after that; or `"drop"` them at once.
            Dropped records are counted, in `stats()` and in the log.
        wait_timeout: Seconds that a caller waits for room, or for the directory on opening.
        close_timeout: Seconds that closing may take.
        max_value_bytes: A value that takes more than this, as JSON, is cut; at most 4 MiB.
        redact: True replaces values whose key names a secret (`password`, `api_key`, …), and the
            like in error texts; False does not; a hook `redact(path, value) -> value` is asked for
            every value after that. What it raises costs the value, not the record.
        strict: Raise `MisuseError` for calls that do not add up, and `WriteError` when records are
            lost on closing, instead of a warning and a count.
        sinks: Where to record instead of `FileSink(path)`. Callers wait for the first one only.
        enabled: False (or `DECISIONLOG_DISABLED=1` in the environment) makes everything a no-op.
        clock: Where times come from.
        new_run_id: Makes the id of a run that starts at the given time.

    Raises:
        ValueError: a setting is out of range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = "traces",
        *,
        durability: Literal["flush", "fsync"] = "flush",
        flush_interval: float = 0.05,
        max_buffer: int = 64 * 2**20,
        overflow: Literal["wait", "drop"] = "wait",
        wait_timeout: float = 1.0,
        close_timeout: float = 5.0,
        max_value_bytes: int = 2**20,
        redact: bool | Redact = True,
        strict: bool = False,
        sinks: Sequence[Sink] | None = None,
        enabled: bool = True,
        clock: Clock = SystemClock(),  # noqa: B008 - it has no state
        new_run_id: Callable[[datetime], str] = random_run_id,
    ) -> None:
        self._settings = settings = Settings(
            durability, flush_interval, max_buffer, overflow, wait_timeout, close_timeout,
            max_value_bytes,
        )  # fmt: skip
        for name, choices in _CHOICES.items():
            if (value := getattr(settings, name)) not in choices:
                raise ValueError(f"{name} is {value!r}, not one of {', '.join(choices)}")
        for name, (least, most) in _RANGES.items():
            if not least <= (value := getattr(settings, name)) <= most:
                raise ValueError(f"{name} is {value!r}, not between {least} and {most}")
        if sinks is not None and not sinks:
            raise ValueError("sinks is empty; leave it out, or say enabled=False")
        self.path = Path(path)
        self.strict = strict
        self.clock = clock
        self.intake = Intake(Values(redact, max_value_bytes), self.misuse)
        self.runs: dict[str, RunHandle] = {}
        self.inert = not enabled or os.environ.get("DECISIONLOG_DISABLED", "") not in ("", "0")
        self._sinks = sinks
        self.ids = RunIds(self.path, wait_timeout, new_run_id, self.misuse)
        self._recorder: Recorder | None = None
        self._opened = 0
        self._lock = threading.RLock()
        self._forked_from: Ids = (None, None)
        self._misused = self._errors = 0
        self._last_error: str | None = None
        self._warned: set[type[errors.MisuseError]] = set()
        self.no_run_is_told = False

    def __repr__(self) -> str:
        return f"Runtime({str(self.path)!r})"

    # ------------------------------------------------------------------ opening and closing

    async def __aenter__(self) -> Self:
        if recorder := self._open():
            try:
                await recorder.opened.wait(self._settings.wait_timeout)
                self._check_opened(recorder)
            except BaseException:
                self._close()
                raise
        return self

    async def __aexit__(self, kind: Any, error: Error, trace: TracebackType | None, /) -> None:
        if recorder := self._close():
            # Cancelled all the same (asyncio's own way knows no shield), this leaves early: the
            # recorder goes on, and interpreter exit waits for it.
            with anyio.CancelScope(shield=True):
                await recorder.closed.wait(recorder.patience)
            self._check_closed(recorder, error)

    def __enter__(self) -> Self:
        if recorder := self._open():
            try:
                recorder.opened.wait_blocking(self._settings.wait_timeout)
                self._check_opened(recorder)
            except BaseException:
                self._close()
                raise
        return self

    def __exit__(self, kind: Any, error: Error, trace: TracebackType | None, /) -> None:
        if recorder := self._close():
            recorder.closed.wait_blocking(recorder.patience)
            self._check_closed(recorder, error)

    def _open(self) -> Recorder | None:
        if self.inert:
            return None
        with self._lock:
            if self._opened:
                self.misuse(errors.RuntimeStateError, f"{self!r} is open already")
            self._opened += 1
            if self._opened > 1:
                return None
        self._misused = self._errors = 0
        self._last_error = None
        open_runtimes.append(self)
        return self._start_recorder()

    def _start_recorder(self) -> Recorder:
        sinks = self._sinks or [FileSink(self.path)]
        writer = f"w_{os.getpid()}_{os.urandom(6).hex()}"
        self._recorder = Recorder(sinks, writer, self._settings, self.clock.now)
        return self._recorder

    def _check_opened(self, recorder: Recorder) -> None:
        if self.strict and recorder.last_error is not None:
            what = f"{self!r} cannot be written to: {recorder.last_error}"
            raise errors.WriteError(f"{what}. Without strict=True it would go on trying")

    def _close(self) -> Recorder | None:
        if self.inert:
            return None
        with self._lock:
            self._opened -= 1
            if self._opened:
                return None
        open_runtimes.remove(self)
        left = self._disconnect()
        if left:
            ids = ", ".join(left[:5])
            logger.warning(
                "%r: %d runs never ended; they read as interrupted: %s", self, len(left), ids
            )
        if self._recorder is not None:
            self._recorder.close()
        return self._recorder

    def _check_closed(self, recorder: Recorder, error: Error) -> None:
        recorder.abandon()
        if recorder.lost:
            why = recorder.last_error or "the sink was too slow"
            what = f"{recorder.lost} of {recorder.buffer.accepted} records were not written: {why}"
            logger.warning("%r: %s", self, what)
            if self.strict and error is None:
                raise errors.WriteError(what)

    def _disconnect(self) -> list[str]:
        left, self.runs = list(self.runs.values()), {}
        for run in left:
            run.disconnect()
        return [run.id for run in left]

    def recorder(self) -> Recorder | None:
        """The recorder, while the runtime is open; a forked child gets one of its own."""
        if self._opened and self._recorder is None:
            with self._lock:
                return self._recorder or self._start_recorder()
        return self._recorder if self._opened else None

    def after_fork(self) -> None:
        """In a forked child: what was inherited is ended, and the child starts clean."""
        if (frame := current_in(self)) is not None:
            self._forked_from = _ids_at(frame)
        self._disconnect()
        self._lock = threading.RLock()
        self._recorder = None

    async def flush(self, *, durable: bool = False, timeout: float | None = None) -> bool:
        """Wait until everything recorded before this call is with the kernel, or (`durable`) on
        the disk; `timeout` seconds at the most, `close_timeout` unless given.

        Returns:
            False when some of it was lost or the time ran out. A loss is told for as long as its
            run is in progress, and once more after that.
        """
        request = self._request_flush(durable)
        await request.done.wait(self._settings.close_timeout if timeout is None else timeout)
        return request.result()

    def flush_blocking(self, *, durable: bool = False, timeout: float | None = None) -> bool:
        """`flush` for code that runs on no event loop."""
        request = self._request_flush(durable)
        request.done.wait_blocking(self._settings.close_timeout if timeout is None else timeout)
        return request.result()

    def _request_flush(self, durable: bool) -> FlushRequest:
        if self._recorder is not None:
            return self._recorder.request_flush(durable)
        request = FlushRequest(durable)
        request.finish(True)  # nothing was recorded
        return request

    def stats(self) -> Stats:
        """Counts since the runtime was opened."""
        recorder = self._recorder
        if recorder is None:
            return Stats(misused=self._misused, errors=self._errors, last_error=self._last_error)
        buffer = recorder.buffer
        return Stats(
            buffer.accepted, buffer.written, recorder.synced, buffer.dropped, self._misused,
            buffer.bytes, buffer.size, recorder.errors + self._errors,
            self._last_error or recorder.last_error,
        )  # fmt: skip

    def bound(self) -> Runtime | None:
        """Itself, unless it is disabled."""
        return None if self.inert else self

    # ------------------------------------------------------------------ for handles

    def parent_of(self, frame: Frame | None, given: object) -> Ids:
        """The ids of the run and the decision that a new run is part of."""
        forked_from, self._forked_from = self._forked_from, (None, None)
        kind = type(given)  # a value of another type is not asked what it is
        if kind is RunHandle or kind is DecisionHandle:
            return _ids_of(cast("RunHandle | DecisionHandle", given))
        if kind is str and RUN_ID.fullmatch((named := str(given).partition("/"))[0]):
            return named[0], named[2] or None
        if given is not None:
            what = "neither a handle nor '<run id>' nor '<run id>/<decision id>'; ignored"
            self.misuse(errors.InvalidValueError, f"parent is {brief(given)}, {what}")
        return forked_from if frame is None else _ids_at(frame)

    def count_misuse(self) -> None:
        """Count a call that does not add up."""
        with self._lock:
            self._misused += 1

    def misuse(self, kind: type[errors.MisuseError], what: str) -> None:
        """Count a call that does not add up, and say so once for its kind; or raise, if strict."""
        with self._lock:
            self._misused += 1
            first = kind not in self._warned
            self._warned.add(kind)
        if self.strict:
            raise kind(what)
        self.no_run_is_told |= kind is errors.NoRunError
        if first:
            logger.warning(
                "%s. The agent goes on; more of this kind (%s) are only counted, in "
                "runtime.stats(). Runtime(..., strict=True) raises instead",
                what,
                kind.__name__,
            )

    def trouble(self, failure: Exception, leaving: Error = None) -> None:
        """Deal with what came up while recording: none of the agent's concern, but for misuse of a
        strict runtime, and that not in place of an exception of the agent's own.
        """
        if not isinstance(failure, errors.MisuseError):
            self.failed(failure)
        elif leaving is None:
            raise failure

    def failed(self, error: Exception) -> None:
        """Recording failed."""
        self._errors += 1
        self._last_error = f"{type(error).__name__}: {error}"
        if self._errors == 1:
            logger.error("Recording failed; the agent goes on without", exc_info=error)


def _ids_of(handle: RunHandle | DecisionHandle) -> Ids:
    if isinstance(handle, RunHandle):
        return handle.id or None, None
    return handle.run.id or None, handle.id or None


def _ids_at(frame: Frame) -> Ids:
    return _ids_of(decision_at(frame) or frame.run)


_surrounding = Scopes()
run = _surrounding.run
decision = _surrounding.decision


def _after_fork() -> None:
    for runtime in list(open_runtimes):
        runtime.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(after_in_child=_after_fork)
