"""Files that something happened to: what reads is right, the rest is named, nothing raises."""

import json
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisionlog import Run, RunStatus, RunStore, Runtime
from decisionlog.reading import Scanner
from decisionlog.records import MAX_ITEMS, MAX_LINE_BYTES, AnyRecord
from tests import runfiles
from tests.runfiles import came_out, decided, ended, plain, sealed, started, whole_run
from tests.waiting import LIMIT


async def read(traces: Path, *lines: bytes) -> Run:
    """A run file of these lines, loaded."""
    runfiles.write(traces, "made", *lines)
    store = RunStore(traces)
    run = await store.load("made")
    check = await store.check("made")
    assert (check.status, check.damage) == (run.status, run.damage)
    assert check.lost_records == run.lost_records
    summary = await store.summary("made")
    assert (summary.status, summary.started_at) == (run.status, run.started_at)
    return run


async def records_of(traces: Path) -> list[AnyRecord]:
    """All records that count."""
    return [record async for record in RunStore(traces).follow("made")]


def reasons(run: Run) -> list[tuple[int, str]]:
    return [(damage.line, damage.reason) for damage in run.damage]


def decisions(run: Run) -> list[tuple[str, bool]]:
    """Each decision, and whether it has an outcome."""
    return [(decision.id, not decision.is_pending) for decision in run.decisions]


BOTH = [("dec_0", True), ("dec_1", True)]


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The lines of a small run that has one of everything."""
    traces = tmp_path_factory.mktemp("recorded")
    with Runtime(traces) as runtime, runtime.run("goal", "Über", {"n": 1}, run_id="made") as run:
        with runtime.decision("one", [{"id": "a"}, {"id": "b"}], context={"$k": 2**70}) as one:
            one.choose("b")
            one.succeed([float("inf"), "\x00\n"], tokens_used=3)
        run.report_problem("minor", "small")
        with runtime.decision("two") as two:
            two.fail("it broke")
    lines = runfiles.path_of(traces, "made").read_bytes().splitlines(keepends=True)
    assert len(lines) == 8
    return lines


# ------------------------------------------------------------- pieces, and edits


def test_a_scanner_takes_any_pieces(recorded: list[bytes]) -> None:
    data = b"".join([*recorded[:3], b"\n\r\n", b"nonsense\n", *recorded[3:], b'{"type":'])
    whole = Scanner()
    expected = whole.feed(data)
    assert len(expected) == 8

    @given(st.lists(st.integers(0, len(data)), max_size=30))
    def check(cuts: list[int]) -> None:
        scanner = Scanner()
        bounds = [0, *sorted(cuts), len(data)]
        pieces = [data[start:end] for start, end in pairwise(bounds)]
        assert [record for piece in pieces for record in scanner.feed(piece)] == expected
        assert (scanner.torn_bytes, scanner.damage()) == (8, whole.damage())

    check()


def test_a_scanner_takes_byte_by_byte(recorded: list[bytes]) -> None:
    data = b"".join(recorded)
    scanner = Scanner()
    records = [record for byte in data for record in scanner.feed(bytes([byte]))]
    assert records == Scanner().feed(data)


async def test_whatever_happens_to_a_file(traces: Path, recorded: list[bytes]) -> None:
    runfiles.write(traces, "made", *recorded)
    expected = await records_of(traces)
    data = b"".join(recorded)
    places = st.integers(0, len(data))
    edits = st.lists(st.tuples(places, places, st.binary(max_size=40)), min_size=1, max_size=4)

    @given(edits)
    def mangle(edits: list[tuple[int, int, bytes]]) -> None:
        mangled = data
        for start, length, put in edits:
            mangled = mangled[:start] + put + mangled[start + length % 300 :]
        for record in Scanner().feed(mangled):
            assert record in expected

    mangle()


# ------------------------------------------------------------- ends and blanks


async def test_an_empty_file(traces: Path) -> None:
    run = await read(traces)
    assert (run.status, run.decisions, run.damage) == (RunStatus.INTERRUPTED, [], [])
    assert run.started_at is None
    runfiles.write(traces, "run_20260119_184216_3d0900a9c215d3e1")
    [generated, _] = [run async for run in RunStore(traces).runs(newest_first=False)]
    assert generated.started_at is not None
    assert generated.started_at.isoformat() == "2026-01-19T18:42:16.250000+00:00"
    assert (await RunStore(traces).load(generated.run_id)).started_at == generated.started_at


async def test_a_torn_end_is_no_damage(traces: Path) -> None:
    lines = list(map(sealed, whole_run()))
    run = await read(traces, *lines[:4], lines[4][:-1])
    assert decisions(run) == [("dec_0", True), ("dec_1", False)]
    assert (run.status, run.damage) == (RunStatus.INTERRUPTED, [])
    assert (await RunStore(traces).check("made")).torn_bytes == len(lines[4]) - 1


async def test_bytes_after_the_end_are_damage(traces: Path) -> None:
    run = await read(traces, *map(sealed, whole_run()), b'{"type"')
    assert (run.status, decisions(run)) == (RunStatus.COMPLETED, BOTH)
    assert reasons(run) == [(0, "7 bytes after the end of the run")]


@pytest.mark.parametrize("torn", [b"\x00" * 4096, b"\x00" * 4096 + b"\n"])
async def test_zeros_where_data_never_arrived(traces: Path, torn: bytes) -> None:
    lines = list(map(sealed, whole_run()))
    run = await read(traces, *lines[:5], torn)
    assert (run.status, decisions(run)) == (RunStatus.INTERRUPTED, BOTH)
    run = await read(traces, torn, *lines[1:])
    assert run.status == RunStatus.COMPLETED
    assert run.goal_id == ""


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n\n", b" \t\n", b"\n\r\n \n"])
@pytest.mark.parametrize("line", [sealed, plain])
async def test_other_line_ends_and_blank_lines(traces: Path, line: Any, line_end: bytes) -> None:
    lines = [line(record).replace(b"\n", line_end) for record in whole_run()]
    run = await read(traces, b"\n", *lines, b"\n")
    assert (run.status, decisions(run), run.damage) == (RunStatus.COMPLETED, BOTH, [])
    broken = lines[2].replace(b"true", b"null")
    run = await read(traces, *lines[:2], broken, *lines[3:])
    assert len(run.damage) == 2


async def test_joined_lines_come_apart(traces: Path) -> None:
    lines = list(map(sealed, whole_run(3)))
    joined = [line[:-1] + b" " for line in lines[:3]] + lines[3:]
    torn = [*lines[:2], lines[2][:-1], lines[3][:20], *lines[4:]]
    run = await read(traces, *joined)
    assert decisions(run) == [*BOTH, ("dec_2", True)]
    assert reasons(run) == [(1, "its checksum does not match")]
    run = await read(traces, *torn)
    assert decisions(run)[0] == ("dec_0", False)
    joined[2] = joined[2].replace(b"true", b"null")
    run = await read(traces, *joined)
    assert decisions(run) == [("dec_0", False), ("dec_1", True), ("dec_2", True)]


# ------------------------------------------------------------- checksums


async def test_a_file_without_checksums_is_taken_as_it_is(traces: Path) -> None:
    run = await read(traces, *map(plain, whole_run()))
    assert (run.status, decisions(run), run.damage) == (RunStatus.COMPLETED, BOTH, [])
    unnumbered = [{k: v for k, v in r.items() if k not in ("seq", "run_id")} for r in whole_run()]
    run = await read(traces, *map(plain, unnumbered))
    assert (run.status, decisions(run), run.damage) == (RunStatus.COMPLETED, BOTH, [])
    summary = await RunStore(traces).summary("made")
    assert (summary.status, summary.decision_count) == (RunStatus.COMPLETED, 2)


@pytest.mark.parametrize("bare", [0, 2, 5])
async def test_one_checksum_missing_is_damage(traces: Path, bare: int) -> None:
    records = whole_run()
    lines = [plain(r) if i == bare else sealed(r) for i, r in enumerate(records)]
    run = await read(traces, *lines)
    assert (bare + 1, "it has no checksum") in reasons(run)
    assert len(await records_of(traces)) == 5
    assert (run.status == RunStatus.COMPLETED) == (bare != 5)
    lines = [sealed(r) if i == bare else plain(r) for i, r in enumerate(records)]
    run = await read(traces, *lines)
    assert len(await records_of(traces)) == 1


@pytest.mark.parametrize(
    "crc", ["", "0", "12345678", "ABCDEF01", "+1234567", " 1234567", "0x123456", "1_234_56", "éééé"]
)
async def test_a_checksum_that_is_none(traces: Path, crc: str) -> None:
    lines = list(map(sealed, whole_run()))
    lines[2] = lines[2][:-11] + crc.encode() + b'"}\n'
    run = await read(traces, *lines)
    assert decisions(run) == [("dec_0", False), ("dec_1", True)]
    assert [damage.line for damage in run.damage] == [3, 4]


async def test_a_checksum_spelled_otherwise(traces: Path) -> None:
    records = whole_run()
    for n in range(200):  # until it begins with a zero
        records[2]["summary"] = str(n)
        line = sealed(records[2])
        if line[-11:-10] == b"0":
            break
    lines = [*map(sealed, records)]
    for other in (b"+", b" ", b"_"):
        lines[2] = line[:-11] + other + line[-10:]
        assert decisions(await read(traces, *lines))[0] == ("dec_0", False)


# ------------------------------------------------------------- numbers


async def test_missing_numbers(traces: Path) -> None:
    lines = list(map(sealed, whole_run(3)))
    run = await read(traces, lines[0], *lines[3:6], *lines[7:])
    assert decisions(run) == [("dec_1", True), ("dec_2", False)]
    assert reasons(run) == [
        (2, "before it, records 2 to 3 are missing"),
        (5, "before it, record 7 is missing"),
    ]


async def test_records_in_another_order(traces: Path) -> None:
    lines = list(map(sealed, whole_run(4)))
    chance = random.Random(1)
    for _ in range(20):
        shuffled = lines[1:-1]
        chance.shuffle(shuffled)
        run = await read(traces, lines[0], *shuffled, lines[-1])
        assert decisions(run) == [(f"dec_{n}", True) for n in range(4)]
        assert (run.damage, run.unknown) == ([], [])
        assert run.metrics.successful_decisions == 4
    run = await read(traces, *reversed(lines))
    assert (run.status, len(run.decisions), run.damage) == (RunStatus.COMPLETED, 4, [])
    run = await read(traces, *lines[5:9], *lines[:3])
    assert reasons(run) == [(1, "before it, records 4 to 5 are missing")]
    run = await read(traces, lines[7], lines[4], lines[2])
    assert reasons(run) == [
        (1, "before it, records 1 to 2 are missing"),
        (1, "before it, record 4 is missing"),
        (1, "before it, records 6 to 7 are missing"),
    ]


async def test_a_late_choice_finds_its_decision(traces: Path) -> None:
    choice = {"type": "choice", "decision_id": "dec_0", "chosen_option_id": "b", "run_id": "made"}
    choice |= {"timestamp": runfiles.TIME, "seq": 3}
    run = await read(traces, sealed(started()), sealed(choice), sealed(decided(0, 2)))
    assert [d.chosen_option_id for d in run.decisions] == ["b"]


async def test_records_that_are_there_twice(traces: Path) -> None:
    lines = list(map(sealed, whole_run()))
    run = await read(traces, *lines[:3], *lines[1:3], *lines[3:])
    assert (decisions(run), run.metrics.successful_decisions) == (BOTH, 2)
    assert reasons(run) == [(4, "record 2 is there twice"), (5, "record 3 is there twice")]
    other = sealed(came_out(0, 3, success=False))
    run = await read(traces, *lines[:3], other, *lines[3:])
    assert run.decisions[0].was_successful
    assert reasons(run) == [(4, "record 3 is there twice")]


GAP = {"type": "gap", "count": 3, "timestamp": runfiles.TIME, "run_id": "made", "seq": 4}


async def test_a_gap_bears_the_number_of_the_last_lost(traces: Path) -> None:
    run = await read(traces, *map(sealed, [started(), GAP, decided(9, 5), ended(6)]))
    assert (run.lost_records, run.damage) == (3, [])
    run = await read(traces, *map(sealed, [started(), GAP | {"count": 2}, decided(9, 5)]))
    assert run.lost_records == 2
    assert reasons(run) == [(2, "before it, record 2 is missing")]
    run = await read(traces, *map(sealed, [started(), GAP, GAP | {"seq": 5, "count": 1}]))
    assert (run.lost_records, run.damage) == (4, [])
    late = [started(), decided(9, 5), GAP | {"count": 2}]
    assert reasons(await read(traces, *map(sealed, late))) == [
        (2, "before it, record 2 is missing")
    ]


@pytest.mark.parametrize("count", [0, -1, 2.5, "3", None])
async def test_a_gap_of_no_size(traces: Path, count: Any) -> None:
    run = await read(traces, *map(sealed, [started(), GAP | {"count": count, "seq": 2}, ended(3)]))
    assert run.lost_records == 0
    assert reasons(run)[0] == (2, "not a gap record: `count` does not fit")


@pytest.mark.parametrize("seq", [0, -5, None, "7", 2.5, True])
async def test_numbers_that_are_none(traces: Path, seq: Any) -> None:
    records = [started(), decided(0, 2) | {"seq": seq}, came_out(0, 2), ended(3)]
    run = await read(traces, *map(sealed, records))
    assert (run.status, decisions(run)) == (RunStatus.COMPLETED, [("dec_0", True)])
    assert run.damage == []


@pytest.mark.parametrize("seq", [2**62, 2**70, 10**300])
async def test_numbers_beyond_belief(traces: Path, seq: int) -> None:
    run = await read(traces, *map(sealed, [started(), decided(0, seq), came_out(0, 2), ended(3)]))
    assert (run.status, decisions(run)) == (RunStatus.COMPLETED, [("dec_0", True)])


# ------------------------------------------------------------- what does not belong


async def test_records_after_the_end(traces: Path) -> None:
    more = [decided(2, 7), {"type": "thought", "run_id": "made"}, ended(8, status="failed")]
    run = await read(traces, *map(sealed, [*whole_run(), *more]))
    assert (run.status, decisions(run), run.unknown) == (RunStatus.COMPLETED, BOTH, [])
    assert reasons(run) == [(n, "it comes after the end of the run") for n in (7, 8, 9)]
    assert len(await records_of(traces)) == 6


async def test_two_files_joined(traces: Path) -> None:
    other = [record | {"run_id": "other", "goal_id": "x"} for record in whole_run(3)]
    run = await read(traces, *map(sealed, [*whole_run(), *other]))
    assert (run.goal_id, decisions(run)) == ("goal", BOTH)
    assert reasons(run) == [(n, "it belongs to another run, 'other'") for n in range(7, 15)]
    mixed = [record for pair in zip(whole_run(3), other, strict=True) for record in pair]
    run = await read(traces, *map(sealed, mixed))
    assert (run.goal_id, len(run.decisions), len(run.damage)) == ("goal", 3, 8)
    head, tail = whole_run()[:3], other[3:]
    run = await read(traces, *map(sealed, [*head, *tail]))
    assert (run.status, decisions(run)) == (RunStatus.INTERRUPTED, [("dec_0", True)])


async def test_an_end_that_does_not_count_is_not_summed_up(traces: Path) -> None:
    told = {"total_decisions": 7, "successful_decisions": 7}
    foreign = sealed(ended(3, run_id="other", metrics=told))
    for end in (foreign, plain(ended(3, metrics=told))):
        run = await read(traces, sealed(started()), sealed(decided(0, 2)), end)
        assert (run.status, decisions(run)) == (RunStatus.INTERRUPTED, [("dec_0", False)])
        assert (await RunStore(traces).summary("made")).decision_count == 1
    await read(traces, sealed(started()), sealed(ended(2, metrics=told)))
    assert (await RunStore(traces).summary("made")).decision_count == 7


async def test_the_head_is_missing(traces: Path) -> None:
    run = await read(traces, *map(sealed, whole_run()[1:]))
    assert (run.status, run.goal_id, decisions(run)) == (RunStatus.COMPLETED, "", BOTH)
    assert reasons(run) == [(1, "before it, record 1 is missing")]
    run = await read(traces, *map(sealed, whole_run()[1:-1]))
    assert run.status == RunStatus.INTERRUPTED


async def test_a_second_head_changes_nothing(traces: Path) -> None:
    records = [started(), started(2, goal_id="other"), ended(3)]
    assert (await read(traces, *map(sealed, records))).goal_id == "goal"


async def test_outcomes_and_choices_without_their_decision(traces: Path) -> None:
    choice = {"type": "choice", "decision_id": "dec_5", "chosen_option_id": "b", "seq": 4}
    choice |= {"run_id": "made", "timestamp": runfiles.TIME}
    records = [started(), decided(0, 2), came_out(7, 3, result=[1]), choice, came_out(0, 5)]
    run = await read(traces, *map(sealed, records))
    assert (decisions(run), run.damage) == ([("dec_0", True)], [])
    assert [(r["type"], r["decision_id"]) for r in run.unknown] == [
        ("outcome", "dec_7"), ("choice", "dec_5"),
    ]  # fmt: skip
    assert run.unknown[0]["result"] == [1]
    assert run.metrics.successful_decisions == 1


async def test_second_outcomes_and_decisions_are_put_aside(traces: Path) -> None:
    again = [came_out(0, 4, success=False), decided(0, 5, intent="other")]
    records = [started(), decided(0, 2), came_out(0, 3), *again, ended(6)]
    run = await read(traces, *map(sealed, records))
    [decision] = run.decisions
    assert (decision.intent, decision.was_successful) == ("decide", True)
    assert run.metrics.successful_decisions + run.metrics.failed_decisions == 1
    assert [record["seq"] for record in run.unknown] == [4, 5]


# ------------------------------------------------------------- what is not known


async def test_unknown_records_and_fields_are_kept(traces: Path) -> None:
    thought = {"type": "thought", "text": "hm", "$new": 1, "run_id": "made", "seq": 2}
    records = [
        started(cluster={"zone": "b"}),
        thought,
        decided(0, 3, mood="good", options=[{"id": "a", "weight": 3}]),
        came_out(0, 4, energy_j=12.5),
        ended(5, verdict="fine"),
    ]
    run = await read(traces, *map(sealed, records))
    assert run.unknown == [thought]
    assert run.extra == {"cluster": {"zone": "b"}, "verdict": "fine"}
    [decision] = run.decisions
    assert (decision.extra, decision.options[0].extra) == ({"mood": "good"}, {"weight": 3})
    assert decision.outcome is not None
    assert decision.outcome.extra == {"energy_j": 12.5}
    assert run.damage == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("intent", 7),
        ("decision_type", "telepathy"),
        ("options", "many"),
        ("options", {"id": "a"}),
        ("options", [7]),
        ("input_context", [1]),
        ("active_constraints", [None]),
        ("node_id", None),
        ("outcome", "good"),
        ("supersedes", {}),
    ],
)
async def test_values_that_do_not_fit_are_kept_aside(traces: Path, field: str, value: Any) -> None:
    run = await read(traces, *map(sealed, [started(), decided(0, 2, **{field: value}), ended(3)]))
    [decision] = run.decisions
    assert decision.extra == {field: value}
    assert decision.decision_type == "custom"
    assert run.damage == []


@pytest.mark.parametrize(
    "record",
    [
        [],
        7,
        {"no": "type"},
        {"type": 7},
        {"type": "decision"},
        {"type": "decision", "id": 7},
        {"type": "outcome", "decision_id": "dec_0"},
        {"type": "outcome", "decision_id": "dec_0", "success": "yes"},
        {"type": "choice", "decision_id": "dec_0", "chosen_option_id": None},
        {"type": "run_started", "goal_id": "x", "timestamp": "2026-01-19T18:42:16"},
        {"type": "run_ended", "status": "exploded", "timestamp": runfiles.TIME},
        {"type": "run_ended", "status": "failed", "timestamp": "yesterday"},
    ],
    ids=json.dumps,
)
async def test_what_is_no_record_is_damage(traces: Path, record: Any) -> None:
    body = json.dumps(record).encode()
    line = sealed(record) if type(record) is dict else body + b"\n"
    run = await read(traces, *map(sealed, whole_run()[:5]), line)
    assert (run.status, decisions(run)) == (RunStatus.INTERRUPTED, BOTH)
    assert [damage.line for damage in run.damage] == [6]


async def test_an_outcome_that_came_with_its_decision(traces: Path) -> None:
    made = decided(0, 2, outcome={"success": False, "error": "wet", "timestamp": runfiles.TIME})
    run = await read(traces, *map(sealed, [started(), made, ended(3)]))
    assert not run.decisions[0].is_pending
    assert (run.metrics.failed_decisions, run.metrics.pending_decisions) == (1, 0)


@pytest.mark.parametrize("field", ["input_data", "unheard_of"])
@pytest.mark.parametrize("depth", [900, 5_000, 100_000])
@pytest.mark.parametrize("inner", [b"", b'{"$$a":1}'])
async def test_nested_too_deep(traces: Path, field: str, depth: int, inner: bytes) -> None:
    body = plain(started())[:-2] + f',"{field}":'.encode()
    deep = body + b"[" * depth + inner + b"]" * depth + b"}\n"
    objects = body + b'{"a":' * depth + (inner or b"1") + b"}" * depth + b"}\n"
    for line in (deep, objects):
        run = await read(traces, line, *map(plain, whole_run()[1:]))
        assert (run.status, decisions(run)) == (RunStatus.COMPLETED, BOTH)


@pytest.mark.parametrize("bad", [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
async def test_bytes_that_are_no_text(traces: Path, bad: bytes) -> None:
    for place in (b"decide", b"intent", b"dec_0", b"decision"):
        lines = [plain(record) for record in whole_run()]
        lines[1] = lines[1].replace(place, bad, 1)
        run = await read(traces, *lines)
        assert run.status == RunStatus.COMPLETED
        assert (2 in [damage.line for damage in run.damage]) or run.unknown


# ------------------------------------------------------------- size


async def test_the_longest_line_and_one_that_is_longer(traces: Path) -> None:
    records = whole_run()
    records[2]["result"] = ""
    longest = MAX_LINE_BYTES - len(plain(records[2])) + 1
    records[2]["result"] = "x" * longest
    run = await read(traces, *map(sealed, records))
    assert (decisions(run), run.damage) == (BOTH, [])
    for more in (1, 3 * 2**20):
        records[2]["result"] = "x" * (longest + more)
        lines = list(map(sealed, records))
        run = await read(traces, *lines)
        assert decisions(run) == [("dec_0", False), ("dec_1", True)]
        third = len(lines[0]) + len(lines[1])
        assert [(d.line, d.offset, d.reason) for d in run.damage] == [
            (3, third, "a line longer than any record"),
            (4, third + len(lines[2]), "before it, record 3 is missing"),
        ]


async def test_a_line_with_more_items_than_any_record(traces: Path) -> None:
    """It took a gigabyte of memory to read."""
    records = whole_run()
    records[2]["result"] = ["x"]
    body = plain(records[2])[:-2]
    others = body.count(b",") + body.count(b"{") + body.count(b"[")
    for items, too_many in ((MAX_ITEMS, False), (MAX_ITEMS + 1, True)):
        numbers = b"1," * (items - others) + b"1"
        line = runfiles.sealed_body(body.replace(b'"x"', numbers))
        run = await read(traces, *map(sealed, records[:2]), line, *map(sealed, records[3:]))
        assert decisions(run) == ([("dec_0", False), ("dec_1", True)] if too_many else BOTH)
        reasons = ["it has more items than any record", "before it, record 3 is missing"]
        assert [damage.reason for damage in run.damage] == reasons * too_many


@pytest.mark.parametrize("place", ["first", "middle", "last", "torn"])
def test_a_huge_line_costs_neither_memory_nor_the_rest(traces: Path, place: str) -> None:
    lines = list(map(sealed, whole_run()))
    position = {"first": 0, "middle": 3, "last": 5, "torn": 6}[place]
    path = runfiles.write(traces, "made", *lines[:position])
    with path.open("r+b") as file:
        file.seek(300 * 2**20, 2)  # a hole, which reads as zeros
        file.write(b"" if place == "torn" else b"\n")
        file.write(b"x" if place == "torn" else b"".join(lines[position:]))
    script = """
import resource, sys, anyio
from decisionlog import RunStore
async def main():
    store = RunStore(sys.argv[1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = await store.load("made")
    check = await store.check("made")
    [summary] = [summary async for summary in store.runs()]
    records = [record async for record in store.follow("made")]
    assert run.status == check.status == summary.status
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(run.status, check.records, len(run.damage), grown // 1024, check.torn_bytes)
anyio.run(main)
"""
    command = [sys.executable, "-c", script, str(traces)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert result.returncode == 0, result.stderr
    status, records, damage, grown, torn = result.stdout.split()
    assert (status, records, damage) == ("completed", "6", "1")
    assert int(torn) == (300 * 2**20 + 1 if place == "torn" else 0)
    assert int(grown) < 150


async def test_more_damage_than_anyone_wants_to_read(traces: Path) -> None:
    records = [record for record in whole_run(3000) if record["seq"] % 2]
    nonsense = [b"nonsense\n"] * 5000
    run = await read(traces, *nonsense, *map(sealed, records))
    assert len(run.damage) == 2001
    assert run.damage[0].reason.startswith("not JSON")
    assert run.damage[1999].reason == "before it, record 2000 is missing"
    assert run.damage[2000].reason == f"{4000 + 2000} more places"


@pytest.mark.large
async def test_a_long_file_in_the_worst_order(traces: Path) -> None:
    records = whole_run(10_000)
    random.Random(2).shuffle(records)
    run = await read(traces, *map(sealed, records))
    assert (run.status, len(run.decisions), run.damage) == (RunStatus.COMPLETED, 10_000, [])
