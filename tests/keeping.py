"""What becomes of a value on its way through a runtime and back."""

import json
import math
from typing import Any

import msgspec

from decisionlog import Decision, MisuseError, Option, Outcome, Run, Runtime
from decisionlog.records import MAX_LINE_BYTES, Record, unseal
from decisionlog.testing import MemorySink
from tests.recording import only_decision, outcome_of, recorded

STRICT = msgspec.json.Decoder(Record)


def sound_lines(sink: MemorySink, run_id: str) -> list[dict[str, Any]]:
    """The records as other programs see them; all of them are as the format says."""
    lines = sink.data(run_id).splitlines(keepends=True)
    for line in lines:
        assert line.endswith(b"\n")
        assert len(line) <= MAX_LINE_BYTES + 30
        body, intact = unseal(line[:-1])
        assert intact
        STRICT.decode(body)  # nothing is unknown, nothing of the wrong type
    return [json.loads(line) for line in lines]


def keep(value: Any, **settings: Any) -> Run:
    """A run with the value in all the places that take any. No call is misuse, nothing fails."""
    sink = MemorySink()
    with recorded(sink, **settings) as runtime:
        with runtime.run("goal", "", value) as run:
            options = [Option("a", action_params={"v": value}, extra={"v": value})]
            with runtime.decision("decide", options, "a", context={"v": value}) as decision:
                decision.succeed(value, state_changes={"v": value}, attributes={"v": value})
            run.succeed(value)
        return _read(sink, runtime)


def keep_briefly(value: Any, **settings: Any) -> Any:
    """What is read back of the value as a result. For what takes long."""
    sink = MemorySink()
    with recorded(sink, **settings) as runtime:
        with runtime.run("goal"), runtime.decision("decide") as decision:
            decision.succeed(value)
        return parts(_read(sink, runtime))[1].result


def _read(sink: MemorySink, runtime: Runtime) -> Run:
    assert runtime.flush_blocking()
    stats = runtime.stats()
    assert (stats.misused, stats.errors, stats.last_error) == (0, 0, None)
    lines = sound_lines(sink, "run_1")
    assert [line["type"] for line in lines] == ["run_started", "decision", "outcome", "run_ended"]
    read = sink.run("run_1")
    assert (read.damage, read.unknown) == ([], [])
    return read


def kept(value: Any, **settings: Any) -> Any:
    """What is read back of the value; the same in all places."""
    run = keep(value, **settings)
    decision, outcome = parts(run)
    [option] = decision.options
    inner = [decision.input_context, outcome.state_changes, outcome.attributes]
    inner += [option.action_params, option.extra]
    found = [run.input_data, run.output_data, outcome.result, *(each["v"] for each in inner)]
    assert all(comparable(each) == comparable(found[0]) for each in found)
    return found[0]


def parts(run: Run) -> tuple[Decision, Outcome]:
    decision = only_decision(run)
    return decision, outcome_of(decision)


def comparable(value: Any) -> Any:
    """NaN is NaN, 1 is not 1.0, and -0.0 is not 0.0."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, float):
        return "nan" if math.isnan(value) else ("float", value, math.copysign(1, value))
    return (type(value).__name__, value)


# ------------------------------------------------------------- arguments of the wrong type


def record_misused(misused: int, **given: Any) -> Run:
    """A run with one decision made of what is given, and so many calls of misuse. Strict, that is
    an error, and what would be wrong is not recorded.
    """
    names = "intent options chosen reasoning node_id decision_type constraints context".split()
    made = {name: given[name] for name in names if name in given}
    outcome = {name: value for name, value in given.items() if name not in names}
    sink = MemorySink()
    with recorded(sink, strict=False) as runtime:
        with runtime.run("goal"), runtime.decision(**({"intent": "i"} | made)) as decision:
            if outcome:
                decision.succeed(**outcome)
        stats = runtime.stats()
        assert (stats.misused, stats.errors) == (misused, 0)
    sound_lines(sink, "run_1")
    run = sink.run("run_1")
    assert (run.damage, run.unknown) == ([], [])
    refused = MemorySink()
    with recorded(refused) as runtime, runtime.run("goal"):
        try:
            with runtime.decision(**({"intent": "i"} | made)) as decision:
                if outcome:
                    decision.succeed(**outcome)
        except MisuseError:
            assert misused
        else:
            assert not misused
    decisions = refused.run("run_1").decisions
    if not misused:
        assert len(decisions) == 1
    elif outcome:
        assert parts(refused.run("run_1"))[1].error_type == "decisionlog.errors.InvalidValueError"
    else:
        assert decisions == []
    return run


def recorded_field(name: str, value: Any, misused: int) -> Any:
    """What is recorded of one argument."""
    run = record_misused(misused, **{name: value})
    decision, outcome = parts(run)
    if name in Outcome.__struct_fields__:
        return getattr(outcome, name)
    names = {"constraints": "active_constraints", "context": "input_context"}
    return getattr(decision, names.get(name, name))
