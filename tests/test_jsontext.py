"""JSON from which nothing is missing."""

import json
from typing import Any

import msgspec
import pytest

from decisionlog import Decision, Option, Outcome
from decisionlog.jsontext import EXACT, to_json

NAN, INF = float("nan"), float("inf")


def read(value: Any, **options: int) -> Any:
    return json.loads(to_json(value, **options))


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, "text", "\u2028 <", [], {}, [1, [2]], {"a": {"b": [None, "c"]}}, 2**64],
)
def test_what_json_has_is_as_it_is(value: Any) -> None:
    assert read(value) == value
    assert to_json(value) == msgspec.json.encode(value)


@pytest.mark.parametrize(
    ("value", "marked"),
    [
        (NAN, {"$float": "nan"}),
        (INF, {"$float": "inf"}),
        (-INF, {"$float": "-inf"}),
        (2**1023, {"$int": hex(2**1023)}),
        (-(2**1023), {"$int": hex(-(2**1023))}),
        ([1.5, {"a": NAN}], [1.5, {"a": {"$float": "nan"}}]),
        (("x", 2**2000, None, 7), ["x", {"$int": hex(2**2000)}, None, 7]),
    ],
)
def test_numbers_that_it_lacks_are_marked(value: Any, marked: Any) -> None:
    assert read(value) == marked


def test_integers_that_a_browser_would_round_are_marked_when_asked_for() -> None:
    value = {"id": 2**53, "below": 2**53 - 1, "negative": -(2**53), "float": 1e300}
    assert read(value) == value
    assert read(value, largest=EXACT) == {
        "id": {"$int": hex(2**53)},
        "below": 2**53 - 1,
        "negative": {"$int": hex(-(2**53))},
        "float": 1e300,
    }


def test_structs_keep_their_shape() -> None:
    option = Option("a", action_params={"n": 2**60})
    outcome = Outcome(True, result=[INF], latency_ms=NAN)
    decision = Decision("dec_0", options=[option], outcome=outcome, input_context={"x": NAN})
    found = read(decision, largest=EXACT)
    assert found["options"][0]["action_params"] == {"n": {"$int": hex(2**60)}}
    assert found["outcome"]["result"] == [{"$float": "inf"}]
    assert found["outcome"]["latency_ms"] == {"$float": "nan"}
    assert found["input_context"] == {"x": {"$float": "nan"}}
    assert found["timestamp"] == json.loads(msgspec.json.encode(decision))["timestamp"]


def test_what_is_too_deep_is_marked() -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = [deep]
    found, levels = read(deep), 0
    while isinstance(found, list):
        [found] = found
        levels += 1
    assert (levels, found) == (200, {"$depth": 200})
