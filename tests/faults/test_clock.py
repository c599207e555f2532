"""Row 18: the wall clock is stepped while a run is recorded: order and latency are as they were."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from decisionlog import Run, RunStatus, RunStore, Runtime
from tests.faults.report import report, sized
from tests.waiting import LIMIT

STEPS = [timedelta(hours=-1), timedelta(days=1), timedelta(hours=-1, days=-1), timedelta()]
DECISIONS = sized(25, 500)
"""Between two steps."""


class SteppedClock:
    """The computer's clocks, of which somebody sets one."""

    def __init__(self) -> None:
        self.step = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.step

    def monotonic_ns(self) -> int:
        return time.perf_counter_ns()


class OneClock(SteppedClock):
    """The bug: latencies from the wall clock."""

    def monotonic_ns(self) -> int:
        return int(self.now().timestamp() * 1e9)


def faults(run: Run, taken_ms: list[float], whole_ms: float) -> Iterator[str]:
    """What the steps changed; `taken_ms` is how long each decision took, by the caller's watch."""
    intents = [decision.intent for decision in run.decisions]
    if intents != [str(number) for number in range(len(taken_ms))]:
        yield "the order"
    for decision, most in zip(run.decisions, taken_ms, strict=False):
        latency = decision.outcome.latency_ms if decision.outcome else -1
        if not 0 < latency <= most:
            yield f"the latency of {decision.id} is {latency} ms, not up to {most}"
    if run.duration_ms is None or not sum(taken_ms) * 0.1 < run.duration_ms <= whole_ms:
        yield f"the duration is {run.duration_ms} ms, not up to {whole_ms}"
    if (run.status, run.damage, run.lost_records) != (RunStatus.COMPLETED, [], 0):
        yield "it does not read"


async def record(traces: Path, clock: SteppedClock) -> tuple[Run, list[float], float]:
    taken: list[float] = []
    async with Runtime(traces, clock=clock, flush_interval=0.001) as runtime:
        began = time.perf_counter()
        async with runtime.run("goal") as run:
            for step in STEPS:
                for _ in range(DECISIONS):
                    start = time.perf_counter()
                    async with runtime.decision(str(len(taken))):
                        if len(taken) % DECISIONS == DECISIONS // 2:
                            clock.step = step
                    taken.append((time.perf_counter() - start) * 1000)
        whole = (time.perf_counter() - began) * 1000
        assert await runtime.flush()
    return await RunStore(traces).load(run.id), taken, whole


async def test_a_clock_that_is_set(traces: Path) -> None:
    run, taken, whole = await record(traces, SteppedClock())
    assert list(faults(run, taken, whole)) == []
    told = [decision.timestamp for decision in run.decisions]
    assert told != sorted(told)  # they say what the wall clock said
    assert max(told) - min(told) > timedelta(days=1)
    report(18, "decisions while the clock given to Runtime steps", len(taken), faults=0)


async def test_control_one_clock_for_both(traces: Path) -> None:
    run, taken, whole = await record(traces, OneClock())
    found = list(faults(run, taken, whole))
    assert len([fault for fault in found if "latency" in fault]) == len(STEPS)
    assert "the order" not in found


# ------------------------------------------------------------- under every clock of the process

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

AGENT = """
import json, os, sys, time
from decisionlog import Runtime

def step(to):
    with open(os.environ["FAKETIME_TIMESTAMP_FILE"], "w") as file:
        file.write(to)

taken = []
with Runtime(sys.argv[1]) as runtime:
    began = time.perf_counter()
    with runtime.run("goal", run_id="stepped"):
        for to in ("-1h", "+1d", "-1d", "+0"):
            for number in range(int(sys.argv[2])):
                start = time.perf_counter()
                with runtime.decision(str(len(taken))):
                    if number == int(sys.argv[2]) // 2:
                        before = time.time()
                        step(to)
                        assert abs(time.time() - before) > 3000, to
                taken.append((time.perf_counter() - start) * 1000)
            assert runtime.flush_blocking()
    whole = (time.perf_counter() - began) * 1000
print(json.dumps([taken, whole]))
"""


@pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (Debian: faketime)")
@pytest.mark.parametrize("control", [False, True], ids=["", "control"])
def test_libfaketime(traces: Path, tmp_path: Path, control: bool) -> None:
    """The control steps the monotonic clock as well, which no computer does."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    environment |= {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "0" if control else "1",
    }
    command = [sys.executable, "-c", AGENT, str(traces), str(DECISIONS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=environment)
    assert done.returncode == 0, done.stderr
    taken, whole = json.loads(done.stdout)
    found = list(faults(anyio.run(RunStore(traces).load, "stepped"), taken, whole))
    assert bool(found) == control, found
    if not control:
        report(18, "decisions while libfaketime steps the process's clock", len(taken), faults=0)
