"""The ids of runs: the caller's, those made up, and those of parents."""

from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from decisionlog import InvalidValueError, RunStatus, RunStore, Runtime
from decisionlog.testing import MemorySink
from tests import waiting
from tests.recording import recorded

# ---------------------------------------------------------------------- ids of runs


@pytest.mark.parametrize("run_id", ["mine", "A-Z_09", "x" * 100])
async def test_a_run_id_of_the_callers(run_id: str) -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal", run_id=run_id) as run:
        pass
    assert (run.id, sink.run_ids()) == (run_id, [run_id])


@pytest.mark.parametrize(
    "run_id", ["", "x" * 101, "../x", "team/run", "a\x00b", "a b", "ä", ".", 7, b"x", "run\n"]
)
async def test_a_run_id_that_will_not_do(run_id: Any) -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime:
        async with runtime.run("goal", run_id=run_id) as run:
            pass
        assert (run.id, runtime.stats().misused) == ("run_1", 1)
    assert sink.run_ids() == ["run_1"]
    async with recorded(sink) as runtime:
        with pytest.raises(InvalidValueError, match="another is made up"):
            async with runtime.run("goal", run_id=run_id):
                pass
    assert sink.run_ids() == ["run_1"]


async def test_a_run_id_that_was_used_before(traces: Any) -> None:
    async with Runtime(traces, strict=True) as runtime:
        async with runtime.run("goal", run_id="mine"):
            # Still in the buffer or not: it is taken.
            with pytest.raises(InvalidValueError, match="'mine' was used before"):
                runtime.run("again", run_id="mine").__enter__()
        async with runtime.run("goal") as made_up:
            pass
        with pytest.raises(InvalidValueError, match="was used before"):
            runtime.run("again", run_id=made_up.id).__enter__()
    async with Runtime(traces) as runtime:  # another process would see the file as well
        async with runtime.run("again", run_id="mine") as run:
            assert run.id != "mine"
        assert runtime.stats().misused == 1


async def test_a_file_system_that_hangs_does_not_hold_an_agent_that_names_its_run(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the id is new was asked on the event loop's thread."""
    asked, release = Event(), Event()

    def lexists(path: Path) -> bool:
        asked.set()
        return release.wait(waiting.LIMIT)

    async with Runtime(traces, strict=True, wait_timeout=0.01) as runtime:
        monkeypatch.setattr("os.path.lexists", lexists)
        async with runtime.run("goal", run_id="mine") as run:
            assert asked.is_set()
            assert run.id == "mine"  # it is taken for new
        release.set()
    assert (await RunStore(traces).load("mine")).status == RunStatus.COMPLETED


async def test_ids_that_are_made_up_badly() -> None:
    sink = MemorySink()
    ids = iter(["../x", "twice", "twice"])

    def next_id(now: datetime) -> str:
        return next(ids)

    async with recorded(sink, strict=False, new_run_id=next_id) as runtime:
        for _ in range(3):
            async with runtime.run("goal"):
                pass
        assert runtime.stats().misused == 2
    first, twice, third = sink.run_ids()
    assert twice == "twice"
    assert first.startswith("run_20260101_") and third.startswith("run_20260101_")


def test_only_the_latest_ids_are_remembered() -> None:
    sink = MemorySink()
    with recorded(sink, strict=False, new_run_id=lambda now: "fresh") as runtime:
        for i in range(10_001):
            with runtime.run("goal", run_id=f"r{i}"):
                pass
        with runtime.run("goal", run_id="r10000") as known:
            pass
        with runtime.run("goal", run_id="r0") as forgotten:
            pass
    assert (known.id, forgotten.id) == ("fresh", "r0")


@pytest.mark.parametrize("parent", ["../x", "a b/dec_1", "", 7, ["run_1"]])
async def test_a_parent_that_is_none(parent: Any) -> None:
    sink = MemorySink()
    async with recorded(sink, strict=False) as runtime, runtime.run("around"):
        async with runtime.run("goal", parent=parent):
            pass
        assert runtime.stats().misused == 1
    assert sink.run("run_2").parent_run_id == "run_1"
