"""Processes that end, and new ones. Each test runs a real one; see also faults/test_ways_out.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from decisionlog import Run, RunStatus, RunStore
from tests.waiting import LIMIT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")

HEAD = """
import os, signal, sys, threading, time
import anyio
from decisionlog import Runtime
from decisionlog.testing import CountingIds, MemorySink
"""


def python(script: str, *args: object, measured: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a script to its end; not `measured`, without what coverage puts into the process."""
    command = [sys.executable, "-c", HEAD + script, *map(str, args)]
    env = {k: v for k, v in os.environ.items() if measured or not k.startswith("COVERAGE")}
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=env)


async def runs(traces: Path) -> list[Run]:
    store = RunStore(traces)
    return [await store.load(summary.run_id) async for summary in store.runs(newest_first=False)]


def test_a_hung_sink_does_not_hold_up_closing_or_exit(traces: Path) -> None:
    script = """
class Hung(MemorySink):
    async def write(self, batch):
        await anyio.to_thread.run_sync(time.sleep, 3600, abandon_on_cancel=True)
import anyio.to_thread
with Runtime(sinks=[Hung()], close_timeout=0.1, strict=False) as runtime:
    with runtime.run("goal"):
        pass
stats = runtime.stats()
print(stats.accepted, stats.dropped)
"""
    script = script.replace(
        "await anyio.to_thread.run_sync(time.sleep, 3600, abandon_on_cancel=True)",
        "await anyio.sleep(3600)",
    )
    result = python(script)
    assert (result.returncode, result.stdout) == (0, "2 2\n")
    assert "2 of 2 records were not written: the sink was too slow" in result.stderr


def test_a_hung_file_system_does_not_hold_up_closing_or_exit(tmp_path: Path) -> None:
    """The file thread is stuck in a system call, here in opening a fifo nobody reads."""
    script = """
os.mkfifo(sys.argv[1] + "/fifo")
real = os.open
def stuck(path, flags, mode=0o777, **kwargs):
    if str(path).endswith(".jsonl"):
        path, flags = sys.argv[1] + "/fifo", os.O_WRONLY
    return real(path, flags, mode, **kwargs)
os.open = stuck
runtime = Runtime(sys.argv[1] + "/traces", close_timeout=0.1)
with runtime:
    with runtime.run("goal"):
        pass
    assert not runtime.flush_blocking(timeout=0.05)
print(runtime.stats().dropped)
second = Runtime(sys.argv[1] + "/traces", close_timeout=0.1).__enter__()  # this one at exit
second.run("goal").__enter__()
"""
    result = python(script, tmp_path)
    assert (result.returncode, result.stdout) == (0, "2\n"), result.stderr
    assert "1 records were lost at exit" in result.stderr


def test_what_is_given_up_on_closing_counts_once_whatever_becomes_of_it() -> None:
    """Closing, and then interpreter exit, each waited for a sink that holds the recorder's thread;
    `dropped` stayed 0 after closing.
    """
    script = """
from threading import Event
release, taken = Event(), Event()
class Blocking(MemorySink):
    async def write(self, batch):
        release.wait()
    async def close(self):
        taken.set()
with Runtime(sinks=[Blocking()], close_timeout=0.05) as runtime:
    with runtime.run("goal"):
        pass
given_up = runtime.stats()
release.set()
assert taken.wait(30)
assert runtime.stats() == given_up, runtime.stats()
print(given_up.accepted, given_up.written, given_up.dropped, given_up.buffered)
"""
    result = python(script)
    assert (result.returncode, result.stdout) == (0, "2 0 2 0\n"), result.stderr
    assert result.stderr.count("records were") == 1


def test_strict_closing_raises_what_was_lost() -> None:
    script = """
from decisionlog import WriteError
class Hung(MemorySink):
    async def write(self, batch):
        await anyio.sleep(3600)
for error in (None, KeyError("mine")):
    try:
        with Runtime(sinks=[Hung()], close_timeout=0.05, strict=True) as runtime:
            with runtime.run("goal"):
                pass
            if error:
                raise error
    except (WriteError, KeyError) as raised:
        print(type(raised).__name__, raised)
"""
    result = python(script)
    assert result.stdout.splitlines() == [
        "WriteError 2 of 2 records were not written: the sink was too slow",
        "KeyError 'mine'",
    ]


async def test_whoever_never_closes_loses_nothing(traces: Path) -> None:
    script = """
runtimes = [Runtime(f"{sys.argv[1]}/{n}", flush_interval=60).__enter__() for n in range(2)]
for runtime in runtimes:
    with runtime.run("goal"), runtime.decision("x"):
        pass
"""
    result = python(script, traces)
    assert (result.returncode, result.stderr) == (0, "")
    for n in range(2):
        [run] = await runs(traces / str(n))
        assert (run.status, len(run.decisions)) == ("completed", 1)


async def test_a_forked_child_starts_clean(traces: Path) -> None:
    script = """
ids = {os.getpid(): CountingIds("parent_")}
childs = CountingIds("child_")
with Runtime(sys.argv[1], new_run_id=lambda now: ids.get(os.getpid(), childs)(now)) as runtime:
    with runtime.run("parent") as run:
        with runtime.decision("before the fork") as decision:
            child = os.fork()
            if not child:
                decision.succeed("not heard")  # inherited: ended
                assert runtime.current_run is None
                with runtime.run("first"), runtime.decision("in the child"):
                    assert runtime.flush_blocking()
                with runtime.run("second"):
                    pass
                assert runtime.stats().accepted == 6, runtime.stats()
        if child:
            assert os.waitpid(child, 0)[1] == 0
            with runtime.decision("after the fork"):
                pass
"""
    result = python(script, traces)
    assert result.returncode == 0, result.stderr
    by_goal = {run.goal_id: run for run in await runs(traces)}
    parent, first, second = by_goal["parent"], by_goal["first"], by_goal["second"]
    assert parent.status == first.status == second.status == RunStatus.COMPLETED
    assert [d.intent for d in parent.decisions] == ["before the fork", "after the fork"]
    assert parent.decisions[0].outcome is not None and parent.decisions[0].outcome.result is None
    assert (first.parent_run_id, first.parent_decision_id) == (parent.id, "dec_0")
    assert (second.parent_run_id, second.parent_decision_id) == (None, None)
    assert parent.damage == first.damage == second.damage == []
    assert first.pid != parent.pid and first.writer != parent.writer


async def test_a_spawned_process_names_its_parent(traces: Path) -> None:
    script = """
import subprocess
code = '''
import sys
from decisionlog import Runtime
with Runtime(sys.argv[1]) as runtime, runtime.run("child", parent=sys.argv[2]):
    pass
'''
with Runtime(sys.argv[1]) as runtime, runtime.run("parent") as run:
    with runtime.decision("delegate") as decision:
        parent = f"{run.id}/{decision.id}"
        subprocess.run([sys.executable, "-c", code, sys.argv[1], parent], check=True)
"""
    result = python(script, traces)
    assert result.returncode == 0, result.stderr
    by_goal = {run.goal_id: run for run in await runs(traces)}
    assert by_goal["child"].parent_run_id == by_goal["parent"].id
    assert by_goal["child"].parent_decision_id == "dec_0"


async def test_records_made_by_finalisers_and_signal_handlers(traces: Path) -> None:
    """They come in the middle of other records: no deadlock, no number twice, none missing."""
    script = """
import gc
gc.set_threshold(1, 1, 1)
with Runtime(sys.argv[1]) as runtime:
    with runtime.run("goal") as run:
        class Cycle:
            def __init__(self):
                self.me = self
            def __del__(self):
                run.report_problem("minor", "finaliser")
        signal.signal(signal.SIGALRM, lambda *_: run.report_problem("minor", "signal"))
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        for n in range(1000):
            Cycle()
            with runtime.decision("x", ["a", "b"], context={"n": [n]}):
                pass
        signal.setitimer(signal.ITIMER_REAL, 0)
"""
    result = python(script, traces, measured=False)
    assert result.returncode == 0, result.stderr
    [run] = await runs(traces)
    assert run.damage == []
    assert len(run.decisions) == run.metrics.successful_decisions == 1000
    texts = [problem.description for problem in run.problems]
    assert texts.count("finaliser") > 100 and texts.count("signal") > 1
    assert len({problem.id for problem in run.problems}) == len(texts)


def test_importing_pulls_in_nothing_but_the_core() -> None:
    script = """
import sys
before = set(sys.modules)
import decisionlog
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(loaded - set(sys.stdlib_module_names)))
print(*sorted(name for name in sys.modules if name.startswith("decisionlog.")))
"""
    command = [sys.executable, "-c", script]
    env = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    result = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    packages, modules = result.stdout.splitlines()
    allowed = {"aiofiles", "anyio", "decisionlog", "exceptiongroup", "idna", "msgspec", "sniffio"}
    assert set(packages.split()) <= allowed | {"typing_extensions"}
    edge = {"analysis", "bridges", "cli", "demo", "testing", "viewer"}
    assert not edge & {name.split(".")[1] for name in modules.split()}
