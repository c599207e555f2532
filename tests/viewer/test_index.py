"""The list of runs: what is asked of it is what one finds by going through all rows."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisionlog import RunStore
from decisionlog.viewer.index import Query, RunIndex
from tests import runfiles
from tests.viewer.serving import Client, serving, until

COUNT = 48
START = datetime(2026, 1, 19, 18, tzinfo=UTC)
GOALS = ["fetch", "Fetch", "größe", "a b", "<b>&amp;", ""]
STATUSES = ["completed", "failed", "stuck", "cancelled", "interrupted"]
WORDS = ["gave", "UP", "Größe", "a=b", "100%", "+"]
SORTS = {
    "started": "started_at", "duration": "duration_ms", "decisions": "decisions",
    "success": "success_rate", "tokens": "tokens", "problems": "problems", "goal": "goal_id",
    "status": "status",
}  # fmt: skip


def made(path: Path, number: int) -> None:
    """A run that differs from the others in everything one can ask for."""
    run_id = f"run_{number:03}"
    at = (START + timedelta(minutes=number * 7 % COUNT)).isoformat().replace("+00:00", "Z")
    known: dict[str, Any] = {"run_id": run_id, "timestamp": at}
    goal, status = GOALS[number % len(GOALS)], STATUSES[number % 7 % len(STATUSES)]
    tags = {"v": str(number % 3), "who": "a=b"} if number % 4 else {}
    lines = [runfiles.started(goal_id=goal, tags=tags, goal_description=f"Goal {goal}") | known]
    for each in range(number % 5):
        lines.append(runfiles.decided(each, len(lines) + 1) | known)
        came = {"success": (number + each) % 3 > 0, "tokens_used": number * each % 11}
        lines.append(runfiles.came_out(each, len(lines) + 1, **came) | known)
    if status != "interrupted":
        said = " ".join(WORDS[: number % (len(WORDS) + 1)])
        lines.append(runfiles.ended(len(lines) + 1, status=status, narrative=said) | known)
    runfiles.write(path, run_id, *map(runfiles.sealed, lines))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    path = tmp_path_factory.mktemp("index") / "traces"
    for number in range(COUNT):
        made(path, number)
    with serving(path) as client:
        until(lambda: client.get("/api/info")["indexed"] == COUNT)
        yield client


@pytest.fixture(scope="module")
def everything(client: Client) -> list[dict[str, Any]]:
    """All rows, and they do differ."""
    rows: list[dict[str, Any]] = client.get("/api/runs?limit=1000")["runs"]
    assert len(rows) == COUNT
    assert {row["status"] for row in rows} == set(STATUSES)
    assert {row["goal_id"] for row in rows} == set(GOALS)
    assert None in {row["success_rate"] for row in rows}
    assert len({row["tokens"] for row in rows}) > 3
    return rows


@st.composite
def queries(draw: st.DrawFn) -> list[tuple[str, str]]:
    """What one may ask, each part or not."""
    moments = st.integers(-1, COUNT).map(lambda n: (START + timedelta(minutes=n)).isoformat())
    asked = [("status", each) for each in draw(st.sets(st.sampled_from(STATUSES), max_size=3))]
    tags = st.sampled_from(["v=0", "v=1", "who=a=b", "who=a", "v", "=", "v=1\n"])
    asked += [("tag", each) for each in draw(st.sets(tags, max_size=2))]
    for name, values in {
        "goal": st.sampled_from([*GOALS, "none"]),
        "q": st.lists(st.sampled_from([*WORDS, "run_00", "goal", "v=1"]), max_size=2).map(" ".join),
        "since": moments,
        "until": moments,
        "sort": st.sampled_from(list(SORTS)),
        "order": st.sampled_from(["asc", "desc"]),
        "offset": st.integers(0, COUNT + 1).map(str),
        "limit": st.integers(0, COUNT).map(str),
    }.items():
        if draw(st.booleans()):
            asked.append((name, draw(values)))
    return asked


def matching(rows: list[dict[str, Any]], asked: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Those that all but the status lets through."""
    given = dict(asked)
    tags = [value.partition("=")[::2] for name, value in asked if name == "tag"]

    def told(row: dict[str, Any]) -> str:
        named = [f"{name}={value}" for name, value in row["tags"].items()]
        fields = ("run_id", "goal_id", "goal_description", "narrative", "status")
        return "\n".join([*(row[field] for field in fields), *named]).lower()

    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text)

    return [
        row
        for row in rows
        if given.get("goal", row["goal_id"]) == row["goal_id"]
        and all(row["tags"].get(name) == value for name, value in tags)
        and all(word in told(row) for word in given.get("q", "").lower().split())
        and ("since" not in given or moment(row["started_at"]) >= moment(given["since"]))
        and ("until" not in given or moment(row["started_at"]) < moment(given["until"]))
    ]


@given(asked=queries())
@settings(max_examples=150)
def test_it_finds_what_going_through_all_rows_finds(
    client: Client, everything: list[dict[str, Any]], asked: list[tuple[str, str]]
) -> None:
    page = client.get(f"/api/runs?{urlencode(asked)}")
    given = dict(asked)
    found = matching(everything, asked)
    assert page["statuses"] == Counter(row["status"] for row in found)
    statuses = {value for name, value in asked if name == "status"}
    found = [row for row in found if not statuses or row["status"] in statuses]
    assert (page["total"], page["indexed"], page["of"]) == (len(found), COUNT, COUNT)
    offset, limit = int(given.get("offset", 0)), int(given.get("limit", 100))
    assert len(page["runs"]) == len(found[offset : offset + limit])

    whole = client.get(f"/api/runs?{urlencode([*without(asked, 'offset', 'limit')])}")["runs"]
    assert page["runs"] == whole[offset : offset + limit]
    by_id = {row["run_id"]: row for row in found}
    assert {row["run_id"]: row for row in whole} == by_id and len(whole) == len(by_id)
    values = [row[SORTS[given.get("sort", "started")]] for row in whole]
    known = [value for value in values if value is not None]
    assert values[: len(known)] == known  # what is not known comes last, whichever way
    assert known == sorted(known, reverse=given.get("order", "desc") == "desc")


def without(asked: list[tuple[str, str]], *names: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in asked if name not in names]


# ---------------------------------------------------------------------- keeping up


def shown(index: RunIndex) -> dict[str, str]:
    while index.refresh():
        pass
    return {row.run_id: str(row.status) for row in index.page(Query(), 0, 1000).runs}


def test_a_run_of_which_there_is_only_the_file_yet_is_read_again(traces: Path) -> None:
    """As when it is copied here, or another program writes it: nobody holds a lock on it."""
    index = RunIndex(RunStore(traces))
    path = runfiles.write(traces, "made")
    assert shown(index) == {"made": "interrupted"}
    path.write_bytes(b"".join(map(runfiles.sealed, runfiles.whole_run())))
    until(lambda: shown(index) == {"made": "completed"})


def test_a_run_that_is_copied_piece_by_piece_is_read_again(traces: Path) -> None:
    index = RunIndex(RunStore(traces))
    whole = b"".join(map(runfiles.sealed, runfiles.whole_run()))
    path = runfiles.write(traces, "made", whole[:300])
    assert shown(index) == {"made": "interrupted"}
    with path.open("ab") as file:
        file.write(whole[300:])
    until(lambda: shown(index) == {"made": "completed"})


def test_a_run_that_died_long_ago_is_left_in_peace(traces: Path) -> None:
    """It keeps its row without its file being read: what is in the file now would be another."""
    index = RunIndex(RunStore(traces))
    path = runfiles.write(traces, "made", runfiles.sealed(runfiles.started()))
    os.utime(path, (0, 0))
    assert shown(index) == {"made": "interrupted"}
    runfiles.write(traces, "made", *map(runfiles.sealed, runfiles.whole_run()))
    runfiles.write(traces, "other", *map(runfiles.sealed, runfiles.whole_run()))
    until(lambda: "other" in shown(index))
    assert shown(index) == {"made": "interrupted", "other": "completed"}


def test_a_run_that_comes_in_the_same_tick_of_the_directorys_clock_is_found(traces: Path) -> None:
    """File systems count the time of a directory in steps: two runs may come within one."""
    index = RunIndex(RunStore(traces))
    runfiles.write(traces, "one", *map(runfiles.sealed, runfiles.whole_run()))
    now = time.time_ns()
    os.utime(traces / "runs", ns=(now, now))
    assert shown(index) == {"one": "completed"}
    runfiles.write(traces, "two", *map(runfiles.sealed, runfiles.whole_run()))
    os.utime(traces / "runs", ns=(now, now))
    until(lambda: shown(index) == {"one": "completed", "two": "completed"})


def test_the_newest_are_there_first_and_the_rest_follows(traces: Path) -> None:
    count = 450
    for number in range(count):
        at = (START + timedelta(seconds=number)).isoformat()
        line = runfiles.sealed(runfiles.started(timestamp=at))
        runfiles.write(traces, f"run_{number:03}", line)
    index = RunIndex(RunStore(traces))
    newest = [f"run_{number:03}" for number in reversed(range(count))]
    seen = []
    while True:
        more = index.refresh()
        page = index.page(Query(), 0, 100)
        assert [row.run_id for row in page.runs] == newest[:100]
        assert (page.of, page.total) == (count, page.indexed)
        seen.append(page.indexed)
        if not more:
            break
    assert seen == sorted(set(seen)) and seen[-1] == count and len(seen) > 1
    assert index.complete


def test_what_goes_is_counted_and_the_revision_tells(traces: Path) -> None:
    index = RunIndex(RunStore(traces))
    for name in ("one", "two"):
        runfiles.write(traces, name, *map(runfiles.sealed, runfiles.whole_run()))
    assert set(shown(index)) == {"one", "two"}
    before = index.revision
    shown(index)
    assert index.revision == before
    runfiles.path_of(traces, "one").unlink()
    until(lambda: set(shown(index)) == {"two"})
    assert (index.removed, index.of, index.indexed) == (1, 1, 1)
    assert index.revision > before


def test_a_run_that_cannot_be_read_for_a_moment_is_tried_again(traces: Path) -> None:
    made(traces, 1)
    runs = traces / "runs"
    in_the_way = runs / "run_002.jsonl"
    in_the_way.mkdir()
    settled = time.time_ns() - 10**10, time.time_ns() - 10**10
    os.utime(runs, ns=settled)
    index = RunIndex(RunStore(traces))
    assert not index.refresh()
    assert (index.indexed, index.of) == (1, 1)
    in_the_way.rmdir()
    made(traces, 2)
    os.utime(runs, ns=settled)  # as if it had been that file all the time: no one tells of it
    until(lambda: index.refresh() or index.indexed == 2)
