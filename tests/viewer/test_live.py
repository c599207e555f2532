"""What the viewer tells while runs are written, and while their directory changes under it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from decisionlog import RunStore, Runtime
from tests import runfiles
from tests.cli.recorded import Recorded
from tests.viewer.serving import Client, serving, until


def state_of(client: Client, run_id: str) -> list[str]:
    return [row["state"] for row in client.run(run_id)["decisions"]]


def rows(client: Client) -> dict[str, Any]:
    return {row["run_id"]: row for row in client.get("/api/runs")["runs"]}


async def test_a_run_that_is_written_grows(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        with serving(traces) as client:
            async with runtime.run("live") as run:
                async with runtime.decision("outer") as outer:
                    await runtime.flush()
                    first = client.run(run.id)
                    assert (first["run"]["status"], first["run"]["id"]) == ("running", run.id)
                    assert [row["state"] for row in first["decisions"]] == ["pending"]
                    async with runtime.decision("inner"):
                        pass
                    outer.report_problem("critical", "oh")
                    await runtime.flush()
                    more = client.run(run.id, after=first["seq"])
                    assert [row["id"] for row in more["decisions"]] == ["dec_0", "dec_1"]
                    assert [row["state"] for row in more["decisions"]] == ["pending", "success"]
                    assert [problem["id"] for problem in more["problems"]] == ["prob_0"]
                    assert more["decisions"][0]["severity"] == "critical"
                    whole = client.run(run.id, "decisions", "dec_1")
                    assert whole["decision"]["outcome"]["success"]
                run.fail("it ends")
            await runtime.flush()
            last = client.run(run.id, after=more["seq"])
            assert [row["id"] for row in last["decisions"]] == ["dec_0"]
            assert (last["problems"], last["run"]["status"]) == ([], "failed")
            assert last["run"]["narrative"] == "it ends"
            assert client.run(run.id)["decisions"][0] == last["decisions"][0]


async def test_events_of_a_run(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        with serving(traces) as client:
            async with runtime.run("live") as run:
                await runtime.flush()
                with client.events(f"/api/runs/{run.id}/events") as events:
                    name, at_first = next(events)
                    assert (name, at_first["seq"]) == ("changed", client.run(run.id)["seq"])
                    async with runtime.decision("one"):
                        pass
                    await runtime.flush()
                    name, then = next(events)
                    assert name == "changed" and then["seq"] > at_first["seq"]
                    run.succeed()
                    await end(runtime, run.id)
                    names = [name for name, _ in events]  # the stream ends by itself
                    assert names[-1] == "ended"
                    assert set(names[:-1]) <= {"changed"}
            with client.events(f"/api/runs/{run.id}/events") as events:
                assert [name for name, _ in events] == ["changed", "ended"]


async def end(runtime: Runtime, run_id: str) -> None:
    await runtime.end_run(True, run_id=run_id)
    await runtime.flush()


async def test_events_of_the_list(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        with serving(traces) as client, client.events("/api/events") as events:
            name, before = next(events)
            assert (name, before["of"]) == ("runs", 0)
            async with runtime.run("new") as run:
                await runtime.flush()
                name, after = next(events)
                assert (name, after["of"], after["indexed"]) == ("runs", 1, 1)
                assert after["revision"] > before["revision"]
                assert rows(client)[run.id]["status"] == "running"
            await runtime.flush()
            next(events)
            until(lambda: rows(client)[run.id]["status"] == "completed")


def test_a_run_whose_process_dies_is_interrupted(traces: Path) -> None:
    script = (
        "import sys, time\nfrom decisionlog import Runtime\n"
        f"runtime = Runtime({str(traces)!r}).__enter__()\n"
        "run = runtime.run('g').__enter__()\n"
        "runtime.decision('d').__enter__()\n"
        "time.sleep(0.2); print(run.id, flush=True); time.sleep(60)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    run_id = writer.stdout.readline().strip()
    with serving(traces) as client:
        assert client.run(run_id)["run"]["status"] == "running"
        assert rows(client)[run_id]["status"] == "running"
        with client.events(f"/api/runs/{run_id}/events") as events:
            next(events)
            writer.kill()
            writer.wait()
            assert next(events)[0] == "ended"
        assert client.run(run_id)["run"]["status"] == "interrupted"
        assert state_of(client, run_id) == ["pending"]
        until(lambda: rows(client)[run_id]["status"] == "interrupted")
    writer.stdout.close()


def test_a_run_without_checksums_grows_as_well(traces: Path) -> None:
    """What other writers make, who end their runs or not, is read as a whole each time."""
    lines = [runfiles.plain(record) for record in runfiles.whole_run(2)]
    path = runfiles.write(traces, "made", *lines[:3])
    with serving(traces) as client:
        assert state_of(client, "made") == ["success"]
        seq = client.run("made")["seq"]
        path.write_bytes(b"".join(lines))
        grown = client.run("made", after=seq)
        assert [row["id"] for row in grown["decisions"]] == ["dec_0", "dec_1"]
        assert grown["seq"] > seq
        assert grown["run"]["status"] == "completed"
        assert client.run("made", "decisions", "dec_1")["decision"]["outcome"]["success"]


# ------------------------------------------------------------- the directory under it


def test_runs_that_are_pruned_are_gone(traces: Path) -> None:
    recorded = Recorded(traces)
    with serving(traces) as client:
        client.run(recorded.failed)
        anyio.run(RunStore(traces).delete, recorded.failed)
        assert client.ask(f"/api/runs/{recorded.failed}").error == (404, "RunNotFoundError")
        gone = client.ask(f"/api/runs/{recorded.failed}/decisions/dec_0")
        assert gone.error == (404, "RunNotFoundError")
        until(lambda: set(rows(client)) == {recorded.stuck, recorded.completed})
        assert [goal["runs"] for goal in client.get("/api/goals")["goals"]] == [1, 1]


def test_a_run_that_is_deleted_ends_its_events(traces: Path) -> None:
    with Runtime(traces) as runtime, serving(traces) as client:
        run = runtime.run("g")
        run.__enter__()
        path = traces / "runs" / f"{run.id}.jsonl"
        until(path.exists)
        until(path.read_bytes)
        with client.events(f"/api/runs/{run.id}/events") as events:
            next(events)
            path.unlink()
            assert [name for name, _ in events][-1] == "ended"
        run.__exit__(None, None, None)


def test_a_directory_that_comes_late_and_goes(traces: Path) -> None:
    with serving(traces) as client:
        assert client.get("/api/runs")["runs"] == []
        assert client.get("/api/goals")["goals"] == []
        assert client.ask("/api/goal?id=g").error == (404, "ReadError")
        recorded = Recorded(traces)
        until(lambda: len(rows(client)) == 3)
        shutil.rmtree(traces)
        until(lambda: rows(client) == {})
        assert client.ask(f"/api/runs/{recorded.failed}").error == (404, "RunNotFoundError")
        assert client.ask(f"/api/runs/{recorded.failed}/explanation").status == 404
        assert client.ask("/api/goal?id=fetch").status == 404
        Recorded(traces)
        until(lambda: len(rows(client)) == 3)


def test_a_file_that_is_damaged_under_it(traces: Path) -> None:
    recorded = Recorded(traces)
    with serving(traces) as client:
        whole = client.run(recorded.failed)
        assert whole["run"]["damage"] == []

        def overwrite(lines: list[bytes]) -> None:
            lines[1] = lines[1].replace(b"Get b.txt", b"Get x.txt")

        recorded.damage(recorded.failed, overwrite)
        for path in ("", "/decisions/dec_0", "/decisions/dec_1", "/explanation", "/summary"):
            answer = client.ask(f"/api/runs/{recorded.failed}{path}")
            assert answer.status == 200 or answer.error[0] == 404, path
        recorded.damage(recorded.failed, lambda lines: lines.pop(0))  # shorter: it is read again
        changed = client.run(recorded.failed, after=whole["seq"])
        reasons = [damage["reason"] for damage in changed["run"]["damage"]]
        assert any("checksum" in reason for reason in reasons)
        assert [row["id"] for row in changed["decisions"]] == ["dec_1"]
        assert changed["seq"] > whole["seq"]


def test_a_file_in_place_of_another(traces: Path) -> None:
    lines = [runfiles.sealed(record) for record in runfiles.whole_run(3)]
    path = runfiles.write(traces, "made", *lines)
    with serving(traces) as client:
        before = client.run("made")
        other = path.with_suffix(".tmp")
        other.write_bytes(b"".join(runfiles.sealed(record) for record in runfiles.whole_run(1)))
        os.replace(other, path)
        after = client.run("made", after=before["seq"])
        assert [row["id"] for row in after["decisions"]] == ["dec_0"]
        assert client.run("made", "decisions", "dec_0")["decision"]["outcome"]["success"]
        assert client.ask("/api/runs/made/decisions/dec_2").status == 404


@pytest.mark.parametrize(
    "junk", [b"", b"\n\n", b"{}\n", b"\x00" * 5000, b"no json\n" * 9, b'{"a":']
)
def test_a_file_that_is_no_run(traces: Path, junk: bytes) -> None:
    runfiles.write(traces, "junk", junk)
    with serving(traces) as client:
        assert rows(client)["junk"]["decisions"] == 0
        assert client.run("junk")["decisions"] == []
        assert client.run("junk", "explanation")["status"] == "interrupted"
        assert client.ask("/api/runs/junk/decisions/dec_0").error[0] == 404


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_links_are_left_alone(traces: Path, tmp_path: Path) -> None:
    recorded = Recorded(tmp_path / "other")
    (traces / "runs").mkdir(parents=True)
    (traces / "runs" / "linked.jsonl").symlink_to(recorded.file(recorded.failed))
    (traces / "runs" / "folder.jsonl").mkdir()
    os.mkfifo(traces / "runs" / "pipe.jsonl")
    runfiles.write(traces, "made", *map(runfiles.sealed, runfiles.whole_run()))
    with serving(traces) as client:
        assert set(rows(client)) == {"made"}
        for run_id in ("linked", "folder", "pipe"):
            assert client.ask(f"/api/runs/{run_id}").error == (404, "RunNotFoundError")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "runs").symlink_to(recorded.path / "runs")
    with serving(linked) as client:
        for path in ("/api/runs", "/api/info", f"/api/runs/{recorded.failed}"):
            assert client.ask(path).error == (404, "ReadError")
        assert client.ask("/").status == 200


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of Unix")
def test_a_worker_that_dies_is_a_typed_error(traces: Path) -> None:
    recorded = Recorded(traces)
    with serving(traces) as client:
        client.run(recorded.failed, "explanation")
        for child in children_of(os.getpid()):
            os.kill(child, signal.SIGKILL)
        # The one that died may be found out before it is given anything to do.
        answer = client.ask(f"/api/runs/{recorded.stuck}/explanation")
        assert answer.status == 200 or answer.error == (503, "WorkerDied")
        assert client.run(recorded.completed, "explanation")["run_id"] == recorded.completed


def children_of(parent: int) -> list[int]:
    """The workers of the viewer in this process."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True
    )
    found = [line.split(None, 1) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, command in found if "anyio.to_process" in command]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_is_ready_for_goals_once_they_are_looked_at(traces: Path) -> None:
    pytest.importorskip("duckdb")
    Recorded(traces)

    def ready() -> bool:
        maps = (Path(f"/proc/{pid}/maps") for pid in children_of(os.getpid()))
        return any("duckdb" in each.read_text() and "scipy" in each.read_text() for each in maps)

    with serving(traces) as client:
        client.get("/api/goals")
        assert not children_of(os.getpid())
        assert client.get("/api/goals?prepare=1")["goals"]
        until(ready)


def test_what_is_found_is_the_same_as_reading_it_whole(traces: Path) -> None:
    """The followed file and `RunStore` agree, on files of every kind that the format knows."""
    golden = Path(__file__).parents[1] / "golden" / "v1"
    shutil.copytree(golden / "runs", traces / "runs")
    with serving(traces) as client:
        listed = rows(client)
        assert len(listed) > 5
        for run_id, row in listed.items():
            run = anyio.run(RunStore(traces).load, run_id)
            document = client.run(run_id)
            head = document["run"]
            assert head["metrics"]["total_decisions"] == len(run.decisions)
            # A list is made of the first and the last record, and knows of no damage between.
            assert row["decisions"] == len(run.decisions) or run.damage or run.lost_records
            assert (head["status"], head["narrative"]) == (run.status, run.narrative)
            assert head["unknown_records"] == len(run.unknown)
            assert head["lost_records"] == run.lost_records
            assert len(head["damage"]) == len(run.damage)
            assert head["metrics"]["total_tokens"] == head["tokens"] == run.metrics.total_tokens
            assert len(document["problems"]) == len(run.problems)
            assert [each["id"] for each in document["decisions"]] == [d.id for d in run.decisions]
            for shown, decision in zip(document["decisions"], run.decisions, strict=True):
                told = client.run(run_id, "decisions", decision.id)["decision"]
                assert told["id"] == shown["id"]
                assert shown["chosen_option_id"] == decision.chosen_option_id
                assert shown["state"] == told_state(decision)
                assert told.get("chosen_option_id") == decision.chosen_option_id
                assert told.get("reasoning", "") == decision.reasoning
                assert told.get("evaluation") is None or decision.evaluation
                assert json.dumps(told)


def told_state(decision: Any) -> str:
    if decision.outcome is None:
        return "pending"
    if decision.outcome.cancelled:
        return "cancelled"
    return "success" if decision.outcome.success else "failure"
