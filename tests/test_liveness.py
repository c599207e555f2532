"""Which runs are in progress, and which were interrupted: by what real processes leave behind."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from decisionlog import RunStatus, RunStore, Runtime
from decisionlog.records import RunEnded
from tests import runfiles
from tests.waiting import LIMIT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")

BEGIN = """
import os, sys, time
from decisionlog import Runtime
from decisionlog.testing import CountingIds

def say(what):
    print(what, flush=True)

def told():
    return sys.stdin.readline() or sys.exit()

runtime = Runtime(sys.argv[1], new_run_id=CountingIds()).__enter__()
scope = runtime.run("goal")
scope.__enter__()
options = [{"id": "left"}, {"id": "right"}]
runtime.decision("decide", options, "left", "shorter").__enter__()
"""


class Child:
    """A process that does as it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    def says(self) -> str:
        return self._stdout.readline().strip()

    def tell(self, what: str = "") -> None:
        self._stdin.write(what + "\n")
        self._stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        assert self.process.wait() == -9


@contextmanager
def child(traces: Path, script: str) -> Iterator[Child]:
    command = [sys.executable, "-c", BEGIN + script, str(traces)]
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Child(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(LIMIT)


async def status(traces: Path, run_id: str = "run_1") -> str:
    """How it stands, which all ways of asking agree on."""
    store = RunStore(traces)
    run = await store.load(run_id)
    summary = await store.summary(run_id)
    check = await store.check(run_id)
    [listed] = [found.status async for found in store.runs() if found.run_id == run_id]
    assert run.status == summary.status == check.status == listed
    return run.status


async def test_a_process_that_is_alive_and_then_is_not(traces: Path) -> None:
    with child(traces, "runtime.flush_blocking(); say('made'); told()") as process:
        assert process.says() == "made"
        assert await status(traces) == "running"
        process.kill()
        assert await status(traces) == "interrupted"
    run = await RunStore(traces).load("run_1")
    [decision] = run.decisions
    assert decision.is_pending
    assert run.narrative == "Run was interrupted. Made 1 decision: 1 pending."


@pytest.mark.parametrize("meanwhile", ["time.sleep(0.001)", "pass", "decide('another')"])
async def test_killed_50_ms_after_a_decision(traces: Path, meanwhile: str) -> None:
    """The promise itself: nobody asked for a flush, and the decision is there. On a computer that
    is too busy to run the recorder in time, it may take many attempts.
    """
    script = f"""
def decide(intent):
    return runtime.decision(intent, options, "left", "shorter").__enter__().id
for _ in range(3):
    last = decide("the last")
    made = time.monotonic()
    while time.monotonic() < made + 0.05:
        {meanwhile}
say(last)
told()
"""
    for _ in range(100):
        shutil.rmtree(traces, ignore_errors=True)
        with child(traces, script) as process:
            last = process.says()
            process.kill()
        run = await RunStore(traces).load("run_1")
        assert (run.status, run.damage) == ("interrupted", [])
        decision = run.decision(last)
        if decision is not None:
            break
    assert decision is not None
    assert (decision.intent, decision.chosen_option_id) == ("the last", "left")
    assert (decision.reasoning, decision.outcome) == ("shorter", None)


async def test_a_forked_child_does_not_keep_its_parents_run_alive(traces: Path) -> None:
    script = """
runtime.flush_blocking()
if os.fork():
    os.waitid(os.P_ALL, 0, os.WEXITED)
else:
    say(f"alive {os.getpid()}")
    told()
    say("still alive")
    told()
    os._exit(0)
"""
    with child(traces, script) as process:
        assert process.says().startswith("alive")
        assert await status(traces) == "running"
        process.kill()
        process.tell()
        assert process.says() == "still alive"
        assert await status(traces) == "interrupted"
        process.tell()


async def test_a_forked_childs_own_run_is_alive(traces: Path) -> None:
    script = """
runtime.flush_blocking()
if os.fork():
    os.waitid(os.P_ALL, 0, os.WEXITED)
else:
    with runtime.run("goal", run_id="child"):
        runtime.flush_blocking()
        say("recording")
        told()
    runtime.flush_blocking()
    say("ended")
    told()
    os._exit(0)
"""
    with child(traces, script) as process:
        assert process.says() == "recording"
        process.kill()
        assert await status(traces) == "interrupted"
        assert await status(traces, "child") == "running"
        process.tell()
        assert process.says() == "ended"
        assert await status(traces, "child") == "completed"
        assert (await RunStore(traces).load("child")).parent_run_id == "run_1"
        process.tell()


async def test_two_runtimes_of_one_process_are_two_writers(traces: Path) -> None:
    with Runtime(traces) as first, first.run("goal", run_id="first"):
        with Runtime(traces) as second:
            second.run("goal", run_id="second").__enter__()
            assert await second.flush()
            assert await first.flush()
            assert await status(traces, "second") == "running"
        assert await status(traces, "first") == "running"
        assert await status(traces, "second") == "interrupted"
    assert await status(traces, "first") == "completed"


async def test_the_lock_file_is_not_there(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal", run_id="run_1"):
        assert await runtime.flush()
        assert await status(traces) == "running"
        [lock] = (traces / "writers").iterdir()
        lock.unlink()
        assert await status(traces) == "interrupted"
        (traces / "writers").rmdir()
        assert await status(traces) == "interrupted"
    assert await status(traces) == "completed"


async def test_a_lock_that_the_dead_left_means_nothing(traces: Path) -> None:
    with child(traces, "runtime.flush_blocking(); say('made'); told()") as process:
        assert process.says() == "made"
        process.kill()
    assert len(list((traces / "writers").iterdir())) == 1
    assert await status(traces) == "interrupted"


@pytest.fixture(scope="session")
def before_the_lock_is_tried() -> list[Callable[[], object]]:
    """What a reader is kept waiting for, having read a file, before it sees whether the writer is
    alive.
    """
    calls: list[Callable[[], object]] = []

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "open" and calls and str(args[0]).endswith(".lock"):
            calls.pop()()

    sys.addaudithook(hook)  # there is no way to remove it
    return calls


@pytest.mark.parametrize("way", ["load", "summary", "check", "follow"])
async def test_a_run_that_ends_while_it_is_looked_at(
    traces: Path, before_the_lock_is_tried: list[Callable[[], object]], way: str
) -> None:
    """Whoever finds the writer gone looks at the file once more."""
    script = """
runtime.flush_blocking()
say("made")
told()
for _ in range(3):
    runtime.decision("decide", context={"much": "x" * 1_000_000}).__enter__()
scope.__exit__(None, None, None)
runtime.__exit__(None, None, None)
"""
    store = RunStore(traces)
    with child(traces, script) as process:
        assert process.says() == "made"

        def end() -> None:
            process.tell()
            process.process.wait(LIMIT)

        before_the_lock_is_tried.append(end)
        if way == "follow":
            records = [record async for record in store.follow("run_1")]
            assert type(records[-1]) is RunEnded
        else:
            found = await getattr(store, way)("run_1")
            assert found.status == "completed"
    assert not before_the_lock_is_tried


@pytest.mark.parametrize("lines", [1, 3])
async def test_a_run_of_another_host(traces: Path, lines: int) -> None:
    records = runfiles.whole_run()
    records[0] |= {"host": "elsewhere", "writer": "w_1"}
    path = runfiles.write(traces, "made", *map(runfiles.sealed, records[:lines]))
    an_hour_ago = path.stat().st_mtime - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))

    async def found(stale_after: timedelta | None) -> RunStatus:
        store = RunStore(traces, stale_after=stale_after)
        assert (await store.load("made")).status == (await store.summary("made")).status
        return (await store.load("made")).status

    assert await found(None) == "running"
    assert await found(timedelta(minutes=61)) == "running"
    assert await found(timedelta(minutes=59)) == "interrupted"
    path.write_bytes(b"".join(map(runfiles.sealed, records)))
    assert await found(timedelta(minutes=59)) == "completed"


async def test_stale_after_says_nothing_about_this_host(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal", run_id="run_1"):
        assert await runtime.flush()
        os.utime(runfiles.path_of(traces, "run_1"), (1, 1))
        store = RunStore(traces, stale_after=timedelta(minutes=1))
        assert (await store.load("run_1")).status == "running"


async def test_the_host_is_written(traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal", run_id="run_1"):
        pass
    run = await RunStore(traces).load("run_1")
    assert (run.host, run.pid) == (socket.gethostname(), os.getpid())
    assert run.writer.startswith(f"w_{os.getpid()}_")
