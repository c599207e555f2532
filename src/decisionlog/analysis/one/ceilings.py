"""Limits that nobody names: where runs of a goal stop, and none goes further.

Errors and problems say that the time or the steps ran out in whatever language and words they like.
What they have in common is that many runs end at the same point, that hardly any ends just before
it, and none goes beyond.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from decisionlog.analysis.one.course import wording
from decisionlog.analysis.one.limits import Limit
from decisionlog.analysis.one.wording import seconds
from decisionlog.model import Decision, Run, RunStatus
from decisionlog.wording import counted

_LEAST = 5
_SHARE = 0.2
"""How many runs, and which share of all, stop at a limit at the least."""
_BEYOND = 0.02
"""Which share may go further: whoever minds a limit does not mind it to the second."""
_WIDTH = 0.01
_STEPS = 10
"""A run of fewer decisions than this was not stopped for their number."""


def ceilings(run: Run, others: Sequence[Run]) -> Iterator[Limit]:
    """Those that a run which did not complete seems to have reached, by how other runs ended."""
    if run.status == RunStatus.COMPLETED or len(others) < 2 * _LEAST:
        return
    if run.duration_ms:
        took = [each.duration_ms for each in others if each.duration_ms]
        here, below, beyond = _around(run.duration_ms, took)
        if _is_ceiling(here, below, beyond, len(took)):
            yield _limit(
                "time", f"it took {seconds(run.duration_ms)}", here, "took as long", beyond
            )
    steps = len(run.decisions)
    made = [len(each.decisions) for each in others]
    here, beyond = made.count(steps), sum(n > steps for n in made)
    below = made.count(steps - 1)
    if steps >= _STEPS and _is_ceiling(here, below, beyond, len(made)):
        last = [_place(each.decisions[-1]) for each in others if len(each.decisions) == steps]
        # Those who always go through the same steps end at the same one, and were not stopped.
        if Counter(last).most_common(1)[0][1] <= here / 2:
            said = f"it made {counted(steps, 'decision')}"
            yield _limit("steps", said, here, "made as many", beyond)


def _around(value: float, all_: Sequence[float]) -> tuple[int, int, int]:
    """How many are about the same, a little less, and more."""
    low, high = value * (1 - _WIDTH), value * (1 + _WIDTH)
    lower = value * (1 - 3 * _WIDTH)
    return (
        sum(low <= each <= high for each in all_),
        sum(lower <= each < low for each in all_),
        sum(each > high for each in all_),
    )


def _is_ceiling(here: int, below: int, beyond: int, count: int) -> bool:
    return here >= max(_LEAST, _SHARE * count, 3 * below) and beyond <= _BEYOND * count


def _limit(what: str, said: str, here: int, alike: str, beyond: int) -> Limit:
    more = f"{counted(beyond, 'run')} more" if beyond else "none more"
    reason = f"{counted(here, 'other run')} of the goal {alike}, and {more}"
    return Limit(what, said, reason, [], False)


def _place(decision: Decision) -> tuple[str, str, str | None]:
    return decision.node_id, wording(decision.intent), decision.chosen_option_id
