"""Rows about reading: a run back into `Run`, and a listing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.contenders import decide_each, flushed
from benchmarks.measure import Bench, Figure, cost, in_fresh_process, ratios
from benchmarks.work import GOAL, repeated
from decisionlog import Decision, Outcome, RunStore, Runtime

STRUCTS = {b'{"type":"decision",': Decision, b'{"type":"outcome",': Outcome}


def decoding(bench: Bench, rows: set[str]) -> list[Figure]:
    """`decoding`: `RunStore.load`, which reads the file, verifies checksums and numbers, and puts
    the run together, over msgspec decoding the same lines, already in memory and without their
    checksums, into the same Structs. Both keep what they made.
    """
    with bench.scratch() as path:
        return [bench.run(_decoding, bench, path)]


async def _decoding(bench: Bench, path: Path) -> Figure:
    items = repeated(bench.items, bench.effort.decoded)
    async with Runtime(path) as runtime:
        async with runtime.run(GOAL) as run:
            await decide_each(runtime, items)
        await flushed(runtime)
    store = RunStore(path)
    plain = _prepared(path / "runs" / f"{run.id}.jsonl")
    if len(plain) != 2 * len(items):
        raise AssertionError(f"{len(plain)} lines for {len(items)} decisions")

    async def load(_: object) -> None:
        loaded = await store.load(run.id)
        assert len(loaded.decisions) == len(items)

    async def decode(_: object) -> None:
        decoded = [decode(line) for decode, line in plain]
        assert len(decoded) == len(plain)

    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(bench.effort.rounds + 1):
        pairs = ((load, ours), (decode, theirs))
        for work, costs in pairs if turn % 2 else pairs[::-1]:
            taken = (await cost(work, items)).total
            if turn:
                costs.append(taken)
    details = {
        "us_a_decision": round(median(ours), 2),
        "us_msgspec": round(median(theirs), 2),
        "decisions": float(len(items)),
    }
    return Figure("decoding", ratios(ours, theirs), details)


def _prepared(path: Path) -> list[tuple[Callable[[bytes], object], bytes]]:
    """Each line of a decision or outcome, without its checksum, and what decodes it."""
    decoders = {start: msgspec.json.Decoder(kind).decode for start, kind in STRUCTS.items()}
    return [
        (decoders[start], line[: line.rindex(b',"crc"')] + b"}")
        for line in path.read_bytes().splitlines()
        if (start := line[: line.index(b",") + 1]) in decoders
    ]


def listing(bench: Bench, rows: set[str]) -> list[Figure]:
    """`listing` and `listing-growth`: all summaries, in a process that has read nothing yet, from
    files that the system has been asked to forget. By the clock on the wall.
    """
    effort = bench.effort
    many: list[float] = []
    few: list[float] = []
    again = 0.0
    with bench.scratch() as path:
        sizes = {path / "few": effort.listed // 10, path / "many": effort.listed}
        for at, count in sizes.items():
            bench.run(_record_runs, bench, at, count)
        for _ in range(effort.few_rounds):
            for at, count in sizes.items():
                _drop_from_page_cache(at)
                listed = in_fresh_process("list", at)
                assert listed["runs"] == count
                (many if at.name == "many" else few).append(listed["seconds"])
                again = listed["again_seconds"]
    details = {
        "runs": float(effort.listed),
        "once_more_s": round(again, 3),
        "tenth_of_them_s": round(median(few), 3),
    }
    growth = [a / 10 / b for a, b in zip(many, few, strict=True)]
    return [Figure("listing", many, details), Figure("listing-growth", growth)]


async def _record_runs(bench: Bench, path: Path, count: int) -> None:
    async with Runtime(path) as runtime:
        for number in range(count):
            async with runtime.run(GOAL):
                start = number % (len(bench.items) - 3)
                await decide_each(runtime, bench.items[start : start + 3])
            if number % 500 == 0:
                await flushed(runtime)
        await flushed(runtime)


def _drop_from_page_cache(path: Path) -> None:
    """Linux does, for what is on the disk; elsewhere the listing is of files in memory."""
    if not hasattr(os, "posix_fadvise"):
        return
    for file in (path / "runs").iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
