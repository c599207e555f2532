"""Failures brought together: those that are one story are told once.

An incident is a decision that failed, with the failures inside it that it came from. Incidents of
the same place, or with the same error, make a trail: tried again, and failed again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from decisionlog.analysis.one.course import Course, Place, has_failed, pattern, place_of
from decisionlog.model import Decision

REPEATED = 3
"""From how often on the same choice with the same failure is no accident."""


class Incident(NamedTuple):
    """A decision that failed, and lies in none that failed."""

    top: Decision
    origin: Decision
    """Where it came from: the innermost decision that failed with the same error last."""
    failed: list[Decision]
    """All that failed in it, itself included, in the order in which they began."""
    recovered_by: str | None
    how: str
    """What made up for it, in words; "" when nothing did."""


class Trail(NamedTuple):
    """Incidents that belong together, in the order in which they began."""

    incidents: list[Incident]
    repeated: int
    """How often one and the same choice failed in the same way."""

    @property
    def main(self) -> Incident:
        """The one to look at: the last of several tries; where it began, if it spread."""
        first, last = self.incidents[0], self.incidents[-1]
        return last if place_of(first.top) == place_of(last.top) else first

    @property
    def is_recovered(self) -> bool:
        return self.incidents[0].recovered_by is not None

    @property
    def failed(self) -> Iterator[Decision]:
        return (decision for incident in self.incidents for decision in incident.failed)


def trails(course: Course) -> list[Trail]:
    """All failures of a run."""
    incidents = list(_incidents(course))
    lasting = [each for each in incidents if each.recovered_by is None]
    recovered = [each for each in incidents if each.recovered_by is not None]
    return [*_together(lasting), *_together(recovered)]


def error_pattern(decision: Decision) -> str:
    """What a failure says, without what differs from case to case; "" when it says nothing."""
    outcome = decision.outcome
    if outcome is None or not (outcome.error or outcome.error_type):
        return ""
    kind = (outcome.error_type or "").rpartition(".")[2]
    return f"{kind}: {pattern(outcome.error)}"


def _incidents(course: Course) -> Iterator[Incident]:
    tops: dict[str, str] = {}
    failed_in: dict[str, list[Decision]] = {}
    for decision in filter(has_failed, course.decisions):
        top_id = decision.id
        for above in course.parents(decision):
            if not has_failed(above):
                break
            top_id = tops.get(above.id, above.id)
            if above.id in tops:
                break
        tops[decision.id] = top_id
        failed_in.setdefault(top_id, []).append(decision)
    makes_up = _Recovery(course)
    for top_id, failed in failed_in.items():
        top = course.by_id[top_id]
        yield Incident(top, _origin(course, top), failed, *makes_up(top))


def _origin(course: Course, top: Decision) -> Decision:
    here, seen = top, {top.id}
    while True:
        inside = [d for d in course.children(here) if has_failed(d) and d.id not in seen]
        cause = next((d for d in reversed(inside) if _passed_on(d, here)), None)
        if cause is None:
            return here
        here = cause
        seen.add(here.id)


def _passed_on(inner: Decision, outer: Decision) -> bool:
    """Whether the error of one is what the other says too, perhaps with something around it."""
    a, b = inner.outcome, outer.outcome
    if a is None or b is None or not a.error or not b.error:
        return False
    return a.error in b.error or (b.error in a.error and len(b.error) > 12)


class _Recovery:
    """What made up for a failure: `(decision id, in words)`, or `(None, "")`."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._successes: dict[Place, Decision] = {}
        """The last one at each place."""
        self._instead: dict[str, Decision] = {}
        for decision in course.decisions:
            if decision.was_successful:
                self._successes[place_of(decision)] = decision
            if decision.supersedes is not None and decision.supersedes != decision.id:
                self._instead[decision.supersedes] = decision

    def __call__(self, failed: Decision) -> tuple[str | None, str]:
        seen = {failed.id}
        instead = self._instead.get(failed.id)
        while instead is not None and instead.id not in seen:
            if not has_failed(instead):
                return instead.id, f"{instead.id} took its place"
            seen.add(instead.id)
            instead = self._instead.get(instead.id)
        later = self._successes.get(place_of(failed)) if failed.intent.strip() else None
        if later is not None and self._course.ended_before(failed, later):
            return later.id, f"{later.id} succeeded later at the same place"
        for above in self._course.parents(failed):
            if above.was_successful:
                return above.id, f"{above.id}, in which it lies, succeeded all the same"
            if above.outcome is not None:
                break
        return None, ""


def _together(incidents: list[Incident]) -> Iterator[Trail]:
    """Join what happened at one place, what said the same, and what took another's place."""
    leader: dict[object, int] = {}
    group = list(range(len(incidents)))

    def find(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for i, incident in enumerate(incidents):
        for key in _keys(incident):
            group[find(i)] = find(leader.setdefault(key, i))
    members: defaultdict[int, list[Incident]] = defaultdict(list)
    for i, incident in enumerate(incidents):
        members[find(i)].append(incident)
    for joined in members.values():
        yield Trail(joined, _repeated(d for each in joined for d in each.failed))


def _keys(incident: Incident) -> Iterator[object]:
    if incident.top.intent.strip():  # without one, nothing tells what place it is
        yield place_of(incident.top)
    if error := error_pattern(incident.top):
        yield error
    yield "id", incident.top.id
    if incident.top.supersedes is not None:
        yield "id", incident.top.supersedes


def _repeated(failed: Iterable[Decision]) -> int:
    alike = Counter((place_of(d), d.chosen_option_id, error_pattern(d)) for d in failed)
    return max(alike.values(), default=0)
