"""Agents as processes: starting them, what they told, and what is on disk after them."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from decisionlog import RunStatus, RunStore
from tests.runfiles import unsealed
from tests.waiting import LIMIT

ROOT = Path(__file__).parents[2]


def start(agent: str, *, under: tuple[object, ...] = (), **settings: Any) -> subprocess.Popen[str]:
    """Start one of `agents`; `under` is the start of a command that runs it."""
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()}
    made = [sys.executable, "-m", "tests.faults.agents", agent, json.dumps(settings)]
    return popen([*map(str, under), *made])


def popen(command: list[str]) -> subprocess.Popen[str]:
    # Coverage would add files and system calls of its own; one that is killed tells it nothing.
    env = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=pipe, stderr=pipe)


def finish(process: subprocess.Popen[str], timeout: float = LIMIT) -> tuple[str, str]:
    """Wait for it to end; what it said on stdout and stderr. It is killed if it does not."""
    try:
        return process.communicate(timeout=timeout)
    finally:
        process.kill()
        process.communicate()


def run(agent: str, **settings: Any) -> str:
    """Run an agent to its end, which is a good one: nothing was raised."""
    process = start(agent, **settings)
    _, stderr = finish(process)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr, stderr
    return stderr


def wait_until(condition: Callable[[], object]) -> None:
    """Poll for something another process does; the limit only ends what hangs."""
    limit = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.002)


class Told(Struct):
    """The notes of an agent."""

    made: list[tuple[str, int]]
    """Its records in order, and when it had recorded each."""
    acknowledged: int
    """How many of these flush() vouched for."""
    times: dict[str, int]
    """When it last said what."""
    said: dict[str, list[str]]


def told(notes: Path) -> Told:
    found = Told([], 0, {}, {})
    text = notes.read_text("utf-8") if notes.exists() else ""
    for line in text.splitlines():
        what, name, moment = line.split(" ")
        found.times[what] = int(moment)
        if what == "made":
            found.made.append((name, int(moment)))
        else:
            found.said.setdefault(what, []).append(name)
    found.acknowledged = max(map(int, found.said.get("acknowledged", [])), default=0)
    return found


class OnDisk(Struct):
    """What is in the run files."""

    names: list[str]
    lost: int = 0
    """What gap records own up to."""
    gaps: int = 0
    wrong: list[str] = []
    """Lines that do not read, and numbers that are missing or there twice."""


def on_disk(traces: Path) -> OnDisk:
    """Read without the library."""
    found = OnDisk([])
    for path in sorted((traces / "runs").glob("*.jsonl")):
        intents: dict[str, str] = {}
        last = 0
        *lines, _torn = path.read_bytes().split(b"\n")
        for line in lines:
            try:
                record = unsealed(line + b"\n")
            except (AssertionError, ValueError):
                found.wrong.append(f"{path.name}: after {last}, {line[:80]!r}")
                continue
            if record["seq"] - record.get("count", 1) != last:
                found.wrong.append(f"{path.name}: after {last}, {record['seq']}")
            last = record["seq"]
            match record["type"]:
                case "run_started":
                    found.names.append("start")
                case "decision":
                    intents[record["id"]] = record["intent"]
                    found.names.append(f"{record['intent']}.decision")
                case "outcome":
                    intent = intents.get(record["decision_id"], "?")
                    found.names.append(f"{intent}.outcome")
                case "gap":
                    found.lost += record["count"]
                    found.gaps += 1
                case _:
                    found.names.append("end")
    return found


async def damage(traces: Path, *statuses: RunStatus) -> list[str]:
    """What the library finds wrong with the runs, which should have one of the statuses."""
    store = RunStore(traces)
    wrong: list[str] = []
    listed = [summary async for summary in store.runs()]
    for summary in listed:
        run, check = await store.load(summary.run_id), await store.check(summary.run_id)
        followed = [record async for record in store.follow(summary.run_id)]
        wrong += [f"{summary.run_id}: {place.reason}" for place in run.damage]
        if {run.status, check.status, summary.status} - set(statuses):
            wrong.append(f"{summary.run_id}: {summary.status}, {run.status}, {check.status}")
        if len(followed) != check.records:
            wrong.append(f"{summary.run_id}: {len(followed)} followed, {check.records} there")
    return wrong


class Losses(Struct):
    """Which records are not on the disk."""

    acknowledged: list[str]
    age: float
    """Of the others, how long ago the oldest was made, in ms, when it was over."""
    twice: list[str]


def losses(told: Told, found: OnDisk, over: int) -> Losses:
    """`over` is when the agent, or its disk, was brought down."""
    there = Counter(found.names)
    vouched = [name for name, _ in told.made[: told.acknowledged] if not there[name]]
    ages = [(over - moment) / 1e6 for name, moment in told.made if not there[name]]
    twice = [name for name, count in there.items() if count > 1 and name != "start"]
    return Losses(vouched, max([0.0, *ages]), twice)
