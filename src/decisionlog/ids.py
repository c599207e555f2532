"""The ids of a runtime's runs: each new, whoever made it up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from decisionlog.errors import InvalidValueError, MisuseError, brief
from decisionlog.records import RUN_ID, random_run_id

_REMEMBERED = 5_000
"""How many ids, at least. The file of a run that was named may not be there yet."""


class RunIds:
    """Gives every run an id: the caller's, if it will do, or one that is made up."""

    def __init__(
        self, traces: Path, wait_timeout: float, make: Callable[[datetime], str],
        misuse: Callable[[type[MisuseError], str], None],
    ) -> None:  # fmt: skip
        self._traces = traces
        self._wait_timeout = wait_timeout
        self._make = make
        self._misuse = misuse
        # By `dict.setdefault`, which is atomic: a lock could be held while the process forks.
        self._given: dict[str, object] = {}
        self._given_before: dict[str, object] = {}

    def new(self, wanted: object, now: datetime) -> str:
        """The id of a run that starts now."""
        if wanted is not None and self._will_do(wanted, self._has_file):
            return str(wanted)
        made_up = self._make(now)
        return made_up if self._will_do(made_up) else random_run_id(now)

    def _will_do(self, run_id: object, is_taken: Callable[[str], bool] = lambda _: False) -> bool:
        if type(run_id) is not str or not RUN_ID.fullmatch(run_id):
            problem = "is not 1 to 100 of A-Z a-z 0-9 _ -"
        elif not self._reserve(run_id) or is_taken(run_id):
            problem = "was used before"
        else:
            return True
        self._misuse(InvalidValueError, f"run_id {brief(run_id)} {problem}; another is made up")
        return False

    def _reserve(self, run_id: str) -> bool:
        """Whether it was not given lately."""
        if len(self._given) >= _REMEMBERED:
            self._given_before, self._given = self._given, {}
        mine = object()
        return run_id not in self._given_before and self._given.setdefault(run_id, mine) is mine

    def _has_file(self, run_id: str) -> bool:
        """Asked on a thread of its own, and not for longer than one waits for room: a file system
        that hangs must not hold the agent.
        """
        path = self._traces / "runs" / f"{run_id}.jsonl"
        found: list[bool] = []
        done = threading.Event()

        def look() -> None:
            found.append(os.path.lexists(path))
            done.set()

        with suppress(RuntimeError):  # no more threads
            threading.Thread(target=look, name="decisionlog-look", daemon=True).start()
            done.wait(self._wait_timeout)
        return found == [True]
