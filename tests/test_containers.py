"""Keys, cycles, depth, and what changes after it was recorded."""

import collections
import datetime
import math
import uuid
from typing import Any

import pytest

from decisionlog import Option
from decisionlog.testing import MemorySink
from tests.keeping import comparable, keep, kept, parts
from tests.recording import recorded
from tests.test_values import Colour, Data, Level, Mixed, Text


def test_keys_become_texts() -> None:
    keys: dict[Any, str] = {
        1: "1",
        1.5: "1.5",
        False: "false",
        None: "null",
        (1, "a"): '[1,"a"]',
        Level.HIGH: "high",
        Mixed.ONE: "one",
        Colour.RED: "red",
        Text("it"): "it",
        b"raw \xff": "raw \\xff",
        datetime.date(2026, 1, 19): "2026-01-19",
        uuid.UUID(int=1): "00000000-0000-0000-0000-000000000001",
        10**5000: '{"$int":"' + hex(10**5000) + '"}',
        math.nan: '{"$float":"nan"}',
        int: "<class 'int'>",
        frozenset({1}): "[1]",
        "\ud800": "\\ud800",
        "": "",
    }
    for key, text in keys.items():
        assert kept({key: 1}) == {text: 1}
        assert kept({"in": [{key: 1}]}) == {"in": [{text: 1}]}


def test_keys_that_become_the_same_are_told_apart() -> None:
    assert kept({1: "a", "1": "b", "1_1": "c"}) == {"1": "a", "1_1": "b", "1_1_2": "c"}
    assert kept({"\udc80": 1, "\\udc80": 2}) == {"\\udc80": 1, "\\udc80_1": 2}

    class Same:
        def __repr__(self) -> str:
            return "same"

    found = kept({Same(): number for number in range(5_000)}, max_value_bytes=2**22)
    assert list(found.values()) == list(range(5_000))
    assert sum(map(len, found)) < 5_000 * 12


def test_the_users_own_dollars_are_escaped() -> None:
    own = {"$float": "nan"}
    for value in (
        own,
        {"$int": "0x10"},
        {"$": 1},
        {"$$": 1},
        {"$$float": "inf"},
        {"$float": "nan", "b": math.nan},
        {"$omitted": 3, "$redacted": True},
        [own, {"a": own}],
        {"$a": {"$b": {"$c": {"$$d": own}}}},
    ):
        assert comparable(kept(value)) == comparable(value)


def test_lone_surrogates_are_spelled_out() -> None:
    assert kept("caf\udce9") == "caf\\udce9"
    assert kept({"\ud83d": ["\ud83d", "🎈"]}) == {"\\ud83d": ["\\ud83d", "🎈"]}
    assert kept(["\udfff"] * 3) == ["\\udfff"] * 3


def test_cycles_are_named() -> None:
    one: dict[str, Any] = {"n": 1}
    one["self"] = one
    two: list[Any] = [one]
    two.append({"two": two})
    three = Data("three")
    three.inner = [three]
    error = ValueError()
    error.args = ([error],)
    cycle = {"$cycle": True}
    assert kept(one) == {"n": 1, "self": cycle}
    assert kept(two) == [{"n": 1, "self": cycle}, {"two": cycle}]
    assert kept(three)["inner"] == [cycle]
    assert kept(error) == {"$error": "ValueError", "args": [[cycle]]}


def test_what_is_shared_is_no_cycle() -> None:
    shared = {"a": [1]}
    assert kept([shared, shared, {"b": shared}]) == [shared, shared, {"b": shared}]


@pytest.mark.parametrize(
    ("levels", "innermost"), [(64, []), (65, {"$depth": 64}), (100_000, {"$depth": 64})]
)
def test_depth_ends_at_64(levels: int, innermost: Any) -> None:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    found = keep(value).input_data
    for _ in range(63):
        [found] = found
    assert found == (innermost if levels == 64 else [innermost])


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1},
        [{"a": 1}],
        [1, 2],
        {"a": {"b": [1]}},
        collections.deque([1]),
        Data("a"),
        bytearray(b"a"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_changes_afterwards_was_recorded_as_it_was(value: Any) -> None:
    expected = kept(value)
    sink = MemorySink()
    given = {"v": value}
    with (
        recorded(sink) as runtime,
        runtime.run("goal", input_data=value) as run,
        runtime.decision("d", [Option("a", "", "", given)], context=given) as made,
    ):
        made.succeed(value, state_changes=given, attributes=given)
        run.succeed(value)
        given["new"] = 1
        if isinstance(value, Data):
            value.name = "b"
        else:
            value.clear()
    read = sink.run("run_1")
    decision, outcome = parts(read)
    assert read.input_data == read.output_data == outcome.result == expected
    assert decision.input_context == decision.options[0].action_params == {"v": expected}
    assert outcome.state_changes == outcome.attributes == {"v": expected}
