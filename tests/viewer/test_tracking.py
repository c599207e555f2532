"""A run file that is followed says at each moment what reading it whole says."""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisionlog import RunNotFoundError, RunStore
from decisionlog.viewer.documents import RunDocument, encoded, run_document
from decisionlog.viewer.tracking import TrackedRun
from tests import runfiles

DECISIONS = st.integers(0, 3)


def choice(number: int, seq: int) -> dict[str, Any]:
    record = {"type": "choice", "decision_id": f"dec_{number}", "timestamp": runfiles.TIME}
    return record | {"chosen_option_id": "b", "reasoning": "late", "run_id": "made", "seq": seq}


def problem(number: int, seq: int, severity: str) -> dict[str, Any]:
    record = {"type": "problem", "id": f"prob_{seq}", "timestamp": runfiles.TIME}
    about = {"decision_id": f"dec_{number}"} if number < 3 else {}
    return record | about | {"severity": severity, "run_id": "made", "seq": seq}


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What a run may hold, in any order: also twice, and outcomes of what was never decided."""
    found = [runfiles.started()]
    for seq in range(2, draw(st.integers(2, 14))):
        kind, number = draw(st.sampled_from("ddoooccpgu")), draw(DECISIONS)
        match kind:
            case "d":
                parent = draw(st.none() | st.just("dec_0"))
                options = [{"id": "a", "description": "A"}, {"id": "b", "description": "B"}]
                more = {"options": options, "chosen_option_id": draw(st.sampled_from(["a", "z"]))}
                made = runfiles.decided(number, seq, node_id=f"n{number}", **more)
                found.append(made if parent is None else made | {"parent_id": parent})
            case "o":
                success = draw(st.booleans())
                told = {"success": success, "tokens_used": 5, "cost_usd": 0.25, "latency_ms": 1.5}
                told |= {} if success else {"error": "no"}
                found.append(runfiles.came_out(number, seq, **told))
            case "c":
                found.append(choice(number, seq))
            case "p":
                severity = draw(st.sampled_from(["minor", "warning", "critical"]))
                found.append(problem(number, seq, severity))
            case "g":
                gap = {"type": "gap", "count": 1, "timestamp": runfiles.TIME, "run_id": "made"}
                found.append(gap | {"seq": seq})
            case _:
                found.append({"type": "from_the_future", "run_id": "made", "seq": seq})
    if draw(st.booleans()):
        found.append(runfiles.ended(len(found) + 1))
    if len(found) > 4 and draw(st.integers(0, 3)) == 0:  # one comes late
        at = draw(st.integers(1, len(found) - 2))
        found[at], found[at + 1] = found[at + 1], found[at]
    return found


def bare(document: RunDocument) -> Any:
    """Without what counts changes."""
    found = json.loads(encoded(document))
    for row in found["decisions"]:
        del row["seq"]
    del found["seq"]
    return found


def whole(store: RunStore) -> Any:
    return bare(run_document(store.load_blocking("made"), 1))


@settings(max_examples=150)
@given(records(), st.lists(st.floats(0, 1), max_size=5), st.booleans(), st.data())
def test_it_agrees_with_reading_it_whole_wherever_it_is_cut(
    made: list[dict[str, Any]], cuts: Sequence[float], sealed: bool, data: st.DataObject
) -> None:
    text = b"".join(map(runfiles.sealed if sealed else runfiles.plain, made))
    # Without checksums it would not be noticed, and a time that does not read becomes that of now.
    if sealed and data.draw(st.booleans(), "damaged"):
        at = data.draw(st.integers(0, len(text) - 1), "at")
        text = text[:at] + b"#" + text[at + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        path = runfiles.write(Path(folder), "made", b"")
        tracked = TrackedRun(store, "made")
        seq, rows = 0, dict[str, Any]()
        for cut in [*sorted(cuts), 1.0]:
            path.write_bytes(text[: round(cut * len(text))])
            changed = tracked.document(seq)
            assert changed.seq >= seq
            before = dict(rows)
            for row in bare(changed)["decisions"]:
                rows[row["id"]] = row
            expected = whole(store)
            # What was asked for since the last time, put upon it, is the whole.
            assert rows == {row["id"]: row for row in expected["decisions"]}, before
            seq = changed.seq
            assert bare(tracked.document()) == expected
            assert tracked.standing()[1] == expected["run"]["status"]
        for row in expected["decisions"]:
            told = tracked.decision(row["id"])
            read = store.load_blocking("made").decision(row["id"])
            assert told.decision == read
            children = [
                each["id"] for each in expected["decisions"] if each["parent_id"] == row["id"]
            ]
            assert told.children == children


def test_only_what_has_changed_comes_again(traces: Path) -> None:
    lines = [runfiles.sealed(record) for record in runfiles.whole_run(3)]
    path = runfiles.write(traces, "made", *lines[:6])
    tracked = TrackedRun(RunStore(traces), "made")
    first = tracked.document()
    assert [(row.id, row.state) for row in first.decisions] == [
        ("dec_0", "success"), ("dec_1", "success"), ("dec_2", "pending"),
    ]  # fmt: skip
    assert tracked.document(first.seq).decisions == []
    with open(path, "ab") as file:
        file.write(lines[6])
    then = tracked.document(first.seq)
    assert [(row.id, row.state) for row in then.decisions] == [("dec_2", "success")]
    assert then.seq > first.seq


@pytest.mark.parametrize("decision_id", ["a/b", '"', "\u0000", "x" * 10_000, "", " ", "dec_0\n"])
def test_a_decision_may_be_called_anything(traces: Path, decision_id: str) -> None:
    made = runfiles.decided(0, 2) | {"id": decision_id}
    outcome = runfiles.came_out(0, 3) | {"decision_id": decision_id}
    lines = map(runfiles.sealed, [runfiles.started(), made, outcome])
    runfiles.write(traces, "made", *lines)
    tracked = TrackedRun(RunStore(traces), "made")
    assert [row.id for row in tracked.document().decisions] == [decision_id]
    found = tracked.decision(decision_id)
    assert found.decision.outcome is not None
    assert [each["type"] for each in found.records] == ["decision", "outcome"]


def test_a_file_that_is_cut_short_is_read_anew(traces: Path) -> None:
    lines = [runfiles.sealed(record) for record in runfiles.whole_run(3)]
    path = runfiles.write(traces, "made", *lines)
    tracked = TrackedRun(RunStore(traces), "made")
    before = tracked.document()
    os.truncate(path, sum(map(len, lines[:4])) + 10)
    after = tracked.document(before.seq)
    assert [(row.id, row.state) for row in after.decisions] == [
        ("dec_0", "success"), ("dec_1", "pending"),
    ]  # fmt: skip
    path.unlink()
    with pytest.raises(RunNotFoundError):
        tracked.document()


@pytest.mark.parametrize(
    "order",
    [
        ["started", "problem", "decision", "outcome"],
        ["started", "outcome", "decision", "problem"],
        ["started", "decision", "outcome", "outcome", "problem"],
        ["started", "decision", "decision", "outcome"],
    ],
)
def test_records_in_an_odd_order(traces: Path, order: list[str]) -> None:
    made = {
        "started": lambda seq: runfiles.started(),
        "decision": lambda seq: runfiles.decided(0, seq),
        "outcome": lambda seq: runfiles.came_out(0, seq),
        "problem": lambda seq: problem(0, seq, "critical"),
    }
    lines = [runfiles.sealed(made[kind](seq)) for seq, kind in enumerate(order, 1)]
    runfiles.write(traces, "made", *lines)
    store = RunStore(traces)
    tracked = TrackedRun(store, "made")
    assert bare(tracked.document()) == whole(store)
    [row] = tracked.document().decisions
    assert (row.state, row.problems) == ("success", order.count("problem"))


def test_a_line_that_comes_in_two_pieces_is_found_again(traces: Path) -> None:
    told = [runfiles.started(), problem(3, 2, "minor"), runfiles.decided(0, 3)]
    lines = [runfiles.sealed(record) for record in told]
    whole_text = b"".join(lines)
    path = runfiles.write(traces, "made", whole_text[:-20])
    tracked = TrackedRun(RunStore(traces), "made")
    first = tracked.document()
    assert (len(first.decisions), len(first.problems)) == (0, 1)
    path.write_bytes(whole_text)
    then = tracked.document(first.seq)
    assert (len(then.decisions), then.problems) == (1, [])
    assert tracked.decision("dec_0").records[0]["seq"] == 3


@pytest.mark.parametrize("kind", ["decision", "problem"])
def test_what_comes_late_takes_its_place(traces: Path, kind: str) -> None:
    make = {"decision": runfiles.decided, "problem": lambda n, seq: problem(n, seq, "minor")}[kind]
    made = [runfiles.started(), make(1, 3), make(0, 2)]
    runfiles.write(traces, "made", *map(runfiles.sealed, made))
    store = RunStore(traces)
    document = TrackedRun(store, "made").document()
    assert bare(document) == whole(store)
    found = document.decisions if kind == "decision" else document.problems
    names = [each.id for each in found]
    assert names == sorted(names) and len(names) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
@pytest.mark.parametrize("follows", [True, False])
def test_all_decisions_come_from_one_reading(traces: Path, follows: bool) -> None:
    made = [runfiles.started(), runfiles.decided(0, 2), runfiles.decided(1, 3)]
    made += [runfiles.came_out(1, 4), runfiles.came_out(0, 5), runfiles.ended(6)]
    path = runfiles.write(
        traces, "made", *map(runfiles.sealed if follows else runfiles.plain, made)
    )
    tracked = TrackedRun(RunStore(traces), "made")
    one_by_one = [tracked.decision(f"dec_{number}") for number in range(2)]
    together = tracked.decisions()
    first = next(together)
    path.unlink()
    assert [first, *together] == one_by_one
