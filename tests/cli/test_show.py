"""`decisionlog show`: one run, decision by decision."""

import json
import re
import shutil
from pathlib import Path

import anyio
import pytest
from rich.cells import cell_len

from decisionlog import Evaluation, Option, RunStore, Runtime
from tests import runfiles
from tests.cli.recorded import Recorded, plain
from tests.cli.terminal import decisionlog, in_a_process, needs_terminal, on_terminal


def show(*args: object) -> str:
    result = decisionlog("show", *args)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_the_head_says_what_it_was_about(recorded: Recorded) -> None:
    head = show(recorded.completed, recorded.path).split("Decisions")[0]
    assert head.startswith(f"✓ fetch completed  {recorded.completed}\n")
    assert "  Fetch the file\n  Fetched a.txt\n" in head
    assert re.search(r"started    \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+, took [\d.]+ ms\n", head)
    assert "decisions  1: 1 succeeded\n" in head
    assert "tokens     1,234\n" in head
    assert "nodes      plan\n" in head
    assert "tags       v=7\n" in head
    assert 'input      {"file": "a.txt"}\n' in head
    assert 'output     {"ok": true}\n' in head


def test_a_success_is_told_briefly(recorded: Recorded) -> None:
    decisions = show(recorded.completed, recorded.path).split("Decisions\n")[1].splitlines()
    assert re.fullmatch(r"✓ Where from → near  [\d.]+ ms  1,234 tokens  plan  dec_0", decisions[0])
    assert decisions[1:] == ["  Got 3 bytes", "  because it is fast"]


def test_a_failure_is_told_at_length_and_where_it_happened(recorded: Recorded) -> None:
    told = show(recorded.failed, recorded.path)
    outer, inner = re.findall(r"^.*dec_\d$", told, re.MULTILINE)[:2]
    assert re.fullmatch(r"✗ Get b.txt  [\d.]+ ms  unknown  dec_0", outer)
    assert re.fullmatch(r"└─✗ Next step → far  [\d.]+ ms  unknown  dec_1", inner)
    story = told.split(inner)[1]
    lines = [
        "    TimeoutError: no answer within 3 s",
        "    because the near one is down",
        "    ○ near  ██████░░ 0.75  Ask the near mirror  + fast  - often down",
        "    ● far   ████░░░░ 0.50  Ask the far mirror  + reliable  - slow",
    ]
    assert story.startswith("\n" + "\n".join(lines) + '\n    File "')
    assert "✗ critical b.txt is nowhere  dec_0\n  cause a typo\n  fix   ask\n" in story


def test_no_outcome_is_no_failure(recorded: Recorded) -> None:
    told = show(recorded.stuck, recorded.path)
    assert "… Left open  unknown  dec_0\n  no outcome\n" in told
    assert "✗" not in told


def test_an_exception_that_ended_the_run(traces: Path) -> None:
    with Runtime(traces) as runtime, pytest.raises(KeyError), runtime.run("goal") as run:
        raise KeyError("b.txt")
    told = show(run.id, traces)
    assert "  KeyError: 'b.txt'\n  File " in told


def test_only_what_failed(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal"):
        with runtime.decision("good"):
            pass
        with runtime.decision("outside"):
            with runtime.decision("good as well"):
                pass
            with runtime.decision("bad") as bad:
                bad.fail("broken")
    told = show("--failed", "last", traces)
    assert re.findall(r"good as well|good|outside|bad", told.split("Decisions")[1]) == [
        "outside",
        "bad",
    ]
    with Runtime(traces) as runtime, runtime.run("goal"), runtime.decision("good"):
        pass
    assert "No decision failed" in show("--failed", traces)


def test_full_leaves_nothing_out(traces: Path) -> None:
    with (
        Runtime(traces) as runtime,
        runtime.run("goal") as run,
        runtime.decision(
            "Where to",
            [Option("here", confidence=1), Option("there")],
            "elsewhere",
            constraints=["no money", "no time"],
            context={"seen": [1, 2]},
            decision_type="path_choice",
        ) as decision,
    ):
        decision.succeed({"at": "x"}, state_changes={"moved": True}, model="m-1", cost_usd=0.25)
    evaluation = Evaluation(better_option_id="there", why_better="it is near", explanation="Hm.")
    store = RunStore(traces)
    anyio.run(store.evaluate, run.id, "dec_0", evaluation)
    told = show("--full", traces)
    for line in (
        "✓ Where to → elsewhere (not among the options)",
        '  result {"at": "x"}\n',
        '  changed {"moved": true}\n',
        "  model m-1 $0.25\n",
        "  ○ here   ████████ 1.00\n",
        "  type path_choice\n",
        "  within no money; no time\n",
        '  given {"seen": [1, 2]}\n',
        "  judged in line with the goal, quality 100 %, "
        "there would have been better (it is near), Hm.\n",
    ):
        assert line in told
    assert "given" not in show(traces)


def test_json_is_what_the_store_says(recorded: Recorded) -> None:
    for run_id in (recorded.completed, recorded.failed, recorded.stuck):
        result = decisionlog("show", "--json", run_id, recorded.path)
        assert (result.returncode, result.stderr) == (0, "")
        assert json.loads(result.stdout) == plain(recorded.load(run_id))


def test_json_keeps_the_numbers_that_json_lacks(traces: Path) -> None:
    given = {"nan": float("nan"), "low": -float("inf"), "big": 2**5000, "long": 2**70, "$ref": 1}
    with Runtime(traces) as runtime, runtime.run("goal", input_data=given):
        pass
    result = decisionlog("show", "--json", traces)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["input_data"] == {
        "nan": {"$float": "nan"},
        "low": {"$float": "-inf"},
        "big": {"$int": hex(2**5000)},
        "long": 2**70,
        "$ref": 1,
    }
    assert "input      " in show(traces)


def test_json_marks_what_lies_deeper_than_recorders_write(traces: Path) -> None:
    given = b"[" * 988 + b"]" * 988  # as deep as can just be read
    line = runfiles.plain(runfiles.started())[:-2] + b',"input_data":%b}\n' % given
    runfiles.write(traces, "made", line)
    result = decisionlog("show", "--json", traces)
    assert result.returncode == 0, result.stderr
    value, depth = json.loads(result.stdout)["input_data"], 0
    while isinstance(value, list):
        value, depth = value[0], depth + 1
    assert value == {"$depth": 200}
    assert depth == 199


# Which run


def test_a_run_is_named_by_any_beginning(recorded: Recorded) -> None:
    run_id, path = recorded.failed, recorded.path
    short = run_id.rsplit("_", 1)[1][:8]
    for name in (run_id, run_id[:-3], run_id.removeprefix("run_"), short, recorded.file(run_id)):
        directory = [] if isinstance(name, Path) else [path]
        assert show(name, *directory).startswith(f"✗ fetch failed  {run_id}\n")


def test_last_is_the_newest_and_the_default(recorded: Recorded) -> None:
    for arguments in (["last", recorded.path], [recorded.path]):
        assert show(*arguments).startswith(f"◆ rest stuck  {recorded.stuck}\n")
    result = in_a_process("show", cwd=recorded.path.parent)
    assert result.stdout.startswith(f"◆ rest stuck  {recorded.stuck}\n")


def test_names_that_are_not_made_from_the_time(traces: Path) -> None:
    with Runtime(traces) as runtime:
        for name in ("nightly-1", "nightly-12", "weekly"):
            with runtime.run("goal", run_id=name):
                pass
    assert "  nightly-1\n" in show("nightly-1", traces)
    assert "  weekly\n" in show("w", traces)
    result = decisionlog("show", "night", traces)
    assert result.returncode == 1
    assert "'night' is the beginning of several runs: nightly-1, nightly-12\n" in result.stderr


@pytest.mark.parametrize("arguments", [["show"], ["show", "--json"], ["tail"], ["check"]])
def test_an_unknown_run_says_so_and_names_the_nearest(
    recorded: Recorded, arguments: list[str]
) -> None:
    wrong = recorded.failed[:-1] + "_"
    result = decisionlog(*arguments, wrong, recorded.path)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"there is no run '{wrong}' in '{recorded.path}'; nearest: {recorded.failed}" in (
        result.stderr
    )
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["show", "tail"])
def test_no_run_at_all(tmp_path: Path, command: str) -> None:
    for arguments in ([tmp_path], ["last", tmp_path], ["abc", tmp_path]):
        result = decisionlog(command, *arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("decisionlog: there are no runs in")


# What is not all there


def test_damage_and_loss_are_told(recorded: Recorded) -> None:
    recorded.damage(recorded.failed, lambda lines: lines.pop(2))
    told = show(recorded.failed, recorded.path)
    assert "Not all of it is here\n✗ line 3 of the file: " in told
    assert "dec_0" in told


def test_an_interrupted_run_says_so(recorded: Recorded) -> None:
    recorded.damage(recorded.completed, lambda lines: lines.pop())
    told = show(recorded.completed, recorded.path)
    assert told.startswith("! fetch interrupted  ")
    assert ", last heard of at " in told
    assert "! the run never ended: its process is gone\n" in told


def test_a_file_of_nothing_but_damage(recorded: Recorded) -> None:
    recorded.file(recorded.completed).write_bytes(b"nonsense\n\xff\xfe\n{}\n")
    told = show(recorded.completed, recorded.path)
    assert told.startswith("! (no goal) interrupted")
    assert told.count("✗ line ") == 3


# How it looks


@needs_terminal
@pytest.mark.parametrize("width", [60, 100, 200])
def test_it_fits_the_terminal(recorded: Recorded, width: int) -> None:
    shown = on_terminal("show", recorded.failed, recorded.path, width=width)
    assert shown.code == 0
    assert max(map(cell_len, shown.lines)) <= width
    assert "\x1b[" in shown.raw
    first = next(line for line in shown.lines if "Next step" in line)
    assert first.endswith("dec_1")
    assert len(first) == width


@needs_terminal
def test_long_words_and_deep_nesting_fit_as_well(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal"):
        scopes = [runtime.decision(f"level {n} " + "漢字" * 50) for n in range(100)]
        for scope in scopes:
            scope.__enter__()
        for scope in reversed(scopes):
            scope.__exit__(None, None, None)
    shown = on_terminal("show", traces, width=60)
    assert max(map(cell_len, shown.lines)) <= 60
    assert "in dec_98" in shown.text


@needs_terminal
def test_a_terminal_gets_the_first_of_very_many(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal"):
        for n in range(302):
            with runtime.decision(f"decision {n}"):
                pass
    shown = on_terminal("show", traces)
    assert "decision 299 " in shown.text
    assert "decision 300 " not in shown.text
    assert "! 2 decisions more: --limit 0 shows them all" in shown.text
    assert "decision 301 " in on_terminal("show", "--limit", 0, traces).text
    assert "decision 301 " in show(traces)
    assert "! 300 decisions more" in show("--limit", 2, traces)


@needs_terminal
def test_without_colours_the_marks_remain(recorded: Recorded) -> None:
    shown = on_terminal("show", recorded.failed, recorded.path, env={"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[0-9;]*[34][0-7]", shown.raw)
    assert "└─✗ Next step → far" in shown.text
    coloured = on_terminal("show", recorded.failed, recorded.path)
    assert re.search(r"\x1b\[[0-9;]*31m✗", coloured.raw)


def test_an_output_without_such_characters_gets_others(recorded: Recorded) -> None:
    result = in_a_process("show", recorded.failed, recorded.path, env={"PYTHONIOENCODING": "ascii"})
    assert (result.returncode, result.stderr) == (0, "")
    assert "`-x Next step > far" in result.stdout
    assert result.stdout.isascii()


def test_the_parent_run_is_named(traces: Path) -> None:
    with (
        Runtime(traces) as runtime,
        runtime.run("outer") as outer,
        runtime.decision("delegate"),
        runtime.run("inner") as inner,
    ):
        pass
    assert f"inside     run {outer.id}, decision dec_0\n" in show(inner.id, traces)


def test_a_run_of_another_directory_is_read_where_it_lies(recorded: Recorded) -> None:
    copy = recorded.path.parent / "copy of traces"
    shutil.copytree(recorded.path, copy)
    assert show("last", copy) == show("last", recorded.path)
