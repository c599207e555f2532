"""`decisionlog tail`: a run while it goes on."""

import json
import re
import signal
import sys
from pathlib import Path

import anyio
import pytest

from decisionlog import RunStore, Runtime
from tests.cli.recorded import Recorded, plain
from tests.cli.terminal import decisionlog, in_a_process, started


def test_a_run_that_is_over_is_told_from_the_beginning(recorded: Recorded) -> None:
    result = decisionlog("tail", recorded.failed, recorded.path)
    assert (result.returncode, result.stderr) == (0, "")
    head, *lines = result.stdout.splitlines()
    assert head.startswith(f"{recorded.failed}, times in ")
    told = [re.sub(r"^\d\d:\d\d:\d\d\.\d{3}  |  [\d.]+ ms$", "", line) for line in lines]
    assert told[:-2] == [
        "► fetch  Fetch another file",
        "  ○ dec_0 Get b.txt  it was asked for",
        "    ○ dec_1 Next step → far  the near one is down",
        "    ✗ dec_1 Next step  no answer within 3 s",
        "  ✗ dec_0 critical b.txt is nowhere",
        "  ✗ dec_0 Get b.txt  nobody has b.txt",
    ]
    assert told[-2].startswith("✗ failed after ")
    assert told[-1] == "  Gave up on b.txt"


def test_without_a_run_it_is_the_newest(recorded: Recorded) -> None:
    assert decisionlog("tail", recorded.path).stdout.startswith(recorded.stuck)
    assert in_a_process("tail", cwd=recorded.path.parent).stdout.startswith(recorded.stuck)


def test_json_lines_are_the_records(recorded: Recorded) -> None:
    async def records() -> list[object]:
        store = RunStore(recorded.path)
        return [plain(record) async for record in store.follow(recorded.failed)]

    result = decisionlog("tail", "--json", recorded.failed, recorded.path)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines == anyio.run(records)
    assert lines[0]["type"] == "run_started"
    assert lines[-1]["type"] == "run_ended"


def test_it_follows_until_the_run_ends(traces: Path) -> None:
    with Runtime(traces) as runtime:
        scope = runtime.run("live")
        run = scope.__enter__()
        assert runtime.flush_blocking()
        with started("tail", run.id, traces) as tail:
            assert tail.stdout is not None
            assert tail.stdout.readline().startswith(run.id)
            assert "► live" in tail.stdout.readline()
            with runtime.decision("Now", ["this", "that"]) as decision:
                assert "○ dec_0 Now" in tail.stdout.readline()
                decision.choose("this", "because")
                assert "○ dec_0 → this  because" in tail.stdout.readline()
                decision.succeed(summary="Done")
            assert "✓ dec_0 Now  Done" in tail.stdout.readline()
            run.succeed(narrative="All is well")
            scope.__exit__(None, None, None)
            assert "✓ completed after" in tail.stdout.readline()
            assert tail.stdout.read() == "  All is well\n"
            assert tail.wait() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_ctrl_c_ends_it_cleanly(traces: Path, options: list[str]) -> None:
    with Runtime(traces) as runtime, runtime.run("live"):
        assert runtime.flush_blocking()
        with started("tail", *options, traces) as tail:
            assert tail.stdout is not None
            assert tail.stderr is not None
            assert tail.stdout.readline()
            tail.send_signal(signal.SIGINT)
            assert tail.wait() == 130
            assert tail.stderr.read() == ""


def test_a_run_whose_process_is_gone_ends_as_well(recorded: Recorded) -> None:
    recorded.damage(recorded.completed, lambda lines: lines.pop())
    result = decisionlog("tail", recorded.completed, recorded.path)
    assert result.returncode == 0
    assert result.stdout.endswith("! interrupted: the run never ended, its process is gone\n")
    result = decisionlog("tail", "--json", recorded.completed, recorded.path)
    assert [json.loads(line)["type"] for line in result.stdout.splitlines()] == [
        "run_started",
        "decision",
        "outcome",
    ]


def test_records_of_a_later_version_are_shown(recorded: Recorded) -> None:
    record = b'{"type":"mood","mood":"good\\u001b[2J"}\n'
    lines = recorded.file(recorded.completed).read_bytes().splitlines(keepends=True)
    bare = [re.sub(rb',"crc":"\w+"', b"", line) for line in lines]
    bare.insert(1, record)
    recorded.file(recorded.completed).write_bytes(b"".join(bare))
    result = decisionlog("tail", recorded.completed, recorded.path)
    assert '  · {"type": "mood", "mood": "good\\u001b[2J"}\n' in result.stdout
    assert (
        "1 record not understood" in decisionlog("show", recorded.completed, recorded.path).stdout
    )
