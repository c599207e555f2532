"""Format v1 as another program sees it: `json.loads`, zlib's CRC-32 and the file system."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisionlog import (
    Decision,
    DecisionType,
    Evaluation,
    Option,
    Outcome,
    Problem,
    RunMetrics,
    RunStore,
    Runtime,
)
from decisionlog.testing import FixedClock
from tests import runfiles
from tests.sinks import TroubledSink
from tests.waiting import LIMIT

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
COMMON = ["run_id", "seq", "timestamp", "type"]


def lines_of(traces: Path, run_id: str) -> list[bytes]:
    return runfiles.path_of(traces, run_id).read_bytes().splitlines(keepends=True)


def records_of(traces: Path, run_id: str) -> list[dict[str, Any]]:
    """The records of a run, whose checksums are right, numbered without a gap."""
    records = [runfiles.unsealed(line) for line in lines_of(traces, run_id)]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    return records


def full_run(traces: Path) -> str:
    """A run of whose records each has every field it can have."""
    option = Option("a", "A", "call", {"x": 1}, ["quick"], ["dear"], 0.75, {"rank": 1})
    with (
        Runtime(traces) as runtime,
        runtime.run("goal", "Über die Straße", {"n": 1}, tags={"a": "b"}, parent="p/dec_1"),
        runtime.decision("outer"),
        runtime.run("inner", "Inner", [1], tags={"c": "d"}) as run,
    ):
        with runtime.decision("first"):
            pass
        full = runtime.decision(
            "full", [option, {"id": "b", "new": 1}], "a", "why", "node",
            DecisionType.DELEGATION, ["limit"], {"k": "v"}, supersedes="dec_0",
        )  # fmt: skip
        with full as decision, runtime.decision("child"):
            decision.choose("b", "better")
            decision.succeed(
                [1], summary="s", tokens_used=3, state_changes={"x": 2}, input_tokens=1,
                output_tokens=2, cost_usd=0.5, model="m", attributes={"t": 0.1},
            )  # fmt: skip
            decision.report_problem("critical", "d", root_cause="r", suggested_fix="f")
            run.report_problem("warning", "w")
        try:
            with runtime.decision("fails"):
                raise KeyError("k")
        except KeyError:
            pass
        run.succeed({"out": 1}, "Told")
    return run.id


def test_every_line_is_an_object_that_json_reads(traces: Path) -> None:
    for line in lines_of(traces, full_run(traces)):
        assert line.endswith(b"}\n")
        assert b"\r" not in line
        keys = list(json.loads(line))
        assert keys[0] == "type"
        assert keys[-1] == "crc"


def test_what_all_records_have(traces: Path) -> None:
    run_id = full_run(traces)
    for record in records_of(traces, run_id):
        assert record["run_id"] == run_id
        assert RFC_3339.fullmatch(record["timestamp"])
        written = datetime.fromisoformat(record["timestamp"])
        assert timedelta() <= datetime.now(UTC) - written < timedelta(minutes=5)


def test_fields_have_the_names_of_the_data(traces: Path) -> None:
    found: dict[str, set[str]] = {}
    for record in records_of(traces, full_run(traces)):
        found.setdefault(record["type"], set()).update(record)
    extra = {"type"}
    never = {"extra"}
    data = set(Decision.__struct_fields__) - {"outcome", "evaluation"} - never
    assert found["decision"] == data | extra
    assert found["outcome"] == set(Outcome.__struct_fields__) - {"cancelled"} - never | extra
    assert found["problem"] == set(Problem.__struct_fields__) - never | extra
    assert found["choice"] == {"decision_id", "chosen_option_id", "reasoning", *COMMON}
    assert found["run_started"] == {
        "goal_id", "goal_description", "input_data", "tags", "parent_run_id",
        "parent_decision_id", "format", "library", "host", "pid", "writer", *COMMON,
    }  # fmt: skip
    assert found["run_ended"] == {
        "status", "narrative", "output_data", "duration_ms", "metrics", "problem_count",
        "key_decisions", "critical_problems", "warnings", "successes", *COMMON,
    }  # fmt: skip


def test_options_and_metrics_have_the_names_of_the_data(traces: Path) -> None:
    records = records_of(traces, full_run(traces))
    [full] = [record for record in records if record.get("intent") == "full"]
    assert set(full["options"][0]) == set(Option.__struct_fields__)
    assert full["options"][1] == {
        "id": "b", "action_type": "unknown", "confidence": 0.5, "extra": {"new": 1},
    }  # fmt: skip
    assert set(records[-1]["metrics"]) == set(RunMetrics.__struct_fields__)


def test_who_writes(traces: Path) -> None:
    run_id = full_run(traces)
    first = records_of(traces, run_id)[0]
    assert (first["type"], first["format"], first["pid"]) == ("run_started", 1, os.getpid())
    assert re.fullmatch(r"w_\d+_[0-9a-f]{12}", first["writer"])
    assert re.fullmatch(r"run_\w+", first["parent_run_id"])
    assert first["parent_decision_id"] == "dec_0"
    outer = records_of(traces, first["parent_run_id"])[0]
    assert (outer["parent_run_id"], outer["parent_decision_id"]) == ("p", "dec_1")


def test_what_is_empty_is_left_out_and_what_says_something_is_not(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal", "", run_id="run") as run:
        with runtime.decision("decide", [Option("a"), {"id": "b"}]) as decision:
            decision.succeed(None, summary="", tokens_used=0, state_changes={}, attributes={})
        run.report_problem("warning", "d")
        run.succeed()
    started, decided, came_out, problem, ended = records_of(traces, "run")
    assert started.keys() - set(COMMON) == {
        "goal_id", "format", "library", "host", "pid", "writer",
    }  # fmt: skip
    assert {key: value for key, value in decided.items() if key not in COMMON} == {
        "id": "dec_0",
        "node_id": "unknown",
        "intent": "decide",
        "decision_type": "custom",
        "options": [
            {"id": "a", "action_type": "unknown", "confidence": 0.5},
            {"id": "b", "action_type": "unknown", "confidence": 0.5},
        ],
    }
    assert came_out.keys() - set(COMMON) == {"decision_id", "success", "latency_ms"}
    assert problem.keys() - set(COMMON) == {"id", "severity", "description"}
    assert ended.keys() - set(COMMON) == {
        "status", "narrative", "duration_ms", "metrics", "problem_count", "key_decisions",
        "warnings", "successes",
    }  # fmt: skip


def test_times(traces: Path) -> None:
    clock = FixedClock(datetime(2026, 1, 19, 18, 42, 16, tzinfo=UTC))
    with Runtime(traces, clock=clock) as runtime, runtime.run("goal", run_id="run"):
        with runtime.decision("decide"):
            clock.advance(0.25)
        clock.set_wall(datetime(2026, 1, 19, 17, tzinfo=UTC))
    records = records_of(traces, "run")
    assert [record["timestamp"] for record in records] == [
        "2026-01-19T18:42:16Z",
        "2026-01-19T18:42:16Z",
        "2026-01-19T18:42:16.250000Z",
        "2026-01-19T17:00:00Z",
    ]
    assert [type(records[2]["latency_ms"]), records[2]["latency_ms"]] == [float, 250]
    assert [type(records[3]["duration_ms"]), records[3]["duration_ms"]] == [float, 250]


def test_what_json_lacks(traces: Path) -> None:
    values = {"nan": float("nan"), "big": -(2**70), "$ref": {"$$": "$"}, "deep": [{"$cut": 1}]}
    with Runtime(traces) as runtime, runtime.run("goal", input_data=values, run_id="run"):
        pass
    assert records_of(traces, "run")[0]["input_data"] == {
        "nan": {"$float": "nan"},
        "big": {"$int": hex(-(2**70))},
        "$$ref": {"$$$": "$"},
        "deep": [{"$$cut": 1}],
    }


def test_a_gap_bears_the_number_of_the_last_record_lost() -> None:
    sink = TroubledSink()
    with Runtime(sinks=[sink], overflow="drop", max_buffer=2**16) as runtime:
        with runtime.run("goal", run_id="run"):
            sink.block()
            while not runtime.stats().dropped:
                runtime.decision("decide").__enter__()
            runtime.decision("lost as well").__enter__()
            sink.unblock()
            runtime.flush_blocking()
            runtime.decision("kept").__enter__()
        dropped = runtime.stats().dropped
    lines = sink.data("run").splitlines(keepends=True)
    records = [runfiles.unsealed(line) for line in lines]
    expected = 0
    lost = 0
    for record in records:
        assert RFC_3339.fullmatch(record["timestamp"])
        if record["type"] == "gap":
            lost += record["count"]
            assert record.keys() - set(COMMON) == {"count", "reason"}
        expected += record.get("count", 1)
        assert record["seq"] == expected
    assert lost == dropped >= 2
    assert records[-2]["intent"] == "kept"


def test_names_and_modes(traces: Path) -> None:
    with Runtime(traces) as runtime:
        ids: list[str] = []
        for _ in range(50):
            with runtime.run("../goal") as run:
                ids.append(run.id)
        with runtime.run("goal", run_id="mine"):
            assert runtime.flush_blocking()
            [lock] = (traces / "writers").iterdir()
            writer = records_of(traces, "mine")[0]["writer"]
            assert (lock.name, lock.stat().st_mode & 0o777) == (f"{writer}.lock", 0o600)
    assert ids == sorted(ids)
    names = [path.name for path in (traces / "runs").iterdir()]
    assert sorted(names) == sorted(f"{run_id}.jsonl" for run_id in [*ids, "mine"])
    for run_id in ids:
        assert re.fullmatch(r"run_\d{8}_\d{6}_[0-9a-f]{16}", run_id)
        written = datetime.fromisoformat(records_of(traces, run_id)[0]["timestamp"])
        second, micros = run_id[4:19], int(run_id[20:25], 16)
        named = datetime.strptime(second, "%Y%m%d_%H%M%S").replace(microsecond=micros, tzinfo=UTC)
        assert timedelta() <= written - named < timedelta(seconds=LIMIT)
    for path in (traces, traces / "runs", traces / "writers"):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in (traces / "runs").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


async def test_evaluations_lie_beside(traces: Path) -> None:
    run_id = full_run(traces)
    await RunStore(traces).evaluate(run_id, "dec_0", Evaluation(better_option_id="b"))
    [line] = (traces / "evaluations" / f"{run_id}.jsonl").read_bytes().splitlines(keepends=True)
    record = runfiles.unsealed(line)
    assert next(iter(record)) == "type"
    assert record.keys() == {"type", "decision_id", "evaluation", "timestamp", "run_id"}
    assert record["evaluation"].keys() == set(Evaluation.__struct_fields__)
    assert RFC_3339.fullmatch(record["timestamp"])


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_jq(traces: Path) -> None:
    run_id = full_run(traces)
    command = ["jq", "-c", "[.seq, .type, .crc]", str(runfiles.path_of(traces, run_id))]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT)
    told = [json.loads(line) for line in result.stdout.splitlines()]
    expected = [json.loads(line) for line in lines_of(traces, run_id)]
    assert told == [[record["seq"], record["type"], record["crc"]] for record in expected]


# ------------------------------------------------------------- any sequence of calls

TEXTS = st.text(max_size=12)
KEYS = st.text("abcä", max_size=3)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=3)
WHICH = st.integers(0, 3)
OPTIONS = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from("xyz")},
        optional={
            "description": TEXTS,
            "action_type": st.sampled_from(["unknown", "call"]),
            "action_params": OBJECTS,
            "pros": st.lists(TEXTS, max_size=2),
            "cons": st.lists(TEXTS, max_size=2),
            "confidence": st.floats(0, 1),
        },
    ),
    max_size=3,
)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("start_run"), TEXTS, TEXTS, VALUES),
        st.tuples(
            st.just("decide"), WHICH, TEXTS, OPTIONS, st.sampled_from("xyz"), TEXTS,
            st.none() | TEXTS, st.sampled_from(DecisionType), st.lists(TEXTS, max_size=2), OBJECTS,
        ),
        st.tuples(
            st.just("record_outcome"), WHICH, st.integers(0, 4), st.booleans(), VALUES, TEXTS,
            TEXTS, OBJECTS, st.integers(0, 1000), st.floats(0.5, 1000),
        ),
        st.tuples(
            st.just("report_problem"), WHICH, st.sampled_from(["critical", "minor", "dreadful"]),
            TEXTS, st.none() | st.integers(0, 4), st.none() | TEXTS, st.none() | TEXTS,
        ),
        st.tuples(st.just("set_node"), TEXTS),
        st.tuples(st.just("end_run"), WHICH, st.booleans(), st.text(min_size=1), VALUES),
    ),
    max_size=25,
)  # fmt: skip


class Model:
    """What the files should hold: dicts without what is empty, and without times and checksums."""

    def __init__(self) -> None:
        self.records: dict[str, list[dict[str, Any]]] = {}
        self.open: list[str] = []
        self.nodes: dict[str, str] = {}
        self.outcomes: dict[tuple[str, str], bool] = {}

    def pick(self, which: int) -> str:
        """A run, in progress or not; "" before the first."""
        ids = list(self.records)
        return ids[which % len(ids)] if ids else ""

    def made(self, run_id: str, kind: str) -> int:
        return sum(record["type"] == kind for record in self.records[run_id])

    def add(self, run_id: str, kind: str, **fields: Any) -> None:
        records = self.records.setdefault(run_id, [])
        always = ("success", "result", "input_data", "output_data", "confidence")
        records.append(
            {"type": kind, "run_id": run_id, "seq": len(records) + 1}
            | {k: v for k, v in fields.items() if v is not None and (k in always or full(v))}
        )


def full(value: Any) -> bool:
    return value not in ("", [], {}, 0) or value is False


def as_written(option: dict[str, Any]) -> dict[str, Any]:
    defaults = {"action_type": "unknown", "confidence": 0.5}
    return defaults | {k: v for k, v in option.items() if k in defaults or full(v)}


async def call(runtime: Runtime, model: Model, name: str, *given: Any) -> None:
    """One call, on the runtime and on the model."""
    if name == "start_run":
        goal, description, value = given
        parent = model.open[-1] if model.open else None
        run_id = await runtime.start_run(goal, description, value)
        model.open.append(run_id)
        model.add(
            run_id, "run_started", goal_id=goal, goal_description=description, input_data=value,
            parent_run_id=parent, format=1,
        )  # fmt: skip
        model.records[run_id][0]["goal_id"] = goal
        return
    if name == "set_node":
        if not any(run_id in model.nodes for run_id in model.open[:-1]):
            runtime.set_node(*given)
            if model.open:
                model.nodes[model.open[-1]] = given[0]
        return
    run_id = model.pick(given[0])
    live = run_id in model.open
    if name == "decide":
        intent, options, chosen, reasoning, node, kind, constraints, context = given[1:]
        made = await runtime.decide(
            intent, options, chosen, reasoning, node, kind, constraints, context, run_id=run_id
        )
        if not live:
            assert made == ""
            return
        assert made == f"dec_{model.made(run_id, 'decision')}"
        current = model.nodes.get(run_id, "unknown")
        model.add(
            run_id, "decision", id=made, intent=intent, decision_type=kind.value,
            options=[as_written(option) for option in options], chosen_option_id=chosen,
            reasoning=reasoning, active_constraints=constraints, input_context=context,
        )  # fmt: skip
        model.records[run_id][-1]["node_id"] = current if node is None else node
    elif name == "record_outcome":
        number, success, result, error, summary, changes, tokens, latency = given[1:]
        decision = f"dec_{number}"
        await runtime.record_outcome(
            decision, success, result, error, summary, changes, tokens, latency, run_id=run_id
        )
        if live and number < model.made(run_id, "decision"):
            if (run_id, decision) not in model.outcomes:
                model.outcomes[run_id, decision] = success
                model.add(
                    run_id, "outcome", decision_id=decision, success=success, result=result,
                    summary=summary, state_changes=changes, tokens_used=tokens, latency_ms=latency,
                )  # fmt: skip
                if not success:
                    model.records[run_id][-1]["error"] = error
    elif name == "report_problem":
        severity, description, number, cause, fix = given[1:]
        decision_id = None if number is None else f"dec_{number}"
        problem = await runtime.report_problem(
            severity, description, decision_id, cause, fix, run_id=run_id
        )
        if live:
            assert problem == f"prob_{model.made(run_id, 'problem')}"
            known = number is not None and number < model.made(run_id, "decision")
            model.add(
                run_id, "problem", id=problem, description=description,
                severity="warning" if severity == "dreadful" else severity,
                decision_id=decision_id if known else None,
            )  # fmt: skip
            texts = {"root_cause": cause, "suggested_fix": fix}
            model.records[run_id][-1] |= {k: v for k, v in texts.items() if v is not None}
    else:
        success, narrative, value = given[1:]
        await runtime.end_run(success, narrative, value, run_id=run_id)
        if live:
            model.open.remove(run_id)
            model.add(
                run_id, "run_ended", status="completed" if success else "failed",
                narrative=narrative, output_data=value,
            )  # fmt: skip


async def compare(traces: Path, calls: list[tuple[Any, ...]]) -> None:
    model = Model()
    async with Runtime(traces) as runtime:
        for name, *given in calls:
            await call(runtime, model, name, *given)
    assert sorted(model.records) == [path.stem for path in sorted(traces.glob("runs/*"))]
    for run_id, expected in model.records.items():
        found = records_of(traces, run_id)
        written = found[-1]
        for record in found:
            for name in ("timestamp", "library", "host", "pid", "writer"):
                record.pop(name, None)
        if run_id not in model.open:
            outcomes = [ok for (run, _), ok in model.outcomes.items() if run == run_id]
            metrics = written["metrics"]
            assert metrics["total_decisions"] == model.made(run_id, "decision")
            assert metrics["successful_decisions"] == sum(outcomes)
            assert metrics["failed_decisions"] == len(outcomes) - sum(outcomes)
            assert written["duration_ms"] > 0
            for name in list(written):
                if name not in expected[-1]:
                    del written[name]
        assert found == expected
        run = await RunStore(traces).load(run_id)
        assert run.damage == run.unknown == []
        assert len(run.decisions) == model.made(run_id, "decision")
        assert run.metrics.pending_decisions == len(run.decisions) - model.made(run_id, "outcome")


def test_any_sequence_of_calls(anyio_backend: str) -> None:
    @settings(max_examples=60)
    @given(CALLS)
    def check(calls: list[tuple[Any, ...]]) -> None:
        with tempfile.TemporaryDirectory() as directory:
            anyio.run(compare, Path(directory, "traces"), calls, backend=anyio_backend)

    check()
