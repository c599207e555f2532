"""Little, odd or no data: a clear answer or a clear error, and no statistic that is none."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import click.testing
import msgspec
import pytest

from decisionlog import Option, ReadError, Run, RunStore, Runtime
from decisionlog.analysis import Analysis, compare, explain, summarize
from decisionlog.cli.app import program
from tests.analysis.recorded import record
from tests.analysis.situations import GOAL, SITUATIONS

CALLS: dict[str, Callable[[Analysis, str], Any]] = {
    "goals": lambda analysis, _: analysis.goals(),
    "patterns": lambda analysis, goal: analysis.patterns(goal),
    "options": lambda analysis, _: analysis.options(),
    "options of a goal": lambda analysis, goal: analysis.options(goal),
    "options of a node": lambda analysis, goal: analysis.options(goal, "n'\"x"),
    "calibration": lambda analysis, _: analysis.calibration(),
    "calibration of a goal": lambda analysis, goal: analysis.calibration(goal),
    "divergence": lambda analysis, goal: analysis.divergence(goal),
    "nodes": lambda analysis, goal: analysis.nodes(goal),
    "changes": lambda analysis, _: analysis.changes("version"),
    "suggest": lambda analysis, goal: analysis.suggest(goal),
}
COMMANDS = [
    "goals", "patterns GOAL", "options", "options --goal GOAL", "calibration", "divergence GOAL",
    "nodes", "changes version", "suggest GOAL", "why", "sql QUERY",
]  # fmt: skip
OF_FILES = ["ls", "show", "diff last last", "check"]
"""Those that have tests of their own for what is odd in the records, and not in the files."""


ODD_DIRECTORIES = ["empty directory", "damaged files", "runs still being written"]
IN_TWO_FORMS = ["one run", "damaged files", "no outcomes"]


@pytest.fixture(params=SITUATIONS)
def situation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with SITUATIONS[request.param](tmp_path / "traces"):
        yield request.param, tmp_path / "traces"


def goal_of(name: str) -> str:
    return GOAL if name == "goal with SQL" else "goal"


def check(value: Any, at: str = "") -> None:
    """What is not known is None and no number; what is known is possible."""
    if isinstance(value, dict):
        if "interval" in value and "count" in value:
            assert (value["rate"] is None) == (value["count"] == 0) == (value["interval"] is None)
        if "low" in value and "high" in value:
            assert value["low"] <= value["high"], at
        if value.get("p_value") is not None:
            assert 0 <= value["p_value"] <= 1, at
        for name, each in value.items():
            check(each, f"{at}.{name}")
    elif isinstance(value, list):
        for each in value:
            check(each, at)
    elif isinstance(value, float):
        assert value == value, f"{at} is no number"


def test_every_call(situation: tuple[str, Path]) -> None:
    name, path = situation
    refused: set[str] = set()
    with Analysis(path) as analysis:
        for call, ask in CALLS.items():
            try:
                answer = ask(analysis, goal_of(name))
            except ReadError as error:
                assert "no run has the" in str(error)
                refused.add(call)
                continue
            every = answer if isinstance(answer, list) else [answer]
            assert every == [] or all(map(str, every)), call
            check(json.loads(msgspec.json.encode(answer)), call)
    everything = {"goals", "options", "calibration"}
    assert refused == (CALLS.keys() - everything if name == "empty directory" else set())


def test_one_run_and_two(situation: tuple[str, Path]) -> None:
    _, path = situation
    store = RunStore(path)

    async def load() -> list[Run]:
        return [await store.load(each.run_id) async for each in store.runs()]

    runs = anyio.run(load)
    for run in runs[:6]:
        for answer in (
            explain(run),
            explain(run, store),
            summarize(run),
            compare(run, runs[-1]),
            compare(runs[-1], run),
        ):
            assert str(answer)
            check(json.loads(msgspec.json.encode(answer)))


@pytest.mark.parametrize("situation", sorted({*ODD_DIRECTORIES, *IN_TWO_FORMS}), indirect=True)
def test_every_command(situation: tuple[str, Path]) -> None:
    """What every call answers, printed as text or JSON; so a few situations will do."""
    name, path = situation
    runner = click.testing.CliRunner()
    for command in COMMANDS + OF_FILES * (name in ODD_DIRECTORIES):
        words = [
            {"GOAL": goal_of(name), "QUERY": "SELECT * FROM decisions"}.get(word, word)
            for word in command.split()
        ]
        told = runner.invoke(program, [*words, str(path)])
        assert told.exception is None or isinstance(told.exception, SystemExit), command
        if name == "empty directory" and told.exit_code:
            assert told.stderr.startswith("decisionlog: "), command
        elif command != "check":
            assert told.exit_code == 0, (command, told.output)
            assert (told.stdout + told.stderr).strip(), command
        assert "Traceback" not in told.stderr
        if name in IN_TWO_FORMS:
            told = runner.invoke(program, [*words, "--json", str(path)])
            check(json.loads(told.stdout), command)


def test_nothing_that_a_terminal_would_obey(tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07\x1b[31m\u202e"
    with Runtime(tmp_path) as runtime:
        for _ in range(6):
            with runtime.run(f"goal{hostile}", tags={"version": hostile}) as run:
                menu = [Option(f"a{hostile}"), Option("b")]
                with runtime.decision(f"i{hostile}", menu, menu[0].id, node_id=f"n{hostile}") as it:
                    it.fail(f"broke{hostile}")
                run.fail()
    runner = click.testing.CliRunner()
    for command in COMMANDS:
        words = [
            {"GOAL": f"goal{hostile}", "QUERY": "SELECT * FROM decisions"}.get(word, word)
            for word in command.split()
        ]
        for form in ([], ["--json"]):
            told = runner.invoke(program, [*words, *form, str(tmp_path)])
            assert told.exit_code == 0, (command, told.output)
            obeyed = {"\x1b", "\x07"} if form else {"\x1b", "\x07", "\u202e"}
            assert not obeyed & set(told.stdout), (command, form)


def test_what_each_situation_says(tmp_path: Path) -> None:
    def patterns(name: str) -> Any:
        with SITUATIONS[name](tmp_path / name), Analysis(tmp_path / name) as analysis:
            return analysis.patterns(goal_of(name)), analysis.calibration(), analysis.options()

    found, calibration, options = patterns("tracebacks")
    assert [each.cause for each in found.causes] == ["ConnectionError: db<n> is away"]
    assert [each.error for each in found.errors] == ["ConnectionError: db<n> is away"]
    assert calibration.count == 36

    found, calibration, options = patterns("no outcomes")
    assert found.success.count == 12
    assert (calibration.brier, calibration.verdict) == (None, None)
    assert options.places[0].options[0].success.rate is None
    assert options.places[0].options[0].run_success.count == 12

    found, calibration, options = patterns("missing confidences")
    assert calibration.confidence is None
    assert found.nodes[0].tokens is None

    found, calibration, options = patterns("equal confidences")
    assert calibration.confidence == pytest.approx(0.8)

    found, calibration, options = patterns("no options")
    assert options.places == []
    assert str(options) == "No options were chosen."

    found, calibration, options = patterns("intents never the same")
    assert [(place.node_id, place.intent) for place in options.places] == [("unknown", None)]

    found, calibration, options = patterns("runs still being written")
    assert (found.runs, found.success.count) == (1, 0)

    found, calibration, options = patterns("damaged files")
    assert found.runs == 9
    assert found.success.count == 9


def test_a_hundred_thousand_intents(tmp_path: Path) -> None:
    """One node that words each anew, and one with a place for each: both answer."""
    words = "alpha beta gamma delta epsilon zeta eta theta iota kappa".split()
    with Runtime(tmp_path, overflow="wait", max_buffer=2**28) as runtime:
        for number in range(50):
            with runtime.run("goal") as run:
                for place in range(2_000):
                    said = " ".join(words[int(digit)] for digit in f"{number:02}{place:04}")
                    with runtime.decision(said, chosen="go", node_id="talker"):
                        pass
                if number % 2:
                    run.fail()
    with Analysis(tmp_path) as analysis:
        assert analysis.sql("SELECT count(DISTINCT intent_print) FROM decisions").rows == [
            [100_000]
        ]
        [place] = analysis.options().places
        assert (place.intent, place.decisions) == (None, 100_000)
        assert analysis.divergence("goal").divergence is None
        assert analysis.suggest("goal") == []
        for ask in CALLS.values():
            try:
                assert str(ask(analysis, "goal")) is not None
            except ReadError as error:
                assert "tag" in str(error)


def test_who_asks_for_what_is_not_there(tmp_path: Path) -> None:
    with (
        SITUATIONS["goal with SQL"](tmp_path / "traces"),
        Analysis(tmp_path / "traces") as analysis,
    ):
        with pytest.raises(ReadError, match="; nearest: "):
            analysis.patterns(GOAL[:-1])
        with pytest.raises(ReadError, match="there are version"):
            analysis.changes("x'; --")
        assert analysis.options(None, "x'; --").places == []
        assert analysis.calibration(None, "x'; --").count == 0
    with pytest.raises(ReadError, match="no directory"):
        Analysis(tmp_path / "nowhere")


def test_an_unknown_goal_names_the_nearest(tmp_path: Path) -> None:
    record(tmp_path, *(("fetch", [{}]) for _ in range(2)), ("Ask Mum", [{}]))
    with Analysis(tmp_path) as analysis:
        asked = (analysis.patterns, analysis.options, analysis.nodes, analysis.calibration,
                 analysis.divergence, analysis.suggest)  # fmt: skip
        for ask in asked:
            with pytest.raises(
                ReadError, match="no run has the goal 'ask mum'; nearest: 'Ask Mum'"
            ):
                ask("ask mum")
        with pytest.raises(ReadError, match="'zzz'; the commonest: 'fetch', 'Ask Mum'"):
            analysis.patterns("zzz")


def test_missing_tables_and_columns_are_named(tmp_path: Path) -> None:
    with Analysis(tmp_path) as analysis:
        tables = {"runs": analysis.tables.runs}
        with pytest.raises(ReadError, match="'decisions' is missing"):
            Analysis(tables)
        every = dict.fromkeys(("runs", "decisions", "options", "problems"), analysis.tables.runs)
        with pytest.raises(ReadError, match="lacks the columns decision_id"):
            Analysis(every)
