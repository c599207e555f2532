"""Several runtimes at once, handles given by hand, and scopes that belong to no runtime."""

import pytest

import decisionlog
from decisionlog import NoRunError, Runtime, current_run
from decisionlog.testing import CountingIds, MemorySink
from tests.recording import outcome_of, recorded, shape

# ---------------------------------------------------------------------- several runtimes


def two(first: MemorySink, second: MemorySink) -> tuple[Runtime, Runtime]:
    return recorded(first), recorded(second, new_run_id=CountingIds("other_"))


def test_the_run_of_another_runtime_is_no_run() -> None:
    first, second = MemorySink(), MemorySink()
    one, other = two(first, second)
    with one, other, one.run("goal"), one.node("n"), one.decision("mine"):
        assert other.current_run is None
        with pytest.raises(NoRunError), other.decision("x"):
            pass
        with other.run("beside") as beside:
            assert current_run() is beside
            assert one.current_run is not beside
            # Each finds its own, past the other's.
            with one.decision("still mine"), other.decision("still its"):
                pass
            with other.decision("its"), one.decision("mine inside"), other.decision("its inside"):
                pass
            with one.node("m"), one.decision("named"):
                pass
    assert second.run("other_1").parent_run_id is None
    assert shape(second.run("other_1")) == [
        ("still its", None, "unknown"),
        ("its", None, "unknown"),
        ("its inside", "its", "unknown"),
    ]
    assert shape(first.run("run_1")) == [
        ("mine", None, "n"),
        ("still mine", "mine", "n"),
        ("mine inside", "mine", "n"),
        ("named", "mine", "m"),
    ]


def test_the_handle_of_a_run_beats_the_context() -> None:
    first, second = MemorySink(), MemorySink()
    one, other = two(first, second)
    with one, other, one.run("a") as a, one.node("n"), one.decision("in a"):
        with one.run("b"), one.decision("in b"):
            with one.decision("for a", run=a), one.decision("inside"):
                assert current_run() is a
            with one.decision("in b again"):
                pass
        with other.run("c") as c:
            pass_on = one.decision("for c", run=c)  # which belongs to another runtime
            with pass_on:
                pass
            with decisionlog.decision("for a too", run=a):
                pass
    assert shape(first.run("run_1")) == [
        ("in a", None, "n"),
        ("for a", "in a", "n"),
        ("inside", "for a", "n"),
        ("for a too", "in a", "n"),
    ]
    assert shape(first.run("run_2")) == [
        ("in b", None, "unknown"),
        ("in b again", "in b", "unknown"),
    ]
    assert shape(second.run("other_1")) == [("for c", None, "unknown")]


def test_module_level_scopes_bind_to_the_surrounding_run() -> None:
    first, second = MemorySink(), MemorySink()
    one, other = two(first, second)
    with one, other:
        with other.run("goal"):
            with decisionlog.decision("step", chosen="x") as decision:
                decision.succeed(1)
            with decisionlog.run("inner"):
                pass
        # Two are open, and neither surrounds this.
        with decisionlog.run("nowhere") as run, decisionlog.decision("nothing") as decision:
            decision.choose("x")
            decision.succeed(1)
            assert decision.report_problem("minor", "x") == run.report_problem("minor", "x") == ""
            run.succeed(1)
        assert (run.id, decision.id, repr(run)) == ("", "", "<run (not recorded), running>")
        assert repr(decision) == "<decision (not recorded)>"
        assert run.metrics.total_decisions == 0
        assert one.stats().misused == other.stats().misused == 0
    assert first.run_ids() == []
    assert second.run_ids() == ["other_1", "other_2"]
    assert outcome_of(second.run("other_1").decisions[0]).result == 1
    assert second.run("other_2").parent_run_id == "other_1"


def test_module_level_scopes_bind_to_the_only_open_runtime() -> None:
    sink = MemorySink()
    with decisionlog.run("too early") as early:
        pass
    with recorded(sink) as runtime:
        with decisionlog.run("goal") as run, decisionlog.decision("step"):
            assert runtime.current_run is run
        with pytest.raises(NoRunError), decisionlog.decision("without a run"):
            pass
    with decisionlog.run("too late") as late:
        pass
    assert early.id == late.id == ""
    assert sink.run_ids() == ["run_1"]
    assert shape(sink.run("run_1")) == [("step", None, "unknown")]
