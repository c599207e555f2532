"""Why a run failed: `explain`, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from decisionlog.analysis.one.advice import Suggestion, decisions_to_look_at, suggestions
from decisionlog.analysis.one.causes import Cause, candidates
from decisionlog.analysis.one.chains import Link, chain
from decisionlog.analysis.one.comparison import words_of
from decisionlog.analysis.one.course import Course
from decisionlog.analysis.one.elsewhere import (
    Contrast,
    Elsewhere,
    Ending,
    contrast,
    elsewhere,
    ending,
    others,
)
from decisionlog.analysis.one.wording import choice, is_generated, listed, plain
from decisionlog.model import Run, RunStatus
from decisionlog.store import RunStore
from decisionlog.wording import counted

_MAIN = 3
"""How many causes suggestions are made for."""
_KEPT = 50
"""How many causes there are at most."""
_TOLD = 6
_WELL = (RunStatus.COMPLETED, RunStatus.RUNNING)
_ENDED = {
    RunStatus.FAILED: "failed",
    RunStatus.STUCK: "got stuck",
    RunStatus.CANCELLED: "was cancelled",
    RunStatus.INTERRUPTED: "was interrupted",
}


class FailureExplanation(Struct, frozen=True):
    """Why a run failed, as far as its records tell.

    `causes` are candidates, the one with the strongest evidence first; none at all when nothing
    that was recorded speaks for any, and no more than 50 (`more_causes` are left out). `headline`
    says it in a sentence. `suggestions` are what the records themselves hold against the first
    three causes. With a store, `elsewhere` says how the choices at the same places fared in the
    runs named in `compared_with`, `ending` how other runs came out that ended with the choice which
    was this one's last, and `contrast` what the completed run most like it did otherwise.
    `pending` are the decisions without an outcome, which are no failures. `caveats` say what is
    missing from the record.
    """

    run_id: str
    goal_id: str
    status: RunStatus
    headline: str
    narrative: str
    causes: list[Cause]
    more_causes: int
    suggestions: list[Suggestion]
    elsewhere: list[Elsewhere]
    ending: Ending | None
    contrast: Contrast | None
    compared_with: list[str]
    pending: list[str]
    caveats: list[str]

    @property
    def chain(self) -> list[Link]:
        """The way to the first cause."""
        return self.causes[0].chain if self.causes else []

    def __str__(self) -> str:
        return "\n".join(_explanation(self))


def explain(run: Run, store: RunStore | None = None) -> FailureExplanation:
    """Why a run failed: candidate causes ranked, each with its evidence.

    A failure that nothing made up for comes before one that was recovered: by a later success at
    the same node and intent, by a decision that supersedes it, or because what it lies in succeeded
    all the same. How the run ended comes first of all: that it was interrupted, ran out of time, or
    was stuck in a repetition. A pending decision is never a failure.

    Args:
        run: Any run; of one that completed or is in progress, it tells what went wrong on the way.
        store: Where to look for other runs of the same goal, which chose otherwise at the same
            places. The newest 50 of them are read, among the newest 2,000 runs.

    It is a plain function, with a store too, so that it works the same in a script, a notebook and
    a test. With a store it reads files, and blocks meanwhile; on an event loop, call it as `await
    anyio.to_thread.run_sync(explain, run, store)`.

    >>> print(explain(Run("nightly", status=RunStatus.COMPLETED)).headline)
    The run completed; nothing went wrong on the way.
    """
    course = Course(run.decisions)
    read = others(run, store) if store is not None else []
    found = candidates(run, course, read)
    causes = [_with_chain(each.cause, course) for each in found[:_KEPT]]
    main = [each for each in causes if not each.recovered][:_MAIN] or causes[:_MAIN]
    fared = elsewhere(decisions_to_look_at(course, main), read)
    return FailureExplanation(
        run_id=run.id,
        goal_id=run.goal_id,
        status=run.status,
        headline=_headline(run, causes),
        narrative=run.narrative,
        causes=causes,
        more_causes=len(found) - len(causes),
        suggestions=suggestions(run, course, main, fared),
        elsewhere=fared,
        ending=ending(run, read) if run.status not in _WELL else None,
        contrast=contrast(run, read) if run.status not in _WELL else None,
        compared_with=[each.id for each in read],
        pending=[each.id for each in course.decisions if each.is_pending],
        caveats=list(_caveats(run)),
    )


def _with_chain(cause: Cause, course: Course) -> Cause:
    if not cause.decision_ids:
        return cause
    return replace(cause, chain=chain(course, course.by_id[cause.decision_ids[0]]))


def _headline(run: Run, causes: list[Cause]) -> str:
    first = str(causes[0]) if causes else ""
    match run.status:
        case RunStatus.COMPLETED if not causes:
            return "The run completed; nothing went wrong on the way."
        case RunStatus.COMPLETED:
            more = f", and {len(causes) - 1:,} more" if len(causes) > 1 else ""
            return f"The run completed. On the way: {first}{more}"
        case RunStatus.RUNNING:
            return f"The run is in progress. So far: {first or 'nothing went wrong'}"
        case _ if not causes:
            return " ".join([f"The run {_ENDED[run.status]}{_why(run)}.", *_last(run)])
        case _:
            return first


def _why(run: Run) -> str:
    if run.narrative and not is_generated(run.narrative):
        return f". As told at its end: {plain(run.narrative, 400).rstrip('.')}"
    failed = "no decision failed" if run.decisions else "no decision was recorded"
    return f", and nothing recorded says why: {failed} and no problem was reported"


def _last(run: Run) -> Iterator[str]:
    if run.decisions:
        last = run.decisions[-1]
        came_of_it = " (nobody recorded what came of it)" if last.is_pending else ""
        yield f"It ended with {last.id}, {choice(last)}{came_of_it}."


def _contrast(found: Contrast) -> Iterator[str]:
    common = counted(found.in_common, "decision")
    yield f"The completed run most like it, with {common} in common: {found.run_id}"
    if found.divergence is not None:
        yield "  They part at:"
        yield from ("  " + line for line in str(found.divergence).splitlines())
    for name, sides in (("here", found.only_here), ("there", found.only_there)):
        if sides:
            yield f"  Only {name}: {listed([words_of(side) for side in sides])}"


def _caveats(run: Run) -> Iterator[str]:
    if run.lost_records:
        yield f"{counted(run.lost_records, 'record')} lost, as the writer noted"
    if run.damage:
        yield f"{counted(len(run.damage), 'place')} of the file did not read"
    if run.unknown:
        yield f"{counted(len(run.unknown), 'record')} not understood"
    if not run.decisions and run.status != RunStatus.RUNNING:
        yield "no decision was recorded"


def _explanation(found: FailureExplanation) -> Iterator[str]:
    yield f"{plain(found.goal_id) or '(no goal)'} {found.status}: {found.run_id}"
    yield found.headline
    told_above = not found.causes and found.status in _ENDED
    if found.narrative and not is_generated(found.narrative) and not told_above:
        yield f"As told at its end: {plain(found.narrative, 400)}"
    if found.causes:
        yield "Candidate causes, the strongest evidence first:"
    for number, cause in enumerate(found.causes[:_TOLD], 1):
        yield f"  {number}. {cause.kind}: {cause}"
        for reason in cause.reasons:
            yield f"     - {reason}"
        ids = [*cause.decision_ids, *cause.problem_ids]
        if ids:
            yield f"     see {listed(ids, most=6)}"
    if (more := len(found.causes) + found.more_causes - _TOLD) > 0:
        yield f"  and {more:,} more"
    if len(found.chain) > 1:
        yield "How it came to the first of them:"
        yield from (f"  {link}" for link in found.chain)
    if found.suggestions:
        yield "What could be done:"
    for each in found.suggestions[: 2 * _TOLD]:
        yield f"  {each.type} {plain(each.target, 60)}: {each.reason}"
    if found.ending is not None and (found.ending.is_telling or not found.causes):
        yield str(found.ending)
    if found.contrast is not None:
        yield from _contrast(found.contrast)
    if found.compared_with:
        yield f"Compared with {counted(len(found.compared_with), 'other run')} of the goal"
    for caveat in found.caveats:
        yield f"Not all of it is here: {caveat}"
