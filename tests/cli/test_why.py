"""`decisionlog why`: the causes, the way there, and what could be done."""

import json
import re
from pathlib import Path

import anyio
import pytest

from decisionlog import Option, RunStore, Runtime
from decisionlog.analysis import explain
from tests.cli.recorded import Recorded, plain
from tests.cli.terminal import decisionlog, needs_terminal, on_terminal
from tests.runfiles import came_out, decided, sealed, started, write


def why(*args: object) -> str:
    result = decisionlog("why", *args)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def sections(told: str) -> dict[str, list[str]]:
    """The lines below each heading."""
    head, *rest = re.split(r"\n\n", told.rstrip("\n"))
    return {"": head.splitlines()} | {part.splitlines()[0]: part.splitlines()[1:] for part in rest}


def test_it_names_the_cause_with_its_evidence(recorded: Recorded) -> None:
    told = sections(why(recorded.failed, recorded.path))
    assert told[""] == [
        f"✗ fetch failed  {recorded.failed}",
        "  Fetch another file",
        "  Gave up on b.txt",
    ]
    assert told["Why"] == [
        "1 ✗ Get b.txt failed, with 1 failure inside  dec_0 dec_1 prob_0",
        "    nobody has b.txt",
        "    the first failure inside it: dec_1, Next step → far; nothing made up for it; "
        "reported as critical: prob_0",
    ]
    assert "  fix         ask (of: b.txt is nowhere)  prob_0" in told["What could be done"]
    assert any(
        line.startswith(
            "  option      near  on the table at dec_1, not tried: Ask the near mirror;"
        )
        for line in told["What could be done"]
    )


def test_the_way_there_is_indented_by_what_lies_in_what(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal") as run:
        with runtime.decision("Get the file", [Option("a")], "a") as outer:
            with runtime.decision("Try the mirror", [Option("b")], "b") as inner:
                inner.fail("it is down")
            outer.fail("it is down")
        run.fail()
    assert sections(why(traces))["How it came to that"] == [
        "  ✗ dec_0  Get the file → a  it is down",
        "  ✗ dec_1    Try the mirror → b  it is down",
    ]


def test_other_runs_of_the_goal_are_asked(traces: Path) -> None:
    options = [Option("near", "Ask near"), Option("far", "Ask far")]
    ids: list[str] = []
    with Runtime(traces) as runtime:
        for chosen in ("far", "far", "near", "near"):
            with runtime.run("goal") as run:
                ids.append(run.id)
                with runtime.decision("Where from", options, chosen) as decision:
                    if chosen == "near":
                        decision.fail("no answer")
                if chosen == "near":
                    run.fail()
    told = sections(why("last", traces))
    assert told["At the same place in 3 other runs of the goal"] == [
        "  Where from  dec_0",
        "  ○ far   ████████ 2 of 2",
        "  ● near  ░░░░░░░░ 0 of 1  chosen here",
    ]
    [heading] = [each for each in told if each.startswith("The completed run most like it: ")]
    assert told[heading] == [
        "  They part at Where from",
        "  ✗ here  near  dec_0  no answer",
        "  ✓ there far  dec_0",
    ]


def test_a_run_that_went_well(recorded: Recorded) -> None:
    told = sections(why(recorded.completed, recorded.path))
    assert told["Why"] == ["  The run completed; nothing went wrong on the way."]


def test_a_pending_decision_is_no_cause(recorded: Recorded) -> None:
    told = sections(why("last", recorded.path))
    assert told["Why"] == [
        "  The run got stuck. As told at its end: Nothing to do. It ended with dec_0, Left open "
        "(nobody recorded what came of it)."
    ]
    [advice] = told["What could be done"]
    assert advice.startswith("  record      1 of 1 decision has no outcome")


def test_what_is_missing_is_said(recorded: Recorded) -> None:
    recorded.damage(recorded.failed, lambda lines: lines.__delitem__(3))
    told = sections(why(recorded.failed, recorded.path))
    assert told["Not all of it is here"] == ["! 1 place of the file did not read"]


def test_json_is_the_explanation(recorded: Recorded) -> None:
    store = RunStore(recorded.path)
    run = anyio.run(store.load, recorded.failed)
    assert json.loads(why("--json", recorded.failed, recorded.path)) == plain(explain(run, store))


def test_not_found(recorded: Recorded) -> None:
    result = decisionlog("why", recorded.failed[:-3] + "xyz", recorded.path)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"nearest: {recorded.failed}" in result.stderr


@needs_terminal
@pytest.mark.parametrize("width", [40, 80, 120])
def test_on_a_terminal_the_choice_stays_when_the_intent_is_cut(traces: Path, width: int) -> None:
    with Runtime(traces) as runtime, runtime.run("goal") as run:
        for step in range(2):
            intent = f"Step {step} of a plan that takes more words than a line has room for"
            with runtime.decision(f"{intent}, or two", [Option("chosen")], "chosen") as decision:
                decision.fail(("no", "never")[step])
        run.fail()
    shown = on_terminal("why", traces, width=width)
    assert shown.code == 0
    way = shown.text.split("How it came to that\n")[1].splitlines()
    assert re.match(r"  ✗ dec_0  Step 0.*→ chosen", way[0])
    assert max(map(len, shown.lines)) <= width
    assert "\x1b[31m" in shown.raw
    assert "\x1b[31m" not in on_terminal("why", traces, env={"NO_COLOR": "1"}).raw


@needs_terminal
def test_a_terminal_gets_the_main_things_unless_it_asks_for_all(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal") as run:
        for what in "abcdefgh":
            with runtime.decision(f"Step {what * 3}") as decision:
                decision.fail(f"error {what * 3}")
        run.fail()
    assert "  3 more: --full shows all" in on_terminal("why", traces).text
    told = sections(why("--full", traces))["Why"]
    assert [line.split()[0] for line in told if "failed" in line] == list("12345678")


def test_a_run_whose_process_died(traces: Path) -> None:
    write(
        traces,
        "made",
        *map(
            sealed,
            [
                started(),
                decided(0, 2, intent="Load"),
                came_out(0, 3),
                decided(1, 4, intent="Write"),
                decided(2, 5, intent="Render", parent_id="dec_1"),
            ],
        ),
    )
    told = sections(why(traces))
    assert told["Why"][0] == (
        "1 ! Interrupted: the process died while 2 decisions had no outcome  dec_2 dec_1"
    )
    assert told["How it came to that"] == [
        "  ✓ dec_0  Load",
        "  … dec_1  Write",
        "  … dec_2    Render",
    ]


def test_a_run_that_is_in_progress(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal"):
        with runtime.decision("Look") as decision:
            decision.fail("it is dark")
        runtime.flush_blocking()
        told = sections(why(traces))
    assert told["What went wrong on the way"][:2] == ["1 ✗ Look failed  dec_0", "    it is dark"]
