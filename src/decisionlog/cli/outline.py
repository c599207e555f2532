"""Decisions as an outline: which lies inside which, and the lines that show it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from decisionlog import Decision

_STEP = 2


class Place(NamedTuple):
    """A decision in the outline: what stands before its first line, and before the others."""

    decision: Decision
    first: str
    rest: str
    is_flattened: bool
    """It lies deeper than there is room to show."""


def outline(
    decisions: Sequence[Decision], *, widest: int, roots: Sequence[Decision] | None = None
) -> Iterator[Place]:
    """The decisions in the order of the file, each followed by those made inside it.

    All of them, or those inside `roots`. `widest` is how many characters the lines may take.
    """
    inside = _inside(decisions)
    seen: set[str] = set()
    for root in _roots(decisions) if roots is None else roots:
        # A stack and not recursion: how deep decisions nest is up to the agent.
        stack = [Place(root, "", "", False)]
        while stack:
            place = stack.pop()
            if place.decision.id in seen:
                continue
            seen.add(place.decision.id)
            children = inside.get(place.decision.id, [])
            yield place._replace(rest=place.rest + ("│ " if children else "  "))
            flat = len(place.rest) + _STEP > widest
            for child in reversed(children):
                last = child is children[-1]
                first, rest = ("└─", "  ") if last else ("├─", "│ ")
                before = place.rest[:-_STEP] if flat else place.rest
                stack.append(Place(child, before + first, before + rest, flat))


def _inside(decisions: Sequence[Decision]) -> dict[str, list[Decision]]:
    inside: dict[str, list[Decision]] = {}
    for decision in decisions:
        if decision.parent_id is not None:
            inside.setdefault(decision.parent_id, []).append(decision)
    return inside


def _roots(decisions: Sequence[Decision]) -> Iterator[Decision]:
    """Those that lie in no other one, as far as the file goes; then all, for those in a circle."""
    ids = {decision.id for decision in decisions}
    for decision in decisions:
        if decision.parent_id not in ids:
            yield decision
    yield from decisions


def with_parents(chosen: Collection[str], decisions: Sequence[Decision]) -> set[str]:
    """The ids of some decisions, and of all those in which they lie."""
    parents = {decision.id: decision.parent_id for decision in decisions}
    kept: set[str] = set()
    for decision_id in chosen:
        above: str | None = decision_id
        while above is not None and above not in kept and above in parents:
            kept.add(above)
            above = parents[above]
    return kept
