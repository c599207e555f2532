"""Whatever a value does: one decision and one outcome that read back, and nothing for the agent."""

import threading
from typing import Any

import pytest

from decisionlog import Option, RunStatus, RunStore, Runtime, current_decision
from decisionlog.testing import MemorySink
from tests.hostile import HOSTILE, Mute, Worse, on_a_small_stack, raising
from tests.keeping import keep_briefly, kept, parts, sound_lines
from tests.recording import recorded

USUAL: dict[str, Any] = {
    "id": "a",
    "description": "A",
    "action_type": "call",
    "pros": ["p"],
    "cons": ["c"],
    "confidence": 0.25,
}


def test_what_is_around_it_is_kept() -> None:
    bad = raising(Worse, "__repr__")()
    says = {"$unreadable": "tests.hostile.RaisingWorse", "error": "tests.hostile.Worse"}
    assert kept({"a": 1, "bad": bad, "b": 2}) == {"a": 1, "bad": says, "b": 2}
    assert kept([1, bad, (bad,), 2]) == [1, says, [says], 2]


def test_what_was_read_before_it_failed_is_kept() -> None:
    def says(name: str) -> dict[str, str]:
        where = f"tests.hostile.{name.replace(' ', '_')}.<locals>"
        return {"$unreadable": f"{where}.Late", "error": "tests.hostile.Worse"}

    name = "a mapping that raises late"
    assert kept(HOSTILE[name]()) == {"a": 1, "$unreadable": says(name)}
    name = "a list that raises late"
    assert kept(HOSTILE[name]()) == [1, says(name)]
    pairs = kept(HOSTILE["items that are no pairs"]())
    assert (pairs["a"], pairs["$unreadable"]["error"]) == (1, "TypeError")
    read = kept(HOSTILE["a dataclass with a property that raises"]())
    assert (read["first"], read["$unreadable"]["error"]) == (1, "ZeroDivisionError")


def test_how_much_is_missing() -> None:
    assert keep_briefly(range(10**12))[100_000:] == [{"$omitted": 10**12 - 100_000}]
    assert keep_briefly(list(range(100_001)))[100_000:] == [{"$omitted": 1}]
    assert keep_briefly(list(range(100_000)))[100_000:] == []
    endless = keep_briefly(HOSTILE["an infinite list"]())
    assert endless[-1] == {"$omitted": None}
    wide = keep_briefly({f"k{n}": None for n in range(100_002)}, max_value_bytes=2**22)
    assert len(wide) == 100_001
    assert wide["$omitted"] == {"$omitted": 2}


def test_what_is_nearest_the_top_is_kept() -> None:
    inner = list(range(90_000))
    found = keep_briefly([inner, inner, "after"], max_value_bytes=2**22)
    assert found[2] == "after"
    assert found[0] == inner
    assert found[1] == [*range(9_997), {"$omitted": 80_003}]


def test_an_error_with_a_deep_argument() -> None:
    value = HOSTILE["deep lists"]()
    sink = MemorySink()

    def fail() -> None:
        with runtime.run("goal"), runtime.decision("d") as decision:
            decision.fail(ValueError(value, "text"), result=[ValueError(value)])
            raise ValueError(value)

    with recorded(sink) as runtime, pytest.raises(ValueError):
        on_a_small_stack(fail)
    read = sink.run("run_1")
    _, outcome = parts(read)
    assert (outcome.error or "").startswith("[" * 63)
    assert (read.error or "").startswith("[" * 64 + '{"$depth":64}')
    assert outcome.result[0]["$error"] == "ValueError"


def test_a_large_array_is_told_of() -> None:
    assert kept(HOSTILE["a large array"]())["$repr"].startswith("array([0., 0., 0., ..., 0.")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes_once_the_record_is_made(error: type[BaseException]) -> None:
    value = raising(error, "__repr__")()
    sink = MemorySink()
    with recorded(sink) as runtime:
        with (
            pytest.raises(error, match="from within"),
            runtime.run("goal"),
            runtime.decision("d", context={"v": [value]}),
        ):
            raise AssertionError("the body is not entered")
        with pytest.raises(error), runtime.run("goal"), runtime.decision("d") as decision:
            decision.succeed(value, summary="done")
        with pytest.raises(error), runtime.run("goal") as run:
            run.succeed(value)
        with pytest.raises(error), runtime.run("goal", input_data=value):
            raise AssertionError("the body is not entered")
        with runtime.run("goal"):
            pass  # nothing is left of it
    unreadable = {"$unreadable": f"tests.hostile.Raising{error.__name__}", "error": error.__name__}
    entered, said, output, started, _ = [sink.run(f"run_{n}") for n in range(1, 6)]
    decision_read, outcome = parts(entered)
    assert decision_read.input_context == {"v": [unreadable]}
    assert (outcome.success, outcome.error_type, outcome.error) == (
        False,
        error.__name__,
        "from within",
    )
    _, outcome = parts(said)
    assert (outcome.success, outcome.result, outcome.summary) == (False, unreadable, "done")
    assert output.output_data == started.input_data == unreadable
    statuses = [entered.status, said.status, output.status, started.status]
    assert statuses == [RunStatus.FAILED] * 4


def test_an_interrupt_is_for_the_thread_it_came_up_in() -> None:
    sink = MemorySink()

    class Elsewhere:
        def __repr__(self) -> str:
            on_a_small_stack(record_another)
            return "done"

    def record_another() -> None:
        with runtime.run("goal"), runtime.decision("d"):
            pass

    with (
        recorded(sink) as runtime,
        pytest.raises(KeyboardInterrupt),
        runtime.run("goal", input_data=[raising(KeyboardInterrupt, "__repr__")(), Elsewhere()]),
    ):
        raise AssertionError("the body is not entered")
    assert sink.run("run_2").input_data[1] == {"$repr": "done"}
    assert parts(sink.run("run_1"))[1].success


def test_a_repr_that_records() -> None:
    sink = MemorySink()

    class Recording:
        def __init__(self, depth: int) -> None:
            self.depth = depth

        def __repr__(self) -> str:
            with runtime.decision(f"inside {self.depth}") as decision:
                decision.succeed(Recording(self.depth - 1) if self.depth else None)
            return f"recording {self.depth}"

    with recorded(sink) as runtime, runtime.run("goal") as run:
        with runtime.decision("outside", context={"v": Recording(2)}):
            assert current_decision() is not None
        run.succeed(Recording(0))
    read = sink.run("run_1")
    sound_lines(sink, "run_1")
    assert read.damage == []
    by_intent = {decision.intent: decision for decision in read.decisions}
    assert by_intent["outside"].input_context == {"v": {"$repr": "recording 2"}}
    assert all(decision.outcome for decision in read.decisions)
    assert len({decision.id for decision in read.decisions}) == len(read.decisions) == 5
    assert read.output_data == {"$repr": "recording 0"}


def test_a_dict_that_other_threads_change() -> None:
    shared: dict[str, Any] = {f"k{n}": n for n in range(90)}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            shared[f"new{number % 50}"] = [number]
            shared.pop(f"new{(number + 25) % 50}", None)

    sink = MemorySink()
    thread = threading.Thread(target=change)
    thread.start()
    try:
        with recorded(sink) as runtime, runtime.run("goal"):
            for _ in range(300):
                with runtime.decision("d", context=shared) as decision:
                    decision.succeed(shared, state_changes={"in": shared})
            assert runtime.stats().errors == 0
    finally:
        stop.set()
        thread.join()
    sound_lines(sink, "run_1")
    read = sink.run("run_1")
    assert len(read.decisions) == 300
    for made in read.decisions:
        assert made.outcome is not None
        for found in (made.input_context, made.outcome.result, made.outcome.state_changes["in"]):
            assert {f"k{n}": n for n in range(90)}.items() <= found.items()
            assert "$unreadable" not in found


async def test_hostile_values_reach_the_disk(traces: Any) -> None:
    names = [name for name in HOSTILE if "raises" in name]
    async with Runtime(traces) as runtime, runtime.run("goal") as run:
        for name in names:
            async with runtime.decision(name, context={"v": HOSTILE[name]()}) as decision:
                decision.succeed(HOSTILE[name]())
            decision_id = await runtime.decide(name, [], "a", "", context={"v": HOSTILE[name]()})
            await runtime.record_outcome(decision_id, True, HOSTILE[name]())
    read = await RunStore(traces).load(run.id)
    assert [made.intent for made in read.decisions] == [name for name in names for _ in range(2)]
    assert all(made.was_successful for made in read.decisions)
    assert read.damage == []
    assert Mute.__str__ is not Exception.__str__


# What takes long or much memory does so here as well.
QUICK = [name for name in HOSTILE if not name.startswith(("laughing", "a l", "long", "an inf"))]


@pytest.mark.parametrize("name", QUICK)
def test_among_what_is_as_it_should_be(name: str) -> None:
    """Plain dicts with known keys, and options with the usual ones, are looked at quickly."""
    value = HOSTILE[name]()

    def record() -> None:
        sink = MemorySink()
        with recorded(sink, strict=False) as runtime, runtime.run("goal"):
            for known in (1, value):
                options = [USUAL, *({**USUAL, field: known} for field in USUAL)]
                options.append({**USUAL, "pros": ["p", known]})
                with runtime.decision("d", options, "a", context={"known": known}) as decision:
                    decision.succeed({"known": known})
            assert runtime.stats().errors == 0
        sound_lines(sink, "run_1")
        plain, hostile = sink.run("run_1").decisions
        assert plain.input_context == {"known": 1}
        assert hostile.input_context.keys() == {"known"}
        assert hostile.options[0] == Option(**USUAL)
        assert hostile.outcome is not None and hostile.outcome.success

    on_a_small_stack(record)
