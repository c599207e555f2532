"""Row 9: the ways out of a process. Each is a real one, which has half of its records in memory: a
write comes every minute only.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import indent

import pytest
from msgspec import Struct

from decisionlog import Run, RunStore
from tests.faults.report import report, sized
from tests.waiting import LIMIT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")

HANGS = sized(float(LIMIT), 5.0)
"""Seconds from the way out to the end of the process."""
SAFE, IN_MEMORY = 50, 50
"""Decisions made before a flush, and after it."""

HEAD = """
import os, signal, sys, threading, time
import anyio
from decisionlog import Runtime

# Ignored by whatever a shell has started in the background, and by what that starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
flavour = sys.argv[2]

def decide(names):
    for name in names:
        with runtime.decision(name):
            pass

def before():
    decide(f"safe {n}" for n in range(50))
    assert runtime.flush_blocking()
    decide(f"in memory {n}" for n in range(50))

def say(what):
    print(what, flush=True)
"""

ASYNC = """
runtime = Runtime(sys.argv[1], flush_interval=60)

async def main():
    async with runtime:
        async with runtime.run("goal", run_id="run"):
            before()
            async with runtime.decision("doing"):
                say("ready")
                WAY_OUT

anyio.run(main, backend=flavour)
"""
SYNC = """
runtime = Runtime(sys.argv[1], flush_interval=60)
with runtime:
    with runtime.run("goal", run_id="run"):
        before()
        with runtime.decision("doing"):
            say("ready")
            WAY_OUT
"""
# Nothing is ever left, so nothing says what came of it.
UNCLOSED = """
runtime = Runtime(sys.argv[1], flush_interval=60).__enter__()
run = runtime.run("goal", run_id="run").__enter__()
before()
doing = runtime.decision("doing").__enter__()
say("ready")
"""

WAIT = "try:\n    {sleep}(60)\nfinally:\n    say('cleaning')"
WAIT_TWICE = WAIT + "\n    {again}"
TASK = """
async def fails():
    async with runtime.decision("in a task"):
        raise ValueError("mine")
if flavour == "asyncio":
    import asyncio
    await asyncio.wait([asyncio.create_task(fails())])
else:
    import trio
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails)
"""
GENERATOR = """
@runtime.decision("in a generator")
async def numbers():
    yield 1
    yield 2
async for number in numbers():
    break
"""
LOOP = """
import asyncio
async def main():
    task = asyncio.create_task(asyncio.sleep(60))
    async with runtime.decision("in a loop"):
        pass
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
"""
THREAD = """
def go_on():
    threading.main_thread().join()
    decide(["in a thread"])
import contextvars
threading.Thread(target=contextvars.copy_context().run, args=(go_on,)).start()
"""
BOTH = ("asyncio", "trio")
ALL = (*BOTH, "sync")


class Way(Struct, kw_only=True):
    """A way out, and what the library promises for it."""

    name: str
    code: str = "pass"
    agent: str = ""
    flavours: tuple[str, ...] = ALL
    signals: tuple[int, ...] = ()
    exits: tuple[int, ...] = (0,)
    everything: bool = True
    """All that was recorded is there; if not, all that was flushed."""
    status: tuple[str, ...] = ("completed",)
    doing: tuple[str, ...] = ("success",)
    """What came of the decision during which it went out."""


INT, TERM = int(signal.SIGINT), int(signal.SIGTERM)
WAYS = [
    Way(name="the end"),
    Way(
        name="an exception",
        code="raise ValueError('mine')",
        exits=(1,),
        status=("failed",),
        doing=("failed",),
    ),
    Way(name="sys.exit", code="sys.exit(3)", exits=(3,), status=("failed",), doing=("failed",)),
    Way(
        name="os._exit",
        code="os._exit(7)",
        exits=(7,),
        everything=False,
        status=("interrupted",),
        doing=("pending",),
    ),
    Way(
        name="unhandled in a task",
        code=TASK,
        flavours=BOTH,
        exits=(0, 1),
        status=("completed", "failed"),
        doing=("success", "failed"),
    ),
    Way(name="a generator abandoned", code=GENERATOR, flavours=BOTH),
    Way(
        name="the loop closed early",
        agent=UNCLOSED + LOOP,
        flavours=("asyncio",),
        status=("interrupted",),
        doing=("pending",),
    ),
    Way(
        name="never closed",
        agent=UNCLOSED,
        flavours=("sync",),
        status=("interrupted",),
        doing=("pending",),
    ),
    Way(
        name="never closed, and a thread that goes on",
        agent=UNCLOSED + THREAD,
        flavours=("sync",),
        status=("interrupted",),
        doing=("pending",),
    ),
    Way(
        name="never closed, and sys.exit",
        agent=UNCLOSED + "sys.exit(3)",
        flavours=("sync",),
        exits=(3,),
        status=("interrupted",),
        doing=("pending",),
    ),
    Way(
        name="never closed, and atexit",
        agent=UNCLOSED + "import atexit; atexit.register(lambda: runtime.stats())",
        flavours=("sync",),
        status=("interrupted",),
        doing=("pending",),
    ),
    Way(
        name="never closed, and an exception",
        agent=UNCLOSED + "raise ValueError('mine')",
        flavours=("sync",),
        exits=(1,),
        status=("interrupted",),
        doing=("pending",),
    ),
    Way(
        name="SIGTERM",
        code=WAIT,
        signals=(TERM,),
        exits=(-TERM,),
        everything=False,
        status=("interrupted",),
        doing=("pending",),
    ),
    Way(
        name="SIGTERM, handled",
        agent="signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n" + SYNC,
        code=WAIT,
        flavours=("sync",),
        signals=(TERM,),
        exits=(3,),
        status=("failed",),
        doing=("failed",),
    ),
    Way(
        name="SIGINT",
        code=WAIT,
        signals=(INT,),
        exits=(1, -INT, 130),
        status=("cancelled", "failed"),
        doing=("cancelled", "failed"),
    ),
    Way(
        name="SIGINT twice",
        code=WAIT_TWICE,
        signals=(INT, INT),
        exits=(1, -INT, 130),
        status=("cancelled", "failed"),
        doing=("cancelled", "failed"),
    ),
]


def script(way: Way, flavour: str) -> str:
    asleep = {"sleep": "time.sleep", "again": "time.sleep(60)"}
    if flavour != "sync":
        again = "with anyio.CancelScope(shield=True):\n        await anyio.sleep(60)"
        asleep = {"sleep": "await anyio.sleep", "again": again}
    code = way.code.format(**asleep)
    agent = way.agent or (SYNC if flavour == "sync" else ASYNC)
    return HEAD + re.sub(r"( *)WAY_OUT", lambda found: indent(code, found[1]), agent)


def leave(traces: Path, way: Way, flavour: str, hangs: float = HANGS) -> tuple[float, list[str]]:
    """How long the process took to end, and what was not as promised."""
    command = [sys.executable, "-c", script(way, flavour), str(traces), flavour]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as made:
        assert made.stdout is not None and made.stderr is not None
        wrong: list[str] = []
        began = time.monotonic()
        if made.stdout.readline() != b"ready\n":
            wrong.append("it never got ready")
        for number in way.signals:
            began = time.monotonic()
            made.send_signal(number)
            if number == INT:
                made.stdout.readline()  # it is cleaning up
        if not way.signals:
            began = time.monotonic()
        try:
            _, stderr = made.communicate(timeout=hangs)
        except subprocess.TimeoutExpired:
            made.kill()
            return hangs, ["it hangs"]
        taken = time.monotonic() - began
    if made.returncode not in way.exits:
        wrong.append(f"it exited with {made.returncode}: {stderr.decode()[-2000:]}")
    return taken, wrong


async def faults(traces: Path, way: Way) -> list[str]:
    """What the run that is left behind is not, and should be."""
    run = await RunStore(traces).load("run")
    wrong = [f"it is {run.status}"] if run.status not in way.status else []
    wrong += [f"damage: {place.reason}" for place in run.damage]
    told = {decision.intent: decision for decision in run.decisions}
    if len(told) != len(run.decisions):
        wrong.append("decisions are there twice")
    names = [f"safe {n}" for n in range(SAFE)]
    if way.everything:
        names += [*(f"in memory {n}" for n in range(IN_MEMORY)), "doing"]
        names += re.findall(r'"(in a \w+)"', way.code + way.agent)
        wrong += [f"{path.name} is left" for path in (traces / "writers").iterdir()]
    wrong += [f"{name} is missing" for name in names if name not in told]
    if "doing" in told and outcome(run) not in way.doing:
        wrong.append(f"what came of it is {outcome(run)}")
    return wrong


def outcome(run: Run) -> str:
    [doing] = [decision for decision in run.decisions if decision.intent == "doing"]
    if doing.outcome is None:
        return "pending"
    failed = "cancelled" if doing.outcome.cancelled else "failed"
    return "success" if doing.outcome.success else failed


CASES = [(way, flavour) for way in WAYS for flavour in way.flavours]


@pytest.mark.parametrize(
    ("way", "flavour"), CASES, ids=[f"{way.name}, {flavour}" for way, flavour in CASES]
)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_way_out(tmp_path: Path, way: Way, flavour: str) -> None:
    times = sized(1, 20)
    longest = 0.0
    for n in range(times):
        taken, wrong = leave(tmp_path / str(n), way, flavour)
        assert wrong == []
        assert await faults(tmp_path / str(n), way) == []
        longest = max(longest, taken)
    report(
        9, f"the way out: {way.name}", times, broken=0, longest_s=round(longest, 2),
        on_disk="everything" if way.everything else "what was flushed",
        reads_as=" or ".join(way.status),
    )  # fmt: skip


# ------------------------------------------------------------- controls


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_control_a_way_that_loses(traces: Path) -> None:
    way = Way(name="control", code="os._exit(0)")
    assert leave(traces, way, "asyncio")[1] == []
    found = await faults(traces, way)
    assert "it is interrupted" in found
    assert "in memory 49 is missing" in found
    assert "safe 49 is missing" not in found


def test_control_a_way_that_hangs(traces: Path) -> None:
    way = Way(
        name="control", agent=UNCLOSED + "threading.Thread(target=time.sleep, args=(60,)).start()"
    )
    assert leave(traces, way, "sync", hangs=0.5) == (0.5, ["it hangs"])
