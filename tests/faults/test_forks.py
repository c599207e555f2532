"""Row 10: a process that is writing forks, and spawns, children that write as well."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from msgspec import Struct

from decisionlog import RunStatus, RunStore
from tests import runfiles
from tests.faults.report import report, sized

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")

FORKED, SPAWNED = sized((24, 6), (160, 40))
THREADS = 3
OF_A_CHILD = 20

# In a file, so that a spawned process can import it.
AGENT = """
import json, logging, multiprocessing, os, signal, sys, threading, time
from decisionlog import Runtime

traces, forked, spawned, recorder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

def spawned_child(number, traces, parent):
    with Runtime(traces) as runtime, runtime.run(f"spawned-{number}", parent=parent):
        for n in range(20):
            with runtime.decision(f"child {n}"):
                pass

def forked_child(number, runtime):
    with runtime.run(f"forked-{number}"):
        for n in range(20):
            with runtime.decision(f"child {n}"):
                pass
    if number % 4 == 1:  # grandchildren
        again = os.fork()
        if not again:
            with runtime.run(f"forked-{number}-again"):
                for n in range(20):
                    with runtime.decision(f"child {n}"):
                        pass
            sys.exit()
        assert wait(again) == 0

def wait(child):
    limit = time.monotonic() + float(sys.argv[5])
    while time.monotonic() < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"

def main():
    stop, counts, children = threading.Event(), {}, []
    make = Runtime if recorder == "decisionlog" else Naive
    with make(traces, flush_interval=0.001) as runtime:
        def busy(thread):
            with runtime.run(f"parent-{thread}"):
                count = 0
                while not stop.is_set():
                    with runtime.decision(f"parent {count}", context={"filler": "x" * 200}):
                        count += 1
                counts[thread] = count
        threads = [threading.Thread(target=busy, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        with runtime.run("parent-forks"), runtime.decision("parent forks") as decision:
            context = multiprocessing.get_context("spawn")
            processes = []
            for n in range(spawned):
                args = (n, traces, f"{decision.run.id}/{decision.id}")
                processes.append(context.Process(target=spawned_child, args=args))
                processes[-1].start()
            for n in range(forked):
                child = os.fork()
                if not child:
                    forked_child(n, runtime)
                    if n % 2:
                        sys.exit()  # through the blocks around, which close what was inherited
                    os._exit(0 if runtime.flush_blocking() else 1)
                children.append(child)
            statuses = [wait(child) for child in children]
            for process in processes:
                process.join(60)
                statuses.append(process.exitcode)
        stop.set()
        for thread in threads:
            thread.join()
    print(json.dumps([statuses, [counts[n] for n in range(3)]]))

class Naive:
    '''Keeps a buffer that a child inherits, and a lock that another thread may hold then.'''
    id = "dec_0"
    def __init__(self, traces, flush_interval):
        self.run_id, self.seq = "naive", 0
        os.makedirs(f"{traces}/runs", exist_ok=True)
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY
        self.descriptor = os.open(f"{traces}/runs/naive.jsonl", flags)
        self.buffer, self.lock = [], threading.RLock()
    def run(self, name, context=None):
        return Naive.Scope(self, name)
    decision = run
    def flush_blocking(self):
        lines, self.buffer = self.buffer, []
        os.write(self.descriptor, "".join(lines).encode())
        return True
    def record(self, name):
        self.seq += 1
        line = {"type": "decision", "run_id": self.run_id, "seq": [os.getpid(), self.seq]}
        if recorder == "naive and locked":
            with self.lock:
                time.sleep(0.001)
        self.buffer.append(json.dumps(line) + chr(10))
        if name.startswith("parent "):
            time.sleep(0.001)
    def __enter__(self):
        return self
    def __exit__(self, *error):
        self.flush_blocking()
    class Scope:
        id = "dec_0"
        def __init__(self, naive, name):
            self.naive, self.name, self.run = naive, name, self
        def __enter__(self):
            self.naive.record(self.name)
            return self
        def __exit__(self, *error):
            self.naive.record(self.name)

if __name__ == "__main__":
    main()
"""


class Told(Struct):
    statuses: list[int | str]
    """Of the children: exit codes, or "hung"."""
    counts: list[int]
    """How many decisions each thread of the parent made."""


def run_agent(
    tmp_path: Path, recorder: str = "decisionlog", forked: int = FORKED, spawned: int = SPAWNED,
    hangs: float = 20,
) -> Told:  # fmt: skip
    agent = tmp_path / "agent.py"
    agent.write_text(AGENT)
    command = [sys.executable, "-W", "ignore", str(agent), str(tmp_path / "traces")]
    command += [str(forked), str(spawned), recorder, str(hangs)]
    # Coverage's own locks do not survive a fork in the middle of everything.
    env = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=env)
    assert done.returncode == 0, done.stderr
    return Told(*json.loads(done.stdout.splitlines()[-1]))


def duplicates(traces: Path) -> list[str]:
    """The records that are there twice, in whichever files."""
    files = [path for path in (traces / "runs").iterdir() if path.suffix == ".jsonl"]
    lines = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    counts = Counter(f"{line['run_id']} {line['seq']}" for line in lines)
    return [record for record, count in counts.items() if count > 1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_forks_and_spawns_in_mid_write(tmp_path: Path) -> None:
    told = run_agent(tmp_path)
    traces = tmp_path / "traces"
    assert told.statuses == [0] * (FORKED + SPAWNED)
    assert duplicates(traces) == []
    store = RunStore(traces)
    runs = [await store.load(summary.run_id) async for summary in store.runs()]
    by_goal = {run.goal_id: run for run in runs}
    again = len([n for n in range(FORKED) if n % 4 == 1])
    assert len(by_goal) == len(runs) == FORKED + again + SPAWNED + THREADS + 1
    for run in runs:
        assert (run.status, run.damage, run.lost_records) == (RunStatus.COMPLETED, [], 0), run
    for thread, count in enumerate(told.counts):
        intents = [decision.intent for decision in by_goal[f"parent-{thread}"].decisions]
        assert intents == [f"parent {n}" for n in range(count)]
        assert count > 0
    parent = by_goal["parent-forks"]
    for goal, run in by_goal.items():
        if not goal.startswith("parent"):
            assert [d.intent for d in run.decisions] == [f"child {n}" for n in range(OF_A_CHILD)]
            assert run.pid != parent.pid and run.writer != parent.writer
            if not goal.endswith("again"):
                assert (run.parent_run_id, run.parent_decision_id) == (parent.id, "dec_0")
    locks = len(list((traces / "writers").iterdir()))
    assert locks == len(range(0, FORKED, 2))  # of those who left by os._exit
    figures = {"deadlocks": 0, "duplicated": 0, "by_the_parent_meanwhile": sum(told.counts)}
    report(10, "children, forked and spawned", len(told.statuses) + again, **figures)


def test_control_an_inherited_buffer(tmp_path: Path) -> None:
    run_agent(tmp_path, "naive", 4, 0, hangs=0.5)
    assert len(duplicates(tmp_path / "traces")) > 0
    assert runfiles.path_of(tmp_path / "traces", "naive").exists()


def test_control_an_inherited_lock(tmp_path: Path) -> None:
    told = run_agent(tmp_path, "naive and locked", 4, 0, hangs=0.5)
    assert "hung" in told.statuses
