"""Options and errors, as callers hand them over."""

import collections
import decimal
import enum
import math
import types
import weakref
from typing import Any

import numpy as np
import pytest

from decisionlog import InvalidValueError, Option
from decisionlog.testing import MemorySink
from tests.hostile import HOSTILE, raising
from tests.keeping import parts, record_misused, recorded_field
from tests.recording import only_decision, recorded
from tests.test_intake import Broken, State, Text

HERE = __name__


class Kind(str, enum.Enum):  # noqa: UP042
    CRITICAL = "critical"


def options(value: Any, misused: int) -> list[Option]:
    found: list[Option] = recorded_field("options", value, misused)
    return found


ALL = {
    "id": "a",
    "description": "A",
    "action_type": "call",
    "action_params": {"x": [1]},
    "pros": ["p"],
    "cons": ["c"],
    "confidence": 0.25,
    "extra": {"y": 2},
}


def test_options_and_dicts() -> None:
    expected = [Option(**ALL)]
    assert options([Option(**ALL)], 0) == expected
    assert options([ALL], 0) == expected
    assert options((ALL,), 0) == expected
    assert options([Option(**ALL), ALL], 0) == expected * 2
    assert options([types.MappingProxyType(ALL)], 0) == expected
    assert options([collections.UserDict(ALL)], 0) == expected
    assert options({"a": ALL}.values(), 0) == expected
    assert options(collections.deque([ALL]), 0) == expected
    assert options([{"id": "a"}], 0) == [Option("a")]
    for empty in (None, [], ()):
        assert options(empty, 0) == []


USUAL = {name: ALL[name] for name in Option.__struct_fields__ if type(ALL[name]) is not dict}
WRONG = {
    "id": (5, "5"), "description": (None, ""), "action_type": (b"x", '{"$bytes":"eA=="}'),
    "pros": (("p", "q"), ["p", "q"]), "cons": (["c", 7], ["c", "7"]), "confidence": (2.0, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_dicts_with_the_usual_keys_and_one_wrong_value(name: str) -> None:
    assert options([USUAL, USUAL], 0) == [Option(**USUAL)] * 2
    given, expected = WRONG[name]
    found = options([USUAL, USUAL | {name: given}], name != "pros")
    assert found == [Option(**USUAL), Option(**USUAL | {name: expected})]
    del_ = {key: value for key, value in USUAL.items() if key != name}
    assert options([del_ | {"id": "a", "more": 1}], 0)[0].extra == {"more": 1}


def test_a_generator_of_options() -> None:
    sink = MemorySink()
    generated: Any = (option for option in [ALL, Option("b")])
    with recorded(sink) as runtime, runtime.run("goal"), runtime.decision("d", generated, "b"):
        pass
    assert only_decision(sink.run("run_1")).options == [Option(**ALL), Option("b")]


def test_unknown_keys_are_kept() -> None:
    more = {**ALL, "cost": 3, "api_key": "hunter2", "$ref": 1, 5: [math.inf]}
    extra = {"y": 2, "cost": 3, "api_key": {"$redacted": True}, "$ref": 1, "5": [math.inf]}
    for given in (more, types.MappingProxyType(more)):
        assert options([given], 0) == [Option(**{**ALL, "extra": extra})]
    assert options([{"id": "a", "extra": 5, "more": 1}], 1)[0].extra == {"value": 5, "more": 1}


def test_a_single_option_is_a_list_of_one() -> None:
    assert options(Option("a"), 1) == [Option("a")]
    assert options(ALL, 1) == [Option(**ALL)]


def test_options_that_are_none() -> None:
    assert options("ab", 2) == [Option("ab")]
    assert options(["ask", "infer"], 2) == [Option("ask"), Option("infer")]
    assert options([5, None], 4) == [Option("5"), Option("")]
    assert [option.id for option in options(5, 3)] == ["5"]
    [odd] = options([raising(Broken, "__repr__", "items")()], 2)
    assert odd.id.startswith('{"$unreadable":')
    [odd] = options([weakref.proxy(type("Gone", (), {})())], 2)
    assert odd.id.startswith('{"$unreadable":')
    assert options([[["id", "a"]]], 2)[0].id == '[["id","a"]]'


def test_an_option_without_an_id_has_its_position() -> None:
    assert [o.id for o in options([{"description": "x"}, {"id": "b"}, {}], 2)] == ["0", "b", "2"]


WRONG_FIELDS: list[tuple[str, Any, Any]] = [
    ("id", 5, "5"),
    ("id", None, ""),
    ("description", None, ""),
    ("description", ["a"], '["a"]'),
    ("action_type", 5, "5"),
    ("action_params", [1], {"value": [1]}),
    ("action_params", "x", {"value": "x"}),
    ("pros", "good", ["good"]),
    ("cons", ["bad", 5], ["bad", "5"]),
    ("extra", "x", {"value": "x"}),
    ("confidence", 1.5, 1.0),
    ("confidence", -1, 0.0),
    ("confidence", 95, 1.0),
    ("confidence", math.nan, 0.5),
    ("confidence", math.inf, 0.5),
    ("confidence", 10**400, 0.5),
    ("confidence", "0.75", 0.75),
    ("confidence", "high", 0.5),
    ("confidence", None, 0.5),
    ("confidence", True, 1.0),
    ("confidence", [0.5], 0.5),
    ("confidence", raising(Broken, "__float__")(), 0.5),
]


@pytest.mark.parametrize("number", range(len(WRONG_FIELDS)))
def test_options_with_fields_of_the_wrong_type(number: int) -> None:
    name, value, expected = WRONG_FIELDS[number]
    fields = {**ALL, name: value}
    right = Option(**{**ALL, name: expected})
    wrong = Option(**fields)
    assert options([fields], 1) == [right]
    assert options([wrong], 1) == [right]
    assert options([Option("first"), wrong, {"id": "last"}], 1) == [
        Option("first"),
        right,
        Option("last"),
    ]
    if name not in ("id", "confidence") and value is None:
        assert options([Option(**{**ALL, name: None})], 1) == [right]


def test_options_with_fields_of_a_right_enough_type() -> None:
    for given in (np.float32(0.25), decimal.Decimal("0.25"), np.float64(0.25)):
        assert options([{**ALL, "confidence": given}], 0) == [Option(**ALL)]
        assert options([Option(**{**ALL, "confidence": given})], 0) == [Option(**ALL)]
    assert options([{**ALL, "confidence": 1}], 0)[0].confidence == 1.0
    assert options([Option("a", confidence=0)], 0)[0].confidence == 0.0
    lists = {**ALL, "pros": ("p",), "cons": {"c": 1}.keys()}
    assert options([lists], 0) == options([Option(**lists)], 0) == [Option(**ALL)]
    texts = {**ALL, "id": Text("a"), "description": Kind.CRITICAL}
    right = Option(**{**ALL, "description": "critical"})
    assert options([texts], 0) == options([Option(**texts)], 0) == [right]
    assert options([{**ALL, "action_params": None, "pros": None, "extra": None}], 0) == [
        Option(**{**ALL, "action_params": {}, "pros": [], "extra": {}})
    ]
    state = Option("a", action_params=State(1), extra=collections.OrderedDict(b=2))  # type: ignore[arg-type]
    assert options([state], 0)[0].action_params == {"a": 1, "token": {"$redacted": True}}


def test_values_in_options_are_values() -> None:
    cyclic: dict[str, Any] = {}
    cyclic["self"] = cyclic
    params = {"nan": math.nan, "cyclic": cyclic, "bytes": b"a", "$ref": 1, "password": "hunter2"}
    read = {
        "cyclic": {"self": {"$cycle": True}},
        "bytes": {"$bytes": "YQ=="},
        "$ref": 1,
        "password": {"$redacted": True},
    }
    for given in (Option("a", action_params=params), {"id": "a", "action_params": params}):
        [option] = options([given], 0)
        assert math.isnan(option.action_params.pop("nan"))
        assert option.action_params == read


def test_options_that_raise() -> None:
    class Meta(type):
        def __hash__(cls) -> int:
            raise Broken

    class Odd(metaclass=Meta):
        pass

    odd, right = options([Odd(), ALL], 2)
    assert "$unreadable" in odd.id
    assert right == Option(**ALL)
    [odd] = options(raising(Broken, "__iter__", base=list)(), 3)
    assert "$unreadable" in odd.id
    [endless] = options([HOSTILE["an infinite mapping"]()], 1)
    assert endless.extra.keys() == {"$cut", "bytes"}


def test_a_choice_of_the_wrong_type() -> None:
    assert only_decision(record_misused(1, chosen=5)).chosen_option_id == "5"
    assert only_decision(record_misused(0, chosen=None)).chosen_option_id is None
    made = only_decision(record_misused(0, options=[{"id": Text("a")}], chosen=Text("a")))
    assert made.chosen_option_id == "a"
    assert made.chosen_option == Option("a")


# ------------------------------------------------------------- errors


def test_errors_that_are_no_exceptions() -> None:
    unreadable = '{"$unreadable":"weakref.ProxyType","error":"ReferenceError"}'
    cases: list[tuple[Any, str | None, int]] = [
        (None, None, 0),
        ("", "", 0),
        ("no", "no", 0),
        (Text("no"), "no", 0),
        (5, "5", 1),
        ({"code": 5, "token": "t"}, '{"code":5,"token":[redacted]}', 1),
        (ValueError, "<class 'ValueError'>", 1),
        (weakref.proxy(type("Gone", (), {})()), unreadable, 1),
    ]
    for error, text, misused in cases:
        sink = MemorySink()
        with recorded(sink, strict=False) as runtime, runtime.run("goal"):
            with runtime.decision("d") as decision:
                decision.fail(error)
            assert (runtime.stats().misused, runtime.stats().errors) == (misused, 0)
        _, outcome = parts(sink.run("run_1"))
        assert (outcome.success, outcome.error_type, outcome.traceback) == (False, None, None)
        assert outcome.error == text


def test_exceptions_say_what_they_say() -> None:
    class Own(Exception):
        def __str__(self) -> str:
            return Text("own")

    class Odd(Exception):
        @property
        def __traceback__(self) -> Any:  # type: ignore[override]
            raise Broken

    class Local(ValueError):
        pass

    here = f"{HERE}.test_exceptions_say_what_they_say.<locals>"
    expected: list[tuple[BaseException, str, str]] = [
        (ValueError("no"), "no", "ValueError"),
        (ValueError(), "ValueError", "ValueError"),
        (KeyError("k"), "'k'", "KeyError"),
        (Own(), "own", f"{here}.Own"),
        (Odd("x"), "x", f"{here}.Odd"),
        (Local("a", 1), "('a', 1)", f"{here}.Local"),
        (RuntimeError(ValueError("in")), "in", "RuntimeError"),
        (ValueError({"a": (1,), "key": "p"}), '{"a":[1],"key":"p"}', "ValueError"),
        (ValueError({"password": "p"}), '{"password":[redacted]}', "ValueError"),
        (ValueError("a", ["b"]), '["a",["b"]]', "ValueError"),
        (ExceptionGroup("g", [OSError("b")]), "g (1 sub-exception); OSError: b", "ExceptionGroup"),
    ]
    odd = raising(Broken, "__str__", base=ValueError)()
    unreadable = '{"$unreadable":"tests.hostile.RaisingBroken","error":"tests.test_intake.Broken"}'
    expected.append((odd, unreadable, "tests.hostile.RaisingBroken"))
    for error, text, kind in expected:
        sink = MemorySink()
        with recorded(sink) as runtime, runtime.run("goal"), runtime.decision("d") as decision:
            decision.fail(error)
        _, outcome = parts(sink.run("run_1"))
        assert (outcome.error, outcome.error_type) == (text, kind)
        assert outcome.traceback is None


# ------------------------------------------------------------- what is said of it


def test_messages_name_the_argument_and_no_long_or_odd_values() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"intent": 5}, "intent is 5, not a str; coerced"),
        ({"intent": None}, "intent is a NoneType, not a str"),
        ({"intent": 10**5000}, "intent is a int, not a str"),
        ({"intent": ["hunter2"]}, "intent is a list, not a str"),
        ({"options": [{"id": "a", "pros": ["p", 5]}]}, r"options\[0\].pros\[1\] is 5, not a str"),
        (
            {"options": [{"id": "a", "confidence": 7}]},
            r"options\[0\].confidence is 7, outside 0 to 1",
        ),
        ({"options": [{"id": "a"}, {}]}, r"options\[1\] is a dict, without an id"),
        (
            {"decision_type": "telepathy"},
            "decision_type is 'telepathy', not one of tool_selection,",
        ),
        ({"context": math.inf}, "context is inf, not a dict; coerced"),
        ({"tokens_used": -1}, "tokens_used is -1, not a number from 0 up; left out"),
        ({"cost_usd": 10**4000}, "cost_usd is 10{79}, not a number"),
    ]
    for given, message in cases:
        numbers = {"tokens_used", "cost_usd"}
        made = {"intent": "i", **{name: given[name] for name in given.keys() - numbers}}
        with (
            recorded(MemorySink()) as runtime,
            runtime.run("goal"),
            pytest.raises(InvalidValueError, match=f"^{message}"),
            runtime.decision(**made) as decision,
        ):
            decision.succeed(**{name: given[name] for name in given.keys() & numbers})
