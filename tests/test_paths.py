"""Nothing outside the directory is read, written or deleted, whatever ids and files say."""

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from decisionlog import Evaluation, ReadError, RunNotFoundError, RunStatus, RunStore, Runtime
from decisionlog.files import read_ours
from tests import runfiles

fcntl = pytest.importorskip("fcntl", reason="needs POSIX")

NO_IDS = [
    "",
    ".",
    "..",
    "../outside",
    "../../outside",
    "/etc/passwd",
    "runs/run",
    "run.jsonl",
    "..\\outside",
    "C:outside",
    "a\x00b",
    "run\n",
    " run",
    "rün",
    "r" * 101,
    "r" * 10_000,
    "../" * 5_000,
    "con",
    "NUL",
    "com1",
    "LPT9",
]


def tree(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """All that is below a directory."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(root.rglob("*")):
        content: bytes | str = ""
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of someone else's, which holds what a run file and a lock look like."""
    outside = tmp_path / "outside"
    whole = map(runfiles.sealed, runfiles.whole_run())
    runfiles.write(outside, "made", *whole)
    for name in ("outside.jsonl", "outside.lock"):
        (outside / name).write_bytes((outside / "runs" / "made.jsonl").read_bytes())
    return outside


async def every_call(store: RunStore, run_id: str) -> list[Callable[[], Any]]:
    return [
        lambda: store.load(run_id),
        lambda: store.summary(run_id),
        lambda: store.check(run_id),
        lambda: anext(store.follow(run_id)),
        lambda: store.evaluate(run_id, "dec_0", Evaluation()),
        lambda: store.delete(run_id),
    ]


@pytest.mark.parametrize("run_id", NO_IDS, ids=lambda run_id: ascii(run_id)[:20])
async def test_what_is_no_id_is_never_looked_for(
    tmp_path: Path, traces: Path, outside: Path, run_id: str
) -> None:
    with Runtime(traces) as runtime, runtime.run("goal", run_id="run"):
        pass
    for place in (tmp_path, traces, traces / "runs", traces / "evaluations"):
        place.mkdir(exist_ok=True)
        (place / "outside.jsonl").write_bytes((outside / "outside.jsonl").read_bytes())
    (traces / "runs" / "outside.jsonl").unlink()
    before = tree(tmp_path)
    for call in await every_call(RunStore(traces), run_id):
        with pytest.raises(RunNotFoundError) as caught:
            await call()
        assert len(str(caught.value)) < 300
    assert tree(tmp_path) == before


def symlink(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "outside.jsonl")


def dangling(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "not there.jsonl")


def pipe(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def directory(path: Path, outside: Path) -> None:
    path.mkdir()


def device(path: Path, outside: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path, outside: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def unreadable(path: Path, outside: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    path.write_bytes(b"")
    path.chmod(0)


NO_FILES = [symlink, dangling, pipe, directory, device, listening, unreadable]


@pytest.mark.parametrize("make", NO_FILES)
async def test_what_is_no_file_of_ours_is_no_run(
    tmp_path: Path, traces: Path, outside: Path, make: Callable[[Path, Path], None]
) -> None:
    with Runtime(traces) as runtime, runtime.run("goal", run_id="run"):
        pass
    make(traces / "runs" / "made.jsonl", outside)
    before = tree(tmp_path)
    store = RunStore(traces)
    for call in await every_call(store, "made"):
        with pytest.raises(RunNotFoundError):
            await call()
    assert [summary.run_id async for summary in store.runs()] == ["run"]
    assert await store.prune(older_than=timedelta(days=1)) == []
    assert tree(tmp_path) == before
    assert await store.prune(keep=0) == ["run"]
    del before["traces/runs/run.jsonl"]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("make", NO_FILES)
def test_what_is_no_file_of_ours_is_not_read_at_once_either(
    tmp_path: Path, outside: Path, make: Callable[[Path, Path], None]
) -> None:
    (tmp_path / "ours").write_bytes(b"ours")
    assert read_ours(tmp_path / "ours") == b"ours"
    make(tmp_path / "made", outside)
    with pytest.raises(OSError):
        read_ours(tmp_path / "made")


@pytest.mark.parametrize("make", NO_FILES)
async def test_nothing_is_read_or_written_in_place_of_evaluations(
    tmp_path: Path, traces: Path, outside: Path, make: Callable[[Path, Path], None]
) -> None:
    runfiles.write(traces, "made", *map(runfiles.sealed, runfiles.whole_run()))
    (traces / "evaluations").mkdir()
    make(traces / "evaluations" / "made.jsonl", outside)
    before = tree(tmp_path)
    store = RunStore(traces)
    assert [d.evaluation for d in (await store.load("made")).decisions] == [None, None]
    with pytest.raises(OSError):
        await store.evaluate("made", "dec_0", Evaluation())
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["runs", "evaluations", "writers"])
async def test_a_directory_that_leads_elsewhere_is_not_followed(
    tmp_path: Path, traces: Path, outside: Path, name: str
) -> None:
    runfiles.write(traces, "made", *map(runfiles.sealed, runfiles.whole_run()))
    if name == "runs":
        (traces / "runs").rename(tmp_path / "moved")
    for file in ("made.jsonl", "run.jsonl", "w_1.lock"):
        (outside / file).write_bytes((outside / "outside.jsonl").read_bytes())
    (traces / name).symlink_to(outside)
    before = tree(tmp_path)
    store = RunStore(traces)
    for call in await every_call(store, "made"):
        with pytest.raises(ReadError, match="symbolic link"):
            await call()
    with pytest.raises(ReadError, match="symbolic link"):
        await anext(store.runs())
    with pytest.raises(ReadError, match="symbolic link"):
        await store.prune(keep=0)
    assert tree(tmp_path) == before


async def test_the_directory_itself_may_be_a_link(tmp_path: Path, traces: Path) -> None:
    with Runtime(traces) as runtime, runtime.run("goal", run_id="run"):
        pass
    (tmp_path / "link").symlink_to(traces)
    assert [run.run_id async for run in RunStore(tmp_path / "link").runs()] == ["run"]


@pytest.mark.parametrize(
    "writer",
    ["../../outside/outside", "{outside}/outside", "a\x00b", "w" * 10_000, "../", "", "con"],
)
async def test_the_name_of_a_writer_leads_nowhere(traces: Path, outside: Path, writer: str) -> None:
    with (outside / "outside.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # if it were looked at, the run would seem to be live
        writer = writer.format(outside=outside)
        head = runfiles.started(host=os.uname().nodename, writer=writer)
        (traces / "writers").mkdir(parents=True)
        runfiles.write(traces, "made", runfiles.sealed(head))
        assert (await RunStore(traces).load("made")).status == RunStatus.INTERRUPTED


async def test_runs_that_cannot_be_listed(traces: Path) -> None:
    traces.mkdir()
    (traces / "runs").write_text("a file")
    with pytest.raises(ReadError, match="cannot be read"):
        await anext(RunStore(traces).runs())
    with pytest.raises(ReadError, match="cannot be read"):
        await RunStore(traces).prune(keep=1)
