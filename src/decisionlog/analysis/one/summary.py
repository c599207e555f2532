"""A run in a few lines: what mattered in it, and why that was picked."""

from __future__ import annotations

from collections.abc import Iterator

from decisionlog.analysis.one.causes import candidates
from decisionlog.analysis.one.course import Course, has_failed
from decisionlog.analysis.one.wording import choice, gist, plain, seconds
from decisionlog.model import Decision, Run, RunSummary

_KEPT = 10
_LARGE = 0.3
"""From which share of the run's time or tokens on a decision matters."""
_FEW = 3


def summarize(run: Run) -> RunSummary:
    """The few decisions that mattered, why they were picked, the problems, and what worked.

    It is the `RunSummary` that a listing gives, with the same counts. What it names is picked with
    the whole run at hand, though, which a listing has not: each key decision comes with its id and
    the reason why it is one, failures that were made up for are told from those that were not, and
    successes are the largest things that worked.
    """
    course = Course(run.decisions)
    return RunSummary(
        run_id=run.id,
        goal_id=run.goal_id,
        status=run.status,
        started_at=run.started_at,
        duration_ms=run.duration_ms,
        decision_count=run.metrics.total_decisions,
        success_rate=run.metrics.success_rate,
        total_tokens=run.metrics.total_tokens,
        problem_count=len(run.problems),
        narrative=run.narrative,
        goal_description=run.goal_description,
        tags=run.tags,
        key_decisions=list(_key_decisions(run, course)),
        critical_problems=_problems(run, "critical"),
        warnings=_problems(run, "warning"),
        successes=_successes(course),
    )


def _key_decisions(run: Run, course: Course) -> Iterator[str]:
    """In the order in which they were made, each once with all its reasons."""
    picked: dict[str, list[str]] = {}
    for decision, reason in _picks(run, course):
        if decision.id in picked or len(picked) < _KEPT:
            picked.setdefault(decision.id, []).append(reason)
    for decision_id in sorted(picked, key=course.position.__getitem__):
        reasons = "; ".join(dict.fromkeys(picked[decision_id]))
        yield f"{decision_id} {choice(course.by_id[decision_id])}: {reasons}"


def _picks(run: Run, course: Course) -> Iterator[tuple[Decision, str]]:
    """Decisions and why they matter, the most important first."""
    for found in candidates(run, course):
        cause = found.cause
        if cause.decision_ids:
            lead = course.by_id[cause.decision_ids[0]]
            yield lead, _standing(lead, cause.recovered, cause.kind, cause.reasons, cause.error)
    for decision in course.decisions:
        judged = decision.evaluation
        if judged is not None and not decision.was_good_decision:
            why = f": {plain(judged.explanation)}" if judged.explanation else ""
            yield decision, f"judged a bad one{why}"
        if decision.supersedes:
            yield decision, f"took the place of {plain(decision.supersedes, 40)}"
    yield from _large(run, course)
    menus = [d for d in course.decisions if len(d.options) > 1 and d.chosen_option_id]
    menus.sort(key=lambda d: (d.parent_id is not None, course.position[d.id]))
    for decision in menus[:_FEW]:
        yield decision, f"a choice of {len(decision.options)} options, among the first"


def _standing(
    decision: Decision, recovered: bool, kind: str, reasons: list[str], error: str | None
) -> str:
    if not has_failed(decision):
        return f"{kind}: {reasons[0]}" if reasons else kind
    said = f" ({gist(error)})" if error else ""
    return f"failed{said}, {'recovered' if recovered else 'not made up for'}"


def _large(run: Run, course: Course) -> Iterator[tuple[Decision, str]]:
    whole, tokens = run.duration_ms or 0.0, run.metrics.total_tokens
    for decision in course.decisions:
        outcome = decision.outcome
        if outcome is None or len(course.decisions) < _FEW:
            continue
        if decision.parent_id is None and _LARGE * whole <= outcome.latency_ms and whole:
            share = min(1.0, outcome.latency_ms / whole)
            yield decision, f"took {seconds(outcome.latency_ms)}, {share:.0%} of the time"
        if _LARGE * tokens <= outcome.tokens_used and tokens:
            yield decision, f"used {outcome.tokens_used / tokens:.0%} of the tokens"


def _problems(run: Run, severity: str) -> list[str]:
    """The latest, each once, with what was said to cause and to mend it."""
    told: dict[str, None] = {}
    for problem in run.problems:
        if problem.severity == severity:
            text = plain(problem.description, 300)
            text += f" (cause: {plain(problem.root_cause)})" if problem.root_cause else ""
            text += f" (fix: {plain(problem.suggested_fix)})" if problem.suggested_fix else ""
            told[text] = None
    return list(told)[-_KEPT:]


def _successes(course: Course) -> list[str]:
    """What worked: what lies in nothing that worked itself, the latest."""
    worked = [
        decision
        for decision in course.decisions
        if decision.was_successful
        and not any(above.was_successful for above in course.parents(decision))
    ]
    return [
        f"{d.id} {plain(d.outcome.summary, 300) if d.outcome and d.outcome.summary else choice(d)}"
        for d in worked[-_KEPT:]
    ]
