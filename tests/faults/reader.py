"""Reads hostile directories in a process of its own, and tells what each cost: `python -m
tests.faults.reader DIRECTORY…`. `--control` has a naive reader do it.
"""

import json
import resource
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio

from decisionlog import RunNotFoundError, RunStore

MOST_MEMORY = 3 * 2**30
"""Of address space: what takes more than that fails, and does not take the computer with it."""


async def listed(store: RunStore) -> None:
    async for _ in store.runs():
        pass


async def followed(store: RunStore) -> None:
    async for _ in store.follow("made"):
        pass


async def read_naively(store: RunStore) -> None:
    for line in (store.path / "runs" / "made.jsonl").read_text("utf-8").splitlines():
        assert json.loads(line)["type"]


Call = Callable[[RunStore], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "load": lambda store: store.load("made"),
    "follow": followed,
    "check": lambda store: store.check("made"),
    "summary": lambda store: store.summary("made"),
    "runs": listed,
}


def peak_mib() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def measure(traces: Path, call: Call) -> tuple[float, str]:
    """The seconds of CPU it took, and what it raised that it should not."""
    # A run of another host would be followed for ever.
    store = RunStore(traces, stale_after=timedelta(days=-1))

    async def main() -> None:
        await call(store)

    began, error = time.process_time(), ""
    try:
        anyio.run(main)
    except RunNotFoundError:  # it is no file of ours
        pass
    except BaseException as raised:
        last = traceback.extract_tb(raised.__traceback__)[-1]
        error = f"{type(raised).__name__} in {last.name}: {str(raised)[:100]}"
    return time.process_time() - began, error


def main(directories: list[str], calls: dict[str, Call]) -> None:
    for name in directories:
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak is from now on
        told = {call: measure(Path(name), make) for call, make in calls.items()}
        seconds = max(seconds for seconds, _ in told.values())
        errors = [f"{call}: {error}" for call, (_, error) in told.items() if error]
        print(json.dumps([Path(name).name, seconds, peak_mib(), errors]), flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    given = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if "--control" in sys.argv:
        main(given, {"naive": read_naively})
    else:
        main(given, dict(list(CALLS.items())[: 2 if "--short" in sys.argv else None]))
