"""Going round in circles: the same decisions with the same result, none of them a failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from decisionlog.analysis.one.course import Course, has_failed, place_of
from decisionlog.model import Decision

_PERIODS = {1: 4, 2: 6}
"""How many decisions of a loop of one, or of two taking turns, are no accident."""
_COMPARED = 2000


class Loop(NamedTuple):
    """Decisions in a row that repeat themselves every `period`."""

    decisions: list[Decision]
    period: int


def loops(course: Course) -> Iterator[Loop]:
    """Those in a run, at each of its levels. Failures that repeat themselves are incidents."""
    levels = [course.roots, *(inside for d in course.decisions if (inside := course.children(d)))]
    for level in levels:
        keys = [_key(decision) for decision in level]
        for period, least in _PERIODS.items():
            for start, end in _repeats(keys, period):
                if end - start >= least and (period == 1 or len(set(keys[start:end])) > 1):
                    yield Loop(level[start:end], period)


def _repeats(keys: Sequence[object], period: int) -> Iterator[tuple[int, int]]:
    same = 0
    for i in range(period, len(keys) + 1):
        if i < len(keys) and keys[i] is not None and keys[i] == keys[i - period]:
            same += 1
            continue
        if same:
            yield i - same - period, i
        same = 0


def _key(decision: Decision) -> object:
    """What is the same in every round; None for what is no part of a loop."""
    outcome = decision.outcome
    if outcome is None:
        # Many of a kind that are merely under way share their intent, but not what they are about.
        if not decision.input_context:
            return None
        came_of_it = repr(decision.input_context)[:_COMPARED]
    elif has_failed(decision) or outcome.cancelled:
        return None
    else:
        came_of_it = f"{outcome.summary} {outcome.result!r}"[:_COMPARED]
    return place_of(decision), decision.chosen_option_id, came_of_it
