"""A process that forks and spawns children while three of its threads record: `python -m
tests.faults.forking TRACES FORKED SPAWNED RECORDER HANGS`. It tells how the children ended, and
what the threads recorded, as JSON. RECORDER is "decisionlog" or one with a bug; a child that takes
more than HANGS seconds hangs.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from decisionlog import Runtime

THREADS = 3
OF_A_CHILD = 20


class Naive:
    """The bug: it keeps a buffer that a child inherits, and maybe a lock that another thread holds
    just then. One object is recorder, run and decision.
    """

    id = "dec_0"

    def __init__(self, traces: str, locked: bool) -> None:
        self.run = self
        self._seq = 0
        self._lines: list[str] = []
        self._lock = threading.RLock()
        self._locked = locked
        runs = Path(traces, "runs")
        runs.mkdir(parents=True)
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY
        self._file = os.open(runs / "naive.jsonl", flags, 0o600)

    def __call__(self, name: str) -> "Naive":
        return self

    def decision(self, name: str, context: Any = None) -> "Naive":
        if self._locked:
            with self._lock:
                time.sleep(0.001)
        self._seq += 1
        line = {"type": "decision", "run_id": "naive", "seq": [os.getpid(), self._seq]}
        self._lines.append(f"{json.dumps(line)}\n")
        time.sleep(0.001)
        return self

    def flush_blocking(self) -> bool:
        lines, self._lines = self._lines, []
        os.write(self._file, "".join(lines).encode())
        return True

    def __enter__(self) -> "Naive":
        return self

    def __exit__(self, *error: object) -> None:
        pass


def made(recorder: str, traces: str) -> Any:
    if recorder == "decisionlog":
        return Runtime(traces, flush_interval=0.001, wait_timeout=60, close_timeout=60)
    return Naive(traces, locked=recorder == "naive and locked")


def some_decisions(runtime: Any, goal: str, **how: Any) -> None:
    with runtime.run(goal, **how):
        for n in range(OF_A_CHILD):
            with runtime.decision(f"child {n}"):
                pass


def in_a_spawned(number: int, traces: str, parent: str) -> None:
    with Runtime(traces, close_timeout=60) as runtime:
        some_decisions(runtime, f"spawned-{number}", parent=parent)


def in_a_forked(number: int, runtime: Any, hangs: float) -> None:
    """Every fourth has a child of its own."""
    some_decisions(runtime, f"forked-{number}")
    if number % 4 == 1:
        grandchild = os.fork()
        if not grandchild:
            some_decisions(runtime, f"forked-{number}-again")
            sys.exit()
        assert ended(grandchild, hangs) == 0


def ended(child: int, hangs: float) -> int | str:
    """Its exit status, or "hung"."""
    limit = time.monotonic() + hangs
    while time.monotonic() < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"


def main(traces: str, forked: int, spawned: int, recorder: str, hangs: float) -> None:
    stop = threading.Event()
    counts = [0] * THREADS

    def busy(thread: int) -> None:
        with runtime.run(f"parent-{thread}"):
            while not stop.is_set():
                name = f"parent {counts[thread]}"
                with runtime.decision(name, context={"filler": "x" * 200}):
                    counts[thread] += 1

    with ExitStack() as blocks:
        runtime = blocks.enter_context(made(recorder, traces))
        threads = [threading.Thread(target=busy, args=(n,)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        blocks.enter_context(runtime.run("parent-forks"))
        decision = blocks.enter_context(runtime.decision("parent forks"))
        spawn = multiprocessing.get_context("spawn")
        processes = []
        for n in range(spawned):
            args = (n, traces, f"{decision.run.id}/{decision.id}")
            processes.append(spawn.Process(target=in_a_spawned, args=args))
            processes[-1].start()
        children = []
        for n in range(forked):
            child = os.fork()
            if not child:
                in_a_forked(n, runtime, hangs)
                if n % 2:
                    sys.exit()  # through the blocks around, which close what was inherited
                os._exit(0 if runtime.flush_blocking() else 1)
            children.append(child)
        statuses: list[int | str | None] = [ended(child, hangs) for child in children]
        for process in processes:
            process.join(hangs)
            statuses.append(process.exitcode)
        stop.set()
        for thread in threads:
            thread.join()
    print(json.dumps([statuses, counts]))


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # that a process with threads forks
    where, forks, spawns, what, seconds = sys.argv[1:]
    main(where, int(forks), int(spawns), what, float(seconds))
