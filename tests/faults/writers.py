"""A process that starts writers and waits for them, so that starting and killing one is cheap. Each
does what it is told, a line of JSON at a time: `python -m tests.faults.writers`.
"""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio

from decisionlog import Runtime

ROOT = Path(__file__).parents[2]


class Writers:
    """The process, from outside; one writer at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.writers"]
        # It is killed, and measures nothing.
        env = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe)
        self._writer = 0

    @property
    def writing(self) -> bool:
        return self._writer != 0

    def open(self, traces: Path) -> None:
        self._writer = self.tell(str(traces))

    def tell(self, *call: Any) -> Any:
        """Have the writer make a call; what it returned."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(call).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """The writer closes its runtime and leaves."""
        self.tell("close")
        self._gone()

    def kill(self) -> None:
        os.kill(self._writer, signal.SIGKILL)
        self._gone()

    def _gone(self) -> None:
        assert self._process.stdout is not None
        assert json.loads(self._process.stdout.readline()) == "gone"
        self._writer = 0

    def end(self) -> None:
        """No more writers."""
        if self._writer:
            self.kill()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def answer(value: Any) -> None:
    os.write(1, json.dumps(value).encode() + b"\n")


def heard() -> Any:
    """The next line. Nobody sends another before the answer, so none is read too early."""
    line = b""
    while not line.endswith(b"\n"):
        if not (more := os.read(0, 2**16)):
            return None
        line += more
    return json.loads(line)


async def write(traces: str) -> None:
    async with Runtime(traces) as runtime:
        answer(os.getpid())
        while (call := heard()) not in (None, ["close"]):
            name, args, kwargs = call
            answer(await getattr(runtime, name)(*args, **kwargs))
    answer(None)


def main() -> None:
    logging.disable()  # the model calls what is misuse as well
    while (call := heard()) is not None:
        child = os.fork()
        if not child:
            anyio.run(write, *call)
            os._exit(0)
        os.waitpid(child, 0)
        answer("gone")


if __name__ == "__main__":
    main()
