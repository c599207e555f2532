"""Makes the golden files: runs that every later version must read as this one does.

    python tests/golden/make.py [--again]

Writes what is missing: a run file (`v1/runs`), the evaluations beside it (`v1/evaluations`) and
what `RunStore` makes of them (`v1/expected`). Once format v1 is released, files are added and never
made anew; before that, `--again` makes all of them.

The runs are recorded through the public interface, with a clock that stands. What differs from
machine to machine (host, process, paths in tracebacks) is replaced afterwards.
"""

import argparse
import asyncio
import decimal
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec

from decisionlog import Damage, DecisionType, Evaluation, Option, RunStore
from decisionlog.records import Evaluated, Gap, encode, seal, unseal
from decisionlog.testing import CountingIds, FixedClock, MemorySink, Runtime

V1 = Path(__file__).parent / "v1"
START = datetime(2026, 1, 19, 18, 42, 16, 250_000, UTC)
GENERATED = "run_20260119_184216_3d0900a9c215d3e1"
"""A run id as the library makes them: its hex digits begin with the microseconds."""

# ------------------------------------------------------------- tools


def recorded(run_id: str, script: Callable[[Runtime, FixedClock], None]) -> list[bytes]:
    """The lines that the script left in the run of this id."""
    sink, clock = MemorySink(), FixedClock(START)
    with Runtime(sinks=[sink], clock=clock, new_run_id=CountingIds()) as runtime:
        script(runtime, clock)
    return [impersonal(line) for line in sink.data(run_id).splitlines(keepends=True)]


def impersonal(line: bytes) -> bytes:
    """The same on every machine."""
    record = plain(line)
    if record["type"] == "run_started":
        record |= {"host": "golden.example", "pid": 4711, "writer": "w_4711_5d2c9b0a71fe"}
        record |= {"library": "0.1.0"}
    if trace := record.get("traceback"):
        record["traceback"] = trace.replace(os.fspath(Path(__file__)), "/srv/agent/agent.py")
    return sealed(record)


def plain(line: bytes) -> dict[str, Any]:
    return msgspec.json.decode(unseal(line.rstrip(b"\n"))[0], type=dict[str, Any])


def sealed(record: dict[str, Any]) -> bytes:
    return seal(msgspec.json.encode(record))


def changed(line: bytes, **fields: Any) -> bytes:
    return sealed(plain(line) | fields)


# ------------------------------------------------------------- the runs


def complete() -> list[bytes]:
    """All that a run can hold."""

    def script(runtime: Runtime, clock: FixedClock) -> None:
        with runtime.run(
            "qualify-leads",
            "Qualify sales leads, fünf davon, 日本語, 🎈",
            {
                "leads": ["acme", "globex"],
                "limit": 5,
                "ratio": 0.25,
                "dry_run": False,
                "note": None,
            },
            run_id="complete",
            tags={"prompt": "v7", "experiment": "b"},
            parent="run_20260119_184200_0000012345678901/dec_4",
        ) as run:
            clock.advance(0.25)
            with (
                runtime.node("lead-qualifier"),
                runtime.decision(
                    "Determine if the lead has budget",
                    [
                        Option(
                            "ask",
                            "Ask the lead",
                            "tool_call",
                            {"tool": "email", "to": ["a@example.com"]},
                            ["certain"],
                            ["slow", "annoying"],
                            0.8,
                            {"model_rank": 2},
                        ),
                        {
                            "id": "infer",
                            "description": "Infer from size",
                            "confidence": 0.6,
                            "x": 1,
                        },
                        Option("skip"),
                    ],
                    reasoning="Nothing is known yet",
                    decision_type=DecisionType.TOOL_SELECTION,
                    constraints=["no calls after 18:00", "spend < $1"],
                    context={"lead": "acme", "history": [1, 2, 3]},
                ) as outer,
            ):
                clock.advance(0.5)
                with runtime.decision("Look up the company", node_id="crm", chosen=None) as inner:
                    clock.advance(0.125)
                    inner.fail("no such company", summary="Not in the CRM", tokens_used=7)
                outer.report_problem(
                    "critical",
                    "The CRM is out of date",
                    root_cause="nightly import fails",
                    suggested_fix="repair the import",
                )
                outer.choose("ask", "the CRM does not know")
                outer.choose("infer", "the website tells the size")
                clock.advance(0.75)
                outer.succeed(
                    {"has_budget": True, "range": [40_000, 60_000]},
                    summary="Inferred a budget of $50k",
                    state_changes={"lead.acme.budget": 50_000},
                    input_tokens=1200,
                    output_tokens=34,
                    cost_usd=0.0123,
                    model="large-2",
                    attributes={"temperature": 0.2},
                )
            with runtime.decision(
                "Determine if the lead has budget",
                [Option("ask", "Ask the lead")],
                chosen="ask",
                supersedes="dec_0",
                decision_type="retry_strategy",
            ) as again:
                clock.advance(1)
                again.succeed("yes", tokens_used=5)
            try:
                with runtime.decision("Wait for an answer"):
                    clock.advance(2)
                    raise asyncio.CancelledError
            except asyncio.CancelledError:
                pass
            run.report_problem("warning", "Slow", decision_id="dec_2")
            run.report_problem("minor", "Typo in the prompt")
            anyio.run(pending, runtime)
            clock.advance(0.5)
            run.succeed({"qualified": 1}, narrative="Qualified acme")

    async def pending(runtime: Runtime) -> None:
        await runtime.quick_decision("Thank the lead", "send a mail", "politeness")

    return recorded("complete", script)


def failed() -> list[bytes]:
    """Ended by an exception."""

    def script(runtime: Runtime, clock: FixedClock) -> None:
        def book(seats: int) -> None:
            raise ValueError(f"{seats} seats, password=hunter2")

        try:
            with runtime.run("book-a-table", run_id="failed"), runtime.decision("Book it"):
                clock.advance(0.03125)
                book(0)
        except ValueError:
            pass

    return recorded("failed", script)


def cancelled() -> list[bytes]:
    """Called off while a decision was being carried out."""

    def script(runtime: Runtime, clock: FixedClock) -> None:
        try:
            with runtime.run("book-a-table", run_id="cancelled"), runtime.decision("Book it"):
                raise asyncio.CancelledError
        except asyncio.CancelledError:
            pass

    return recorded("cancelled", script)


def stuck() -> list[bytes]:
    """Given up by the agent."""

    def script(runtime: Runtime, clock: FixedClock) -> None:
        with runtime.run("book-a-table", run_id="stuck") as run:
            run.stuck("The same three answers, over and over")

    return recorded("stuck", script)


def several(run_id: str) -> list[bytes]:
    def script(runtime: Runtime, clock: FixedClock) -> None:
        with runtime.run("count", run_id=run_id) as run:
            for number in range(5):
                with runtime.decision(f"Count to {number}", context={"number": number}) as made:
                    clock.advance(0.5)
                    made.succeed(number, tokens_used=1)
            run.succeed(narrative="Counted")

    return recorded(run_id, script)


def interrupted() -> list[bytes]:
    """The process was killed inside the third decision."""
    return several("interrupted")[:6]


def torn() -> list[bytes]:
    """The same, in the middle of a write: what follows the last newline is no record."""
    lines = several("torn")[:7]
    return [*lines[:6], lines[6][:77]]


def gap() -> list[bytes]:
    """Four records, numbers 4 to 7, were lost; the record that says so bears the last number."""
    lines = several("gap")
    lost = Gap(4, START + timedelta(seconds=2), "the buffer was full", "gap", 7)
    return [*lines[:3], seal(encode(lost)), *lines[7:]]


def damaged() -> list[bytes]:
    """What can happen to a file: its head overwritten, a line changed, one gone, one twice."""
    lines = several(GENERATED)
    flipped = lines[4].replace(b'"result":1', b'"result":9')
    return [b"\x00" * 40 + b"\n", *lines[1:4], flipped, *lines[6:8], lines[7], *lines[8:]]


def values() -> list[bytes]:
    """Values that JSON lacks, as markers; and keys of the user's own that look like markers."""

    def script(runtime: Runtime, clock: FixedClock) -> None:
        class Unreadable:
            @property
            def __dict__(self) -> Any:  # type: ignore[override]
                raise RuntimeError

            def __repr__(self) -> str:
                raise RuntimeError

        cyclic: dict[str, Any] = {"name": "loop"}
        cyclic["self"] = cyclic
        deep: list[Any] = []
        for _ in range(70):
            deep = [deep]
        own = {"$float": "nan", "$ref": "#/a", "$$twice": {"$cut": "mine"}, "$": 1}
        given: list[dict[Any, Any]] = [
            {"nan": math.nan, "infinities": [math.inf, -math.inf]},
            {"big": [2**64, -(2**63) - 1], "largest": [2**64 - 1, -(2**63)]},
            {"bytes": b"\x00\xff", "many bytes": bytes(600)},
            {"long text": "é" * 600},
            {"repr": object, "error": KeyError("api_key=sk-123456"), "broken": Unreadable()},
            {"cycle": cyclic, "depth": deep},
            {"api_key": "sk-123456", "Authorization": "Bearer abc", "max_tokens": 7},
            {"decimal": decimal.Decimal("0.10"), "date": START, "enum": DecisionType.CUSTOM},
            {"set": {1}, "tuple": (1, "two"), "surrogate": "caf\udce9", 1: "int", "1": "text"},
        ]
        with runtime.run("values", run_id="values", input_data=own) as run:
            for number, value in enumerate(given):
                with runtime.decision(f"Keep value {number}", context=value):
                    pass
            options = [Option("a", action_params=own)]
            with runtime.decision("Keep keys of its own", options, context=own) as decision:
                decision.succeed(own, state_changes=own, attributes={"nan": math.nan})
            run.succeed({"too much": ["x" * 600] * 3})

    sink, clock = MemorySink(), FixedClock(START)
    with Runtime(sinks=[sink], clock=clock, max_value_bytes=1024) as runtime:
        script(runtime, clock)
    return [impersonal(line) for line in sink.data("values").splitlines(keepends=True)]


def evaluated() -> list[bytes]:
    """With evaluations beside it."""
    return several("evaluated")


def evaluations() -> list[bytes]:
    """The last one of a decision stands; one of a decision that is not there is passed over."""
    at = START + timedelta(days=1)
    thorough = Evaluation(
        goal_aligned=False,
        alignment_score=0.25,
        better_option_existed=True,
        better_option_id="stop",
        why_better="Nobody needs to count to one",
        outcome_quality=0.5,
        contributed_to_success=False,
        explanation="Counting is not the goal",
    )
    judged = [("dec_0", Evaluation(explanation="superseded")), ("dec_1", thorough)]
    judged += [("dec_0", Evaluation(explanation="the last one")), ("dec_99", Evaluation())]
    return [seal(encode(Evaluated(made, judgement, at, "evaluated"))) for made, judgement in judged]


def no_crc() -> list[bytes]:
    """Written by a program that neither numbers its records nor adds checksums."""
    return [
        json.dumps({k: v for k, v in plain(line).items() if k != "seq"}).encode() + b"\n"
        for line in several("no_crc")
    ]


def later_version() -> list[bytes]:
    """By a later version: a type of record, fields and a value of an enumeration that v1 lacks."""
    lines = several("later_version")
    more = {"type": "thought", "text": "hm", "$new": {"$float": "nan"}, "run_id": "later_version"}
    lines[0] = changed(lines[0], library="9.0.0", cluster={"zone": "b"})
    decision = plain(lines[1])
    decision |= {"decision_type": "telepathy", "mood": "good"}
    decision |= {"options": [{"id": "a", "weight": 3, "confidence": "high"}, {"id": "b"}]}
    ended = plain(lines[-1])
    ended["metrics"] |= {"total_regret": 0.5}
    return [
        lines[0],
        sealed(decision),
        changed(lines[2], energy_j=12.5, tokens_used=1.0e3),
        sealed(more | {"timestamp": "2026-01-19T18:42:17Z", "seq": 4}),
        *(changed(line, seq=seq) for seq, line in enumerate(lines[3:-1], 5)),
        sealed(ended | {"seq": 13, "verdict": "fine"}),
    ]


RUNS: dict[str, Callable[[], list[bytes]]] = {
    "complete": complete,
    "failed": failed,
    "cancelled": cancelled,
    "stuck": stuck,
    "interrupted": interrupted,
    "torn": torn,
    "gap": gap,
    GENERATED: damaged,
    "values": values,
    "evaluated": evaluated,
    "no_crc": no_crc,
    "later_version": later_version,
}

# ------------------------------------------------------------- what is read


async def read(directory: Path, run_id: str) -> dict[str, Any]:
    """What `RunStore` makes of a run, as JSON has it. The files are on a host that is not this one,
    so a run that did not end counts as interrupted only because its file is old.
    """
    store = RunStore(directory, stale_after=timedelta(days=1))
    return {
        "run": jsonable(await store.load(run_id)),
        "summary": jsonable(await store.summary(run_id)),
        "check": jsonable(await store.check(run_id)),
    }


def jsonable(value: Any) -> Any:
    """Without fields that have their default; what JSON lacks as text, so that NaN equals NaN."""
    if isinstance(value, Damage) and value.reason.startswith("not JSON"):
        value = msgspec.structs.replace(value, reason="not JSON")  # the rest is the parser's
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        given = {field.name: getattr(value, field.name) for field in fields}
        defaults = {field.name: default(field) for field in fields}
        return {k: jsonable(item) for k, item in given.items() if item != defaults[k]}
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return f"float {value}"
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return f"int {value}"
    return msgspec.to_builtins(value)


def default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def copied(into: Path) -> None:
    """A copy of the golden files, all of which look a month old."""
    shutil.copytree(V1, into, dirs_exist_ok=True)
    for path in into.rglob("*.jsonl"):
        long_ago = path.stat().st_mtime - 30 * 86_400
        os.utime(path, (long_ago, long_ago))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the golden files.")
    parser.add_argument("--again", action="store_true", help="also those that are there")
    again = parser.parse_args().again
    for name in ("runs", "evaluations", "expected"):
        (V1 / name).mkdir(parents=True, exist_ok=True)
    files = {V1 / "runs" / f"{run_id}.jsonl": make for run_id, make in RUNS.items()}
    files[V1 / "evaluations" / "evaluated.jsonl"] = evaluations
    for path, make in files.items():
        if again or not path.exists():
            path.write_bytes(b"".join(make()))
    with tempfile.TemporaryDirectory() as scratch:
        copied(Path(scratch))
        for run_id in RUNS:
            path = V1 / "expected" / f"{run_id}.json"
            if again or not path.exists():
                expected = anyio.run(read, Path(scratch), run_id)
                path.write_text(
                    json.dumps(expected, indent=1, ensure_ascii=False) + "\n",
                    encoding="utf-8",
                    newline="\n",
                )


if __name__ == "__main__":
    main()
