"""Row 12: values that do their worst, on the small stack of a thread."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from decisionlog import Chunk, Unwritten
from decisionlog.testing import MemorySink
from tests.faults.report import FULL, report
from tests.hostile import HOSTILE, SMALL_STACK, on_a_small_stack
from tests.keeping import keep, sound_lines
from tests.recording import recorded
from tests.waiting import LIMIT

assert SMALL_STACK <= 512 * 1024
GROUPS = 8
EXPECTED = ["run_started", "decision", "outcome", "run_ended"]

Record = Callable[[Any], None]
"""Records a value; raises when there is not one decision and one outcome to read back."""


def record(value: Any, sink: MemorySink | None = None) -> None:
    sink = sink or MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        with runtime.decision("decide", context={"v": value}) as decision:
            decision.succeed(value)
    stats = runtime.stats()
    assert (stats.misused, stats.errors, stats.dropped) == (0, 0, 0)
    assert [line["type"] for line in sound_lines(sink, "run_1")] == EXPECTED
    run = sink.run("run_1")
    assert (run.damage, run.unknown, run.metrics.successful_decisions) == ([], [], 1)


def faults(names: Sequence[str], record: Record) -> Iterator[str]:
    """The values of which the recording went wrong."""
    for name in names:
        value = HOSTILE[name]()
        try:
            on_a_small_stack(lambda value=value: record(value))  # type: ignore[misc]
        except BaseException as error:
            yield f"{name}: {type(error).__name__}"


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 150


@pytest.mark.parametrize("group", range(GROUPS))
def test_each_is_recorded_once(group: int) -> None:
    names = list(HOSTILE)[group::GROUPS]
    assert list(faults(names, record)) == []
    report(12, f"hostile values on a stack of {SMALL_STACK // 1024} KiB", len(names), faults=0)


@pytest.mark.skipif(not FULL, reason="takes minutes: DECISIONLOG_FAULTS=full")
@pytest.mark.parametrize("group", range(GROUPS))
def test_in_every_place_that_takes_values(group: int) -> None:
    names = list(HOSTILE)[group::GROUPS]
    assert list(faults(names, keep)) == []
    report(12, "the same in nine places of a run", len(names), faults=0)


# ------------------------------------------------------------- controls


def naively(value: Any) -> None:
    """What a recorder does that trusts its values."""
    line = json.dumps({"type": "decision", "input_context": {"v": value}}, default=repr)
    assert json.loads(line)["input_context"].keys() == {"v"}
    line.encode()


def test_control_a_naive_recorder() -> None:
    found = list(faults([name for name in HOSTILE if "raises" in name], naively))
    assert len(found) > 50


class Forgetful(MemorySink):
    """Loses the outcomes, or has them twice."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    async def write(self, batch: Sequence[Chunk]) -> Unwritten | None:
        for chunk in batch:
            lines = chunk.data.splitlines(keepends=True)
            kept = [line * (self._times if b'"outcome"' in line[:20] else 1) for line in lines]
            await super().write([Chunk(chunk.run_id, b"".join(kept), 1, 1, 1, False)])
        return None


@pytest.mark.parametrize("times", [0, 2])
def test_control_outcomes_lost_and_twice(times: int) -> None:
    found = list(faults(["cycles"], lambda value: record(value, Forgetful(times))))
    assert [fault.partition(":")[0] for fault in found] == ["cycles"]


def test_control_msgspec_alone_crashes() -> None:
    """Which is why there is a pass over the containers before it."""
    script = """
import sys, threading, msgspec
knot = {}
knot["knot"] = knot
threading.stack_size(int(sys.argv[1]))
thread = threading.Thread(target=msgspec.json.encode, args=(knot,))
thread.start()
thread.join()
"""
    command = [sys.executable, "-c", script, str(SMALL_STACK)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode < 0 or "RecursionError" in done.stderr
