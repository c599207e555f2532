"""`explain`: known causes are found, in the right order, with their evidence."""

import json
from pathlib import Path

import anyio
import msgspec
import pytest

from decisionlog import Evaluation, Option, Run, RunStatus, RunStore, Runtime
from decisionlog.analysis import FailureExplanation, explain
from decisionlog.analysis.one import Cause, CauseKind, SuggestionType
from decisionlog.testing import MemorySink
from tests.analysis.one.scripted import Agent, Script, record
from tests.recording import recorded


def causes(script: Script, *, ending: str = "fail") -> list[Cause]:
    return explain(record(script, ending=ending)).causes


def the_first(script: Script, *, ending: str = "fail") -> Cause:
    return causes(script, ending=ending)[0]


# ---------------------------------------------------------------------- recovered or not


@pytest.mark.parametrize("recovered_first", [True, False])
def test_what_was_not_recovered_comes_before_what_was(recovered_first: bool) -> None:
    def script(agent: Agent) -> None:
        def recovered() -> None:
            agent.decide("Fetch the page", "a", error="no answer")
            agent.decide("Fetch the page", "b")

        def lasting() -> None:
            agent.decide("Parse the page", "c", error="it is no HTML")

        for step in (recovered, lasting) if recovered_first else (lasting, recovered):
            step()

    lasting, recovered = causes(script)
    assert lasting.summary == "Parse the page → c failed"
    assert (lasting.kind, lasting.recovered, lasting.error) == ("failure", False, "it is no HTML")
    assert recovered.summary == "Fetch the page → a failed"
    assert recovered.recovered
    assert recovered.recovered_by == ("dec_1" if recovered_first else "dec_2")


def test_a_success_elsewhere_recovers_nothing() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Fetch a.txt", "a", error="no answer")
        agent.decide("Fetch b.txt", "a")
        agent.decide("Fetch a.txt", "a", node_id="another node")

    assert not the_first(script).recovered


def test_without_an_intent_nothing_tells_that_it_is_the_same_place() -> None:
    def script(agent: Agent) -> None:
        agent.decide("", "a", error="the text is not there")
        agent.decide("", "b")

    [cause] = causes(script)
    assert not cause.recovered
    assert cause.summary == "(no intent) → a failed"


def test_the_same_menu_is_not_suggested_for_every_failure() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Look here", "a", error="nothing")
        agent.decide("Look there", "a", error="a stone")

    assert suggested(script, SuggestionType.OPTION) == ["b", "c"]


def test_nor_does_one_that_came_before() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Fetch a.txt", "a")
        agent.decide("Fetch a.txt", "a", error="no answer")

    [cause] = causes(script)
    assert not cause.recovered
    assert cause.decision_ids == ["dec_1"]


def test_the_number_of_an_attempt_does_not_make_another_place() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Fetch a.txt (attempt 1 of 3)", error="no answer")
        agent.decide("Fetch a.txt (attempt 2 of 3)")

    assert the_first(script).recovered_by == "dec_1"


def test_a_decision_that_supersedes_it_recovers_it() -> None:
    def script(agent: Agent) -> None:
        first = agent.decide("Ask the model", "a", error="overloaded")
        agent.decide("Use the cache instead", "b", supersedes=first)

    [cause] = causes(script)
    assert (cause.recovered, cause.recovered_by) == (True, "dec_1")
    assert cause.reasons == ["recovered: dec_1 took its place"]


def test_unless_that_failed_as_well_and_then_they_are_one_story() -> None:
    def script(agent: Agent) -> None:
        first = agent.decide("Ask the model", "a", error="overloaded")
        agent.decide("Use the cache instead", "b", error="it is empty", supersedes=first)

    [cause] = causes(script)
    assert not cause.recovered
    assert sorted(cause.decision_ids) == ["dec_0", "dec_1"]
    assert [link.relation for link in cause.chain] == ["here"]  # where it began


def test_a_failure_inside_something_that_succeeded_is_recovered() -> None:
    def attempts(agent: Agent) -> None:
        agent.decide("Try the near mirror", error="it is down")
        agent.decide("Try the far mirror")

    cause = the_first(lambda agent: agent.decide("Get the file", inside=attempts))
    assert (cause.recovered_by, cause.decision_ids) == ("dec_0", ["dec_1"])


def test_what_happened_inside_a_failure_is_part_of_it() -> None:
    def attempts(agent: Agent) -> None:
        agent.decide("Try the near mirror", "a", error="it is down")
        agent.decide("Try the far mirror", "b", error="nobody has the file")

    script: Script = lambda agent: agent.decide(  # noqa: E731
        "Get the file", "c", error="nobody has the file", inside=attempts
    )
    [cause] = causes(script)
    assert cause.summary == "Get the file → c failed, with 2 failures inside"
    assert cause.decision_ids == ["dec_2", "dec_0", "dec_1"]  # where it came from comes first
    assert [(link.decision_id, link.relation) for link in cause.chain] == [
        ("dec_0", "inside"),
        ("dec_1", "failed"),
        ("dec_2", "here"),
    ]


def test_one_error_at_many_places_is_one_cause() -> None:
    def script(agent: Agent) -> None:
        for what in ("users", "orders", "prices"):
            agent.decide(f"Load the {what}", "a", error=f"HTTP 401 for /api/{what}")

    [cause] = causes(script)
    assert cause.count == 3
    assert cause.summary == "Load the users → a failed, and 2 other decisions alike"


def test_an_exception_that_ended_the_run_comes_first() -> None:
    def script(agent: Agent) -> None:
        with agent.runtime.decision("Divide", [Option("a")], "a"):
            _ = 1 / 0

    def and_before(agent: Agent) -> None:
        script_error = "critical, but it went on"
        agent.decide("Look", "b", error=script_error, problem="the light is off")
        script(agent)

    first, second = causes(and_before, ending="raise")
    assert first.summary == "Divide → a failed"
    assert first.error_type == "ZeroDivisionError"
    assert "the run ended with its error" in first.reasons
    assert second.problem_ids == ["prob_0"]


def test_an_exception_between_decisions_is_the_runs_own() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Look", "a")
        raise KeyError("budget")

    cause = the_first(script, ending="raise")
    assert cause.kind is CauseKind.ERROR
    assert (cause.error_type, cause.decision_ids) == ("KeyError", ["dec_0"])


# ---------------------------------------------------------------------- problems


def test_a_critical_problem_belongs_to_the_decision_it_names() -> None:
    def script(agent: Agent) -> None:
        agent.decide(
            "Fetch", "a", error="HTTP 410", problem="The page is gone", fix="Use the archive"
        )
        agent.decide("Mail it", "a", error="no address")

    found = explain(record(script))
    first, second = found.causes
    assert (first.summary, first.problem_ids) == ("Fetch → a failed", ["prob_0"])
    assert "reported as critical: prob_0" in first.reasons
    assert second.summary == "Mail it → a failed"
    fix = found.suggestions[0]
    assert (fix.type, fix.target, fix.decision_id) == (SuggestionType.FIX, "prob_0", "dec_0")
    assert fix.reason.startswith("Use the archive")


def test_a_critical_problem_may_stand_by_itself() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Fetch", "a", problem="The page is a year old")
        agent.run.report_problem("critical", "The licence has expired", root_cause="nobody paid")
        agent.run.report_problem("warning", "It is late")
        agent.run.report_problem("minor", "It rains")

    found = causes(script)
    assert [cause.kind for cause in found] == [CauseKind.PROBLEM] * 4
    assert {tuple(cause.problem_ids) for cause in found[:2]} == {("prob_0",), ("prob_1",)}
    assert [cause.problem_ids for cause in found[2:]] == [["prob_2"], ["prob_3"]]
    named = next(cause for cause in found if cause.problem_ids == ["prob_0"])
    assert named.decision_ids == ["dec_0"]


def test_a_problem_named_by_a_pending_decision_does_not_make_that_a_failure() -> None:
    def script(agent: Agent) -> None:
        pending = agent.leave_open("Wait for the answer", "a")
        agent.run.report_problem("critical", "Nobody answers", decision_id=pending)

    [cause] = causes(script)
    assert cause.kind is CauseKind.PROBLEM
    assert cause.decision_ids == ["dec_0"]


# ---------------------------------------------------------------------- repetition, limits, endings


@pytest.mark.parametrize("times", [2, 3, 7])
def test_the_same_choice_with_the_same_error_again_and_again(times: int) -> None:
    def script(agent: Agent) -> None:
        agent.decide("Read the manual", "a")
        for attempt in range(times):
            agent.decide("Open the door", "b", error=f"it is locked ({attempt} times now)")

    cause = the_first(script, ending="stuck")
    assert cause.count == times
    if times < 3:
        assert cause.kind is CauseKind.FAILURE
    else:
        assert cause.kind is CauseKind.REPETITION
        assert f"the same choice failed in the same way {times} times" in cause.reasons


def test_other_choices_are_no_repetition() -> None:
    def script(agent: Agent) -> None:
        for choice in ("a", "b", "c"):
            agent.decide("Open the door", choice, error="it is locked")

    assert the_first(script).kind is CauseKind.FAILURE


def test_a_circle_of_successes_is_a_repetition_too() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Think", "a")
        for _ in range(3):
            agent.decide("Look left", "a", result="nothing")
            agent.decide("Look right", "b", result="nothing")

    cause = the_first(script, ending="stuck")
    assert cause.kind is CauseKind.REPETITION
    assert cause.count == 6
    assert causes(script, ending="succeed") == []


def test_progress_is_no_circle() -> None:
    def script(agent: Agent) -> None:
        for page in range(9):
            agent.decide("Read the next page", "a", result={"page": page})

    assert causes(script, ending="stuck") == []


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("Stopped after 300 s", "time"),
        ("Reached the time limit of the benchmark", "time"),
        ("Agent reached maximum iteration limit of 100", "steps"),
        ("This model's maximum context length is 8192 tokens", "tokens"),
        ("The cost limit of $2 is reached", "money"),
    ],
)
def test_running_out_of_something(said: str, what: str) -> None:
    def script(agent: Agent) -> None:
        agent.decide("Search", "a", error="found nothing")
        agent.leave_open("Read what was found", "b")
        agent.run.report_problem("critical", said)

    first, second = causes(script)
    assert first.kind is CauseKind.LIMIT
    assert first.summary.startswith(f"Ran out of {what}: {said}")
    assert first.problem_ids == ["prob_0"]
    assert first.decision_ids == ["dec_1"]  # what was going on then
    assert second.kind is CauseKind.FAILURE


def test_a_request_that_timed_out_is_no_limit_of_the_run() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Fetch", "a", error="timed out after 3 s", problem="The server timed out")

    [cause] = causes(script)
    assert cause.kind is CauseKind.FAILURE


def test_a_timeout_around_everything_is_one() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Search", "a")
        raise TimeoutError

    assert the_first(script, ending="raise").kind is CauseKind.LIMIT


def test_time_that_was_up_by_the_clock() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Plan", "a", constraints=["All of it within 30 s"], took=1)
        agent.decide("Compute", "b", took=28.5)

    found = explain(record(script))
    [cause] = found.causes
    assert (cause.kind, cause.summary) == (CauseKind.LIMIT, "Ran out of time: it took 29.5 s")
    assert 'a constraint was "All of it within 30 s"' in cause.reasons
    slow = next(each for each in found.suggestions if each.type is SuggestionType.TIME)
    assert slow.target == "dec_1"
    assert "28.5 s of 29.5 s (97%)" in slow.reason


def test_an_interruption_and_what_was_pending_then() -> None:
    run = Run(
        "run",
        status=RunStatus.INTERRUPTED,
        decisions=record(
            lambda agent: agent.decide(
                "Get the file",
                inside=lambda agent: agent.leave_open("Ask the mirror", "a"),
                error="left over",
            )
        ).decisions,
    )
    found = explain(run)
    assert found.causes[0].kind is CauseKind.INTERRUPTION
    assert found.causes[0].decision_ids == found.pending == ["dec_1"]
    assert found.headline == "Interrupted: the process died while 1 decision had no outcome"


def test_a_cancelled_run_was_stopped_from_outside() -> None:
    async def main() -> Run:
        sink = MemorySink()
        async with recorded(sink) as runtime:
            with anyio.CancelScope() as scope:
                async with runtime.run("goal"):
                    async with runtime.decision("Wait"):
                        scope.cancel()
                        await anyio.sleep_forever()
        return sink.run(sink.run_ids()[0])

    [cause] = explain(anyio.run(main)).causes
    assert cause.kind is CauseKind.CANCELLATION
    assert cause.decision_ids == ["dec_0"]


def test_pending_decisions_are_no_failures() -> None:
    def script(agent: Agent) -> None:
        for step in range(5):
            agent.leave_open(f"Step {step} of the plan", "a")

    found = explain(record(script, narrative=""))
    assert found.causes == []
    assert "nothing recorded says why" in found.headline
    assert found.pending == [f"dec_{n}" for n in range(5)]
    [suggestion] = found.suggestions
    assert (suggestion.type, suggestion.count) == (SuggestionType.RECORD, 5)


# ---------------------------------------------------------------------- the chain


def test_what_ran_at_the_same_time_or_inside_something_else_is_not_on_the_way() -> None:
    run = record(
        lambda agent: (
            agent.decide("Plan", "a", inside=lambda agent: agent.decide("Think", "a")),
            agent.decide("Act", "b", error="no"),
        )
    )
    [cause] = explain(run).causes
    assert [link.decision_id for link in cause.chain] == ["dec_0", "dec_2"]  # not dec_1


def test_what_had_not_ended_did_not_lead_there() -> None:
    async def main() -> Run:
        sink = MemorySink()
        async with recorded(sink) as runtime, runtime.run("goal") as run:
            async with runtime.decision("Earlier"):
                pass
            both = anyio.Event()

            async def meanwhile() -> None:
                async with runtime.decision("Meanwhile"):
                    await both.wait()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(meanwhile)
                await anyio.wait_all_tasks_blocked()
                async with runtime.decision("This") as decision:
                    decision.fail("no")
                both.set()
            run.fail()
        return sink.run(sink.run_ids()[0])

    [cause] = explain(anyio.run(main)).causes
    assert [link.summary for link in cause.chain] == ["Earlier", "This"]


# ---------------------------------------------------------------------- suggestions


def suggested(script: Script, kind: SuggestionType) -> list[str]:
    return [each.target for each in explain(record(script)).suggestions if each.type is kind]


def test_options_on_the_table_that_were_never_tried() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Open the door", "a", error="it is locked")
        agent.decide("Open the door", "b", error="it will not budge", constraints=["No noise"])

    assert suggested(script, SuggestionType.OPTION) == ["c"]
    assert suggested(script, SuggestionType.CONSTRAINT) == ["No noise"]


def test_what_the_context_lacked() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Book for Ann", "a", node_id="book", context={"budget": 5, "who": "Ann"})
        agent.decide("Book for Bob", "a", node_id="book", context={"who": "Bob"}, error="no budget")

    assert suggested(script, SuggestionType.CONTEXT) == ["budget"]


async def test_what_an_evaluation_holds_against_it(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        async with runtime.run("goal") as run:
            async with runtime.decision("Which way", [Option("l"), Option("r")], "l") as decision:
                decision.fail("a wall")
            run.fail()
    store = RunStore(traces)
    judged = Evaluation(better_option_existed=True, better_option_id="r", why_better="no wall")
    await store.evaluate(run.id, decision.id, judged)
    first = explain(await store.load(run.id)).suggestions[0]
    assert (first.type, first.target, first.decision_id) == ("judgement", "r", "dec_0")


# ---------------------------------------------------------------------- other runs


async def a_run(runtime: Runtime, chosen: str, *, well: bool, goal: str = "goal") -> str:
    async with runtime.run(goal) as run:
        options = [Option(each, f"Ask {each}") for each in ("near", "far")]
        async with runtime.decision("Where from", options, chosen) as decision:
            if not well:
                decision.fail("no answer")
        if not well:
            run.fail("No file")
    return run.id


async def test_what_happened_in_runs_that_chose_otherwise(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        far = [await a_run(runtime, "far", well=n < 3) for n in range(4)]
        near = [await a_run(runtime, "near", well=False) for _ in range(3)]
        await a_run(runtime, "far", well=True, goal="another goal")
    store = RunStore(traces)
    run = await store.load(near[0])
    found = explain(run, store)  # no await: the same on an event loop as anywhere
    assert set(found.compared_with) == {*far, *near[1:]}
    assert found.contrast is not None
    assert found.contrast.run_id in far[:3]
    assert found.contrast.divergence is not None
    assert found.contrast.divergence.b.chosen_option_id == "far"
    fared = {each.option_id: each for each in found.elsewhere}
    assert (fared["far"].chosen, fared["far"].succeeded, fared["far"].failed) == (4, 3, 1)
    assert (fared["near"].chosen, fared["near"].succeeded) == (2, 0)
    assert set(fared["far"].examples) <= {f"{run_id}/dec_0" for run_id in far}
    advice = next(each for each in found.suggestions if each.type is SuggestionType.ELSEWHERE)
    assert (advice.target, advice.count, advice.success_rate) == ("far", 4, 0.75)
    assert advice.reason == (
        "in other runs it succeeded 3 of 4 times; near, as chosen here, succeeded 0 of 2 times"
        "; so few that it may be chance"
    )
    assert await anyio.to_thread.run_sync(explain, run, store) == found


async def test_options_that_only_share_their_name_are_not_compared(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        for chosen, meaning, well in ("1", "Go left", True), ("2", "Go up", False):
            options = [Option("1", meaning), Option("2", meaning[::-1])]
            async with runtime.run("goal") as run:
                async with runtime.decision("Which", options, chosen) as decision:
                    if not well:
                        decision.fail("no")
                if not well:
                    run.fail()
    store = RunStore(traces)
    assert explain(await store.load(run.id), store).elsewhere == []


async def test_so_many_runs_are_read_and_no_more(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        ids = [await a_run(runtime, "far", well=False) for _ in range(53)]
    store = RunStore(traces)
    found = explain(await store.load(ids[0]), store)
    assert set(found.compared_with) == set(ids[-50:])


async def test_the_only_run_of_its_goal(traces: Path) -> None:
    async with Runtime(traces) as runtime:
        run_id = await a_run(runtime, "far", well=False)
    store = RunStore(traces)
    found = explain(await store.load(run_id), store)
    assert (found.compared_with, found.elsewhere, found.contrast) == ([], [], None)


# ---------------------------------------------------------------------- what it gives


def test_nothing_to_explain() -> None:
    for run in (
        Run("empty"),
        record(lambda agent: None),
        record(lambda agent: None, ending="succeed"),
    ):
        found = explain(run)
        assert (found.causes, found.suggestions, found.chain) == ([], [], [])
        assert str(found)
    assert explain(Run("empty", status=RunStatus.FAILED)).caveats == ["no decision was recorded"]


def test_a_completed_run_tells_what_went_wrong_on_the_way() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Fetch", "a", error="no answer")
        agent.decide("Fetch", "b")

    found = explain(record(script, ending="succeed"))
    assert found.headline == "The run completed. On the way: Fetch → a failed: no answer"
    assert found.causes[0].recovered


def test_it_reads_as_text_and_as_json() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Look\x1b[31m\nround", "a")
        agent.decide("Open the door", "b", error="it is \x9blocked", problem="No key", fix="Knock")

    found = explain(record(script))
    text = str(found)
    assert "1. failure: Open the door → b failed: it is \\x9blocked" in text
    assert "dec_0 Look\\x1b[31m round → a, success" in text
    assert "fix prob_0: Knock" in text
    assert text.replace("\n", "").isprintable()
    decoded = json.loads(msgspec.json.encode(found))
    assert set(decoded) == set(FailureExplanation.__struct_fields__)
    assert decoded["causes"][0]["decision_ids"] == ["dec_1"]
    assert msgspec.json.decode(msgspec.json.encode(found), type=FailureExplanation) == found
    with pytest.raises(AttributeError):
        found.causes = []  # type: ignore[misc]


def test_what_the_agent_said_at_its_end_is_told_where_nothing_else_is_known() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Call")

    found = explain(record(script, narrative="The customer hung up"))
    assert found.causes == []
    told = "The run failed. As told at its end: The customer hung up. It ended with dec_0, Call."
    assert found.headline == told
    assert str(found).count("The customer hung up") == 1
