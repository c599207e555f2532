"""What agents tell about themselves."""

import os
import time

from decisionlog import Runtime

_write = os.write  # notes are whole, whatever is done to the one that sinks use


class Notes:
    """What an agent did, told at once, so that it is known however the agent ends."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.made = 0

    def tell(self, what: str, name: object) -> None:
        _write(self._file, f"{what} {name} {time.monotonic_ns()}\n".encode())

    def made_record(self, name: str) -> None:
        self.made += 1
        self.tell("made", name)

    def tell_stats(self, runtime: Runtime) -> None:
        stats = runtime.stats()
        for what in ("accepted", "written", "synced", "dropped", "errors"):
            self.tell(what, getattr(stats, what))
