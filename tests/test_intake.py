"""What callers hand over of the wrong type: coerced and counted, or refused if strict."""

import collections
import dataclasses
import decimal
import enum
import math
import pathlib
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from decisionlog import DecisionType, InvalidValueError
from decisionlog.testing import MemorySink
from tests.hostile import raising
from tests.keeping import recorded_field, sound_lines
from tests.recording import only_decision, recorded


class Broken(BaseException):
    """Not to be caught by `except Exception`."""


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another"


class Severity(str, enum.Enum):  # noqa: UP042
    CRITICAL = "critical"


# ------------------------------------------------------------- texts

TEXTS: list[tuple[Callable[[], Any], str, int]] = [
    (lambda: "text", "text", 0),
    (lambda: Text("text"), "text", 0),
    (lambda: Severity.CRITICAL, "critical", 0),
    (lambda: None, "", 1),
    (lambda: 5, "5", 1),
    (lambda: True, "true", 1),
    (lambda: 1.5, "1.5", 1),
    (lambda: math.nan, '{"$float":"nan"}', 1),
    (lambda: 10**5000, '{"$int":"' + hex(10**5000) + '"}', 1),
    (lambda: b"ab", '{"$bytes":"YWI="}', 1),
    (lambda: ["a", 1, "é\udc80"], '["a",1,"é\\\\udc80"]', 1),
    (lambda: {"a": 1, "password": "hunter2"}, '{"a":1,"password":{"$redacted":true}}', 1),
    (lambda: pathlib.PurePosixPath("/a"), "/a", 1),
    (lambda: decimal.Decimal("1.50"), "1.50", 1),
    (lambda: ValueError("no"), '{"$error":"ValueError","text":"no"}', 1),
    (lambda: len, "<built-in function len>", 1),
    (raising(Broken, "__repr__", "__str__"), None, 1),  # type: ignore[list-item]
    (lambda: weakref.proxy(type("Gone", (), {})()), None, 1),  # type: ignore[list-item]
]


@pytest.mark.parametrize("name", ["intent", "reasoning", "node_id", "summary", "model"])
@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_texts(name: str, number: int) -> None:
    make, expected, misused = TEXTS[number]
    if name in ("node_id", "model") and make() is None:
        assert recorded_field(name, None, 0) == {"node_id": "unknown", "model": None}[name]
        return
    found = recorded_field(name, make(), misused)
    if expected is None:
        assert found.startswith('{"$unreadable":')
    else:
        assert found == expected


def test_a_cyclic_text() -> None:
    cyclic: list[Any] = ["a"]
    cyclic.append(cyclic)
    assert recorded_field("intent", cyclic, 1) == '["a",{"$cycle":true}]'


# ------------------------------------------------------------- numbers

SAME = [0, 5, 10**15, np.int64(5), np.float64(5), 5.0, decimal.Decimal(5)]
WRONG = [
    -1, -0.5, math.nan, math.inf, -math.inf, 10**15 + 1, 10**400, "5", "", b"5", [5], {}, "x",
    True, False, 1j, object(), np.array([1, 2]), np.datetime64("NaT", "s"),
    raising(Broken, "__int__", "__float__")(), raising(Broken, "__index__", "__float__")(),
]  # fmt: skip


@pytest.mark.parametrize("name", ["tokens_used", "input_tokens", "output_tokens"])
def test_whole_numbers(name: str) -> None:
    for value in SAME:
        found = recorded_field(name, value, 0)
        assert (type(found), found) == (int, int(value))
    odd = raising(Broken, "__eq__", base=int)()
    for value in [*WRONG, 1.5, decimal.Decimal("0.5"), odd]:
        assert recorded_field(name, value, 1) == (0 if name == "tokens_used" else None)


def test_other_numbers() -> None:
    for value in [*SAME, 0.25, np.float32(0.25), decimal.Decimal("0.1"), 5e-324]:
        found = recorded_field("cost_usd", value, 0)
        assert (type(found), found) == (float, float(value))
    for value in WRONG:
        assert recorded_field("cost_usd", value, 1) is None


def test_none_is_no_number_but_no_mistake() -> None:
    for name in ("input_tokens", "output_tokens", "cost_usd"):
        assert recorded_field(name, None, 0) is None
    assert recorded_field("tokens_used", None, 1) == 0


# ------------------------------------------------------------- dicts, lists, names


@dataclasses.dataclass
class State:
    a: int
    token: str = "hunter2"


def test_dicts() -> None:
    for name in ("context", "state_changes", "attributes"):
        for value in ({"a": 1}, collections.OrderedDict(a=1), types.MappingProxyType({"a": 1})):
            assert recorded_field(name, value, 0) == {"a": 1}
        assert recorded_field(name, State(1), 0) == {"a": 1, "token": {"$redacted": True}}
        assert recorded_field(name, {"$ref": {"$$": 1}}, 0) == {"$ref": {"$$": 1}}
        for empty in (None, {}):
            assert recorded_field(name, empty, 0) == {}
        assert recorded_field(name, [1, 2], 1) == {"value": [1, 2]}
        assert recorded_field(name, "text", 1) == {"value": "text"}
        assert math.isnan(recorded_field(name, math.nan, 1)["value"])
        assert recorded_field(name, 2**70, 1) == {"value": 2**70}
        assert recorded_field(name, len, 1) == {"value": {"$repr": "<built-in function len>"}}


def test_lists_of_texts() -> None:
    def generated() -> Iterator[str]:
        yield from "ab"

    for value in (["a", "b"], ("a", "b"), {"a": 1, "b": 2}.keys(), collections.deque("ab")):
        assert recorded_field("constraints", value, 0) == ["a", "b"]
    sink = MemorySink()
    with (
        recorded(sink) as runtime,
        runtime.run("goal"),
        runtime.decision("d", constraints=generated()),
    ):
        pass
    assert only_decision(sink.run("run_1")).active_constraints == ["a", "b"]
    for empty in (None, [], ()):
        assert recorded_field("constraints", empty, 0) == []
    assert recorded_field("constraints", "text", 1) == ["text"]
    assert recorded_field("constraints", b"ab", 2) == ['{"$bytes":"YWI="}']
    assert recorded_field("constraints", {"a": 1}, 2) == ['{"a":1}']
    assert recorded_field("constraints", 5, 2) == ["5"]
    assert recorded_field("constraints", ["a", 5, None, ["b"]], 3) == ["a", "5", "", '["b"]']
    [unreadable] = recorded_field("constraints", raising(Broken, "__iter__", base=list)(), 2)
    assert unreadable.startswith('[{"$unreadable":')


def test_a_list_that_never_ends() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "a"

    sink = MemorySink()
    with (
        recorded(sink) as runtime,
        runtime.run("goal"),
        runtime.decision("d", constraints=endless()),
    ):
        pass
    made = only_decision(sink.run("run_1"))
    assert (
        len(made.active_constraints) + made.extra.get("$omitted", {}).get("active_constraints", 0)
        == 100_000
    )


def test_tags() -> None:
    def tags(value: Any, misused: int) -> dict[str, str]:
        sink = MemorySink()
        with recorded(sink, strict=False) as runtime:
            with runtime.run("goal", tags=value):
                pass
            assert (runtime.stats().misused, runtime.stats().errors) == (misused, 0)
        sound_lines(sink, "run_1")
        with recorded(sink) as runtime:
            if misused:
                with pytest.raises(InvalidValueError, match="tags"):
                    runtime.run("goal", tags=value, run_id="refused").__enter__()
            else:
                runtime.run("goal", tags=value, run_id="taken").__enter__().end(None)
        assert "refused" not in sink.run_ids()
        return sink.run("run_1").tags

    assert tags({"a": "b"}, 0) == {"a": "b"}
    assert tags(types.MappingProxyType({"a": Text("b")}), 0) == {"a": "b"}
    assert tags(None, 0) == {}
    assert tags({5: "a", Severity.CRITICAL: "b"}, 0) == {"5": "a", "critical": "b"}
    assert tags({"a": 1, "b": None, "c": ["d"]}, 3) == {"a": "1", "b": "", "c": '["d"]'}
    assert tags({"secret": {"a": 1}}, 0) == {"secret": "[redacted]"}
    assert tags("text", 1) == {"tags": "text"}
    assert tags(["a"], 2) == {"tags": '["a"]'}
    assert tags(raising(Broken, "items", base=dict)(), 2)["tags"].startswith('{"$unreadable":')


def test_decision_types() -> None:
    for value in (DecisionType.DELEGATION, "delegation", Text("delegation")):
        assert recorded_field("decision_type", value, 0) is DecisionType.DELEGATION
    for value in (
        "telepathy",
        "",
        None,
        5,
        [],
        np.array([1, 2]),
        raising(Broken, "__hash__", "__eq__")(),
    ):
        assert recorded_field("decision_type", value, 1) is DecisionType.CUSTOM


def test_severities() -> None:
    def severity(value: Any, misused: int) -> str:
        sink = MemorySink()
        with recorded(sink, strict=False) as runtime, runtime.run("goal") as run:
            run.report_problem(value, "it")
            assert (runtime.stats().misused, runtime.stats().errors) == (misused, 0)
        sound_lines(sink, "run_1")
        [problem] = sink.run("run_1").problems
        return problem.severity

    for value in ("critical", Severity.CRITICAL):
        assert severity(value, 0) == "critical"
    yes = type("Yes", (), {"__eq__": lambda *_: True, "__hash__": lambda _: 1})()
    for value in (
        "high",
        "",
        "CRITICAL",
        None,
        5,
        yes,
        np.array([1, 2]),
        raising(Broken, "__eq__")(),
    ):
        assert severity(value, 1) == "warning"
