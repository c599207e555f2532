"""A hook of the user's own, asked for every value."""

import json
from typing import Any

import pytest

from decisionlog.testing import MemorySink
from tests.keeping import keep, keep_briefly, kept, parts, sound_lines
from tests.recording import recorded

REDACTED = {"$redacted": True}


def test_a_hook_sees_every_value_by_its_path() -> None:
    seen: dict[Any, Any] = {}

    def hook(path: tuple[str | int, ...], value: Any) -> Any:
        assert path not in seen
        seen[path] = value
        return value

    sink = MemorySink()
    rows = {"rows": [{"name": "bob", "password": "x", "$ref": 1}], 5: (2.5,)}
    option = {
        "id": "a",
        "description": "A",
        "pros": ["p"],
        "cons": ["c"],
        "action_params": {"x": 1},
        "more": 2,
    }
    with recorded(sink, redact=hook) as runtime:
        with runtime.run("goal", "why", {"in": 1}, tags={"v": "2", "token": "t"}) as run:
            with (
                runtime.node("n"),
                runtime.decision(
                    "intent", [option], "a", "since", constraints=["less"], context={"c": 1}
                ) as decision,
            ):
                decision.report_problem("minor", "text", root_cause="root", suggested_fix="fix")
                decision.fail(
                    "err", result=rows, summary="sum", state_changes={"s": 1}, model="m",
                    attributes={"t": 1},
                )  # fmt: skip
            run.succeed([1], "end")
        assert runtime.stats().misused == 0
    expected = {
        ("goal_id",): "goal",
        ("goal_description",): "why",
        ("input_data",): {"in": 1},
        ("input_data", "in"): 1,
        ("tags", "v"): "2",
        ("node_id",): "n",
        ("intent",): "intent",
        ("options", 0, "id"): "a",
        ("options", 0, "description"): "A",
        ("options", 0, "action_type"): "unknown",
        ("options", 0, "action_params"): {"x": 1},
        ("options", 0, "action_params", "x"): 1,
        ("options", 0, "pros", 0): "p",
        ("options", 0, "cons", 0): "c",
        ("options", 0, "extra"): {"more": 2},
        ("options", 0, "extra", "more"): 2,
        ("reasoning",): "since",
        ("constraints", 0): "less",
        ("context",): {"c": 1},
        ("context", "c"): 1,
        ("description",): "text",
        ("root_cause",): "root",
        ("suggested_fix",): "fix",
        ("error",): "err",
        ("result",): rows,
        ("result", "rows"): rows["rows"],
        ("result", "rows", 0): rows["rows"][0],
        ("result", "rows", 0, "name"): "bob",
        ("result", "rows", 0, "$ref"): 1,
        ("result", "5"): (2.5,),
        ("result", "5", 0): 2.5,
        ("summary",): "sum",
        ("state_changes",): {"s": 1},
        ("state_changes", "s"): 1,
        ("model",): "m",
        ("attributes",): {"t": 1},
        ("attributes", "t"): 1,
        ("output_data",): [1],
        ("output_data", 0): 1,
        ("narrative",): "end",
    }
    assert {path: value for path, value in seen.items() if path != ("chosen",)} == expected
    assert sink.run("run_1").decisions[0].node_id == "n"


def test_what_a_hook_says_is_recorded() -> None:
    def hook(path: tuple[str | int, ...], value: Any) -> Any:
        if path[-1] == "name":
            return "***"
        return value.upper() if isinstance(value, str) and path[-1] != "id" else value

    assert kept({"name": "bob", "rows": ["a", {"name": ["b"]}]}, redact=hook) == {
        "name": "***",
        "rows": ["A", {"name": "***"}],
    }
    made, outcome = parts(keep("v", redact=hook))
    assert (made.intent, made.options[0].action_type, outcome.result) == ("DECIDE", "UNKNOWN", "V")


@pytest.mark.parametrize(
    ("given", "value", "text"),
    [
        (None, None, ""),
        (5, 5, "5"),
        ({"$float": "nan"}, {"$float": "nan"}, '{"$$float":"nan"}'),
        (float("inf"), float("inf"), '{"$float":"inf"}'),
        (b"a", {"$bytes": "YQ=="}, '{"$bytes":"YQ=="}'),
        ("\udc80", "\\udc80", "\\udc80"),
        (len, {"$repr": "<built-in function len>"}, "<built-in function len>"),
        ({"token": 1}, {"token": REDACTED}, '{"token":{"$redacted":true}}'),
    ],
    ids=ascii,
)
def test_a_hook_may_return_anything(given: Any, value: Any, text: str) -> None:
    def hook(path: tuple[str | int, ...], old: Any) -> Any:
        return given if path in (("result",), ("intent",), ("context",)) else old

    sink = MemorySink()
    with recorded(sink, redact=hook) as runtime, runtime.run("goal"):
        with runtime.decision("d", context={"c": 1}) as decision:
            decision.succeed("r")
        assert runtime.stats().misused == 0
    made, outcome = parts(sink.run("run_1"))
    sound_lines(sink, "run_1")
    assert outcome.result == value
    assert made.intent == text
    assert made.input_context == (value if type(given) is dict else {"value": value})


class Broken(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError, Broken])
def test_a_hook_that_raises_costs_the_value_alone(error: type[BaseException]) -> None:
    def hook(path: tuple[str | int, ...], value: Any) -> Any:
        if "bad" in path or path == ("intent",):
            raise error
        return value

    sink = MemorySink()
    value = {"good": 1, "bad": {"a": 1}, "list": [{"bad": 2}, 3]}
    with (
        recorded(sink, redact=hook) as runtime,
        runtime.run("goal", tags={"bad": "t"}),
        runtime.decision("d", context=value) as decision,
    ):
        decision.succeed(value)
    name = error.__name__ if error is ValueError else f"{__name__}.Broken"
    made, outcome = parts(sink.run("run_1"))
    assert (
        outcome.result
        == made.input_context
        == {
            "good": 1,
            "bad": {"$unreadable": "dict", "error": name},
            "list": [{"bad": {"$unreadable": "int", "error": name}}, 3],
        }
    )
    dropped = json.dumps({"$unreadable": "str", "error": name}, separators=(",", ":"))
    assert made.intent == dropped
    assert sink.run("run_1").tags == {"bad": dropped}


def test_a_hook_that_makes_ever_more() -> None:
    def hook(path: tuple[str | int, ...], value: Any) -> Any:
        return [value] * 2 if path[0] == "result" and len(path) < 12 else value

    found = keep_briefly(1, redact=hook)
    for _ in range(11):
        assert len(found) == 2
        found = found[0]
    assert found == 1


def test_an_interrupt_from_a_hook_passes() -> None:
    def hook(path: tuple[str | int, ...], value: Any) -> Any:
        if path == ("context", "c"):
            raise KeyboardInterrupt
        return value

    sink = MemorySink()
    with (
        recorded(sink, redact=hook) as runtime,
        pytest.raises(KeyboardInterrupt),
        runtime.run("goal"),
        runtime.decision("d", context={"c": 1}),
    ):
        raise AssertionError("not reached")
    made, outcome = parts(sink.run("run_1"))
    assert made.input_context == {"c": {"$unreadable": "int", "error": "KeyboardInterrupt"}}
    assert outcome.error_type == "KeyboardInterrupt"
