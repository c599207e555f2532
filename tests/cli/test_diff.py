"""`decisionlog diff`: two runs side by side."""

import json
import re
from pathlib import Path

import anyio
import pytest

from decisionlog import Option, RunStore, Runtime
from decisionlog.analysis import compare
from tests.cli.recorded import Recorded, plain
from tests.cli.terminal import decisionlog, needs_terminal, on_terminal


def diff(*args: object) -> str:
    result = decisionlog("diff", *args)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture
def two(traces: Path) -> list[str]:
    """A run that asks near and fails, and one that looks first, asks far, and succeeds."""
    options = [
        Option("near", "Ask near", confidence=0.75),
        Option("far", "Ask far", confidence=0.5),
    ]
    ids: list[str] = []
    with Runtime(traces) as runtime:
        for chosen in ("near", "far"):
            with runtime.run("goal", tags={"prompt": chosen}) as run:
                ids.append(run.id)
                if chosen == "far":
                    with runtime.decision("Look first"):
                        pass
                with runtime.decision("Where from", options, chosen, "why not") as decision:
                    if chosen == "near":
                        decision.fail("no answer")
                for step in range(3):
                    with runtime.decision(f"Step {'abc'[step]}"):
                        pass
                if chosen == "near":
                    run.fail()
    return ids


def test_where_they_part_and_what_the_options_were(two: list[str], traces: Path) -> None:
    told = diff(*two, traces)
    assert re.match(rf"a ✗ goal failed  .*  4 decisions  {two[0]}\n", told)
    assert re.search(rf"\nb ✓ goal completed  .*  5 decisions  {two[1]}\n", told)
    assert "\nNot the same from the outset\n" in told
    assert '\n  tags.prompt  a "near"\n               b "far"\n' in told
    parting = told.split("\nWhere they first choose differently\n")[1].split("\n\nDecision by")[0]
    assert parting.splitlines() == [
        "  Where from  unknown",
        "  a ✗ → near  dec_0",
        "      no answer",
        "      because why not",
        "  b ✓ → far  dec_1",
        "      because why not",
        "",
        "  OPTION  A                B",
        "  near    ● ██████░░ 0.75  ○ ██████░░ 0.75  Ask near",
        "  far     ○ ████░░░░ 0.50  ● ████░░░░ 0.50  Ask far",
    ]
    listing = told.split("Decision by decision\n")[1].split("\n\n")[0]
    assert listing.splitlines() == [
        "  +       dec_0 ✓ Look first",
        "  ≠ dec_0 dec_1 ✗ ✓ Where from → near | far  no answer",
        "  =             3 alike",
    ]
    assert re.search(r"\n  success rate +75 % +100 % +\+25 %\n", told)


def test_full_folds_nothing(two: list[str], traces: Path) -> None:
    assert "  = dec_1 dec_2 ✓ Step a\n" in diff("--full", *two, traces)


def test_a_run_does_not_differ_from_itself(recorded: Recorded) -> None:
    told = diff("last", recorded.stuck, recorded.path)
    assert "They never choose differently where both come by." in told
    assert "=" in told
    assert "≠" not in told


def test_json_is_the_comparison(two: list[str], traces: Path) -> None:
    a, b = (anyio.run(RunStore(traces).load, run_id) for run_id in two)
    told = json.loads(diff("--json", *two, traces))
    assert told == plain(compare(a, b))
    assert told["divergence"]["a"]["chosen_option_id"] == "near"


def test_runs_in_different_directories_by_their_files(
    two: list[str], recorded: Recorded, traces: Path, tmp_path: Path
) -> None:
    with Runtime(tmp_path / "other") as runtime, runtime.run("elsewhere") as run:
        pass
    other = tmp_path / "other" / "runs" / f"{run.id}.jsonl"
    told = diff(traces / "runs" / f"{two[0]}.jsonl", other)
    assert "b ✓ elsewhere completed" in told


def test_not_found(two: list[str], traces: Path) -> None:
    for pair in ([two[0], "nope"], ["nope", two[0]]):
        result = decisionlog("diff", *pair, traces)
        assert (result.returncode, result.stdout) == (1, "")
        assert "there is no run 'nope'" in result.stderr


@needs_terminal
@pytest.mark.parametrize("width", [50, 80, 120])
def test_on_a_terminal(two: list[str], traces: Path, width: int) -> None:
    shown = on_terminal("diff", *two, traces, width=width)
    assert shown.code == 0
    assert max(map(len, shown.lines)) <= width
    assert "near | far" in shown.text
