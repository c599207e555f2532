"""How a run came to a decision: by what it lies in, and by what was over before it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from msgspec import Struct

from decisionlog.analysis.one.course import Course, has_failed, outcome_of, place_of
from decisionlog.analysis.one.wording import choice, gist
from decisionlog.model import Decision

_LONGEST = 12
_JUST_BEFORE = 2
_LOOKED_AT = 1000


class Link(Struct, frozen=True):
    """A decision on the way to another one.

    `relation` is how it leads there: the other was made "inside" it; was an "attempt" at the same
    place; was "replaced"; had "failed" before; was made just "before". The last link is the
    decision itself, "here".
    """

    decision_id: str
    relation: str
    summary: str
    outcome: str
    error: str | None = None

    def __str__(self) -> str:
        error = f": {gist(self.error)}" if self.error else ""
        return f"{self.decision_id} {self.summary}, {self.outcome}{error}"


def chain(course: Course, decision: Decision) -> list[Link]:
    """The decisions that lead to one, the earliest first: those in which it lies; and of those
    that were over when it began, at its own level, the ones that have to do with it.

    What ran at the same time, or was made inside something else, is no part of it.
    """
    levels = [decision, *course.parents(decision)]
    # The first of a level has behind it what came before that level.
    told = ((each, list(_before(course, each))) for each in levels)
    turning, before = next((found for found in told if found[1]), (decision, list[Link]()))
    way: list[Link] = []
    for each in reversed(levels[: _LONGEST // 2]):
        if each is turning:
            way += before
        way.append(_link(each, "here" if each is decision else "inside"))
    return way


def _before(course: Course, decision: Decision) -> Iterator[Link]:
    place, found = place_of(decision), list[tuple[Decision, str]]()
    just_before = 0
    siblings = course.siblings(decision)
    at = bisect_left(siblings, course.position[decision.id], key=lambda d: course.position[d.id])
    for each in reversed(siblings[max(0, at - _LOOKED_AT) : at]):
        if not _came_before(course, each, decision):
            continue
        if each.id == decision.supersedes:
            found.append((each, "replaced"))
        elif place_of(each) == place:
            found.append((each, "attempt"))
        elif has_failed(each):
            found.append((each, "failed"))
        elif just_before < _JUST_BEFORE:
            found.append((each, "before"))
            just_before += 1
        if len(found) == _LONGEST // 2:
            break
    for each, relation in reversed(found):
        yield _link(each, relation)


def _came_before(course: Course, each: Decision, decision: Decision) -> bool:
    if each.is_pending:  # it may be that nobody said what came of it
        return course.position[each.id] < course.position[decision.id]
    return course.ended_before(each, decision)


def _link(decision: Decision, relation: str) -> Link:
    outcome = decision.outcome
    error = outcome.error or outcome.error_type if outcome and has_failed(decision) else None
    return Link(decision.id, relation, choice(decision), outcome_of(decision), error)
