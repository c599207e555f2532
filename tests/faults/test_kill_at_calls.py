"""Row 2: SIGKILL at every system call of a run of 50 records. Each state reads: what was
acknowledged is there, in order and whole, and a run without its end shows as interrupted.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from decisionlog import RunStatus, RunStore
from tests.faults import processes
from tests.faults.report import report, sized

RECORDS = [f"{n}.{what}" for n in range(24) for what in ("decision", "outcome")]
NAMES = ["start", *RECORDS, "end"]


@pytest.fixture(scope="module", autouse=True)
def tracing(tmp_path_factory: pytest.TempPathFactory) -> None:
    if sys.platform != "linux":
        pytest.skip("needs ptrace as Linux has it")
    try:
        kill_at(tmp_path_factory.mktemp("tried"), [1])
    except subprocess.CalledProcessError as error:
        pytest.skip(f"ptrace is refused: {error.stderr[-200:]}")


def kill_at(directory: Path, calls: Sequence[int], bug: str = "") -> dict[int, tuple[int, int]]:
    """For each number: how many calls the agent made, and how it ended; two at a time."""
    told: dict[int, tuple[int, int]] = {}
    started: list[subprocess.Popen[str]] = []
    for half in range(2):
        settings = {"agent": "brief", "directory": str(directory), "calls": calls[half::2]}
        command = [sys.executable, "-m", "tests.faults.tracer", json.dumps(settings | {"bug": bug})]
        started.append(processes.popen(command))
    for process in started:
        lines, errors = processes.finish(process, 60 + 5 * len(calls))
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args, stderr=errors)
        for line in lines.splitlines():
            number, made, code = map(int, line.split())
            told[number] = made, code
    return told


async def faults(place: Path) -> list[str]:
    """What is wrong with what a killed agent left."""
    told = processes.told(place / "notes")
    acknowledged = [name for name, _ in told.made[: told.acknowledged]]
    found = processes.on_disk(place / "traces")
    names, wrong = found.names, found.wrong
    if names != NAMES[: len(names)]:
        wrong.append(f"there is {names}")
    if missing := acknowledged[len(names) :]:
        wrong.append(f"{missing} were acknowledged")
    status = RunStatus.COMPLETED if names[-1:] == ["end"] else RunStatus.INTERRUPTED
    wrong += await processes.damage(place / "traces", status)
    store = RunStore(place / "traces")
    async for summary in store.runs():
        run = await store.load(summary.run_id)
        decided = [name for name in names if name.endswith(".decision")]
        if [f"{decision.intent}.decision" for decision in run.decisions] != decided:
            wrong.append("the library reads something else")
    return wrong


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_sigkill_at_every_system_call(tmp_path: Path) -> None:
    [(calls, code)] = kill_at(tmp_path, [10**9]).values()
    assert code == 0
    # How often threads wait for one another differs, and with it the number of calls.
    numbers = list(range(1, calls + calls // 10, sized(calls // 40, 1)))
    ends = kill_at(tmp_path, numbers)
    lengths: set[int] = set()
    for number, (_, code) in ends.items():
        assert code == (-9 if number <= ends[number][0] else 0)
        assert await faults(tmp_path / str(number)) == [], number
        lengths.add(len(processes.on_disk(tmp_path / str(number) / "traces").names))
    killed = sum(code == -9 for _, code in ends.values())
    assert killed > len(numbers) * 0.8
    assert len(lengths) > sized(10, 50)
    report(2, "SIGKILL at system calls of a run", killed, states=len(lengths), faults=0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_control_files_that_are_written_anew(tmp_path: Path) -> None:
    [(calls, _)] = kill_at(tmp_path, [10**9], "writes files anew").values()
    numbers = list(range(calls // 2, calls, calls // 20))
    kill_at(tmp_path, numbers, "writes files anew")
    found = [str(await faults(tmp_path / str(number))) for number in numbers]
    assert any("were acknowledged" in fault for fault in found)
