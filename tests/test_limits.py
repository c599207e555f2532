"""What is too long is cut, and says so; no line is longer than a reader has to take."""

from typing import Any

import msgspec
import pytest

from decisionlog import Decision, Option
from decisionlog.records import MAX_ITEMS, MAX_LINE_BYTES
from decisionlog.testing import MemorySink
from tests.keeping import keep, keep_briefly, kept, parts, sound_lines
from tests.recording import recorded

LIMIT = 1024
encode = msgspec.json.encode


def cut_off(text: str, cut: str) -> None:
    """The text was cut to what fits the limit, and the note tells its size."""
    size = len(text.encode())
    head, note, _ = cut.partition("… [cut, ")
    assert text.startswith(head)
    assert cut == f"{head}{note}{size} bytes]"
    assert LIMIT - 8 < len(cut.encode()) <= LIMIT


@pytest.mark.parametrize("text", ["x" * 3000, "é" * 1000, "🎈" * 700, "\udc80" * 500], ids=ascii)
def test_texts(text: str) -> None:
    sink = MemorySink()
    option = Option("a", text, text, {}, [text], [text])
    with recorded(sink, max_value_bytes=LIMIT) as runtime:
        with runtime.run(text, text, tags={"t": text}) as run:
            with runtime.decision(text, [option], "a", text, text, constraints=[text]) as decision:
                decision.choose("a", text)
                decision.report_problem("minor", text, root_cause=text, suggested_fix=text)
                decision.fail(text, summary=text, model=text)
            with pytest.raises(ValueError), runtime.decision(""):
                raise ValueError(text)
            run.fail(text)
        assert runtime.stats().misused == 0
    sound_lines(sink, "run_1")
    read = sink.run("run_1")
    made, failed = read.decisions
    assert made.outcome is not None
    assert failed.outcome is not None
    [problem] = read.problems
    [option] = made.options
    texts = [read.goal_id, read.goal_description, read.tags["t"], read.narrative]
    texts += [made.intent, made.reasoning, made.node_id, *made.active_constraints]
    texts += [option.description, option.action_type, *option.pros, *option.cons]
    texts += [problem.description, problem.root_cause or "", problem.suggested_fix or ""]
    texts += [made.outcome.error or "", made.outcome.summary, made.outcome.model or ""]
    texts += [failed.outcome.error or "", read.metrics.nodes_executed[0]]
    for cut in texts:
        cut_off(text.encode("utf-8", "backslashreplace").decode(), cut)


def test_a_text_of_just_the_limit_is_whole() -> None:
    sink = MemorySink()
    with recorded(sink, max_value_bytes=LIMIT) as runtime, runtime.run("goal"):
        with runtime.decision("x" * LIMIT, reasoning="é" * (LIMIT // 2)):
            pass
        with runtime.decision("x" * (LIMIT + 1)):
            pass
    whole, cut = sink.run("run_1").decisions
    assert (whole.intent, whole.reasoning) == ("x" * LIMIT, "é" * (LIMIT // 2))
    cut_off("x" * (LIMIT + 1), cut.intent)


def test_a_text_as_a_value() -> None:
    most = "x" * (LIMIT - 2)  # and two quotes
    assert keep_briefly(most, max_value_bytes=LIMIT) == most
    found = keep_briefly(most + "x", max_value_bytes=LIMIT)
    assert found["bytes"] == LIMIT - 1
    assert len(encode(found)) > LIMIT - 50
    for text in (
        "x" * 5000,
        "é" * 5000,
        "🎈" * 5000,
        '"\\\n' * 2000,
        "\x00" * 2000,
        "\udc80" * 800,
    ):
        spelled = text.encode("utf-8", "backslashreplace").decode()
        found = keep_briefly(text, max_value_bytes=LIMIT)
        assert set(found) == {"$cut", "bytes"}
        assert spelled.startswith(found["$cut"])
        assert found["bytes"] == len(spelled.encode())
        assert LIMIT // 2 < len(encode(found)) <= LIMIT


def test_a_text_inside_a_value_leaves_room_for_what_is_around_it() -> None:
    long = "é" * 5000
    value: dict[str, Any] = {"a": 1, "text": long, "rows": [{"b": 2}], "short": "é" * 100}
    found = kept(value, max_value_bytes=LIMIT * 2)
    cut = found["text"]
    assert long.startswith(cut["$cut"])
    assert cut == {"$cut": cut["$cut"], "bytes": 10_000}
    assert LIMIT - 50 < len(encode(cut)) <= LIMIT
    assert found == {**value, "text": cut}
    flat = keep_briefly({"a": 1, "text": long}, max_value_bytes=LIMIT)
    assert flat["a"] == 1
    assert long.startswith(flat["text"]["$cut"])


@pytest.mark.parametrize(
    "value",
    [
        list(range(1000)),
        {f"key {n}": None for n in range(300)},
        [{"text": "é" * 100}] * 50,
        {"a": "x" * 600, "b": "y" * 600},
        {"k" * 5000: 1},
        ['"' * 200] * 10,
        10**5000,
        [10**5000],
        [[[["x" * 300] * 4] * 4] * 4],
    ],
    ids="numbers keys rows two-texts long-key quotes number number-in-list deep".split(),
)
def test_any_other_value_is_replaced_by_the_head_of_its_json(value: Any) -> None:
    found = keep_briefly(value, max_value_bytes=LIMIT)
    assert set(found) == {"$cut", "bytes"}
    assert LIMIT // 2 < len(encode(found)) <= LIMIT
    if not found["$cut"].startswith(('{"$int', '[{"$int')):
        whole = encode(value).decode()
        assert whole.startswith(found["$cut"])
        assert found["bytes"] == len(whole.encode())


def test_a_value_of_just_the_limit_is_whole() -> None:
    value = ["x" * 100] * 9
    value.append("x" * (LIMIT - len(encode(value)) - 3))
    assert len(encode(value)) == LIMIT
    assert keep_briefly(value, max_value_bytes=LIMIT) == value
    assert set(keep_briefly([*value[:-1], value[-1] + "x"], max_value_bytes=LIMIT)) == {
        "$cut",
        "bytes",
    }


def test_by_default_a_value_has_a_mebibyte() -> None:
    found = keep_briefly(["x" * 1000] * 1000)
    assert len(found) == 1000
    assert keep_briefly(["x" * 1000] * 1050)["bytes"] == 1003 * 1050 + 1
    assert len(encode(keep_briefly("x" * 2**21))) <= 2**20


def test_an_error_is_cut_once() -> None:
    sink = MemorySink()
    with recorded(sink, max_value_bytes=LIMIT) as runtime, runtime.run("goal"):
        with runtime.decision("d") as decision:
            decision.fail(ValueError("x" * 3000 + " password=hunter2"))
        with runtime.decision("d") as decision:
            decision.fail("x" * 1000 + " password=" + "s" * 3000)
    first, second = sink.run("run_1").decisions
    assert first.outcome is not None
    assert second.outcome is not None
    cut_off("x" * 3000 + " password=hunter2", first.outcome.error or "")
    assert second.outcome.error is not None
    assert "ssss" not in second.outcome.error
    assert kept(ValueError("x" * 3000)) == {"$error": "ValueError", "text": "x" * 1000}


def test_a_repr_is_cut() -> None:
    class Long:
        def __repr__(self) -> str:
            return "y" * 10**6

    assert kept(Long()) == {"$repr": "y" * 1000}


# ------------------------------------------------------------- lines


def one_decision(*given: Any, max_value_bytes: int = 2**20, **more: Any) -> Decision:
    """A decision that reads back from a line of allowed length."""
    sink = MemorySink()
    with recorded(sink, max_value_bytes=max_value_bytes) as runtime, runtime.run("goal"):
        with runtime.decision(*given, **more):
            pass
        assert runtime.stats().errors == 0
    sound_lines(sink, "run_1")
    read = sink.run("run_1")
    assert (read.damage, read.unknown) == ([], [])
    return parts(read)[0]


def test_many_small_options_are_all_kept() -> None:
    made = one_decision("d", [{"id": str(n)} for n in range(10_000)], "9999")
    assert len(made.options) == 10_000
    assert made.extra == {}
    assert made.chosen_option is not None


@pytest.mark.large
@pytest.mark.parametrize(
    ("count", "size"), [(12_000, 0), (12_000, 100), (3_000, 1000), (300, 50_000)]
)
def test_many_large_options(count: int, size: int) -> None:
    text = "x" * size
    option = Option("a", text, text, {"a": text}, [text] * 3, [text] * 3, 0.5, {"b": text})
    made = one_decision("d", [option] * count, "a", "why")
    omitted = made.extra.get("$omitted", {}).get("options", 0)
    assert len(made.options) + omitted == count
    assert len(made.options) >= 100
    assert (made.intent, made.chosen_option_id, made.reasoning) == ("d", "a", "why")


def test_one_option_with_many_pros() -> None:
    made = one_decision("d", [Option("a", pros=["x" * 1000] * 50_000, cons=["y"] * 20_000)], "a")
    [option] = made.options
    omitted = made.extra["$omitted"]
    assert len(option.pros) + omitted["pros"] == 50_000
    assert len(option.cons) + omitted["cons"] == 20_000


def test_many_long_constraints() -> None:
    made = one_decision("d", constraints=["x" * 10**5] * 1000)
    assert (
        len(made.active_constraints) + made.extra.get("$omitted", {}).get("active_constraints", 0)
        == 1000
    )
    assert all(text.startswith("xxx") for text in made.active_constraints)
    assert made.active_constraints != []


def test_many_long_tags() -> None:
    sink = MemorySink()
    tags = {f"{n}{'k' * 1000}": "v" * 1000 for n in range(50_000)}
    with recorded(sink) as runtime, runtime.run("goal", tags=tags):
        pass
    sound_lines(sink, "run_1")
    read = sink.run("run_1")
    assert len(read.tags) + read.extra["$omitted"]["tags"] == 50_000
    assert len(read.tags) >= 1000


def test_many_long_nodes() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        for number in range(1000):
            with runtime.decision("d", node_id=f"{number}" + "n" * 50_000):
                pass
    ended = sound_lines(sink, "run_1")[-1]
    nodes = ended["metrics"]["nodes_executed"]
    assert len(nodes) + ended["extra"]["$omitted"]["nodes_executed"] == 1000
    assert ended["metrics"]["total_decisions"] == 1000
    assert sink.run("run_1").status == "completed"


def test_all_fields_at_the_highest_limit() -> None:
    sink = MemorySink()
    most = "x" * 2**22
    value = [most[: 2**21]]
    with (
        recorded(sink, max_value_bytes=2**22) as runtime,
        runtime.run("goal"),
        runtime.decision(most, context={"a": most}, reasoning=most, node_id=most) as decision,
    ):
        decision.fail(most, result=value, summary=most, state_changes={"a": value}, model=most)
    for line in sound_lines(sink, "run_1"):
        assert len(encode(line)) <= MAX_LINE_BYTES + 30
    made, outcome = parts(sink.run("run_1"))
    for text in (made.intent, made.reasoning, made.node_id, outcome.error, outcome.summary):
        assert text is not None
        assert text.startswith("x" * 1000)


@pytest.mark.large
@pytest.mark.parametrize(("count", "whole"), [(5, True), (6, False)])
def test_more_items_than_a_line_may_have(count: int, whole: bool) -> None:
    """They took a gigabyte of whoever read them."""
    value = [[]] * (MAX_ITEMS // 11)
    option = Option("a", action_params={"v": value})
    made = one_decision("d", [option] * count, "a", max_value_bytes=2**22)
    assert len(made.options) == count
    for read in made.options:
        if whole:
            assert read.action_params == {"v": value}
        else:
            assert read.action_params["$cut"].startswith('{"v":[[],[],[]')


def test_what_is_below_the_limits_is_not_touched() -> None:
    value = {"a": ["é" * 1000] * 100}
    run = keep(value)
    assert run.input_data == value
    assert run.extra == {}
