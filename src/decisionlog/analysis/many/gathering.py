"""From a directory of run files to lines that DuckDB can read at full speed.

DuckDB takes a third of a second for a hundred files with explicit columns, whatever is in them, but
reads one file at 200 MB/s. So files are put together. On the way, each is looked at: one that this
library wrote, that is undamaged and has ended is taken as it is; any other is read by `RunStore`,
and what it makes of it is written down anew. So there is one truth about damage, duplicates and
who is alive.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace as _replace

from decisionlog.errors import ReadError, RunNotFoundError
from decisionlog.files import check_ours, read_ours
from decisionlog.model import Run, RunStatus
from decisionlog.records import RUN_ID, SEAL_BYTES, Evaluated, RunEnded, RunStarted, encode
from decisionlog.store import RunStore

LARGE, SMALL = 64 * 2**20, 16 * 2**20
"""About how many bytes are put together at once: for few large files of Parquet, or so that the
first of them are soon at work.
"""

_ENDED = b'{"type":"run_ended",'
_END = SEAL_BYTES + 1


class Account(Struct, frozen=True, tag="account", tag_field="type"):
    """What a file did not say of itself: how the run stands, and what did not read."""

    run_id: str
    status: RunStatus
    damage: int
    lost: int


def run_ids(store: RunStore) -> list[str]:
    """All runs in the directory, the oldest first as far as the names tell.

    Raises:
        ReadError: the directory is not there, or cannot be read.
    """
    if not store.path.is_dir():
        raise ReadError(f"there is no directory {store.path}")
    runs = store.path / "runs"
    check_ours(runs)
    try:
        names = [os.path.splitext(entry) for entry in os.listdir(runs)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ReadError(f"{runs} cannot be read: {error}") from None
    return sorted(name for name, ext in names if ext == ".jsonl" and RUN_ID.fullmatch(name))


def _read(store: RunStore, run_id: str) -> bytes | Run:
    """The lines of a run if they can be taken as they are, else the run.

    Raises:
        RunNotFoundError: it was deleted meanwhile.
    """
    try:
        text = read_ours(os.path.join(store.path, "runs", f"{run_id}.jsonl"))
    except OSError as error:
        raise RunNotFoundError(f"run {run_id} in {store.path} cannot be read: {error}") from None
    return text if _is_plain(text, run_id) else store.load_blocking(run_id)


def _is_plain(text: bytes, run_id: str) -> bool:
    """Whether this library wrote it, and nothing is missing, damaged or there twice."""
    lines = BytesIO(text).readlines()  # in half the time of split
    if not lines or not text.endswith(b"\n") or not lines[-1].startswith(_ENDED):
        return False
    head = lines[0]
    if not head.startswith(b'{"type":"run_started",') or b',"library":"' not in head:
        return False
    mark = b',"run_id":"%b","seq":' % run_id.encode()
    for number, line in enumerate(lines, 1):
        body = line[:-_END]
        if not body.endswith(b"%b%d" % (mark, number)):
            return False
        if line[-_END:] != b',"crc":"%08x"}\n' % crc32(body):
            return False
        if number < len(lines) and line.startswith(_ENDED):
            return False
    return True


def written_anew(run: Run) -> bytes:
    """The lines of a run, as few as will do: one for each decision, outcome and problem."""
    records: list[Any] = [
        RunStarted(
            run.goal_id,
            run.started_at or datetime.fromtimestamp(0, UTC),  # read back as unknown
            run.goal_description,
            tags=run.tags,
            parent_run_id=run.parent_run_id,
            parent_decision_id=run.parent_decision_id,
            host=run.host,
            run_id=run.id,
        ),
        Account(run.id, run.status, len(run.damage), run.lost_records),
    ]
    for place, decision in enumerate(run.decisions, 1):
        options = [_replace(option, action_params={}, extra={}) for option in decision.options]
        seq = decision.seq or 2 * place
        bare: dict[str, Any] = {"input_context": {}, "extra": {}, "evaluation": None}
        records.append(
            _replace(decision, run_id=run.id, seq=seq, options=options, outcome=None, **bare)
        )
        if outcome := decision.outcome:
            bare = {"result": None, "state_changes": {}, "attributes": {}, "extra": {}}
            seq, made = outcome.seq or 2 * place + 1, decision.id
            records.append(_replace(outcome, run_id=run.id, seq=seq, decision_id=made, **bare))
        if decision.evaluation is not None:
            when = datetime.now(UTC)
            records.append(Evaluated(decision.id, decision.evaluation, when, run.id))
    for place, problem in enumerate(run.problems, 1):
        seq = problem.seq or place
        records.append(_replace(problem, run_id=run.id, seq=seq, extra={}))
    if run.completed_at is not None:
        records.append(
            RunEnded(
                run.status, run.completed_at, run.narrative, error=run.error,
                error_type=run.error_type, duration_ms=run.duration_ms or 0.0, run_id=run.id,
            )
        )  # fmt: skip
    return b"".join(encode(record) + b"\n" for record in records)


def evaluations(store: RunStore) -> frozenset[str]:
    """The runs that somebody has judged."""
    try:
        entries = os.listdir(store.path / "evaluations")
    except OSError:
        return frozenset()
    return frozenset(os.path.splitext(entry)[0] for entry in entries)


class Batch(Struct):
    """Runs whose lines were put together."""

    run_ids: list[str]
    text: list[bytes]
    size: int = 0


def batches(store: RunStore, wanted: list[str], size: int, *, ended_only: bool) -> Iterator[Batch]:
    """The runs, about `size` bytes of them at a time; with `ended_only`, without those that may
    still be written to.

    A run that is deleted meanwhile is passed over.
    """
    judged = evaluations(store)
    batch = Batch([], [])
    for run_id in wanted:
        try:
            found = store.load_blocking(run_id) if run_id in judged else _read(store, run_id)
        except RunNotFoundError:
            continue
        if isinstance(found, Run):
            if ended_only and found.status == RunStatus.RUNNING:
                continue
            found = written_anew(found)
        batch.run_ids.append(run_id)
        batch.text.append(found)
        batch.size += len(found)
        if batch.size >= size:
            yield batch
            batch = Batch([], [])
    if batch.run_ids:
        yield batch
