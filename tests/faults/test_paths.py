"""Row 20: hostile ids, and other people's links in the directory. Every path that the process
touches is watched, by an audit hook: none of them leads out of the directory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import runfiles
from tests.faults.report import report
from tests.test_paths import NO_FILES, NO_IDS, tree
from tests.waiting import LIMIT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")

IDS = [
    *NO_IDS,
    *("....//outside", "~", "~root", "$HOME", "%2e%2e%2foutside", "..%c0%afoutside", "file:///etc"),
    *("-rf", "--", "outside\x00.jsonl", "\x00", "\n", "\ud800", "\u2025/outside"),
    *("\uff0e\uff0e/outside", "outside\u202ejsonl", "runs/../../outside", "./outside"),
    *("aux", "prn", "con.jsonl", "nul.txt", "COM1:", "\\\\?\\C:\\x", "//host/share", "\\\\host\\s"),
    *("made/../../outside", "*", "?", "a/"),
]

WATCHED = """
import json, os, sys
from datetime import timedelta

inside, ids = os.path.realpath(sys.argv[1]), json.loads(sys.argv[2])
touched = []

def note(event, args):
    if watching and event.partition(".")[0] in ("open", "os"):
        some = args[:1] if event == "open" else args[:2]
        paths = [os.fsdecode(arg) for arg in some if isinstance(arg, (str, bytes))]
        touched.append([event, *paths])

watching = False
sys.addaudithook(note)
import anyio
from decisionlog import *

async def attempt(call, *args, **kwargs):
    try:
        found = call(*args, **kwargs)
        if hasattr(found, "__anext__"):
            with anyio.move_on_after(0.2):  # it may look as if it was still being written
                async for _ in found:
                    pass
        else:
            await found
    except (DecisionLogError, OSError, ValueError):
        pass

async def records(run_id):
    async with Runtime(sys.argv[1], wait_timeout=0.05, close_timeout=0.05) as runtime:
        async with runtime.run(run_id, run_id=run_id, parent=run_id, tags={run_id: run_id}):
            with runtime.node(run_id):
                async with runtime.decision(run_id, [run_id], run_id, node_id=run_id) as made:
                    made.choose(run_id)
        await runtime.start_run(run_id)
        await runtime.decide(run_id, [], run_id, run_id, run_id=run_id)
        await runtime.record_outcome(run_id, True, run_id=run_id)
        await runtime.report_problem(run_id, run_id, run_id, run_id=run_id)
        await runtime.end_run(True, run_id=run_id)
        await runtime.end_run(True)

async def reads(run_id):
    store = RunStore(sys.argv[1])
    for call in (store.load, store.summary, store.check, store.follow, store.delete):
        await attempt(call, run_id)
    await attempt(store.evaluate, run_id, "dec_0", Evaluation())
    await attempt(store.evaluate, "made", run_id, Evaluation())
    await attempt(store.runs, goal_id=run_id)

async def main():
    for run_id in ids:
        await records(run_id)
        await reads(run_id)
    store = RunStore(sys.argv[1])
    await attempt(store.runs)
    await attempt(store.prune, keep=1)
    await attempt(store.prune, older_than=timedelta(days=3650))
    await naive(ids)

async def naive(ids):
    pass
"""
RUN = """
import logging
logging.disable()
watching = True
anyio.run(main)
watching = False
print(json.dumps(touched))
"""


def leads_out(path: str, inside: Path) -> bool:
    """Whether opening it would leave the directory; the last part of a path is never followed."""
    parent = Path(os.path.realpath(os.path.dirname(os.path.abspath(path))))
    if parent == inside.parent or parent.is_relative_to(inside):
        return False
    # Imports do. (The environment that they come from may hold the directory as well.)
    imported = path.startswith(("/proc/", sys.prefix, sys.base_prefix, *filter(None, sys.path)))
    return not imported or parent.is_relative_to(inside.parent)


def touched(traces: Path, ids: list[str], naive: str = "") -> list[list[str]]:
    """What a process that makes every call with these ids does outside the directory."""
    command = [sys.executable, "-c", WATCHED + naive + RUN, str(traces), json.dumps(ids)]
    # Python's own cache is another's file as well.
    unwanted = ("COVERAGE", "PYTHONPYCACHEPREFIX")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=environment)
    assert done.returncode == 0, done.stderr
    events = json.loads(done.stdout)
    assert len(events) > 10
    inside = Path(os.path.realpath(traces))
    return [event for event in events if any(leads_out(path, inside) for path in event[1:])]


@pytest.fixture
def outside(tmp_path: Path, traces: Path) -> Path:
    """A directory of someone else's, which holds what run files and locks look like."""
    outside = tmp_path / "else" / "outside"
    whole = b"".join(map(runfiles.sealed, runfiles.whole_run()))
    for name in ("outside.jsonl", "made.jsonl", "outside.lock", "w_1.lock", "run.jsonl"):
        (outside / "runs").mkdir(parents=True, exist_ok=True)
        for place in (outside.parent, outside, outside / "runs"):
            (place / name).write_bytes(whole)
    (traces / "runs").mkdir(parents=True)
    (traces / "runs" / "made.jsonl").write_bytes(whole)
    return outside.parent


def test_ids(traces: Path, outside: Path) -> None:
    before = tree(outside)
    assert touched(traces, IDS) == []
    assert tree(outside) == before
    names = {path.name for path in traces.rglob("*")}
    assert not names & {"outside", "outside.jsonl", "outside.lock"}
    report(20, "ids, in every call that takes one", len(IDS), outside=0)


PLACES = ["runs/made.jsonl", "runs/x.jsonl", "evaluations/made.jsonl"]
LOCK = "writers/w_1.lock"


def put(make: Callable[[Path, Path], Any], path: Path, outside: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    make(path, outside / "outside")


@pytest.mark.parametrize("make", NO_FILES)
def test_other_peoples_links_in_place_of_files(
    traces: Path, outside: Path, make: Callable[[Path, Path], Any]
) -> None:
    for name in PLACES:
        put(make, traces / name, outside)
    before = tree(outside)
    assert touched(traces, ["made", "x"]) == []
    assert tree(outside) == before
    report(20, "links, pipes, sockets in place of files", len(PLACES), outside=0)


@pytest.mark.parametrize("make", NO_FILES)
def test_other_peoples_links_in_place_of_locks(
    traces: Path, outside: Path, make: Callable[[Path, Path], Any]
) -> None:
    lines = runfiles.whole_run()[:-1]  # it has not ended, so its lock is looked at
    runfiles.write(traces, "made", *map(runfiles.sealed, lines))
    put(make, traces / LOCK, outside)
    before = tree(outside)
    assert touched(traces, ["made"]) == []
    assert tree(outside) == before
    report(20, "links, pipes, sockets in place of locks", 1, outside=0)


@pytest.mark.parametrize("name", ["runs", "evaluations", "writers"])
def test_other_peoples_links_in_place_of_directories(
    traces: Path, outside: Path, name: str
) -> None:
    if name == "runs":
        (traces / "runs" / "made.jsonl").unlink()
        (traces / "runs").rmdir()
    (traces / name).symlink_to(outside / "outside")
    before = tree(outside)
    assert touched(traces, ["made", "x"]) == []
    assert tree(outside) == before
    report(20, "links in place of directories", 1, outside=0)


def test_control(traces: Path, outside: Path) -> None:
    """A store that joins an id to a path: both the watch and the look at the others' files tell."""
    naive = """
async def naive(ids):
    for run_id in ids:
        try:
            with open(f"{sys.argv[1]}/runs/{run_id}.jsonl", "a") as file:
                file.write(".")
        except (OSError, ValueError):
            pass
"""
    before = tree(outside)
    ids = ["../../else/outside", str(outside / "outside"), "fine"]
    assert [event for event, *_ in touched(traces, ids, naive)] == ["open"]
    assert tree(outside) != before
