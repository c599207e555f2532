"""Limits that nobody names, in whatever words or none, are seen by where runs stop."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from decisionlog import Option, Run, RunStore, Runtime
from decisionlog.analysis import explain
from decisionlog.testing import FixedClock
from tests.analysis.situations import TRACEBACK


def explained(path: Path, lengths: list[tuple[int, float, bool]], *, ends: bool = False) -> str:
    """What is said to be the first cause of the last run; each has so many decisions, takes so
    many seconds, and is well or not. With `ends`, all of them end at the same place.
    """
    clock = FixedClock()
    with Runtime(path, clock=clock) as runtime:
        for number, (steps, took, good) in enumerate(lengths):
            with runtime.run("goal") as run:
                for step in range(steps):
                    is_last = step == steps - 1
                    intent = "hand it in" if ends and is_last else f"{'abcdefg'[number % 7]} {step}"
                    with runtime.decision(f"erledige {intent}", [Option("los")], "los"):
                        clock.advance(took / max(steps, 1))
                if not good:
                    run.fail("Abgebrochen.")
    store = RunStore(path)

    async def last() -> Run:
        ids = [each.run_id async for each in store.runs(newest_first=False)]
        return await store.load(ids[-1])

    found = explain(anyio.run(last), store)
    return found.causes[0].summary if found.causes else ""


def varied(count: int, longest: float) -> Iterator[tuple[int, float, bool]]:
    for number in range(count):
        yield 4, longest * (0.2 + 0.7 * number / count), True


def test_many_runs_stop_at_the_same_time(tmp_path: Path) -> None:
    cut = [(4, 60.0 + 0.01 * i, False) for i in range(8)]
    assert explained(tmp_path, [*varied(12, 60), *cut]) == "Ran out of time: it took 60.1 s"


def test_many_runs_stop_after_the_same_number_of_decisions(tmp_path: Path) -> None:
    cut = [(25, 10.0 + 3 * i, False) for i in range(8)]
    done = [(6 + i, 2.0 + i, True) for i in range(12)]
    assert explained(tmp_path, [*done, *cut]) == "Ran out of steps: it made 25 decisions"


@pytest.mark.parametrize(
    ("lengths", "ends"),
    [
        # Those that all go through the same steps.
        ([(12, 10.0 + 3 * i, i % 3 > 0) for i in range(20)], True),
        # Runs of all lengths, the failed ones too.
        ([(5 + i, 7.0 + 2 * i, i % 2 > 0) for i in range(20)], False),
        # It stopped early; others went on.
        ([(4, 50.0 + i, True) for i in range(14)] + [(4, 3.0, False)] * 6, False),
        # Too few to tell.
        ([(25, 60.0, False)] * 4, False),
    ],
)
def test_what_is_no_limit(
    tmp_path: Path, lengths: list[tuple[int, float, bool]], ends: bool
) -> None:
    lengths = [*lengths[:-1], (*lengths[-1][:2], False)]
    assert explained(tmp_path, lengths, ends=ends) == ""


def test_of_a_traceback_the_error_is_told(tmp_path: Path) -> None:
    with Runtime(tmp_path) as runtime, runtime.run("goal") as run:
        with runtime.decision("connect", chosen="now") as decision:
            decision.fail(TRACEBACK.format(n=7))
        run.fail()

    async def load() -> Run:
        return await RunStore(tmp_path).load(run.id)

    found = explain(anyio.run(load))
    assert found.headline == "connect → now failed: ConnectionError: db-7 is away"
    assert "Traceback" not in str(found)
