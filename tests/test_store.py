"""What a store gives back of what was recorded, and what it removes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from decisionlog import (
    Decision,
    DecisionNotFoundError,
    Evaluation,
    ReadError,
    Run,
    RunInProgressError,
    RunNotFoundError,
    RunStatus,
    RunStore,
    RunSummary,
)
from decisionlog.testing import FixedClock, Runtime
from tests import runfiles
from tests.waiting import LIMIT

NOON = datetime(2026, 1, 19, 12, tzinfo=UTC)


def record(traces: Path, goal: str = "goal", *, at: datetime = NOON, **options: Any) -> str:
    """A run with one decision, that started then."""
    with (
        Runtime(traces, clock=FixedClock(at)) as runtime,
        runtime.run(goal, **options) as run,
        runtime.decision("decide"),
    ):
        return run.id


@contextmanager
def in_progress(traces: Path, **options: Any) -> Iterator[Any]:
    """A run that goes on in this process, with one decision that is on disk."""
    with Runtime(traces) as runtime, runtime.run("goal", **options) as run:
        runtime.decision("decide").__enter__()
        assert runtime.flush_blocking()
        yield run


async def listed(store: RunStore, **filters: Any) -> list[str]:
    return [summary.run_id async for summary in store.runs(**filters)]


# ------------------------------------------------------------- one run


async def test_load_gives_back_what_was_recorded(traces: Path) -> None:
    clock = FixedClock(NOON)
    with (
        Runtime(traces, clock=clock) as runtime,
        runtime.run("book", "Book a table", {"seats": 2}, tags={"prompt": "v7"}) as run,
    ):
        names = [{"id": "roma"}, {"id": "sole"}]
        with runtime.decision("Which restaurant", names, "roma", "nearer") as made:
            clock.advance(0.25)
            made.succeed({"free": True}, summary="A table", tokens_used=12)
        places = [{"id": "in"}, {"id": "out"}]
        with runtime.decision("Which table", places, node_id="waiter") as late:
            late.choose("out", "it is warm")
            late.report_problem("critical", "It rains", root_cause="clouds")
            late.fail("wet")
        clock.advance(0.75)
        run.succeed({"table": 4}, narrative="Booked")
    loaded = await RunStore(traces).load(run.id)
    assert loaded.id == run.id
    assert (loaded.goal_id, loaded.goal_description) == ("book", "Book a table")
    assert (loaded.input_data, loaded.output_data) == ({"seats": 2}, {"table": 4})
    assert (loaded.tags, loaded.narrative) == ({"prompt": "v7"}, "Booked")
    assert loaded.started_at == NOON
    assert loaded.completed_at == NOON + timedelta(seconds=1)
    assert (loaded.status, loaded.duration_ms) == (RunStatus.COMPLETED, 1000)
    assert loaded.pid == os.getpid()
    assert (loaded.damage, loaded.unknown, loaded.lost_records) == ([], [], 0)
    first, second = loaded.decisions
    assert first.chosen_option is not None
    assert (first.chosen_option.id, first.reasoning) == ("roma", "nearer")
    assert first.outcome is not None
    assert (first.outcome.result, first.outcome.summary) == ({"free": True}, "A table")
    assert (first.outcome.tokens_used, first.outcome.latency_ms) == (12, 250)
    assert (second.chosen_option_id, second.reasoning) == ("out", "it is warm")
    assert (second.node_id, second.was_successful) == ("waiter", False)
    [problem] = loaded.problems
    assert (problem.decision_id, problem.root_cause) == ("dec_1", "clouds")
    assert loaded.metrics == run.metrics


async def test_a_run_that_is_not_there(traces: Path) -> None:
    record(traces)
    store = RunStore(traces)
    for call in (store.load, store.summary, store.check, store.delete):
        with pytest.raises(RunNotFoundError, match="there is no run elsewhere"):
            await call("elsewhere")
    with pytest.raises(RunNotFoundError):
        await store.evaluate("elsewhere", "dec_0", Evaluation())
    with pytest.raises(RunNotFoundError):
        await anext(store.follow("elsewhere"))


@pytest.mark.parametrize("as_given", [str, Path])
async def test_the_path_may_be_a_text(traces: Path, as_given: Any) -> None:
    with Runtime(as_given(traces)) as runtime, runtime.run("goal", run_id="given"):
        pass
    store = RunStore(as_given(traces))
    assert await listed(store) == ["given"]
    assert repr(store) == f"RunStore({str(traces)!r})"


async def test_the_path_is_traces_unless_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Runtime() as runtime, runtime.run("goal", run_id="given"):
        pass
    assert await listed(RunStore()) == ["given"]
    assert (tmp_path / "traces" / "runs" / "given.jsonl").is_file()


async def test_a_missing_directory_holds_no_runs(traces: Path) -> None:
    store = RunStore(traces)
    assert await listed(store) == []
    assert await store.prune(keep=0) == []
    with pytest.raises(RunNotFoundError):
        await store.load("run")
    assert not traces.exists()


async def test_the_same_without_an_event_loop(traces: Path) -> None:
    ids = [record(traces, goal, at=NOON + timedelta(n)) for n, goal in enumerate("aab")]
    store = RunStore(traces)
    assert store.load_blocking(ids[0]) == await store.load(ids[0])
    assert store.summary_blocking(ids[0]) == await store.summary(ids[0])
    for filters in ({}, {"goal_id": "a", "newest_first": False}, {"until": NOON + timedelta(1)}):
        given: dict[str, Any] = dict(filters)
        found = list(store.runs_blocking(**given))
        assert found == [summary async for summary in store.runs(**given)]
        assert found
    with pytest.raises(RunNotFoundError, match="there is no run nowhere"):
        store.load_blocking("nowhere")
    with pytest.raises(ValueError, match="no time zone"):
        list(store.runs_blocking(since=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_a_linked_directory_is_left_alone_without_an_event_loop(traces: Path) -> None:
    run_id = record(traces)
    (traces / "runs").rename(traces / "real")
    (traces / "runs").symlink_to("real")
    for read in (lambda: RunStore(traces).load_blocking(run_id),
                 lambda: list(RunStore(traces).runs_blocking())):  # fmt: skip
        with pytest.raises(ReadError, match="symbolic link"):
            read()


# ------------------------------------------------------------- summaries


def at_a_glance(run: Run) -> RunSummary:
    """The summary that a loaded run amounts to, as far as one can tell without the texts."""
    outcomes = [d.outcome for d in run.decisions if d.outcome is not None]
    successes = sum(outcome.success for outcome in outcomes)
    judged = sum(not outcome.cancelled for outcome in outcomes)
    problems: dict[str, list[str]] = {"critical": [], "warning": [], "minor": []}
    for problem in run.problems:
        problems[problem.severity].append(problem.description)

    def failed(decision: Decision) -> bool:
        outcome = decision.outcome
        return outcome is not None and not outcome.success and not outcome.cancelled

    return RunSummary(
        run_id=run.id,
        goal_id=run.goal_id,
        status=run.status,
        started_at=run.started_at,
        duration_ms=run.duration_ms,
        decision_count=len(run.decisions),
        success_rate=successes / judged if judged else None,
        total_tokens=sum(outcome.tokens_used for outcome in outcomes),
        problem_count=len(run.problems),
        narrative=run.narrative,
        goal_description=run.goal_description,
        tags=run.tags,
        key_decisions=[
            f"{d.intent} failed: {d.outcome.error}"
            for d in run.decisions
            if d.outcome and failed(d)
        ],
        critical_problems=problems["critical"],
        warnings=problems["warning"],
        successes=[d.outcome.summary for d in run.decisions if d.outcome and d.outcome.success],
    )


def work(runtime: Runtime, run: Any) -> None:
    with runtime.decision("try") as first:
        first.succeed(summary="it worked", tokens_used=5)
    with runtime.decision("try again") as second:
        second.fail("out of luck")
    with suppress(asyncio.CancelledError), runtime.decision("wait"):
        raise asyncio.CancelledError
    run.report_problem("critical", "No luck")
    run.report_problem("warning", "Little luck")
    run.report_problem("minor", "Not much luck")
    runtime.decision("left open").__enter__()


def crash() -> None:
    raise ValueError("no more")


def call_off() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        ("completed", lambda run: run.succeed(narrative="Well done")),
        ("completed", lambda run: None),
        ("failed", lambda run: run.fail("It did not work")),
        ("failed", lambda run: crash()),
        ("stuck", lambda run: run.stuck()),
        ("cancelled", lambda run: call_off()),
    ],
)
async def test_a_summary_says_what_load_says(traces: Path, status: str, way_out: Any) -> None:
    with (
        suppress(ValueError, asyncio.CancelledError),
        Runtime(traces) as runtime,
        runtime.run("goal") as run,
    ):
        work(runtime, run)
        way_out(run)
    loaded = await RunStore(traces).load(run.id)
    summary = await RunStore(traces).summary(run.id)
    assert summary.status == loaded.status == status
    assert (summary.decision_count, summary.success_rate) == (4, 0.5)
    assert summary == at_a_glance(loaded)


async def test_a_summary_of_a_run_in_progress_or_interrupted(traces: Path) -> None:
    store = RunStore(traces)

    async def agree(status: RunStatus) -> None:
        loaded = await store.load(run.id)
        summary = await store.summary(run.id)
        assert summary.status == loaded.status == status
        assert summary == at_a_glance(loaded)
        assert (loaded.completed_at, loaded.duration_ms) == (None, None)
        assert [summary async for summary in store.runs()] == [summary]

    async with Runtime(traces) as runtime:
        run = runtime.run("goal").__enter__()
        work(runtime, run)
        assert await runtime.flush()
        await agree(RunStatus.RUNNING)
    await agree(RunStatus.INTERRUPTED)


async def test_a_summary_of_an_empty_run(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal") as run:
        pass
    summary = await RunStore(traces).summary(run.id)
    assert (summary.status, summary.decision_count) == ("completed", 0)
    assert summary == at_a_glance(await RunStore(traces).load(run.id))


async def test_a_summary_of_a_run_with_huge_first_and_last_records(traces: Path) -> None:
    many = ["x" * 1000] * 3000
    with (
        Runtime(traces, max_value_bytes=4 * 2**20) as runtime,
        runtime.run("goal", input_data=many) as run,
        runtime.decision("decide") as made,
    ):
        made.succeed(summary="done")
        run.succeed(many, "Done")
    summary = await RunStore(traces).summary(run.id)
    assert (summary.goal_id, summary.narrative) == ("goal", "Done")
    loaded = await RunStore(traces).load(run.id)
    assert loaded.input_data == loaded.output_data == many
    assert summary == at_a_glance(loaded)


async def test_a_summary_from_a_program_that_does_not_sum_up(traces: Path) -> None:
    runfiles.write(traces, "made", *map(runfiles.sealed, runfiles.whole_run()))
    summary = await RunStore(traces).summary("made")
    assert (summary.decision_count, summary.success_rate, summary.successes) == (
        2, 1.0, ["decide", "decide"],
    )  # fmt: skip


# ------------------------------------------------------------- lists


async def test_runs_by_start_whatever_their_names(traces: Path) -> None:
    hours = [4, 1, 3, 0, 2]
    names = ["zebra", None, "aardvark", None, "run_20261340_990000_00000"]
    ids = {
        hour: record(traces, at=NOON + timedelta(hours=hour), run_id=name)
        for hour, name in zip(hours, names, strict=True)
    }
    store = RunStore(traces)
    assert await listed(store) == [ids[hour] for hour in (4, 3, 2, 1, 0)]
    assert await listed(store, newest_first=False) == [ids[hour] for hour in range(5)]


async def test_since_is_included_and_until_is_not(traces: Path) -> None:
    names = [None, "one", None, "three"]
    ids = [
        record(traces, at=NOON + timedelta(seconds=n), run_id=name) for n, name in enumerate(names)
    ]
    store = RunStore(traces)
    for first in range(4):
        since = NOON + timedelta(seconds=first)
        assert await listed(store, since=since, newest_first=False) == ids[first:]
        assert await listed(store, until=since, newest_first=False) == ids[:first]
    second, third = NOON + timedelta(seconds=1), NOON + timedelta(seconds=2)
    assert await listed(store, since=second, until=third) == [ids[1]]
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    assert await listed(store, since=third.astimezone(elsewhere), until=third) == []
    assert await listed(store, since=third.astimezone(elsewhere)) == [ids[3], ids[2]]


async def test_the_start_that_a_summary_tells_is_one_to_filter_by(traces: Path) -> None:
    with Runtime(traces) as runtime:
        for _ in range(20):
            with runtime.run("goal"):
                pass
    store = RunStore(traces)
    found = [summary async for summary in store.runs(newest_first=False)]
    for i, summary in enumerate(found):
        expected = [other.run_id for other in found[i:]]
        assert await listed(store, since=summary.started_at, newest_first=False) == expected


@pytest.mark.parametrize("name", ["since", "until"])
async def test_a_time_without_a_zone_is_refused(traces: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has no time zone"):
        await listed(RunStore(traces), **{name: datetime(2026, 1, 19)})  # noqa: DTZ001


async def test_runs_by_goal_and_status(traces: Path) -> None:
    good = record(traces, "good", at=NOON)
    bad = record(traces, "bad", at=NOON + timedelta(hours=1))
    with suppress(ValueError), Runtime(traces) as runtime, runtime.run("good") as run:
        raise ValueError
    store = RunStore(traces)
    assert await listed(store, goal_id="good") == [run.id, good]
    assert await listed(store, goal_id="none") == []
    assert await listed(store, goal_id="") == []
    assert await listed(store, status="completed") == [bad, good]
    assert await listed(store, status=RunStatus.FAILED, goal_id="good") == [run.id]
    assert await listed(store, status="interrupted") == []
    assert await listed(store, goal_id="good", until=NOON + timedelta(seconds=1)) == [good]
    with pytest.raises(ValueError, match="finished"):
        await listed(store, status="finished")


async def test_what_is_no_run_is_not_listed(traces: Path) -> None:
    run_id = record(traces)
    directory = traces / "runs"
    for name in ("notes.txt", "run.jsonl.swp", "a b.jsonl", ".jsonl", "x" * 101 + ".jsonl"):
        (directory / name).write_text("not a run")
    (directory / "directory.jsonl").mkdir()
    assert await listed(RunStore(traces)) == [run_id]


async def test_runs_may_come_and_go_while_they_are_listed(traces: Path) -> None:
    ids = [record(traces, at=NOON + timedelta(seconds=n)) for n in range(70)]
    store = RunStore(traces)
    seen: list[str] = []
    async for summary in store.runs(newest_first=False):
        if not seen:
            record(traces, at=NOON)
            await store.delete(ids[0])
            await store.delete(ids[69])
        seen.append(summary.run_id)
    assert seen == ids[:69]


# ------------------------------------------------------------- evaluations


async def test_the_last_evaluation_of_a_decision_stands(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal") as run:
        for _ in range(3):
            with runtime.decision("decide"):
                pass
    store = RunStore(traces)
    before = runfiles.path_of(traces, run.id).read_bytes()
    await store.evaluate(run.id, "dec_1", Evaluation(explanation="at first"))
    last = Evaluation(False, 0.25, True, "other", "faster", 0.5, False, "über\n")
    await RunStore(traces).evaluate(run.id, "dec_1", last)
    await store.evaluate(run.id, "dec_2", Evaluation(outcome_quality=0.1))
    loaded = await store.load(run.id)
    assert [d.evaluation for d in loaded.decisions] == [
        None, last, Evaluation(outcome_quality=0.1),
    ]  # fmt: skip
    assert [d.was_good_decision for d in loaded.decisions] == [True, False, False]
    assert runfiles.path_of(traces, run.id).read_bytes() == before
    beside = traces / "evaluations" / f"{run.id}.jsonl"
    assert beside.stat().st_mode & 0o777 == 0o600
    assert beside.parent.stat().st_mode & 0o777 == 0o700
    records = [runfiles.unsealed(line) for line in beside.read_bytes().splitlines(keepends=True)]
    assert [(r["type"], r["decision_id"], r["run_id"]) for r in records] == [
        ("evaluation", "dec_1", run.id),
        ("evaluation", "dec_1", run.id),
        ("evaluation", "dec_2", run.id),
    ]


async def test_an_evaluation_of_a_decision_that_was_not_made(traces: Path) -> None:
    run_id = record(traces)
    with pytest.raises(DecisionNotFoundError, match="dec_1"):
        await RunStore(traces).evaluate(run_id, "dec_1", Evaluation())
    assert not (traces / "evaluations").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        Evaluation(alignment_score="high"),  # type: ignore[arg-type]
        Evaluation(outcome_quality=float("nan")),
        Evaluation(explanation="\udc80"),
    ],
)
async def test_an_evaluation_that_would_not_read_is_refused(
    traces: Path, wrong: Evaluation
) -> None:
    run_id = record(traces)
    with pytest.raises(ValueError):
        await RunStore(traces).evaluate(run_id, "dec_0", wrong)
    assert (await RunStore(traces).load(run_id)).decisions[0].evaluation is None


async def test_an_evaluation_of_a_decision_that_is_lost(traces: Path) -> None:
    run_id = record(traces)
    await RunStore(traces).evaluate(run_id, "dec_0", Evaluation())
    path = runfiles.path_of(traces, run_id)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    assert (await RunStore(traces).load(run_id)).decisions == []


async def test_a_torn_evaluation_does_not_spoil_the_next(traces: Path) -> None:
    run_id = record(traces)
    store = RunStore(traces)
    await store.evaluate(run_id, "dec_0", Evaluation(explanation="whole"))
    beside = traces / "evaluations" / f"{run_id}.jsonl"
    beside.write_bytes(beside.read_bytes() * 2)
    os.truncate(beside, beside.stat().st_size - 5)
    assert (await store.load(run_id)).decisions[0].evaluation == Evaluation(explanation="whole")
    await store.evaluate(run_id, "dec_0", Evaluation(explanation="the next"))
    assert (await store.load(run_id)).decisions[0].evaluation == Evaluation(explanation="the next")
    assert beside.read_bytes().count(b"\n") == 3


async def test_a_full_disk_is_told(traces: Path) -> None:
    run_id = record(traces)
    script = """
import anyio, resource, signal, sys
from decisionlog import Evaluation, RunStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
none = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, none[1]))
try:
    anyio.run(RunStore(sys.argv[1]).evaluate, sys.argv[2], "dec_0", Evaluation())
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, none)
"""
    command = [sys.executable, "-c", script, str(traces), run_id]
    result = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert "too large" in result.stdout, result.stderr
    store = RunStore(traces)
    assert (await store.load(run_id)).decisions[0].evaluation is None
    await store.evaluate(run_id, "dec_0", Evaluation(explanation="the next"))
    assert (await store.load(run_id)).decisions[0].evaluation == Evaluation(explanation="the next")


# ------------------------------------------------------------- removing


async def test_delete_removes_a_run_and_what_lies_beside_it(traces: Path) -> None:
    gone, stays = record(traces), record(traces)
    store = RunStore(traces)
    for run_id in (gone, stays):
        await store.evaluate(run_id, "dec_0", Evaluation())
    await store.delete(gone)
    assert await listed(store) == [stays]
    for name in ("runs", "evaluations"):
        assert [path.stem for path in (traces / name).iterdir()] == [stays]
    with pytest.raises(RunNotFoundError):
        await store.delete(gone)


async def test_a_run_in_progress_is_not_deleted(traces: Path) -> None:
    store = RunStore(traces)
    with in_progress(traces) as run:
        with pytest.raises(RunInProgressError, match=run.id):
            await store.delete(run.id)
        assert await listed(store) == [run.id]
    await store.delete(run.id)
    assert await listed(store) == []


async def test_a_file_just_made_is_a_run_in_progress(traces: Path) -> None:
    """Its writer has opened it and is about to write; or cannot write yet, the disk being full."""
    store = RunStore(traces)
    with in_progress(traces, run_id="other"):
        runfiles.write(traces, "just-made")
        assert (await store.load("just-made")).status == RunStatus.RUNNING
        assert await store.prune(keep=0) == []
        runfiles.write(traces, "just-begun", b'{"type":"run_started","goal')
        assert (await store.summary("just-begun")).status == RunStatus.RUNNING
        runfiles.write(traces, "headless", *map(runfiles.sealed, runfiles.whole_run()[1:-1]))
        assert (await store.load("headless")).status == RunStatus.INTERRUPTED
        assert await store.prune(keep=0) == ["headless"]
    assert (await store.load("just-made")).status == RunStatus.INTERRUPTED
    assert sorted(await store.prune(keep=0)) == ["just-begun", "just-made", "other"]


async def test_prune_by_age(traces: Path) -> None:
    now = datetime.now(UTC)
    ages = {days: record(traces, at=now - timedelta(days=days)) for days in (0, 2, 4, 6)}
    named = record(traces, at=now - timedelta(days=5), run_id="named")
    store = RunStore(traces)
    await store.evaluate(named, "dec_0", Evaluation())
    assert await store.prune(older_than=timedelta(days=3)) == [ages[6], named, ages[4]]
    assert await listed(store) == [ages[0], ages[2]]
    assert list((traces / "evaluations").iterdir()) == []
    assert await store.prune(older_than=timedelta(days=3)) == []


async def test_prune_to_a_number(traces: Path) -> None:
    ids = [record(traces, at=NOON + timedelta(days=n)) for n in range(5)]
    store = RunStore(traces)
    assert await store.prune(keep=7) == []
    assert await store.prune(keep=3) == ids[:2]
    assert await store.prune(keep=0) == ids[2:]
    assert await listed(store) == []


async def test_prune_by_age_but_for_a_number(traces: Path) -> None:
    now = datetime.now(UTC)
    ids = [record(traces, at=now - timedelta(days=days)) for days in (9, 8, 7, 0)]
    store = RunStore(traces)
    assert await store.prune(older_than=timedelta(days=3), keep=2) == ids[:2]
    assert await store.prune(older_than=timedelta(days=3), keep=0) == [ids[2]]
    assert await listed(store) == [ids[3]]


@pytest.mark.parametrize("given", [{}, {"keep": -1}, {"keep": -1, "older_than": timedelta(1)}])
async def test_prune_that_was_not_thought_over(traces: Path, given: dict[str, Any]) -> None:
    run_id = record(traces)
    with pytest.raises(ValueError):
        await RunStore(traces).prune(**given)
    assert await listed(RunStore(traces)) == [run_id]


async def test_a_dry_run_foretells_what_prune_removes(traces: Path) -> None:
    now = datetime.now(UTC)
    ids = [record(traces, at=now - timedelta(days=days)) for days in (9, 8, 7)]
    store = RunStore(traces)
    with in_progress(traces, run_id="live") as run:
        locks = {file.name for file in (traces / "writers").iterdir()}
        assert await store.prune(older_than=timedelta(-1), keep=2, dry_run=True) == ids[:2]
        assert await listed(store) == [run.id, *ids[::-1]]
        assert {file.name for file in (traces / "writers").iterdir()} == locks
        assert await store.prune(older_than=timedelta(-1), dry_run=True) == ids
        assert await store.prune(older_than=timedelta(-1)) == ids


async def test_prune_leaves_live_runs_and_clears_the_locks_of_the_dead(traces: Path) -> None:
    script = """
import os, sys
from decisionlog import Runtime
runtime = Runtime(sys.argv[1]).__enter__()
with runtime.run("goal"), runtime.decision("decide"):
    assert runtime.flush_blocking()
    os.kill(os.getpid(), 9)
"""
    result = subprocess.run([sys.executable, "-c", script, str(traces)], timeout=LIMIT)
    assert result.returncode == -9
    store = RunStore(traces)
    [dead] = await listed(store, status="interrupted")
    with in_progress(traces) as run:
        locks = sorted((traces / "writers").iterdir())
        assert len(locks) == 2
        assert await store.prune(older_than=timedelta(days=-1)) == [dead]
        assert await listed(store) == [run.id]
        [lock] = (traces / "writers").iterdir()
        assert lock.stem == (await store.load(run.id)).writer
    assert await listed(store, status="completed") == [run.id]
