"""What the API answers, on runs that were really recorded, over a real socket."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

import decisionlog
from decisionlog import Evaluation, Option, RunStore, Runtime
from decisionlog.analysis import Analysis, compare, explain, summarize
from tests.cli.recorded import MIRRORS, Recorded
from tests.viewer.serving import Client, serving, until

ROW = {
    "run_id", "goal_id", "goal_description", "status", "started_at", "duration_ms", "decisions",
    "success_rate", "tokens", "problems", "narrative", "tags",
}  # fmt: skip
TRAVERSALS = [
    "..", ".", "../x", "..%2f..%2fetc%2fpasswd", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cwindows%5cwin.ini", "%2fetc%2fpasswd", "/etc/passwd", "//etc/passwd",
    "....//....//etc/passwd", "..;/..;/etc/passwd", "%252e%252e%252fetc%252fpasswd",
    "%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd", "..%c0%af..%c0%afetc%c0%afpasswd", "..%00",
    "run_1%00.jsonl", "run_1.jsonl", "run%0a1", "~root", "~", "$HOME", "%24(id)", "file:%2f%2f",
    "C:%5cWindows", "con", "nul", "LPT1", "..%2fwriters%2fx.lock", "..%2fevaluations%2frun_1",
    "x" * 101, "run_1%20", "run%201", "r%C3%BCn", "*", "%3f", "runs%2frun_1", "-%2f..",
]  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("api") / "traces")


@pytest.fixture(scope="module")
def client(recorded: Recorded) -> Iterator[Client]:
    with serving(recorded.path) as client:
        yield client


def plain(value: Any) -> Any:
    """As JSON has it."""
    return json.loads(msgspec.json.encode(value))


def ids(page: Any) -> list[str]:
    return [row["run_id"] for row in page["runs"]]


# ------------------------------------------------------------------------ the list


def test_what_this_is_a_viewer_of(client: Client, recorded: Recorded) -> None:
    assert client.get("/api/info") == {
        "version": decisionlog.__version__,
        "directory": str(recorded.path),
        "runs": 3,
        "indexed": 3,
        "analysis": True,
    }


def test_the_newest_run_comes_first(client: Client, recorded: Recorded) -> None:
    page = client.get("/api/runs")
    assert ids(page) == [recorded.stuck, recorded.failed, recorded.completed]
    assert (page["total"], page["indexed"], page["of"]) == (3, 3, 3)
    assert page["statuses"] == {"completed": 1, "failed": 1, "stuck": 1}
    assert all(set(row) == ROW for row in page["runs"])


def test_a_row_says_what_the_summary_says(client: Client, recorded: Recorded) -> None:
    summary = anyio.run(RunStore(recorded.path).summary, recorded.completed)
    row = client.get("/api/runs")["runs"][-1]
    assert row == {
        "run_id": recorded.completed, "goal_id": "fetch", "goal_description": "Fetch the file",
        "status": "completed", "started_at": plain(summary.started_at),
        "duration_ms": summary.duration_ms, "decisions": 1, "success_rate": 1.0, "tokens": 1234,
        "problems": 0, "narrative": "Fetched a.txt", "tags": {"v": "7"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("goal=fetch", ["failed", "completed"]),
        ("goal=rest", ["stuck"]),
        ("goal=none", []),
        ("goal=", []),
        ("status=failed", ["failed"]),
        ("status=failed&status=stuck", ["stuck", "failed"]),
        ("tag=v=7", ["completed"]),
        ("tag=v=7&tag=v=8", []),
        ("tag=v=70", []),
        ("q=GAVE+up", ["failed"]),
        ("q=up+gave", ["failed"]),
        ("q=fetch+v%3D7", ["completed"]),
        ("q=nowhere-to-be-found", []),
        ("since=2001-01-31T00:00:00Z", ["stuck", "failed", "completed"]),
        ("until=2001-01-31T00:00:00%2B02:00", []),
        ("order=asc", ["completed", "failed", "stuck"]),
        ("sort=tokens", ["completed", "stuck", "failed"]),
        ("sort=decisions&order=desc", ["failed", "stuck", "completed"]),
        ("sort=problems&limit=1", ["failed"]),
        ("sort=success&order=desc", ["completed", "failed", "stuck"]),
        ("sort=success&order=asc", ["failed", "completed", "stuck"]),
        ("sort=goal&order=asc&limit=2", ["failed", "completed"]),
        ("sort=status&order=asc", ["completed", "failed", "stuck"]),
        ("offset=1&limit=1", ["failed"]),
        ("offset=3", []),
        ("limit=0", []),
        ("goal=fetch&status=failed&q=b.txt", ["failed"]),
    ],
)
def test_what_matches_and_in_which_order(
    client: Client, recorded: Recorded, query: str, names: list[str]
) -> None:
    assert ids(client.get(f"/api/runs?{query}")) == [getattr(recorded, name) for name in names]


def test_statuses_are_counted_under_the_other_filters(client: Client) -> None:
    page = client.get("/api/runs?goal=fetch&status=failed&limit=0")
    assert (page["total"], page["statuses"]) == (1, {"completed": 1, "failed": 1})


def test_since_is_included_and_until_is_not(client: Client, recorded: Recorded) -> None:
    start = client.get("/api/runs")["runs"][1]["started_at"]
    assert ids(client.get(f"/api/runs?since={start}")) == [recorded.stuck, recorded.failed]
    assert ids(client.get(f"/api/runs?until={start}")) == [recorded.completed]
    assert ids(client.get(f"/api/runs?since={start}&until={start}")) == []


@pytest.mark.parametrize(
    "query",
    [
        "sort=colour", "sort=", "order=up", "status=lost", "status=", "since=yesterday",
        "since=2026-01-31", "until=2026-01-31T18:00:00", "since=", "limit=-1", "limit=1001",
        "limit=x", "limit=1e3", "limit=%D9%A1", "offset=-1", "offset=1.5", "offset=9999999999999",
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    answer = client.ask(f"/api/runs?{query}")
    assert answer.error == (400, "BadRequest")
    assert query.partition("=")[0] in answer.json["error"]["message"]


def test_goals_come_from_the_list(client: Client) -> None:
    found = client.get("/api/goals")
    rest, fetch = found["goals"]
    assert (found["indexed"], found["of"]) == (3, 3)
    assert (rest["goal_id"], rest["runs"], rest["statuses"]) == ("rest", 1, {"stuck": 1})
    assert fetch["goal_description"] == "Fetch another file"
    assert fetch["statuses"] == {"failed": 1, "completed": 1}
    assert fetch["last_started_at"] == client.get("/api/runs")["runs"][1]["started_at"]


def test_rates_of_goals_are_those_of_the_analysis(client: Client, recorded: Recorded) -> None:
    with Analysis(recorded.path) as analysis:
        rate = analysis.patterns("fetch").success
    [_, fetch] = client.get("/api/goals")["goals"]
    assert rate.interval is not None
    success = fetch["success"]
    assert (success["k"], success["n"]) == (rate.succeeded, rate.count) == (1, 2)
    assert success["rate"] == rate.rate
    assert success["low"] == pytest.approx(rate.interval.low)
    assert success["high"] == pytest.approx(rate.interval.high)


# ------------------------------------------------------------------------ a run


def test_a_run_with_its_decisions(client: Client, recorded: Recorded) -> None:
    document, run = client.run(recorded.failed), recorded.load(recorded.failed)
    head = document["run"]
    assert {name: head[name] for name in ("id", "status", "narrative", "duration_ms")} == {
        "id": run.id, "status": "failed", "narrative": run.narrative,
        "duration_ms": run.duration_ms,
    }  # fmt: skip
    assert head["metrics"] == plain(run.metrics)
    assert (head["tokens"], head["cost_usd"], head["unknown_records"]) == (0, None, 0)
    assert document["problems"] == plain(run.problems)
    outer, inner = document["decisions"]
    assert (outer["id"], outer["parent_id"], outer["state"]) == ("dec_0", None, "failure")
    assert (outer["problems"], outer["severity"]) == (1, "critical")
    assert (outer["chosen_option_id"], outer["chosen"], outer["options"]) == (None, None, 0)
    assert (inner["parent_id"], inner["chosen_option_id"]) == ("dec_0", "far")
    assert (inner["chosen"], inner["options"]) == ("Ask the far mirror", 2)
    assert inner["error"] == "no answer within 3 s"
    assert 0 <= outer["start_ms"] <= inner["start_ms"] <= head["duration_ms"]
    assert inner["latency_ms"] < outer["latency_ms"]


def test_what_is_pending_has_no_latency(client: Client, recorded: Recorded) -> None:
    [row] = client.run(recorded.stuck)["decisions"]
    assert (row["state"], row["latency_ms"], row["error"], row["summary"]) == (
        "pending", None, None, None,
    )  # fmt: skip


def test_only_what_has_changed(client: Client, recorded: Recorded) -> None:
    whole = client.run(recorded.failed)
    seqs = sorted(row["seq"] for row in whole["decisions"])
    changed = client.run(recorded.failed, after=seqs[0])
    assert [row["seq"] for row in changed["decisions"]] == seqs[1:]
    assert changed["run"] == whole["run"]
    nothing = client.run(recorded.failed, after=whole["seq"])
    assert (nothing["decisions"], nothing["problems"]) == ([], [])
    assert nothing["seq"] == whole["seq"]
    assert client.ask(f"/api/runs/{recorded.failed}?after=x").error == (400, "BadRequest")


def test_a_decision_is_there_whole(client: Client, recorded: Recorded) -> None:
    run = recorded.load(recorded.failed)
    outer = client.run(recorded.failed, "decisions", "dec_0")
    assert outer["decision"] == plain(run.decisions[0])
    assert outer["problems"] == plain(run.problems)
    assert outer["children"] == ["dec_1"]
    lines = [json.loads(line) for line in recorded.file(run.id).read_bytes().splitlines()]
    assert outer["records"] == [
        line for line in lines if "dec_0" in (line.get("id"), line.get("decision_id"))
    ]
    inner = client.run(recorded.failed, "decisions", "dec_1")
    assert inner["decision"]["options"] == plain(MIRRORS)
    assert inner["decision"]["outcome"]["error_type"] == "TimeoutError"
    assert "recorded.py" in inner["decision"]["outcome"]["traceback"]
    assert inner["children"] == []


def test_why_and_what_mattered(client: Client, recorded: Recorded) -> None:
    store = RunStore(recorded.path)
    run = recorded.load(recorded.failed)
    assert client.run(run.id, "explanation") == plain(explain(run, store))
    assert client.run(run.id, "summary") == plain(summarize(run))


def test_two_runs_side_by_side(client: Client, recorded: Recorded) -> None:
    found = client.get(f"/api/compare?a={recorded.completed}&b={recorded.failed}")
    a, b = recorded.load(recorded.completed), recorded.load(recorded.failed)
    assert found["comparison"] == plain(compare(a, b))
    assert found["a"] == client.run(a.id)["run"]
    assert found["b"] == client.run(b.id)["run"]


def test_what_the_runs_of_a_goal_say(client: Client, recorded: Recorded) -> None:
    found = client.get("/api/goal?id=fetch")
    with Analysis(recorded.path) as analysis:
        assert found == {
            "goal_id": "fetch",
            "patterns": plain(analysis.patterns("fetch")),
            "divergence": plain(analysis.divergence("fetch")),
            "options": plain(analysis.options("fetch")),
            "calibration": plain(analysis.calibration("fetch")),
            "nodes": plain(analysis.nodes("fetch")),
            "suggestions": plain(analysis.suggest("fetch")),
        }


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/runs/none", "RunNotFoundError"),
        ("/api/runs/none/decisions/dec_0", "RunNotFoundError"),
        ("/api/runs/{failed}/decisions/dec_7", "DecisionNotFoundError"),
        ("/api/runs/{failed}/decisions/..%2f..%2fx", "DecisionNotFoundError"),
        ("/api/runs/none/explanation", "RunNotFoundError"),
        ("/api/runs/none/summary", "RunNotFoundError"),
        ("/api/runs/none/events", "RunNotFoundError"),
        ("/api/compare?a={failed}&b=none", "RunNotFoundError"),
        ("/api/compare?a={failed}", "RunNotFoundError"),
        ("/api/goal?id=none", "ReadError"),
        ("/api/goal", "ReadError"),
    ],
)
def test_what_is_not_there_has_a_typed_error(
    client: Client, recorded: Recorded, path: str, kind: str
) -> None:
    assert client.ask(path.format(failed=recorded.failed)).error == (404, kind)


@pytest.mark.parametrize("run_id", TRAVERSALS)
def test_an_id_never_becomes_a_path(client: Client, recorded: Recorded, run_id: str) -> None:
    (recorded.path / "x.jsonl").write_text("secret\n")
    for path in (
        f"/api/runs/{run_id}", f"/api/runs/{run_id}/explanation",
        f"/api/runs/{run_id}/decisions/dec_0", f"/api/compare?a={run_id}&b={run_id}",
    ):  # fmt: skip
        answer = client.ask(path)
        assert answer.status in (400, 404), (path, answer.body[:100])
        assert b"secret" not in answer.body
        assert b"root:" not in answer.body


# ------------------------------------------------------------------------ odd data


def test_numbers_that_json_or_a_browser_lacks_are_marked(traces: Path) -> None:
    with Runtime(traces) as runtime:
        with runtime.run("odd", input_data={"id": 2**60, "nan": float("nan")}) as run:
            with runtime.decision("d", context={"snowflake": 2**53, "exact": 2**53 - 1}) as made:
                made.succeed({"inf": float("inf")})
    with serving(traces) as client:
        head = client.run(run.id)["run"]
        assert head["input_data"] == {"id": {"$int": hex(2**60)}, "nan": {"$float": "nan"}}
        found = client.run(run.id, "decisions", "dec_0")
        context = {"snowflake": {"$int": hex(2**53)}, "exact": 2**53 - 1}
        assert found["decision"]["input_context"] == context
        assert found["records"][0]["input_context"] == context
        assert found["decision"]["outcome"]["result"] == {"inf": {"$float": "inf"}}


def test_ids_of_other_writers_may_be_anything(traces: Path) -> None:
    odd = "a/b?c#d%e \u00fc"
    with Runtime(traces) as runtime:
        with runtime.run("g/h?&=#", run_id="own-id") as run:
            with runtime.decision("d"):
                pass
    path = traces / "runs" / f"{run.id}.jsonl"
    # Without checksums it is another writer's file, and read as a whole.
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    for record in records:
        del record["crc"]
        for name in {"id", "decision_id"} & record.keys():
            record[name] = odd
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with serving(traces) as client:
        [row] = client.run("own-id")["decisions"]
        assert (row["id"], row["state"]) == (odd, "success")
        found = client.run("own-id", "decisions", odd)
        assert found["decision"]["id"] == odd
        assert found["decision"]["outcome"]["success"] is True
        assert client.get("/api/goal?id=g%2Fh%3F%26%3D%23")["patterns"]["runs"] == 1


def test_evaluations_are_seen_when_a_decision_is_opened(traces: Path) -> None:
    recorded = Recorded(traces)
    with serving(traces) as client:
        assert "evaluation" not in client.run(recorded.failed, "decisions", "dec_1")["decision"]
        judged = Evaluation(goal_aligned=False, explanation="no")
        anyio.run(RunStore(traces).evaluate, recorded.failed, "dec_1", judged)
        found = client.run(recorded.failed, "decisions", "dec_1")["decision"]
        assert found["evaluation"] == plain(judged)


def test_a_late_choice_a_replacement_and_costs(traces: Path) -> None:
    with Runtime(traces) as runtime:
        with runtime.run("g") as run:
            with runtime.decision("first", [Option("a", "Alpha"), Option("b", "Beta")]) as one:
                one.choose("b", "better")
                one.succeed(tokens_used=5, cost_usd=0.25)
            with runtime.decision("second", supersedes=one.id) as two:
                two.report_problem("minor", "odd")
                two.report_problem("warning", "odder")
                two.succeed(tokens_used=7, cost_usd=0.5)
            with pytest.raises(KeyError), runtime.decision("third"):
                raise KeyError("x" * 500)
    with serving(traces) as client:
        document = client.run(run.id)
        one_row, two_row, three_row = document["decisions"]
        assert (one_row["chosen_option_id"], one_row["chosen"], one_row["tokens"]) == (
            "b", "Beta", 5,
        )  # fmt: skip
        assert (two_row["supersedes"], two_row["problems"], two_row["severity"]) == (
            one.id, 2, "warning",
        )  # fmt: skip
        assert len(three_row["error"]) == 200
        assert (document["run"]["tokens"], document["run"]["cost_usd"]) == (12, 0.75)
        assert client.run(run.id, "decisions", one.id)["decision"]["reasoning"] == "better"


def test_many_ask_at_once(client: Client, recorded: Recorded) -> None:
    answers: list[int] = []

    def ask(path: str) -> None:
        answers.append(client.ask(path).status)

    paths = ["/api/runs", f"/api/runs/{recorded.failed}", "/api/goal?id=fetch", "/", "/api/goals"]
    threads = [threading.Thread(target=ask, args=[path]) for path in paths * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [200] * len(threads)


def test_a_goal_is_asked_anew_when_runs_come_and_go(traces: Path) -> None:
    recorded = Recorded(traces)
    with serving(traces) as client:
        assert client.get("/api/goal?id=fetch")["patterns"]["runs"] == 2
        with Runtime(traces) as runtime, runtime.run("fetch"):
            pass
        until(lambda: client.get("/api/info")["runs"] == 4)
        assert client.get("/api/goal?id=fetch")["patterns"]["runs"] == 3
        anyio.run(RunStore(traces).delete, recorded.failed)
        until(lambda: client.get("/api/info")["runs"] == 3)
        found = client.get("/api/goal?id=fetch")
        assert found["patterns"]["runs"] == 2
        assert recorded.failed not in json.dumps(found)


def test_a_time_with_an_offset(client: Client, recorded: Recorded) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+", "%2B")
    assert ids(client.get(f"/api/runs?since={later}")) == []
    assert len(ids(client.get(f"/api/runs?until={later}"))) == 3
