"""What is said of a run when nobody says anything: narrative, key decisions, counts."""

import asyncio
from pathlib import Path

import pytest

from decisionlog import Option, RunHandle, RunMetrics, RunStatus, RunStore, RunSummary, Runtime
from decisionlog.testing import MemorySink
from decisionlog.wording import counted
from tests.recording import recorded

AB = [Option("a"), Option("b")]


def narrative(sink: MemorySink, run_id: str = "run_1") -> str:
    return sink.run(run_id).narrative


@pytest.mark.parametrize(
    ("say", "told"),
    [
        ("", "Run completed successfully. Made 0 decisions."),
        ("succeed", "Run completed successfully. Made 0 decisions."),
        ("fail", "Run failed. Made 0 decisions."),
        ("stuck", "Run got stuck. Made 0 decisions."),
    ],
)
def test_how_it_ended(say: str, told: str) -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal") as run:
        if say:
            getattr(run, say)()
    assert narrative(sink) == told


def test_it_was_cancelled() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, pytest.raises(asyncio.CancelledError), runtime.run("goal"):
        raise asyncio.CancelledError
    assert narrative(sink) == "Run was cancelled. Made 0 decisions."


async def test_what_was_decided_and_what_went_wrong() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal") as run:
        for i in range(2):
            async with runtime.decision(f"Step {i}"):
                pass
        with pytest.raises(OSError):
            async with runtime.decision("Fetch", AB, "b"):
                raise OSError("disk full.")
        with pytest.raises(asyncio.CancelledError):
            async with runtime.decision("Wait"):
                raise asyncio.CancelledError
        await runtime.decide("Later", [], "", "")
        run.report_problem("critical", "The disk is full.")
        run.report_problem("critical", "No  backup\nat all")
        run.report_problem("warning", "It is warm")
        run.report_problem("minor", "Untidy")
        run.fail()
    assert narrative(sink) == (
        "Run failed. Made 5 decisions: 2 successful, 1 failed, 1 cancelled, 1 pending. "
        "Critical issues: The disk is full; No backup at all. Failed on: Fetch → b failed: disk "
        "full."
    )
    assert sink.run("run_1").metrics == RunMetrics(5, 2, 1, 1, 1, 0, 0.0, ["unknown"])


def test_one_decision_is_one_decision() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"), runtime.decision("x"):
        pass
    assert narrative(sink) == "Run completed successfully. Made 1 decision: 1 successful."


def test_a_run_that_succeeded_failed_on_nothing() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        with runtime.decision("Try") as decision:
            decision.fail("")
        with runtime.decision("Try again"):
            pass
    assert "Failed on" not in narrative(sink)


def test_a_narrative_that_is_given_stands() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal") as run:
        run.succeed(narrative="As planned")
    assert narrative(sink) == "As planned"


def test_a_run_failed_on_what_was_outermost() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, pytest.raises(KeyError), runtime.run("goal"):
        with runtime.decision("Outer"), runtime.decision("Inner"):
            raise KeyError("x")
    assert narrative(sink).endswith("Failed on: Outer failed: 'x'.")
    with recorded(sink) as runtime, runtime.run("goal", run_id="second") as run:
        with runtime.decision("Outer"), runtime.decision("Inner") as inner:
            inner.fail("y")
        run.fail()
    assert narrative(sink, "second").endswith("Failed on: Inner failed: y.")


async def summarise(traces: Path, run_id: str = "goal-1") -> dict[str, list[str]]:
    summary = await RunStore(traces).summary(run_id)
    loaded = await RunStore(traces).load(run_id)
    assert summary.decision_count == loaded.metrics.total_decisions
    assert summary.success_rate == loaded.metrics.success_rate
    assert (summary.narrative, summary.status) == (loaded.narrative, loaded.status)
    return {
        name: getattr(summary, name)
        for name in ("key_decisions", "critical_problems", "warnings", "successes")
    }


def fill(runtime: Runtime, run: RunHandle) -> None:
    for i in range(12):
        with runtime.decision(f"Choice {i}", AB, "a") as decision:
            decision.succeed(summary=f"Chose {i}")
            with runtime.decision(f"Part {i}"):
                pass
            run.report_problem("critical", f"Critical {i}")
            run.report_problem("warning", f"Warning {i}")
            run.report_problem("minor", f"Minor {i}")
    for i in range(3):
        with runtime.decision(f"Failure {i}", AB, "b") as decision:
            decision.fail(f"no {i}")


async def test_a_summary_names_a_few_of_each(traces: Path) -> None:
    async with Runtime(traces) as runtime, runtime.run("goal", run_id="goal-1") as run:
        fill(runtime, run)
    told = await summarise(traces)
    # The failures, then the first choices; of everything else the latest, and what is outermost.
    assert told == {
        "key_decisions": [
            *(f"Failure {i} → b failed: no {i}" for i in range(3)),
            *(f"Choice {i} → a" for i in range(7)),
        ],
        "critical_problems": [f"Critical {i}" for i in range(2, 12)],
        "warnings": [f"Warning {i}" for i in range(2, 12)],
        "successes": [f"Chose {i}" for i in range(2, 12)],
    }
    summary = await RunStore(traces).summary("goal-1")
    assert (summary.problem_count, summary.decision_count) == (36, 27)


async def test_what_is_inside_gives_way_to_what_is_outside(traces: Path) -> None:
    async with Runtime(traces) as runtime, runtime.run("goal", run_id="goal-1"):
        for i in range(4):
            with runtime.decision(f"Outer {i}") as outer:
                for j in range(4):
                    with runtime.decision(f"Inner {i}{j}") as inner:
                        if i == 3:
                            inner.fail(f"no {j}")
                if i == 3:
                    outer.fail("no")
    told = await summarise(traces)
    assert told["successes"] == [
        "Outer 0", "Outer 1", "Outer 2",
        "Inner 11", "Inner 12", "Inner 13", "Inner 20", "Inner 21", "Inner 22", "Inner 23",
    ]  # fmt: skip
    assert told["key_decisions"] == [
        "Outer 3 failed: no",
        *(f"Inner 3{j} failed: no {j}" for j in range(4)),
    ]


async def test_long_texts_are_shortened(traces: Path) -> None:
    async with Runtime(traces) as runtime, runtime.run("goal", run_id="goal-1") as run:
        run.report_problem("critical", "long " * 1000)
        with runtime.decision("x" * 1000, AB, "a") as decision:
            decision.choose("b")
    told = await summarise(traces)
    assert told["critical_problems"] == [("long " * 60)[:299] + "…"]
    assert told["successes"] == told["key_decisions"] == ["x" * 299 + "…"]


async def test_a_late_choice_is_the_one_that_is_named(traces: Path) -> None:
    async with Runtime(traces) as runtime, runtime.run("goal", run_id="goal-1"):
        with runtime.decision("Which?", AB, "a") as decision:
            decision.choose("b")
        with runtime.decision("Cancelled?", AB), pytest.raises(asyncio.CancelledError):
            with runtime.decision("Open", AB):
                raise asyncio.CancelledError
    told = await summarise(traces)
    assert told["key_decisions"] == ["Which? → b", "Open", "Cancelled?"]


def test_nodes_are_named_in_the_order_of_their_first_decisions_up_to_a_limit() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        for i in [1, 0, 1, *range(1_200)]:
            with runtime.decision("x", node_id=f"n{i}"):
                pass
    nodes = sink.run("run_1").metrics.nodes_executed
    assert nodes[:4] == ["n1", "n0", "n2", "n3"]
    assert len(nodes) == 1_000


async def test_a_run_that_was_interrupted_is_summed_up_alike(traces: Path) -> None:
    runtime = Runtime(traces)
    async with runtime:
        run = runtime.run("goal", run_id="goal-1").__enter__()
        fill(runtime, run)
        metrics = run.metrics
        assert await runtime.flush()
        running = await RunStore(traces).summary("goal-1")
        assert running.status == RunStatus.RUNNING
        assert running.narrative.startswith("Run is in progress. Made ")
    interrupted = await RunStore(traces).summary("goal-1")
    assert interrupted.status == RunStatus.INTERRUPTED
    assert interrupted.narrative.startswith("Run was interrupted. Made 27 decisions: 24 successful")
    assert (await RunStore(traces).load("goal-1")).metrics == metrics
    told = await summarise(traces)
    async with Runtime(traces) as runtime, runtime.run("goal", run_id="goal-2") as run:
        fill(runtime, run)
    assert told == await summarise(traces, "goal-2")


async def test_a_summary_as_text(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        async with runtime.run("plan", run_id="made") as run:
            async with runtime.decision("Which place \x1b[31m", AB, "a") as decision:
                decision.succeed(summary="A table at eight")
            async with runtime.decision("Book it", AB, "b") as decision:
                decision.fail("closed")
            run.report_problem("critical", "No way to pay")
            run.report_problem("warning", "Slow")
            run.fail("Nothing was booked.")
    assert str(await RunStore(traces).summary("made")).splitlines() == [
        "plan: failed (made)",
        "Nothing was booked.",
        "Key decisions:",
        "  Book it → b failed: closed",
        "  Which place \\x1b[31m → a",
        "Critical problems:",
        "  No way to pay",
        "Warnings:",
        "  Slow",
        "What worked:",
        "  A table at eight",
    ]
    assert str(RunSummary("bare")) == "(no goal): running (bare)"


def test_numbers_with_nouns() -> None:
    told = [counted(n, noun) for n in (0, 1, 1200) for noun in ("run", "other try")]
    assert told == [
        "0 runs",
        "0 other tries",
        "1 run",
        "1 other try",
        "1,200 runs",
        "1,200 other tries",
    ]


def test_a_notebook_may_show_it() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal", "A goal & more"):
        pass
    assert "A goal &amp; more" in sink.run("run_1")._repr_html_()
