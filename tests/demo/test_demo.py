"""The demo: what its mirrors do is what the client sees, and what the agent does is in the log."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from decisionlog import DecisionType, Runtime
from decisionlog.demo import DemoReport, JobReport, Progress, run_demo
from decisionlog.demo.agent import Downloader
from decisionlog.demo.beliefs import CARRIED, Beliefs, Evidence, MirrorBelief
from decisionlog.demo.choices import BACK_OFF, GIVE_UP, PATIENCES, Choice, choose_next
from decisionlog.demo.client import (
    BadAnswer,
    ChecksumMismatch,
    ConnectionLost,
    FetchError,
    NotFound,
    TimedOut,
    Truncated,
    Unavailable,
    fetch,
)
from decisionlog.demo.jobs import Job, make_jobs, read_library
from decisionlog.demo.mirrors import (
    MIRRORS,
    TROUBLES,
    Fault,
    Temperament,
    Weather,
    forecast,
    open_mirrors,
)
from decisionlog.demo.pursuit import MAX_ATTEMPTS, Pursuit
from decisionlog.demo.wording import counted, duration, listed, size

pytestmark = pytest.mark.anyio

LIBRARY = {f"kit/{name}.py": f"# {name}\n".encode() * 400 for name in ("one", "two", "three")}
(JOB,) = make_jobs(LIBRARY, 1)
ITEM = JOB.files[0]
AMPLE = 60.0  # a timeout that is never reached


def always(fault: Fault, **more: Any) -> Temperament:
    return Temperament((0, 0), {fault: 1.0}, **more)


GOOD = Temperament((0, 0))


# The mirrors, as the client sees them


async def test_a_good_mirror_serves_the_file() -> None:
    async with open_mirrors(LIBRARY, {"m": GOOD}) as (mirror,):
        download = await fetch(mirror.address, ITEM, ticket="", timeout=AMPLE)
    assert download.body == LIBRARY[ITEM.path]
    assert download.seconds > 0


@pytest.mark.parametrize(
    ("temperament", "error", "text"),
    [
        (always(Fault.BUSY, retry_after=3), Unavailable, "HTTP 503, Retry-After 3 s"),
        (always(Fault.RESET), ConnectionLost, "connection (reset after 0 of 2,400|closed)"),
        (always(Fault.TRUNCATE), Truncated, r"truncated, closed after [\d,]+ of 2,400 bytes"),
        (always(Fault.CORRUPT), ChecksumMismatch, "checksum mismatch, got sha256 .* expected"),
        (Temperament((0, 0), lost=frozenset({ITEM.path})), NotFound, "HTTP 404, no kit/one.py"),
        (Temperament((0, 0), missing=1.0), NotFound, "HTTP 404, no kit/one.py"),
        (Temperament((0, 0), spoilt=frozenset({ITEM.path})), ChecksumMismatch, "checksum"),
    ],
)
async def test_each_fault_is_an_error_of_its_own(
    temperament: Temperament, error: type[FetchError], text: str
) -> None:
    async with open_mirrors(LIBRARY, {"m": temperament}) as (mirror,):
        with pytest.raises(error, match=text):
            await fetch(mirror.address, ITEM, ticket="", timeout=AMPLE)


async def test_a_stall_is_a_timeout() -> None:
    async with open_mirrors(LIBRARY, {"m": always(Fault.STALL)}) as (mirror,):
        with pytest.raises(TimedOut, match=r"no complete answer within 50 ms \([\d,]+ of 2,400"):
            await fetch(mirror.address, ITEM, ticket="", timeout=0.05)


async def test_retry_after_reaches_the_agent_as_a_number() -> None:
    async with open_mirrors(LIBRARY, {"m": always(Fault.BUSY, retry_after=3)}) as (mirror,):
        with pytest.raises(Unavailable) as caught:
            await fetch(mirror.address, ITEM, ticket="", timeout=AMPLE)
    assert caught.value.retry_after == 3.0


async def test_nobody_listening_is_a_lost_connection() -> None:
    async with open_mirrors(LIBRARY, {"m": GOOD}) as (mirror,):
        pass
    with pytest.raises(ConnectionLost, match="no connection"):
        await fetch(mirror.address, ITEM, ticket="", timeout=AMPLE)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "connection closed before an answer"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "HTTP 200, Content-Length absent"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "HTTP 302, Content-Length 0"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "HTTP 0, Content-Length absent"),
        (b"HTTP/1.1 503 No\r\n\r\n", "HTTP 503$"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_said_so(answer: bytes, text: str) -> None:
    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            if answer:
                await stream.send(answer)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as server:
        server.start_soon(listener.serve, serve)
        with pytest.raises((BadAnswer, ConnectionLost, Unavailable), match=text):
            await fetch(("127.0.0.1", port), ITEM, ticket="", timeout=AMPLE)
        server.cancel_scope.cancel()


@pytest.mark.parametrize("request_", [b"\r\n\r\n", b"x" * 20_000, b"GET /nothing HTTP/1.1\r\n\r\n"])
async def test_a_mirror_survives_any_request(request_: bytes) -> None:
    async with open_mirrors(LIBRARY, {"m": GOOD}) as (mirror,):
        async with await anyio.connect_tcp(*mirror.address) as stream:
            await stream.send(request_)
        await fetch(mirror.address, ITEM, ticket="", timeout=AMPLE)


async def faults_of(seed: int) -> list[str]:
    mixed = Temperament((0, 0), {Fault.BUSY: 0.25, Fault.CORRUPT: 0.25, Fault.TRUNCATE: 0.25})
    kinds: list[str] = []
    async with open_mirrors(LIBRARY, {"m": mixed}, seed=seed) as (mirror,):
        for _ in range(20):
            try:
                await fetch(mirror.address, ITEM, ticket="", timeout=AMPLE)
                kinds.append("good")
            except FetchError as error:
                kinds.append(error.kind)
    return kinds


async def test_the_same_seed_means_the_same_faults() -> None:
    first = await faults_of(1)
    assert first == await faults_of(1)
    assert first != await faults_of(2)
    assert set(first) == {"good", "HTTP 503", "bad checksum", "truncation"}


# What the agent believes


def test_the_posterior_moves_as_evidence_comes_in() -> None:
    evidence = Evidence()
    assert (evidence.posterior, evidence.mean) == ((1, 1), 0.5)
    means = [evidence.mean]
    for success in (True, True, True, False):
        evidence.add(success)
        means.append(evidence.mean)
    assert means[0] < means[1] < means[2] < means[3] > means[4]
    assert evidence.posterior == (4, 2)


def test_draws_gather_round_the_mean_as_evidence_grows() -> None:
    def spread(evidence: Evidence) -> float:
        draws = [evidence.draw(Random(seed)) for seed in range(200)]
        return max(draws) - min(draws)

    assert spread(Evidence(300, 100)) < spread(Evidence(3, 1)) < spread(Evidence())


def test_earlier_runs_count_and_do_not_drown_this_one() -> None:
    start = Evidence(500, 0).carried_over()
    assert (start.attempts, start.earlier_attempts) == (0, 500)
    assert start.posterior == (1 + CARRIED, 1)
    for _ in range(CARRIED):
        start.add(False)
    assert start.mean == 0.5


def test_a_run_is_remembered() -> None:
    memory = Beliefs.blank(["m"], PATIENCES)
    for _ in range(2):
        run = memory.for_new_run()
        run.mirrors["m"].succeeded(0.2)
        run.answered(0.2)
        run.mirrors["m"].failed("reset")
        run.waited_in_vain(0.4)
        memory.absorb(run)
    start = memory.for_new_run()
    assert (start.mirrors["m"].evidence.earlier_successes, start.mirrors["m"].last_error) == (2, "")
    short, middle, long = start.patience.values()
    assert [each.earlier_successes for each in (short, middle, long)] == [0, 2, 2]
    assert [each.earlier_failures for each in (short, middle, long)] == [4, 2, 0]
    assert start.pace.mean == pytest.approx((0.1 + 0.4) / 3)


def test_a_failing_mirror_rests_longer_each_time_and_as_long_as_it_asks() -> None:
    belief = MirrorBelief()
    waits: list[float] = []
    for now in range(3):
        belief.rest(now)
        waits.append(belief.wait(now))
    assert waits == sorted(set(waits))
    belief.rest(10, retry_after=7)
    assert (belief.wait(12), belief.asked_to_wait) == (5, True)
    belief.rest(12)
    assert (belief.wait(12), belief.asked_to_wait) == (5, True)
    belief.succeeded(0.1)
    assert belief.wait(12) == 0


# What the agent chooses


def fresh() -> tuple[Pursuit, Beliefs]:
    return Pursuit(ITEM, patience=0.1), Beliefs.blank(MIRRORS, PATIENCES)


def choose(pursuit: Pursuit, beliefs: Beliefs, seed: int = 0) -> Choice:
    return choose_next(pursuit, beliefs, now=0.0, deadline=3.0, rng=Random(seed))


def test_a_mirror_of_which_nothing_is_known_gets_its_turn() -> None:
    pursuit, beliefs = fresh()
    choices = [choose(pursuit, beliefs, seed) for seed in range(40)]
    assert {choice.chosen for choice in choices} == set(MIRRORS)
    assert {choice.decision_type for choice in choices} == {DecisionType.PATH_CHOICE}
    assert [option.id for option in choices[0].options] == [*MIRRORS, BACK_OFF, GIVE_UP]


def test_experience_decides_and_is_quoted() -> None:
    pursuit, beliefs = fresh()
    for _ in range(30):
        beliefs.mirrors["mirror-a"].failed("reset")
        beliefs.mirrors["mirror-b"].succeeded(0.012)
        beliefs.mirrors["mirror-c"].failed("truncated")
    choice = choose(pursuit, beliefs)
    assert choice.chosen == "mirror-b"
    assert "mirror-b: 30 of 30 attempts succeeded, last answered in 12 ms" in choice.reasoning
    best = max(choice.options, key=lambda option: option.confidence)
    assert best.id == "mirror-b"
    assert "last attempt: reset" in choice.options[0].cons


def test_earlier_runs_are_quoted_as_such() -> None:
    pursuit, beliefs = fresh()
    belief = beliefs.mirrors["mirror-a"]
    belief.evidence = Evidence(earlier_successes=8, earlier_failures=2)
    assert choose(pursuit, beliefs).options[0].pros == [
        "8 of 10 attempts succeeded in earlier runs"
    ]
    belief.succeeded(0.5)
    assert choose(pursuit, beliefs).options[0].pros == [
        "1 of 1 attempt succeeded, 8 of 10 in earlier runs",
        "last answered in 500 ms",
    ]


def test_wrong_copies_that_differ_are_told_from_one_that_spread() -> None:
    pursuit, beliefs = fresh()
    pursuit.bad_copies = {"mirror-a": ["x"], "mirror-b": ["y"], "mirror-c": ["z"]}
    assert "3 different wrong copies" in pursuit.judge(beliefs, 0.0, 3.0).description
    pursuit.bad_copies = {"mirror-a": ["x"], "mirror-b": ["x"], "mirror-c": ["x"]}
    assert "the same wrong copy" in pursuit.judge(beliefs, 0.0, 3.0).description


def test_it_backs_off_when_the_only_good_mirror_asks_for_a_moment() -> None:
    pursuit, beliefs = fresh()
    pursuit.missing_at.update({"mirror-a", "mirror-b"})
    beliefs.mirrors["mirror-c"].evidence.successes = 50
    beliefs.mirrors["mirror-c"].rest(0.0, retry_after=1.0)
    choice = choose(pursuit, beliefs)
    assert (choice.chosen, choice.amount) == (BACK_OFF, 1.0)
    assert "mirror-c will be ready again by then" in choice.reasoning


def test_it_gives_up_when_the_attempts_are_used_up() -> None:
    pursuit, beliefs = fresh()
    pursuit.attempts = MAX_ATTEMPTS
    pursuit.errors["reset"] = MAX_ATTEMPTS
    choice = choose(pursuit, beliefs)
    assert choice.chosen == GIVE_UP
    assert choice.decision_type is DecisionType.TERMINATION
    assert f"did not arrive in {MAX_ATTEMPTS} attempts ({MAX_ATTEMPTS} resets)" in choice.reasoning


def test_timeouts_make_it_more_patient() -> None:
    pursuit, _ = fresh()
    pursuit.errors["timeout"] = 2
    assert pursuit.timeout == pytest.approx(0.4)


# Whole runs


def lines_of(directory: Path, run_id: str) -> list[dict[str, Any]]:
    text = (directory / "runs" / f"{run_id}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def problems(lines: list[dict[str, Any]], severity: str) -> list[dict[str, Any]]:
    # A field with its default value is not in the file.
    found = of_type(lines, "problem")
    return [line for line in found if line.get("severity", "warning") == severity]


def of_type(lines: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == type_]


def nobody(job: Job, news: str) -> None:
    """Listens to the agent."""


async def do_job(
    directory: Path, weather: Weather, moods: Mapping[str, Temperament], budget: float = AMPLE
) -> tuple[JobReport, list[dict[str, Any]]]:
    """One job in the given weather, and what its run file says."""
    (job,) = make_jobs(LIBRARY, 1, budget)
    async with Runtime(directory) as runtime, open_mirrors(LIBRARY, moods) as mirrors:
        for mirror in mirrors:
            mirror.expect(job, weather, unlucky=mirror is mirrors[0])
        addresses = {mirror.name: mirror.address for mirror in mirrors}
        agent = Downloader(runtime, addresses, seed=7, listen=nobody)
        report = await agent.run(job)
    return report, lines_of(directory, report.run_id)


CALM = dict.fromkeys(MIRRORS, GOOD)


@pytest.mark.parametrize(
    ("weather", "budget", "status", "reason"),
    [
        (Weather.USUAL, AMPLE, "completed", "Fetched all 3 files"),
        (Weather.OUTAGE, 20.0, "completed", "Fetched all 3 files"),
        (Weather.LOST_FILE, AMPLE, "failed", "is missing on all 3 mirrors (HTTP 404)"),
        (Weather.SPOILT_FILE, AMPLE, "failed", "is the same wrong copy on every mirror"),
        (Weather.SLOW, 0.3, "failed", "The budget of 300 ms ran out"),
        (Weather.CLOSED, 20.0, "stuck", "All 3 mirrors ask to come back later (HTTP 503)"),
        (Weather.FLAPPING, AMPLE, "failed", "did not arrive in"),
    ],
)
async def test_each_weather_ends_a_run_in_its_own_way(
    tmp_path: Path, weather: Weather, budget: float, status: str, reason: str
) -> None:
    report, lines = await do_job(tmp_path, weather, CALM, budget)
    assert report.status == status
    assert reason in report.narrative

    end = lines[-1]
    assert (end["type"], end["status"], end["narrative"]) == ("run_ended", status, report.narrative)
    critical = problems(lines, "critical")
    assert bool(critical) == (status != "completed")
    assert all(line["root_cause"] and line["suggested_fix"] for line in critical)

    decisions, outcomes = of_type(lines, "decision"), of_type(lines, "outcome")
    assert [each["id"] for each in decisions] == [f"dec_{at}" for at in range(len(decisions))]
    assert sorted(each["decision_id"] for each in outcomes) == sorted(e["id"] for e in decisions)
    for decision in decisions:
        assert len(decision["options"]) >= 3
        assert all(0 <= option.get("confidence", 0.5) <= 1 for option in decision["options"])
        assert decision["chosen_option_id"] in [option["id"] for option in decision["options"]]
        assert decision["reasoning"]


async def test_the_outcomes_are_what_the_network_did(tmp_path: Path) -> None:
    moods = {
        "mirror-a": always(Fault.CORRUPT),
        "mirror-b": always(Fault.TRUNCATE),
        "mirror-c": GOOD,
    }
    report, lines = await do_job(tmp_path, Weather.USUAL, moods)
    assert sorted(report.fetched) == sorted(LIBRARY)

    outcomes = {line["decision_id"]: line for line in of_type(lines, "outcome")}
    attempts = [
        (decision["chosen_option_id"], outcomes[decision["id"]])
        for decision in of_type(lines, "decision")
        if decision["chosen_option_id"] in MIRRORS
    ]
    assert len(attempts) == report.attempts
    for mirror, outcome in attempts:
        error_type = {"mirror-a": "ChecksumMismatch", "mirror-b": "Truncated"}.get(mirror)
        assert outcome["success"] is (error_type is None)
        # The core may qualify the name by its module.
        assert (outcome.get("error_type") or "None").endswith(str(error_type))
        if error_type is None:
            assert outcome["result"]["sha256"] in {item.sha256 for item in JOB.files}
    bad_copies = [outcome for mirror, outcome in attempts if mirror == "mirror-a"]
    warnings = problems(lines, "warning")
    assert [each["decision_id"] for each in warnings] == [e["decision_id"] for e in bad_copies]


async def test_steps_lie_within_the_decision_for_their_file(tmp_path: Path) -> None:
    _, lines = await do_job(tmp_path, Weather.FLAPPING, CALM)
    plan, *decisions = of_type(lines, "decision")
    assert (plan["node_id"], plan.get("parent_id")) == ("plan", None)
    files = {each["id"]: each for each in decisions if each.get("parent_id") is None}
    assert len(files) == len(LIBRARY)
    assert {each["node_id"] for each in decisions} == {"fetch"}
    for step in decisions:
        if parent := files.get(step.get("parent_id")):
            assert step["input_context"]["path"] == parent["input_context"]["path"]


async def test_what_the_budget_cuts_off_is_cancelled(tmp_path: Path) -> None:
    stalling = dict.fromkeys(MIRRORS, always(Fault.STALL))
    report, lines = await do_job(tmp_path, Weather.USUAL, stalling, budget=0.2)
    assert (report.status, report.fetched) == ("failed", ())
    cut_off = [line for line in of_type(lines, "outcome") if line.get("cancelled")]
    assert cut_off
    assert not any(line["success"] for line in cut_off)


async def test_an_outage_is_reported_once_for_each_mirror(tmp_path: Path) -> None:
    _, lines = await do_job(tmp_path, Weather.CLOSED, CALM, budget=20.0)
    minor = [line["description"] for line in problems(lines, "minor")]
    assert sorted(minor) == [
        f"{name} is down for 120 s, longer than this run lasts" for name in MIRRORS
    ]


# The demo


async def test_the_demo_leaves_ordinary_run_files(tmp_path: Path) -> None:
    heard: list[Progress] = []
    report: DemoReport = await run_demo(tmp_path, runs=3, progress=heard.append)

    assert report.directory == str(tmp_path)
    assert report.lost == 0
    assert report.records == sum(len(lines_of(tmp_path, run.run_id)) for run in report.runs)
    assert len({run.run_id for run in report.runs}) == 3
    assert {path.stem for path in (tmp_path / "runs").iterdir()} == {r.run_id for r in report.runs}
    for run in report.runs:
        start, *_, end = lines_of(tmp_path, run.run_id)
        assert (start["type"], start["goal_id"]) == ("run_started", run.goal_id)
        assert (end["type"], end["status"]) == ("run_ended", run.status)
        assert end["narrative"] == run.narrative
        assert (run.status == "completed") is (len(run.fetched) == run.files)
        assert set(run.fetched) <= set(start["input_data"]["files"])
        if run.status != "stuck":
            assert sorted(end["output_data"]["fetched"]) == sorted(run.fetched)

    assert [each.files_done for each in heard] == sorted(each.files_done for each in heard)
    last = heard[-1]
    assert (last.files_done, last.runs_done) == (last.files, last.runs)


def test_a_third_of_the_default_runs_is_in_trouble_of_several_kinds() -> None:
    weathers = forecast(12, seed=7)
    troubles = [weather for weather in weathers if weather in TROUBLES]
    assert len(troubles) == len(set(troubles)) == 4
    assert forecast(5, seed=7) == weathers[:5]
    assert forecast(0, seed=7) == []


def test_the_jobs_are_about_files_of_this_python() -> None:
    library = read_library()
    jobs = make_jobs(library, 12)
    assert len(jobs) == 12
    assert len({job.ticket for job in jobs}) == 12
    assert 3 <= len({job.goal_id for job in jobs}) < 12
    assert all(
        job.files and len(library[item.path]) == item.size for job in jobs for item in job.files
    )


def test_a_python_without_sources_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no standard library sources"):
        read_library(tmp_path)


def test_numbers_read_well() -> None:
    assert [duration(each) for each in (0.0123, 0.9996, 1.5, 120)] == [
        "12 ms",
        "1 s",
        "1.5 s",
        "120 s",
    ]
    assert [size(each) for each in (900, 12480)] == ["900 bytes", "12.5 kB"]
    assert [counted(each, "copy", "copies") for each in (1, 2)] == ["1 copy", "2 copies"]
    assert [listed(each) for each in ("", "a", "ab", "abc")] == [
        "nothing",
        "a",
        "a and b",
        "a, b and c",
    ]
