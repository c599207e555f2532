"""Row 17: four processes write into one directory, two read it, and one prunes it. No line is
damaged, nothing that was recorded is missing, and no run is removed that should live.
"""

from pathlib import Path

import pytest
from msgspec import Struct

from decisionlog import RunStatus, RunStore
from tests.faults import processes
from tests.faults.report import report, sized
from tests.waiting import LIMIT

ROUNDS = sized(6, 300)
"""How many runtimes each writer opens and closes, with one to five runs each."""
KEEP = 3
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


class Crowd(Struct):
    runs: int
    pruned: int
    read: int
    wrong: list[str]


async def crowd(place: Path, rounds: int, *, ruthless: bool = False, naive: bool = False) -> Crowd:
    traces = place / "traces"
    (traces / "runs").mkdir(parents=True, mode=0o700)
    noted = {name: place / name for name in ("w0", "w1", "w2", "w3", "r0", "r1", "p")}
    writers = [
        processes.start("crowd", traces=traces, notes=noted[f"w{n}"], rounds=rounds, seed=n)
        for n in range(4)
    ]
    others = [
        processes.start("reading", traces=traces, notes=noted["r0"], naive=naive),
        processes.start("reading", traces=traces, notes=noted["r1"], naive=naive),
        processes.start("pruning", traces=traces, notes=noted["p"], keep=KEEP, ruthless=ruthless),
    ]
    wrong: list[str] = []
    for writer in writers:
        _, stderr = processes.finish(writer, LIMIT + rounds)
        wrong += [stderr] * bool(writer.returncode or stderr)
    # On a busy computer, they may have come late.
    expected = (("r0", "read", 1), ("r1", "read", 1), ("p", "pruned", KEEP + 1))
    processes.wait_until(
        lambda: all(
            len(processes.told(noted[name]).said.get(what, [])) >= times
            for name, what, times in expected
        )
    )
    for other in others:
        wrong += ["a reader or the pruner has ended"] * (other.poll() is not None)
        other.kill()
        _, stderr = processes.finish(other)
        wrong += [stderr] * bool(stderr)
    return await look(traces, noted, wrong)


async def look(traces: Path, noted: dict[str, Path], wrong: list[str]) -> Crowd:
    started: dict[str, int] = {}
    ending: dict[str, int] = {}
    pruned: dict[str, int] = {}
    decided: dict[str, int] = {}
    read = 0
    for name, path in noted.items():
        for line in path.read_text("utf-8").splitlines():
            what, about, moment = line.split(" ")
            match what:
                case "started":
                    started[about] = int(moment)
                case "ending":
                    ending[about] = int(moment)
                case "pruned":
                    pruned[about] = int(moment)
                case "decided":
                    run_id, _, count = about.partition("=")
                    decided[run_id] = int(count)
                case "read":
                    read += 1
                case "wrong" | "lost" if about != "0":
                    wrong.append(f"{name}: {what} {about}")
                case _:
                    pass
    for run_id, moment in pruned.items():
        if ending.get(run_id, moment) >= moment:
            wrong.append(f"{run_id} was live, and pruned")
        if sum(begun > started[run_id] for begun in started.values()) < KEEP:
            wrong.append(f"{run_id} was among the newest {KEEP}, and pruned")
    found = processes.on_disk(traces)
    wrong += found.wrong + await processes.damage(traces, RunStatus.COMPLETED)
    store = RunStore(traces)
    left = {summary.run_id: summary.decision_count async for summary in store.runs()}
    for run_id in started:
        if run_id not in left and run_id not in pruned:
            wrong.append(f"{run_id} is gone")
        if run_id in left and left[run_id] != decided[run_id]:
            wrong.append(f"{run_id} has {left[run_id]} decisions, not {decided[run_id]}")
    return Crowd(len(started), len(pruned), read, wrong)


async def test_writers_readers_and_a_pruner_in_one_directory(tmp_path: Path) -> None:
    found = await crowd(tmp_path, ROUNDS)
    assert found.wrong == []
    assert found.pruned > KEEP
    assert found.read
    report(
        17, "runs by 4 writers, with 2 readers and a pruner", found.runs, pruned=found.pruned,
        read=found.read, damaged=0, lost=0,
    )  # fmt: skip


async def test_control_a_pruner_that_does_not_ask_who_is_live(tmp_path: Path) -> None:
    await until_found(tmp_path, "was live, and pruned", ruthless=True)


async def test_control_a_reader_that_takes_what_is_gone_for_damage(tmp_path: Path) -> None:
    await until_found(tmp_path, "wrong RunNotFoundError", naive=True)


async def until_found(place: Path, fault: str, **bug: bool) -> None:
    """Who meets whom is chance, and so is how often the bug has to be let loose."""
    for attempt in range(20):
        found = await crowd(place / str(attempt), 6, **bug)
        if any(fault in wrong for wrong in found.wrong):
            return
    pytest.fail(f"nothing of this was found: {fault}")
