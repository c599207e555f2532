"""`summarize`: what mattered in a run, and why it was picked."""

import msgspec

from decisionlog import Run, RunSummary
from decisionlog.analysis import summarize
from tests.analysis.one.scripted import Agent, record


def key_decisions(run: Run) -> dict[str, str]:
    """Why each was picked, by its id."""
    return {text.split()[0]: text.split(": ", 1)[1] for text in summarize(run).key_decisions}


def script(agent: Agent) -> None:
    agent.decide("Plan", "a", took=1)
    agent.decide("Fetch", "a", error="no answer", took=1)
    agent.decide("Fetch", "b", took=1)
    agent.decide("Crunch", took=20, tokens=900)
    agent.decide("Mail it", "c", error="no address", took=1, problem="Nobody to mail", fix="Ask")
    agent.run.report_problem("warning", "It is late")


def test_the_decisions_that_mattered_and_why() -> None:
    run = record(script)
    assert key_decisions(run) == {
        "dec_0": "a choice of 3 options, among the first",
        "dec_1": "failed (no answer), recovered; a choice of 3 options, among the first",
        "dec_2": "a choice of 3 options, among the first",
        "dec_3": "took 20 s, 83% of the time; used 100% of the tokens",
        "dec_4": "failed (no address), not made up for",
    }
    found = summarize(run)
    assert found.key_decisions[1].startswith("dec_1 Fetch → a: ")
    assert found.critical_problems == ["Nobody to mail (fix: Ask)"]
    assert found.warnings == ["It is late"]
    assert found.successes == ["dec_0 Plan → a", "dec_2 Fetch → b", "dec_3 Crunch"]


def test_it_is_the_summary_of_a_listing_but_for_what_it_names() -> None:
    run = record(script)
    found = summarize(run)
    assert type(found) is RunSummary
    assert (found.run_id, found.goal_id, found.status) == (run.id, "goal", "failed")
    assert (found.decision_count, found.success_rate, found.problem_count) == (5, 0.6, 2)
    assert (found.duration_ms, found.started_at) == (run.duration_ms, run.started_at)
    assert msgspec.json.decode(msgspec.json.encode(found), type=RunSummary) == found


def test_a_success_inside_a_success_is_not_told_twice() -> None:
    run = record(
        lambda agent: agent.decide("Get it", inside=lambda agent: agent.decide("Ask", "a")),
        ending="succeed",
    )
    assert summarize(run).successes == ["dec_0 Get it"]


def test_nothing_happened() -> None:
    found = summarize(Run("empty"))
    assert (found.key_decisions, found.successes, found.success_rate) == ([], [], None)


def test_however_long_a_run_a_summary_is_short() -> None:
    def long(agent: Agent) -> None:
        for n in range(200):
            agent.decide(f"Step {n}", "a", error=f"error of kind {'abcdefghijklmnop'[n % 16] * 9}")

    found = summarize(record(long))
    assert len(found.key_decisions) == 10
