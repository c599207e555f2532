"""What could be done about a failure, as far as the records themselves suggest it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from math import inf

from msgspec import Struct

from decisionlog.analysis.one.causes import Cause, CauseKind
from decisionlog.analysis.one.course import Course, place_of
from decisionlog.analysis.one.elsewhere import Elsewhere
from decisionlog.analysis.one.wording import choice, listed, plain, seconds
from decisionlog.model import Decision, Option, Run, RunStatus
from decisionlog.wording import counted

_UNTRIED = 3
"""How many options that were not taken are named for a decision."""
_SLOW = 0.25
"""From which share of the run's time on a decision is worth naming when time ran out."""


class SuggestionType(StrEnum):
    """Where a suggestion comes from, the strongest first."""

    JUDGEMENT = "judgement"
    FIX = "fix"
    ELSEWHERE = "elsewhere"
    OPTION = "option"
    CONTEXT = "context"
    TIME = "time"
    CONSTRAINT = "constraint"
    RECORD = "record"


class Suggestion(Struct, frozen=True):
    """Something to try or to look into.

    `target` is what it is about: an option (types "judgement", "elsewhere", "option"), a problem
    ("fix"), a key of the context, a constraint, or a decision ("time", "record"). `evidence` are
    the ids it rests on; of decisions in other runs, "run/decision". `success_rate` and `count` say
    how often that was so, where it was counted.
    """

    type: SuggestionType
    target: str
    reason: str
    decision_id: str | None = None
    evidence: list[str] = []
    count: int | None = None
    success_rate: float | None = None


def suggestions(
    run: Run, course: Course, causes: Sequence[Cause], others: Sequence[Elsewhere]
) -> list[Suggestion]:
    """What to try, for the causes that matter; each thing once, the best founded first."""
    found: dict[tuple[object, ...], Suggestion] = {}
    for each in _all(run, course, causes, others):
        found.setdefault((each.type, each.target, _offered(each, course)), each)
    order = list(SuggestionType)
    critical = {problem.id for problem in run.problems if problem.severity == "critical"}
    return sorted(
        found.values(), key=lambda each: (order.index(each.type), each.target not in critical)
    )


def _offered(suggestion: Suggestion, course: Course) -> object:
    """What makes two suggestions of one target two: not that the same options lay on the table
    once more.
    """
    decision = course.by_id.get(suggestion.decision_id or "")
    if decision is None or suggestion.type is not SuggestionType.OPTION:
        return place_of(decision) if decision else None
    return frozenset(option.id for option in decision.options)


def decisions_to_look_at(course: Course, causes: Sequence[Cause]) -> list[Decision]:
    """Where another choice might have mattered: where failures come from, and what they lie in."""
    ids: dict[str, None] = {}
    for cause in causes:
        if cause.kind in (CauseKind.FAILURE, CauseKind.REPETITION, CauseKind.PROBLEM):
            for decision_id in cause.decision_ids[:2]:
                ids[decision_id] = None
                above = islice(course.parents(course.by_id[decision_id]), _UNTRIED)
                ids |= {each.id: None for each in above}
    return [course.by_id[decision_id] for decision_id in ids]


def _all(
    run: Run, course: Course, causes: Sequence[Cause], others: Sequence[Elsewhere]
) -> Iterator[Suggestion]:
    targets = decisions_to_look_at(course, causes)
    named = {problem_id for cause in causes for problem_id in cause.problem_ids}
    for problem in run.problems:
        if problem.suggested_fix and problem.id in named:
            reason = f"{plain(problem.suggested_fix, 300)} (of: {plain(problem.description, 60)})"
            yield Suggestion(
                SuggestionType.FIX, problem.id, reason, problem.decision_id, [problem.id]
            )
    for decision in targets:
        yield from _judged(decision)
        yield from _chosen_elsewhere(decision, others)
        yield from _untried(course, decision)
        yield from _context(course, decision)
        for constraint in decision.active_constraints:
            reason = f"in force at {decision.id}"
            yield Suggestion(
                SuggestionType.CONSTRAINT, constraint, reason, decision.id, [decision.id]
            )
    if any(cause.kind is CauseKind.LIMIT for cause in causes):
        yield from _slow(run, course)
    yield from _unrecorded(run)


def _judged(decision: Decision) -> Iterator[Suggestion]:
    judged = decision.evaluation
    if judged is not None and (judged.better_option_existed or judged.better_option_id):
        why = f": {plain(judged.why_better)}" if judged.why_better else ""
        target = judged.better_option_id or "another option"
        reason = f"an evaluation of {decision.id} holds that it would have been better{why}"
        yield Suggestion(SuggestionType.JUDGEMENT, target, reason, decision.id, [decision.id])


def _chosen_elsewhere(decision: Decision, others: Sequence[Elsewhere]) -> Iterator[Suggestion]:
    here = [each for each in others if each.decision_id == decision.id]
    same = next((each for each in here if each.option_id == decision.chosen_option_id), None)
    better = [each for each in here if each is not same and _did_well(each, same)]
    better.sort(key=lambda each: -_worth(each))
    for each in better[:_UNTRIED]:
        reason = f"in other runs it {_fared(each)}"
        if same is not None:
            reason += f"; {plain(same.option_id, 40)}, as chosen here, {_fared(same)}"
        if not each.same_intent:
            reason += " (at places that differ from this one in numbers, paths and the like)"
        yield Suggestion(
            SuggestionType.ELSEWHERE,
            each.option_id,
            reason,
            decision.id,
            each.examples,
            each.chosen,
            each.success_rate,
        )


def _did_well(fared: Elsewhere, same: Elsewhere | None) -> bool:
    went_well = fared.succeeded or (not fared.failed and fared.runs_completed)
    return bool(went_well) and _worth(fared) > _worth(same)


def _worth(fared: Elsewhere | None) -> float:
    """By what to order choices: their success rate, drawn towards a half the less is known of it
    (Laplace). Where nobody recorded what came of them, it is how the runs ended.
    """
    if fared is None:
        return 0.5
    known = fared.succeeded + fared.failed
    if known:
        return (fared.succeeded + 1) / (known + 2)
    return (fared.runs_completed + 1) / (fared.runs + 2)


def _fared(fared: Elsewhere) -> str:
    if known := fared.succeeded + fared.failed:
        return f"succeeded {fared.succeeded:,} of {counted(known, 'time')}"
    runs = counted(fared.runs, "run")
    return f"was chosen in {runs}, of which {fared.runs_completed:,} completed"


def _untried(course: Course, decision: Decision) -> Iterator[Suggestion]:
    if decision.chosen_option_id is None or len(decision.options) < 2:
        return
    ids = {option.id for option in decision.options}
    place = place_of(decision)
    tried = {
        each.chosen_option_id
        for each in course.siblings(decision)
        if place_of(each) == place
        or (each.node_id == decision.node_id and ids & {option.id for option in each.options})
    }
    left = [option for option in decision.options if option.id not in tried]
    left.sort(key=lambda option: -option.confidence)
    lay_there = f"on the table at {decision.id}, not tried"
    for option in left[:_UNTRIED]:
        yield Suggestion(
            SuggestionType.OPTION,
            option.id,
            ": ".join(filter(None, (lay_there, _spoken_for(option, decision)))),
            decision.id,
            [decision.id],
        )


def _spoken_for(option: Option, decision: Decision) -> str:
    parts = [plain(option.description, 80)]
    if len({each.confidence for each in decision.options}) > 1:  # else nobody said anything
        confidence = f"confidence {option.confidence:.2f}"
        if (chosen := decision.chosen_option) is not None:
            confidence += f", that of the one chosen {chosen.confidence:.2f}"
        parts.append(confidence)
    if option.pros:
        parts.append(f"for it: {listed(option.pros, most=3)}")
    if option.cons:
        parts.append(f"against it: {listed(option.cons, most=3)}")
    return "; ".join(part for part in parts if part)


def _context(course: Course, decision: Decision) -> Iterator[Suggestion]:
    """What the decision was not given, though those like it that succeeded were."""
    mine = _given(decision)
    like = [
        each
        for each in course.decisions
        if each.was_successful and each.node_id == decision.node_id and each.id != decision.id
        and each.decision_type == decision.decision_type and each.input_context
    ]  # fmt: skip
    if not like:
        return
    keys = _given(like[0]).intersection(*map(_given, like)) - mine
    for key in sorted(keys):
        empty = "was empty" if key in decision.input_context else "was not in its context"
        ids = [each.id for each in like]
        reason = (
            f"{plain(key, 60)} {empty} at {decision.id}; every success at"
            f" {plain(decision.node_id, 40)} had it ({listed(ids, most=3)})"
        )
        yield Suggestion(
            SuggestionType.CONTEXT, key, reason, decision.id, [decision.id, *ids[:3]], len(like)
        )


def _given(decision: Decision) -> set[str]:
    return {key for key, value in decision.input_context.items() if value not in (None, "", [], {})}


def _slow(run: Run, course: Course) -> Iterator[Suggestion]:
    """Where the time went, when it ran out: decisions in none other, by how long they took."""
    whole = run.duration_ms or 0.0
    if not 0 < whole < inf:
        return
    took = [(d.outcome.latency_ms, d) for d in course.roots if d.outcome]
    took.sort(key=lambda each: -each[0])
    for latency, decision in took[:_UNTRIED]:
        if latency >= whole * _SLOW:
            reason = (
                f"{choice(decision)} took {seconds(latency)} of {seconds(whole)}"
                f" ({min(1.0, latency / whole):.0%})"
            )
            yield Suggestion(SuggestionType.TIME, decision.id, reason, decision.id, [decision.id])


def _unrecorded(run: Run) -> Iterator[Suggestion]:
    """What the record lacks, so that it can't say more."""
    pending = [d for d in run.decisions if d.is_pending]
    ended = run.status not in (RunStatus.RUNNING, RunStatus.INTERRUPTED)
    if ended and pending:
        lack = f"{len(pending):,} of {counted(len(run.decisions), 'decision')} have no outcome"
        reason = f"{lack}, so what came of them is not known: record it"
        ids = [each.id for each in pending]
        yield Suggestion(SuggestionType.RECORD, ids[-1], reason, None, ids[:10], len(pending))
