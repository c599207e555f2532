"""Kills an agent as it enters its Nth system call, counted over all its threads.

    python -m tests.faults.tracer '{"agent": "…", "directory": "…", "calls": [1, 2, …], …}'

Prints for each N how many calls there were, and how the agent ended. (strace counts the calls of
each kind and each thread by itself, so it cannot be told to.)
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.agents import fork

TRACEME, SYSCALL, SETOPTIONS = 0, 24, 0x4200
SYSGOOD, CLONE, EXITKILL = 1, 8, 0x100000
WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def ptrace(request: int, process: int, data: int = 0) -> None:
    if _libc.ptrace(request, process, None, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def stop_here() -> None:
    ptrace(TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)


def trace(child: int, kill_at: int) -> tuple[int, int]:
    """Count the calls, kill at one of them, and go on to the end: 0, or minus the signal."""
    os.waitpid(child, 0)
    ptrace(SETOPTIONS, child, SYSGOOD | CLONE | EXITKILL)
    ptrace(SYSCALL, child)
    calls = 0
    inside: set[int] = set()
    while True:
        thread, status = os.waitpid(-1, WALL)
        if not os.WIFSTOPPED(status):
            if thread == child:
                return calls, os.waitstatus_to_exitcode(status)
            continue
        number = os.WSTOPSIG(status)
        if number == signal.SIGTRAP | 0x80:
            if thread not in inside:
                calls += 1
                if calls == kill_at:
                    os.kill(child, signal.SIGKILL)
            inside ^= {thread}
        # The others are a new thread, and the clone() that made it.
        is_sent = number not in (signal.SIGTRAP | 0x80, signal.SIGTRAP, signal.SIGSTOP)
        try:
            ptrace(SYSCALL, thread, number if is_sent else 0)
        except ProcessLookupError:
            pass  # killed meanwhile


def main(agent: str, directory: str, calls: Sequence[int], **how: Any) -> None:
    for kill_at in calls:
        here = Path(directory, str(kill_at))
        here.mkdir()
        places = {"traces": str(here / "traces"), "notes": str(here / "notes")}
        print(kill_at, *trace(fork(agent, places | how, stop_here), kill_at))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
