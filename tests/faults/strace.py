"""System calls that fail, hang or are never made, by strace."""

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.waiting import LIMIT


@functools.cache
def refusal() -> str:
    """Why strace cannot be used here, if it cannot."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-f", "true"], capture_output=True, text=True, timeout=LIMIT)
    return f"strace is refused: {done.stderr[-200:]}" if done.returncode else ""


def strace(
    traces: Path, call: str, fault: str, *, at: str = "runs/brief.jsonl", log: Path | None = None
) -> tuple[object, ...]:
    """The start of a command, for a process to which this happens when it makes the call on that
    file; the test is skipped where there is no strace. `log` gets its writes and syncs of the file.
    """
    if why := refusal():
        pytest.skip(why)
    calls = {call, "write", "fdatasync"} if log else {call}
    return (
        *("strace", "-f", "--seccomp-bpf", "-qq", "-o", log or "/dev/null"),
        *("-P", (traces / at).resolve()),
        *("-e", f"trace={','.join(sorted(calls))}", "-e", f"inject={call}:{fault}"),
    )
