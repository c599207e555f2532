"""`compare`: two runs side by side."""

import json
from typing import Any

import msgspec
import pytest

from decisionlog import Decision, Run, RunStatus
from decisionlog.analysis import Comparison, compare
from decisionlog.analysis.one import SettingDifference
from tests.analysis.one.scripted import Agent, record

Choice = tuple[str, str]


def run(*choices: Choice, **told: Any) -> Run:
    """A run of decisions, each an intent and what was chosen."""

    def script(agent: Agent) -> None:
        for intent, chosen in choices:
            agent.decide(intent, chosen)

    return record(script, **told)


PLAN, SEARCH, READ, ANSWER = ("Plan", "a"), ("Search", "a"), ("Read", "b"), ("Answer", "c")


def test_the_first_divergence_in_choice() -> None:
    other = run(PLAN, ("Search", "b"), READ, ("Answer", "a"))
    found = compare(run(PLAN, SEARCH, READ, ANSWER), other)
    first = found.divergence
    assert first is not None
    assert (first.a.intent, first.kinds, first.aligned_by) == ("Search", ["choice"], "intent")
    assert (first.a.decision_id, first.b.decision_id) == ("dec_1", "dec_1")
    assert (first.a.chosen_option_id, first.b.chosen_option_id) == ("a", "b")
    assert [option.id for option in first.a.options] == ["a", "b", "c"]
    assert [each.a.intent for each in found.differences] == ["Search", "Answer"]
    assert found.differences[0] is first
    assert len(found.aligned) == 4


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("extra", [("Ask a friend", "a"), ("Search", "b"), ("Plan", "a")])
def test_an_insertion_does_not_shift_the_rest(at: int, extra: Choice) -> None:
    whole = [PLAN, SEARCH, READ, ANSWER]
    longer = [*whole[:at], extra, *whole[at:]]
    found = compare(run(*whole), run(*longer))
    assert (found.divergence, found.differences, found.only_in_a) == (None, [], [])
    [inserted] = found.only_in_b
    assert (inserted.intent, inserted.chosen_option_id) == extra
    assert len(found.aligned) == 4


def test_one_more_try_shifts_nothing_though_all_tries_share_their_intent() -> None:
    a = run(("Plan", "a"), ("Try", "a"), ("Try", "b"), ("Answer", "a"))
    b = run(("Plan", "b"), ("Try", "c"), ("Try", "a"), ("Try", "b"), ("Answer", "b"))
    found = compare(a, b)
    assert [each.a.intent for each in found.differences] == ["Plan", "Answer"]
    assert [(side.decision_id, side.chosen_option_id) for side in found.only_in_b] == [
        ("dec_1", "c")
    ]


def test_nothing_in_common() -> None:
    found = compare(run(PLAN, SEARCH), run(READ, ANSWER))
    assert found.aligned == []
    assert found.divergence is None
    assert [side.intent for side in found.only_in_a] == ["Plan", "Search"]
    assert [side.intent for side in found.only_in_b] == ["Read", "Answer"]


def test_node_and_type_tell_places_apart_as_well() -> None:
    def at(node: str, kind: str) -> Run:
        return record(lambda agent: agent.decide("Go", "a", node_id=node, decision_type=kind))

    assert len(compare(at("x", "custom"), at("x", "custom")).aligned) == 1
    assert compare(at("x", "custom"), at("y", "custom")).aligned == []
    assert compare(at("x", "custom"), at("x", "delegation")).aligned == []


def test_numbers_and_paths_in_an_intent_do_not_matter_where_nothing_fits_better() -> None:
    a = run(("Read /tmp/a.txt", "a"), ("Read /tmp/b.txt", "a"))
    b = run(("Read /tmp/b.txt", "b"))
    found = compare(a, b)
    assert found.aligned == [("dec_1", "dec_0")]
    assert found.differences[0].aligned_by == "intent"
    found = compare(a, run(("Read /tmp/c.txt", "a"), ("Read /tmp/d.txt", "a")))
    assert len(found.aligned) == 2
    assert found.differences == []


def test_labels_that_share_words_are_not_the_same_place() -> None:
    found = compare(run(("Choose a search strategy", "a")), run(("Choose an output strategy", "b")))
    assert found.aligned == []


def test_a_sentence_with_other_words_in_it_is() -> None:
    said = "I will now look at all the files in the folder and {} what they say"
    found = compare(run((said.format("tell you"), "a")), run((said.format("sum up"), "b")))
    assert found.divergence is not None
    assert found.divergence.aligned_by == "words"


def test_sentences_that_a_model_words_anew_every_time() -> None:
    """Few words of them agree; what was on offer is all that tells."""
    a = run(
        ("I will have a look at the file that I was given", "a"),
        ("Now it is time to write all that down somewhere", "b"),
    )
    b = run(
        ("The input has to be known before anything else happens", "a"),
        ("My conclusions should be stored for the user to see", "c"),
    )
    found = compare(a, b)
    assert len(found.aligned) == 2
    assert found.divergence is not None
    assert found.divergence.aligned_by == "options"
    assert found.divergence.a.decision_id == "dec_1"


def test_what_ran_at_the_same_time_may_come_in_any_order() -> None:
    """Two downloads, whose attempts interleave in one run and not in the other."""
    get_x, get_y = Decision("x", intent="Get x"), Decision("y", intent="Get y")
    attempts = [
        Decision(
            f"{name}_{n}", parent_id=name, intent="Ask a mirror", chosen_option_id=f"{name}{n}"
        )
        for name in "xy"
        for n in range(2)
    ]
    in_turn = [get_x, *attempts[:2], get_y, *attempts[2:]]
    interleaved = [get_x, get_y, *attempts[::2], *attempts[1::2]]
    found = compare(Run("a", decisions=in_turn), Run("b", decisions=interleaved))
    assert found.differences == []
    assert {one for one, other in found.aligned if one == other} == {d.id for d in in_turn}


def test_outcomes_errors_and_menus_differ_too() -> None:
    def script(agent: Agent, error: str | None, menu: str) -> None:
        agent.decide("Fetch", "a", error=error, options=menu)

    def found(*given: tuple[str | None, str]) -> list[str]:
        a, b = (record(lambda agent, g=g: script(agent, *g)) for g in given)  # type: ignore[misc]
        differences = compare(a, b).differences
        return differences[0].kinds if differences else []

    assert found(("no", "ab"), (None, "ab")) == ["outcome"]
    assert found(("HTTP 404", "ab"), ("no route", "ab")) == ["error"]
    assert found(("HTTP 404", "ab"), ("HTTP 503", "ab")) == []
    assert found((None, "ab"), (None, "ac")) == ["options"]
    [difference] = compare(
        record(lambda agent: script(agent, None, "ab")),
        record(lambda agent: script(agent, None, "acd")),
    ).differences
    assert (difference.options_only_in_a, difference.options_only_in_b) == (["b"], ["c", "d"])


def test_metrics_and_what_was_not_the_same_from_the_outset() -> None:
    def script(agent: Agent) -> None:
        agent.decide("Fetch", "a", took=2, tokens=30)
        agent.decide("Parse", "a", took=1, error="no", tokens=12)

    a = record(script, input_data={"n": 1}, tags={"prompt": "v1", "model": "m"})
    b = run(PLAN, ending="succeed", input_data={"n": 2}, tags={"prompt": "v2", "model": "m"})
    found = compare(a, b)
    assert found.settings == [
        SettingDifference("input_data", {"n": 1}, {"n": 2}),
        SettingDifference("tags.prompt", "v1", "v2"),
    ]
    metrics = {each.name: (each.a, each.b, each.difference) for each in found.metrics}
    assert metrics["duration_ms"] == (3000, 1000, -2000)
    assert metrics["total_tokens"] == (42, 0, -42)
    assert metrics["success_rate"] == (0.5, 1.0, 0.5)
    assert metrics["cost_usd"] == (None, None, None)  # unknown is not zero
    assert (found.status_a, found.status_b) == (RunStatus.FAILED, RunStatus.COMPLETED)


def test_empty_runs() -> None:
    found = compare(Run("a"), Run("b"))
    assert (found.divergence, found.differences, found.aligned, found.settings) == (
        None,
        [],
        [],
        [],
    )
    assert str(found)


def test_it_reads_as_text_and_as_json() -> None:
    found = compare(run(PLAN, SEARCH, ANSWER), run(PLAN, ("Search", "b"), READ, ANSWER))
    text = str(found)
    assert "3 decisions in common, 0 only in a, 1 only in b" in text
    assert "First divergence:\n  Search (unknown): choice\n    a dec_1 → a, success" in text
    assert "    of a, b, c\n" in text
    assert "Only in b: dec_2 Read → b" in text
    decoded = json.loads(msgspec.json.encode(found))
    assert set(decoded) == set(Comparison.__struct_fields__)
    assert decoded["divergence"]["b"]["chosen_option_id"] == "b"
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found
