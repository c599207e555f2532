"""The four tables as Parquet: what `export_parquet` writes, and `Analysis` reads.

    out/runs/<batch>.parquet
    out/decisions/day=2026-01-19/<batch>_0.parquet      and so with options and problems

A batch is there when its file in `runs` is, which is put there last: files of the other tables
that have none were left by an export that did not end, and the next one removes them. Each file
appears whole or not at all. Within a file, rows are sorted by goal and run, so that what is asked
of one goal reads little of the others.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from decisionlog import liveness
from decisionlog.analysis.many import gathering, loading
from decisionlog.analysis.many.tables import TABLES
from decisionlog.errors import DecisionLogError
from decisionlog.store import RunStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

Progress = Callable[[int, int], object]
"""Is told how many runs are done, and how many there are to do."""

_LOCK = "_export"
_PARTITIONED = ("options", "problems", "decisions")
_OURS = {*TABLES, f"{_LOCK}.lock"}
_ROW_GROUP = 100_000
_AT_ONCE = 2
"""How many batches are read at the same time."""


class Exported(Struct, frozen=True):
    """What an export did: how many runs it wrote, how many had been written before, and how many
    may still be written to, and so wait for the next export.
    """

    path: str
    exported: int
    present: int
    in_progress: int

    def __str__(self) -> str:
        text = f"Exported {self.exported} runs to {self.path}; {self.present} were there already"
        return text + (f", {self.in_progress} are in progress" if self.in_progress else "")


def is_dataset(path: Path) -> bool:
    """Whether a directory holds Parquet, rather than run files."""
    return next((path / "runs").glob("*.parquet"), None) is not None


def export_parquet(
    traces: str | os.PathLike[str], out: str | os.PathLike[str], *, progress: Progress | None = None
) -> Exported:
    """Write the runs that are not in the dataset yet, and have ended, as Parquet.

    A run whose process died has ended. What is there is never changed: evaluations count if they
    were made before the export. Returns what was done.

    Raises:
        ReadError: the traces cannot be read.
        DecisionLogError: `out` holds something else, or another export is writing to it.
    """
    store, path = RunStore(traces), Path(out)
    every = gathering.run_ids(store)
    path.mkdir(parents=True, exist_ok=True)
    _check(path)
    lock = liveness.WriterLock(path, _LOCK)
    lock.acquire()
    try:
        _clear(path)
        there = _exported(path)
        wanted = [run_id for run_id in every if run_id not in there]
        written = _write(store, path, wanted, progress or (lambda done, total: None))
    finally:
        lock.release()
    present = len(every) - len(wanted)
    return Exported(str(path), written, present, len(wanted) - written)


def write_once(store: RunStore, path: Path) -> None:
    """All runs as they stand, also those in progress, for somebody who reads them at once."""
    for table in TABLES:
        (path / table).mkdir(parents=True, exist_ok=True)
    wanted = gathering.run_ids(store)
    found = enumerate(gathering.batches(store, wanted, gathering.SMALL, ended_only=False))
    database, turn = loading.connect(), Lock()

    def work() -> None:
        connection = loading.connect(database)
        while True:
            with turn:
                number, batch = next(found, (0, None))
            if batch is None:
                return
            loading.load(connection, batch, partial(_anew, store))
            for table in TABLES:
                query = loading.select(table, with_day=False)
                target = loading.quoted(str(path / table / f"{number}.parquet"))
                connection.execute(f"COPY ({query}) TO {target} (FORMAT parquet)")

    # A batch is too small for DuckDB to have two threads at work on it.
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        for worker in [workers.submit(work) for _ in range(_AT_ONCE)]:
            worker.result()


def _check(path: Path) -> None:
    strange = sorted(entry for entry in os.listdir(path) if entry not in _OURS and entry[0] != ".")
    if strange:
        raise DecisionLogError(f"{path} holds something else, {strange[0]!r}; export elsewhere")
    if next((path / "runs").glob("*.jsonl"), None) is not None:
        raise DecisionLogError(f"{path} holds run files; export elsewhere")
    if (path / f"{_LOCK}.lock").exists() and liveness.is_alive(path, _LOCK):
        raise DecisionLogError(f"another export is writing to {path}")


def _clear(path: Path) -> None:
    """Remove what exports left that did not end."""
    for left in path.glob(".*.tmp"):
        shutil.rmtree(left)
    whole = {each.stem for each in (path / "runs").glob("*.parquet")}
    for table in _PARTITIONED:
        for each in (path / table).glob("*/*.parquet"):
            if each.stem.rpartition("_")[0] not in whole:
                each.unlink()


def _exported(path: Path) -> set[str]:
    if not is_dataset(path):
        return set()
    files = loading.quoted(str(path / "runs" / "*.parquet"))
    rows = loading.connect().execute(f"SELECT run_id FROM read_parquet({files})").fetchall()
    return {run_id for (run_id,) in rows}


def _write(store: RunStore, path: Path, wanted: list[str], progress: Progress) -> int:
    connection = loading.connect()
    written = 0
    progress(0, len(wanted))
    for batch in _ahead(gathering.batches(store, wanted, gathering.LARGE, ended_only=True)):
        loading.load(connection, batch, partial(_anew, store))
        _put(connection, path, f"{batch.run_ids[0]}-{secrets.token_hex(4)}")
        written += len(batch.run_ids)
        progress(written, len(wanted))
    return written


def _put(connection: DuckDBPyConnection, path: Path, name: str) -> None:
    """One batch into the dataset."""
    made = path / f".{name}.tmp"
    made.mkdir()
    layout = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP}"
    for table in _PARTITIONED:
        target = loading.quoted(str(made / table))
        connection.execute(
            f"COPY ({loading.select(table)} ORDER BY day, goal_id, run_id, seq) TO {target}"
            f" ({layout}, PARTITION_BY (day), FILENAME_PATTERN '{name}_{{i}}')"
        )
        if next((made / table).glob("*/*.parquet"), None) is None:  # a folder that Spark can open
            folder = made / table / "day=unknown"
            folder.mkdir(parents=True, exist_ok=True)
            empty = loading.quoted(str(folder / f"{name}_0.parquet"))
            query = loading.select(table, with_day=False)
            connection.execute(f"COPY ({query} LIMIT 0) TO {empty} ({layout})")
    runs = f"{loading.select('runs')} ORDER BY goal_id, run_id"
    last = loading.quoted(str(made / "runs.parquet"))
    connection.execute(f"COPY ({runs}) TO {last} ({layout})")
    for table in _PARTITIONED:
        for each in sorted((made / table).glob("*/*.parquet")):
            folder = path / table / each.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            os.replace(each, folder / each.name)
    (path / "runs").mkdir(exist_ok=True)
    os.replace(made / "runs.parquet", path / "runs" / f"{name}.parquet")
    shutil.rmtree(made)


def _anew(store: RunStore, run_id: str) -> bytes:
    return gathering.written_anew(store.load_blocking(run_id))


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made in another thread while the one before is worked on."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = worker.submit(next, items, None)
            yield item
