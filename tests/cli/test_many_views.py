"""What many runs say, on a terminal: bars, colours, and lines that fit. What a pipe gets is tested
in `test_many`.
"""

from functools import cache
from pathlib import Path

import pytest

from decisionlog import Option, Runtime
from tests.cli.terminal import Shown, needs_terminal, on_terminal

pytestmark = needs_terminal

OPTIONS = [Option("near", confidence=0.9), Option("far", confidence=0.6)]
GREEN, RED = "\x1b[32m", "\x1b[31m"


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty runs: near fails, far does not. A third of them are of a second version."""
    path = tmp_path_factory.mktemp("views")
    with Runtime(path) as runtime:
        for number in range(60):
            with runtime.run("fetch", tags={"version": str(number // 40)}) as run:
                chosen = "near" if number % 3 else "far"
                with runtime.decision(
                    "Which of the very many mirrors that there are in the whole wide world to ask",
                    OPTIONS, chosen, "", "fetcher",
                ) as decision:  # fmt: skip
                    if chosen == "near":
                        decision.fail(f"no answer after {number} ms \x1b[2J")
                if chosen == "near":
                    run.fail("gave up")
    return path


COMMANDS = [
    ("goals",), ("patterns", "fetch"), ("nodes",), ("options",), ("calibration",),
    ("divergence", "fetch"), ("changes", "version"), ("suggest", "fetch"),
]  # fmt: skip
WIDTH = 56


@cache
def shown(traces: Path, *command: str, width: int = WIDTH) -> Shown:
    found = on_terminal(*command, traces, width=width)
    assert found.code == 0
    return found


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal(traces: Path, command: tuple[str, ...]) -> None:
    found = shown(traces, *command)
    assert found.lines
    assert max(map(len, found.lines)) <= WIDTH
    assert "\x1b[2J" not in found.raw  # what an agent wrote is no command


def test_a_rate_has_a_bar_with_its_interval(traces: Path) -> None:
    told = shown(traces, "goals").lines
    assert told[0].split() == "GOAL SUCCESS OF RUNS MEDIAN TIME".split()  # the rest has no room
    assert told[1].startswith("fetch  ··├●─┤·····      33 %  20 of 60  ")


def test_colour_says_what_the_interval_says(traces: Path) -> None:
    goals, options = shown(traces, "goals").raw, shown(traces, "options").raw
    assert RED in goals  # fewer than half of the runs, for sure
    assert GREEN not in goals
    [near, far] = [line for line in options.splitlines() if line.startswith(("near ", "far "))]
    assert RED in near  # since far does better
    assert GREEN in far


def test_no_colour_and_no_unicode(traces: Path) -> None:
    plain = {"NO_COLOR": "1", "PYTHONIOENCODING": "ascii"}
    found = on_terminal("goals", traces, env=plain)
    assert "..|*-|....." in found.text
    assert RED not in found.raw


def test_columns_give_way_to_a_long_text(traces: Path) -> None:
    for width, fits in ((WIDTH, False), (100, True)):
        told = shown(traces, "patterns", "fetch", width=width).text
        errors = told.partition("Errors of decisions")[2].partition("\n\n")[0]
        assert ("SEE" in errors) is fits
        assert "no answer after <n> ms" in errors


def test_where_confidence_was_expected(traces: Path) -> None:
    [line] = [line for line in shown(traces, "calibration").lines if "0.9 to 1.0" in line]
    assert line.split()[3:5] == ["90", "%"]
    assert line.index("●") < line.index("○")


def test_a_tree_of_choices(traces: Path) -> None:
    told = shown(traces, "divergence", "fetch").text
    assert told.startswith("The runs of fetch part at decision 1")
    [near] = [line for line in told.partition("All choices")[2].splitlines() if "→ near" in line]
    assert "0 of 40" in near
    assert "fetcher: Wh" in near  # but not the end of it


def test_a_suggestion_with_its_evidence(traces: Path) -> None:
    told = shown(traces, "suggest", "fetch")
    lines = [line.split() for line in told.lines]
    assert any(line[:2] == ["with", "it"] and line[-3:] == ["0", "of", "40"] for line in lines)
    assert any(line[:1] == ["otherwise"] and line[-3:] == ["20", "of", "20"] for line in lines)
    assert told.lines[-1]
