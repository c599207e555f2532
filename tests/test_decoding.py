"""Markers in files of other programs, and what a record may hold that it should not."""

import math
from pathlib import Path
from typing import Any

import pytest

from decisionlog import DecisionType, Run, RunStore
from decisionlog.reading import Scanner
from tests import runfiles
from tests.keeping import comparable, parts

CYCLE: dict[str, Any] = {"$cycle": True}


async def read(traces: Path, **fields: Any) -> Run:
    """A run with a decision of which an outcome has these fields."""
    runfiles.write(
        traces,
        "made",
        runfiles.sealed(runfiles.started()),
        runfiles.sealed(runfiles.decided(0, 2)),
        runfiles.sealed(runfiles.came_out(0, 3, **fields)),
    )
    return await RunStore(traces).load("made")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"$float": "nan"}, math.nan),
        ({"$float": "inf"}, math.inf),
        ({"$float": "-inf"}, -math.inf),
        ({"$int": "0x10000000000000000"}, 2**64),
        ({"$int": "-0x1"}, -1),
        ([{"a": {"$float": "nan"}}], [{"a": math.nan}]),
        ({"$$float": "nan"}, {"$float": "nan"}),
        ({"$$$": {"$$": 1}}, {"$$": {"$": 1}}),
        # What is no marker, or none that can be undone, stays.
        ({"$float": "1.5"}, {"$float": "1.5"}),
        ({"$float": ["nan"]}, {"$float": ["nan"]}),
        ({"$float": "nan", "a": 1}, {"$float": "nan", "a": 1}),
        ({"$int": "many"}, {"$int": "many"}),
        ({"$int": 5}, {"$int": 5}),
        ({"$later": {"$float": "inf"}}, {"$later": math.inf}),
        ({"$cut": "ab", "bytes": 5}, {"$cut": "ab", "bytes": 5}),
        ([CYCLE, {"$depth": 64}, {"$omitted": 3}], [CYCLE, {"$depth": 64}, {"$omitted": 3}]),
    ],
    ids=repr,
)
async def test_markers(traces: Path, written: Any, expected: Any) -> None:
    run = await read(traces, result=written, attributes={"v": written}, later={"v": written})
    assert run.damage == []
    _, outcome = parts(run)
    assert comparable(outcome.result) == comparable(expected)
    assert comparable(outcome.attributes) == comparable({"v": expected})
    assert comparable(outcome.extra) == comparable({"later": {"v": expected}})


async def test_what_has_to_be_a_dict_stays_one(traces: Path) -> None:
    run = await read(traces, attributes={"$float": "nan"}, state_changes={"$int": "0x1"})
    _, outcome = parts(run)
    assert outcome.attributes == {"$float": "nan"}
    assert outcome.state_changes == {"$int": "0x1"}


async def test_texts_are_no_place_for_markers(traces: Path) -> None:
    run = await read(traces, summary='{"$float":"nan"}', model="$$5", result={"$$a": 1})
    _, outcome = parts(run)
    assert (outcome.summary, outcome.model, outcome.result) == (
        '{"$float":"nan"}',
        "$$5",
        {"$a": 1},
    )


async def test_options_of_a_later_version(traces: Path) -> None:
    options = [{"id": "a", "action_params": {"n": {"$float": "inf"}}, "weight": {"$int": "0x5"}}]
    decision = runfiles.decided(0, 2, options=options, decision_type="telepathy", mood=["good"])
    runfiles.write(traces, "made", *map(runfiles.sealed, [runfiles.started(), decision]))
    made = (await RunStore(traces).load("made")).decisions[0]
    [option] = made.options
    assert option.action_params == {"n": math.inf}
    assert option.extra == {"weight": 5}
    assert made.decision_type is DecisionType.CUSTOM
    assert made.extra == {"decision_type": "telepathy", "mood": ["good"]}


@pytest.mark.parametrize(
    "options", [5, "ab", {"id": "a"}, [5], [{"description": "no id"}], [[]]], ids=repr
)
async def test_options_that_are_none(traces: Path, options: Any) -> None:
    decision = runfiles.decided(0, 2, options=options)
    runfiles.write(traces, "made", *map(runfiles.sealed, [runfiles.started(), decision]))
    made = (await RunStore(traces).load("made")).decisions[0]
    assert (made.options, made.extra) == ([], {"options": options})


@pytest.mark.parametrize("depth", [100, 2_000, 100_000])
@pytest.mark.parametrize("inner", [b'{"$float":"nan"}', b"1"])
async def test_deep_values_of_other_programs(traces: Path, depth: int, inner: bytes) -> None:
    body = runfiles.plain(runfiles.decided(0, 2))[:-2]
    deep = body + b',"input_context":{"a":' + b"[" * depth + inner + b"]" * depth + b"}}\n"
    runfiles.write(traces, "made", runfiles.plain(runfiles.started()), deep)
    run = await RunStore(traces).load("made")
    assert len(run.decisions) + len(run.damage) == 1
    if depth == 100:
        value = run.decisions[0].input_context["a"]
        for _ in range(depth):
            [value] = value
        assert comparable(value) == ("nan" if b"nan" in inner else ("int", 1))


def test_lines_without_checksums_are_held_back_until_the_end() -> None:
    lines = runfiles.whole_run()
    scanner = Scanner()
    assert len(scanner.feed(runfiles.sealed(lines[0]))) == 1
    assert not scanner.holds_back
    scanner = Scanner()
    assert scanner.feed(b"".join(map(runfiles.plain, lines))) == []
    assert scanner.holds_back
    assert len(scanner.finish()) == len(lines)
