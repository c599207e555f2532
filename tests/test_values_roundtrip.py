"""What is read back is what was given, whatever it was; and whatever it is, it can be read."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from decisionlog import Option
from decisionlog.testing import MemorySink
from tests.hostile import HOSTILE
from tests.keeping import comparable, keep, kept, parts, sound_lines
from tests.recording import recorded

some = settings(max_examples=100, suppress_health_check=list(HealthCheck))

# Half of a pair of surrogates is a character too.
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
KEYS = TEXT | TEXT.map("${}".format) | st.sampled_from(["$float", "$int", "$$", "$cut", "$omitted"])
NUMBERS = st.integers() | st.integers(-(2**80), 2**80) | st.floats()
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=30
)
LAZY = ("laughing", "a l", "long", "an inf", "inf", "exceptions in")
ODD = [name for name in HOSTILE if not name.startswith(LAZY)]


def spelled_out(value: Any) -> Any:
    """All that changes on the way: half a pair of surrogates has no place in UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [spelled_out(item) for item in value]
    if isinstance(value, dict):
        spelled = {spelled_out(key): spelled_out(item) for key, item in value.items()}
        assume(len(spelled) == len(value))
        return spelled
    return value


@some
@given(JSON)
@example({"$float": "nan", "a": [{"$int": "0x10"}, float("nan"), 2**70]})
@example([[], {}, [[], [0.0, -0.0]], "\ud83d\ude00", 10**5000])
def test_any_value(value: Any) -> None:
    expected = comparable(spelled_out(value))
    assert comparable(kept(value, redact=False)) == expected
    assert comparable(kept(value, redact=lambda path, item: item)) == expected or hides(value)


def hides(value: Any) -> bool:
    """Whether redaction is what makes the difference."""
    return "$redacted" in repr(kept(value))


@some
@given(st.data())
def test_any_text_in_any_field(data: st.DataObject) -> None:
    def text(name: str) -> str:
        return data.draw(TEXT, name)

    sink = MemorySink()
    ids = data.draw(st.lists(TEXT, unique_by=spelled_out, min_size=1, max_size=3), "ids")
    options = [
        Option(i, text("description"), text("action"), {}, [text("pro")], [text("con")])
        for i in ids
    ]
    tags = data.draw(st.dictionaries(TEXT, TEXT, max_size=3), "tags")
    constraints = data.draw(st.lists(TEXT, max_size=3), "constraints")
    names = "goal_id goal_description intent reasoning node_id summary model error narrative late"
    names += " description root_cause suggested_fix"
    given = {name: text(name) for name in names.split()}
    with recorded(sink, redact=False) as runtime:
        run = runtime.run(given["goal_id"], given["goal_description"], tags=tags).__enter__()
        decision = runtime.decision(
            given["intent"], options, ids[0], given["reasoning"], given["node_id"], "custom",
            constraints,
        ).__enter__()  # fmt: skip
        decision.report_problem(
            "minor", given["description"],
            root_cause=given["root_cause"], suggested_fix=given["suggested_fix"],
        )  # fmt: skip
        decision.choose(ids[-1], given["late"])
        decision.fail(given["error"], summary=given["summary"], model=given["model"])
        decision.end(None)
        run.succeed(narrative=given["narrative"])
        run.end(None)
        assert runtime.stats().misused == 0
    sound_lines(sink, "run_1")
    read = sink.run("run_1")
    made, outcome = parts(read)
    [problem] = read.problems
    found = {
        "goal_id": read.goal_id,
        "goal_description": read.goal_description,
        "intent": made.intent,
        "reasoning": made.reasoning if given["late"] else given["reasoning"],
        "node_id": made.node_id,
        "summary": outcome.summary,
        "model": outcome.model,
        "error": outcome.error,
        "narrative": read.narrative if given["narrative"] else "",
        "description": problem.description,
        "root_cause": problem.root_cause,
        "suggested_fix": problem.suggested_fix,
    }
    late = spelled_out(given.pop("late"))
    given["reasoning"] = late or given["reasoning"]
    assert {name: spelled_out(text) for name, text in found.items()} == spelled_out(given)
    assert made.chosen_option_id == spelled_out(ids[-1])
    assert [(o.id, o.description, o.action_type, o.pros, o.cons) for o in made.options] == [
        (
            spelled_out(o.id),
            spelled_out(o.description),
            spelled_out(o.action_type),
            spelled_out(o.pros),
            spelled_out(o.cons),
        )
        for o in options
    ]
    assert made.active_constraints == spelled_out(constraints)
    assert read.tags == spelled_out(tags)
    assert read.metrics.nodes_executed == [spelled_out(given["node_id"])]


@pytest.mark.large
@settings(some, max_examples=75)
@given(st.data())
def test_anything_in_any_field(data: st.DataObject) -> None:
    def anything(name: str) -> Any:
        # Hypothesis itself is not up to all of them.
        odd = data.draw(st.none() | st.sampled_from(ODD), name)
        return HOSTILE[odd]() if odd else data.draw(JSON, name)

    def any_of(names: str) -> dict[str, Any]:
        chosen = data.draw(st.sets(st.sampled_from(names.split()), max_size=4))
        return {name: anything(name) for name in sorted(chosen)}

    details = (
        "summary tokens_used state_changes input_tokens output_tokens cost_usd model attributes"
    )
    option = "id description action_type action_params pros cons confidence extra more"
    sink = MemorySink()
    with recorded(sink, strict=False) as runtime:
        run_given = {"goal_id": "goal", **any_of("goal_id goal_description input_data tags parent")}
        made_given = {
            "intent": "i",
            "options": [any_of(option) for _ in range(data.draw(st.integers(0, 3)))],
            **any_of("intent options chosen reasoning node_id decision_type constraints context"),
        }
        with runtime.run(**run_given) as run:
            with runtime.decision(**made_given) as decision:
                decision.choose(anything("late choice"), anything("why"))
                decision.report_problem(anything("severity"), anything("description"))
                given = any_of(f"result attributes {details}")
                if data.draw(st.booleans()):
                    decision.succeed(**given)
                else:
                    decision.fail(anything("error"), **given)
            run.fail(anything("narrative"), anything("output"))
        assert runtime.stats().errors == 0
    kinds = [line["type"] for line in sound_lines(sink, "run_1")]
    assert kinds == ["run_started", "decision", "choice", "problem", "outcome", "run_ended"]
    read = sink.run("run_1")
    assert (read.damage, read.unknown) == ([], [])
    assert read.metrics.total_decisions == 1


@some
@given(JSON, st.integers(1024, 5000))
def test_no_value_takes_more_than_the_limit(value: Any, limit: int) -> None:
    sink = MemorySink()
    long = [value, "x" * 3000, {"k" * 3000: value}, ['"' * 2000, "\x00" * 2000]]
    with recorded(sink, max_value_bytes=limit) as runtime, runtime.run("goal"):
        for item in (*long, long):
            with runtime.decision("d") as decision:
                decision.succeed(item)
    for line in sink.data("run_1").splitlines():
        with suppress(ValueError):
            result = line[line.index(b'"result":') + 9 : line.index(b',"latency_ms"')]
            assert len(result) <= limit
    sound_lines(sink, "run_1")


def test_nothing_is_left_to_chance() -> None:
    """The strategies reach what they are for."""
    assert keep({"$float": "nan"}).input_data == {"$float": "nan"}
    assert len(ODD) > 150
