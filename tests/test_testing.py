"""What `decisionlog.testing` gives to the tests of agents."""

from datetime import UTC, datetime, timedelta

import pytest

from decisionlog import RunNotFoundError, RunStatus, Runtime
from decisionlog.testing import CountingIds, FixedClock, MemorySink


async def test_everything_is_as_it_was_said() -> None:
    sink, clock = MemorySink(), FixedClock()
    async with Runtime(sinks=[sink], clock=clock, new_run_id=CountingIds()) as runtime:
        async with runtime.run("goal"):
            async with runtime.decision("x") as decision:
                clock.advance(1.5)
                decision.succeed(1)
            assert await runtime.flush(durable=True)
            assert sink.run("run_1").status == RunStatus.RUNNING
        async with runtime.run("goal"):
            pass
    assert sink.run_ids() == ["run_1", "run_2"]
    run = sink.run("run_1")
    assert run.status == RunStatus.COMPLETED
    assert run.started_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert run.duration_ms == run.decisions[0].outcome.latency_ms == 1500  # type: ignore[union-attr]
    assert len(sink.records("run_1")) == sink.data("run_1").count(b"\n") == 4
    assert repr(sink) == f"MemorySink({len(sink.chunks)} chunks)"
    with pytest.raises(RunNotFoundError, match=r"no run 'run_3' among \['run_1', 'run_2'\]"):
        sink.run("run_3")


async def test_latency_does_not_heed_the_wall_clock() -> None:
    sink, clock = MemorySink(), FixedClock()
    async with Runtime(sinks=[sink], clock=clock, new_run_id=CountingIds("r")) as runtime:
        async with runtime.run("goal"), runtime.decision("x"):
            clock.advance(2)
            clock.set_wall(datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=1))
    run = sink.run("r1")
    assert run.decisions[0].outcome.latency_ms == 2000  # type: ignore[union-attr]
    assert run.completed_at is not None and run.started_at is not None
    assert run.completed_at < run.started_at
    assert run.duration_ms == 2000
