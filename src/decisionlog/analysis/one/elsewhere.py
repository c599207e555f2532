"""What happened in other runs of the goal, at the places that matter in this one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice

from msgspec import Struct

from decisionlog.analysis.one.comparison import Comparison, Difference, Side, compare
from decisionlog.analysis.one.course import Place, has_failed, kind_of_place, pattern, place_of
from decisionlog.errors import RunNotFoundError
from decisionlog.model import Decision, Run, RunStatus
from decisionlog.store import RunStore

_LOOKED_AT = 2000
"""How many runs are looked at in search of some with the same goal."""
_READ = 50
_DECISIONS = 200_000
"""How many runs are read whole, and how many decisions in all: a second or two."""
_COMPARED, _ALIGNED = 10, 2000
"""How many completed runs this one is compared with, and up to how many decisions they may have."""
_EXAMPLES, _NAMED = 3, 20


class Elsewhere(Struct, frozen=True):
    """How a choice fared at the same place in other runs of the goal.

    `chosen` counts decisions; `succeeded` and `failed` those with that outcome of their own, and
    `runs_completed` of `runs` how those runs ended. `same_intent` is False when the place is the
    same only but
    for numbers, paths and such. `examples` are ids, "run/decision".
    """

    decision_id: str
    option_id: str
    chosen: int
    succeeded: int
    failed: int
    runs: int
    runs_completed: int
    same_intent: bool
    examples: list[str]

    @property
    def success_rate(self) -> float | None:
        """Successes among those that succeeded or failed; None when there are none."""
        known = self.succeeded + self.failed
        return self.succeeded / known if known else None


class Contrast(Struct, frozen=True):
    """The run of the same goal that completed and is most like this one.

    `divergence` is where the two first chose differently: `a` is this run, `b` the other.
    `only_here` and `only_there` name the decisions that the other one has no counterpart for.
    """

    run_id: str
    in_common: int
    divergence: Difference | None
    only_here: list[Side]
    only_there: list[Side]


def others(run: Run, store: RunStore) -> list[Run]:
    """Other runs of the same goal, the newest first, up to a limit."""
    found: list[Run] = []
    decisions = 0
    for summary in islice(store.runs_blocking(), _LOOKED_AT):
        if summary.goal_id == run.goal_id and summary.run_id != run.id:
            decisions += summary.decision_count
            if decisions > _DECISIONS:
                break
            with suppress(RunNotFoundError):  # deleted meanwhile
                found.append(store.load_blocking(summary.run_id))
        if len(found) == _READ:
            break
    return found


def elsewhere(targets: Sequence[Decision], runs: Iterable[Run]) -> list[Elsewhere]:
    """What the runs chose at the places of some decisions, among the options on offer here, and
    what came of it. A place is sought by its intent, and if no run has that, without what differs
    from case to case.
    """
    found: defaultdict[Place, list[tuple[Run, Decision]]] = defaultdict(list)
    sought = {place for t in targets for place in (place_of(t), kind_of_place(t))}
    for run in runs:
        for decision in run.decisions:
            for place in {place_of(decision), kind_of_place(decision)} & sought:
                found[place].append((run, decision))
    told: list[Elsewhere] = []
    for target in targets:
        here = found[place_of(target)]
        cases = _by_choice(target, here or found[kind_of_place(target)])
        told += [_fared(target, name, each, bool(here)) for name, each in cases.items()]
    return told


def _by_choice(
    target: Decision, cases: Iterable[tuple[Run, Decision]]
) -> dict[str, list[tuple[Run, Decision]]]:
    """By what was chosen, where that was on offer here too and meant the same: "candidate-3" may
    be anything.
    """
    meaning = {option.id: pattern(option.description) for option in target.options}
    chosen: dict[str, list[tuple[Run, Decision]]] = {}
    for run, decision in cases:
        option = decision.chosen_option
        if option is not None and pattern(option.description) == meaning.get(option.id):
            chosen.setdefault(option.id, []).append((run, decision))
    return chosen


def _fared(
    target: Decision, option_id: str, cases: list[tuple[Run, Decision]], same_intent: bool
) -> Elsewhere:
    runs = {run.id: run for run, _ in cases}
    # Those that went well are worth looking at.
    best_first = sorted(cases, key=lambda case: not case[1].was_successful)
    return Elsewhere(
        decision_id=target.id,
        option_id=option_id,
        chosen=len(cases),
        succeeded=sum(decision.was_successful for _, decision in cases),
        failed=sum(has_failed(decision) for _, decision in cases),
        runs=len(runs),
        runs_completed=sum(run.status == RunStatus.COMPLETED for run in runs.values()),
        same_intent=same_intent,
        examples=[f"{run.id}/{decision.id}" for run, decision in best_first[:_EXAMPLES]],
    )


def contrast(run: Run, runs: Iterable[Run]) -> Contrast | None:
    """What a completed run did otherwise; None when there is none that has anything in common."""
    completed = [
        each
        for each in runs
        if each.status == RunStatus.COMPLETED and 0 < len(each.decisions) <= _ALIGNED
    ]
    if not 0 < len(run.decisions) <= _ALIGNED:
        return None
    compared = [compare(run, each) for each in completed[:_COMPARED]]
    best = max(compared, key=_likeness, default=None)
    if best is None or not best.aligned:
        return None
    return Contrast(
        best.b, len(best.aligned), best.divergence, best.only_in_a[:_NAMED], best.only_in_b[:_NAMED]
    )


def _likeness(found: Comparison) -> float:
    shared = len(found.aligned)
    return shared / (2 * shared + len(found.only_in_a) + len(found.only_in_b) or 1)
