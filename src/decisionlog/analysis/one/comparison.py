"""Two runs side by side: where they part, and what is different from then on."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import Struct

from decisionlog.analysis.one.alignment import align
from decisionlog.analysis.one.course import Course, outcome_of, pattern, wording
from decisionlog.analysis.one.wording import listed, plain, seconds
from decisionlog.model import Decision, Option, Run, RunStatus
from decisionlog.wording import counted

_ALIKE = 0.6
"""From which share of common words on two intents may be the same one, worded differently."""
_SENTENCE = 7
"""How many words an intent of a model has on average, at least; a program's is a label."""
_TOLD = 12
"""How many differences `str` tells."""


class Side(Struct, frozen=True):
    """What one of the two runs did at a place. `outcome` is "success", "failure", "cancelled" or
    "pending".
    """

    decision_id: str
    intent: str
    chosen_option_id: str | None
    options: list[Option]
    reasoning: str
    outcome: str
    error: str | None = None


class Difference(Struct, frozen=True):
    """A place where both runs came by, and did not do or get the same.

    `kinds` says what is different: "choice", "outcome", "error" (both failed, but not alike) and
    "options" (what was on offer). `aligned_by` is what the two have in common: "intent"; its
    "pattern", when only numbers, paths and such differ; most of its "words"; or only the "options"
    on offer, at a node where a model words its intents anew in every run.
    """

    node_id: str
    decision_type: str
    kinds: list[str]
    aligned_by: str
    a: Side
    b: Side
    options_only_in_a: list[str] = []
    options_only_in_b: list[str] = []

    def __str__(self) -> str:
        return "\n".join(_difference(self))


class MetricDifference(Struct, frozen=True):
    """A figure of both runs; None where a run has none. `difference` is that of b from a."""

    name: str
    a: float | None
    b: float | None
    difference: float | None


class SettingDifference(Struct, frozen=True):
    """Something that was not the same before the first decision: the goal, the input, a tag."""

    name: str
    a: Any
    b: Any


class Comparison(Struct, frozen=True):
    """Two runs, aligned decision by decision.

    `divergence` is the first place at which they chose differently; None when there is none.
    `differences` has every place at which anything is different, in the order in which the runs
    came by, the divergence among them. `aligned` holds the pairs of decision ids that belong
    together; `only_in_a` and `only_in_b` the decisions without a counterpart.
    """

    a: str
    b: str
    status_a: RunStatus
    status_b: RunStatus
    divergence: Difference | None
    differences: list[Difference]
    only_in_a: list[Side]
    only_in_b: list[Side]
    metrics: list[MetricDifference]
    settings: list[SettingDifference]
    aligned: list[tuple[str, str]]

    def __str__(self) -> str:
        return "\n".join(_comparison(self))


def compare(a: Run, b: Run) -> Comparison:
    """Align two runs on node, intent and type of their decisions, and tell what differs.

    A decision put in or left out does not shift the rest, nor does the order in which things that
    ran at the same time happened to come. Intents that differ in numbers, paths, ids or quoted
    text, or in some of their words, still go together where nothing goes better. The cost is
    bounded: runs of 50,000 decisions take a few seconds at most.
    """
    course_a, course_b = Course(a.decisions), Course(b.decisions)
    left, right = course_a.outline(), course_b.outline()
    steps_a = [_step(each, course_a) for each in left]
    steps_b = [_step(each, course_b) for each in right]
    if anew := _worded_anew(steps_a, steps_b):
        steps_a = [_with_menu(*each, anew) for each in zip(steps_a, left, strict=True)]
        steps_b = [_with_menu(*each, anew) for each in zip(steps_b, right, strict=True)]
    pairs = align(steps_a, steps_b, _score, _LEVELS)

    def when(pair: tuple[int, int]) -> tuple[int, int]:
        at = course_a.position[left[pair[0]].id], course_b.position[right[pair[1]].id]
        return sum(at), min(at)

    pairs.sort(key=when)
    found = [
        difference
        for i, j in pairs
        if (difference := _compared(left[i], right[j], _aligned_by(steps_a[i], steps_b[j])))
    ]
    with_partner_a = {left[i].id for i, _ in pairs}
    with_partner_b = {right[j].id for _, j in pairs}
    return Comparison(
        a=a.id,
        b=b.id,
        status_a=a.status,
        status_b=b.status,
        divergence=next((each for each in found if "choice" in each.kinds), None),
        differences=found,
        only_in_a=[_side(d) for d in course_a.decisions if d.id not in with_partner_a],
        only_in_b=[_side(d) for d in course_b.decisions if d.id not in with_partner_b],
        metrics=list(_metrics(a, b)),
        settings=list(_settings(a, b)),
        aligned=[(left[i].id, right[j].id) for i, j in pairs],
    )


# ---------------------------------------------------------------------- what goes together


class _Step(NamedTuple):
    """A decision as the alignment sees it."""

    node_id: str
    decision_type: str
    intent: str
    pattern: str
    menu: str
    """What was on offer, where only that can tell places apart; else nothing."""
    chosen: str
    within: str


def _step(decision: Decision, course: Course) -> _Step:
    above = course.parent(decision)
    node, kind = decision.node_id, str(decision.decision_type)
    return _Step(
        node,
        kind,
        wording(decision.intent),
        pattern(decision.intent),
        "",
        decision.chosen_option_id or "",
        wording(above.intent) if above else "",
    )


_LEVELS: tuple[Callable[[_Step], Hashable], ...] = (
    lambda step: step,
    lambda step: step[:3],
    lambda step: (step[0], step[1], step[3]),
)


def _score(one: _Step, other: _Step) -> float:
    """How well two decisions go together; less than a coarser fit never outweighs a closer one."""
    if one[:2] != other[:2]:
        return 0.0
    same = (one.chosen == other.chosen) + (one.within == other.within)
    if one.intent == other.intent:
        return 4.0 + same / 4
    if one.pattern == other.pattern:
        return 3.0 + same / 4
    if (alike := _likeness(one.pattern, other.pattern)) >= _ALIKE:
        return alike + same / 10
    return 0.4 + same / 10 if one.menu and one.menu == other.menu else 0.0


def _aligned_by(one: _Step, other: _Step) -> str:
    if one.intent == other.intent:
        return "intent"
    if one.pattern == other.pattern:
        return "pattern"
    return "words" if _likeness(one.pattern, other.pattern) >= _ALIKE else "options"


def _likeness(one: str, other: str) -> float:
    """The share of words that two sentences have in common (Dice); in a label, each word counts."""
    left, right = _words(one), _words(other)
    if min(len(left), len(right)) < _SENTENCE:
        return 0.0
    return 2 * len(left & right) / (len(left) + len(right))


@lru_cache(maxsize=2**12)
def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _with_menu(step: _Step, decision: Decision, worded_anew: set[str]) -> _Step:
    ids = sorted({option.id for option in decision.options})
    if len(ids) < 2 or step.node_id not in worded_anew:
        return step
    return step._replace(menu="\n".join(ids))


def _worded_anew(left: Sequence[_Step], right: Sequence[_Step]) -> set[str]:
    """The nodes whose intents are sentences that a model makes up in every run: they can't tell
    places apart. It shows in several decisions of each run, of which few have a sentence of the
    other.
    """
    mine, theirs = _patterns(left), _patterns(right)
    return {
        node
        for node in mine.keys() & theirs.keys()
        if min(len(mine[node]), len(theirs[node])) > 1
        and 3 * len(mine[node] & theirs[node]) < len(mine[node] | theirs[node])
        and _mean_words(mine[node] | theirs[node]) >= _SENTENCE
    }


def _patterns(steps: Sequence[_Step]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in steps:
        found.setdefault(each.node_id, set()).add(each.pattern)
    return found


def _mean_words(texts: set[str]) -> float:
    return sum(len(text.split()) for text in texts) / len(texts)


# ---------------------------------------------------------------------- what is different


def _compared(a: Decision, b: Decision, aligned_by: str) -> Difference | None:
    one, other = _side(a), _side(b)
    ids_a, ids_b = [o.id for o in a.options], [o.id for o in b.options]
    kinds: list[str] = []
    if a.chosen_option_id != b.chosen_option_id:
        kinds.append("choice")
    if one.outcome != other.outcome:
        kinds.append("outcome")
    elif one.error != other.error and pattern(one.error) != pattern(other.error):
        kinds.append("error")
    if set(ids_a) != set(ids_b):
        kinds.append("options")
    if not kinds:
        return None
    return Difference(
        node_id=a.node_id,
        decision_type=str(a.decision_type),
        kinds=kinds,
        aligned_by=aligned_by,
        a=one,
        b=other,
        options_only_in_a=[each for each in ids_a if each not in ids_b],
        options_only_in_b=[each for each in ids_b if each not in ids_a],
    )


def _side(decision: Decision) -> Side:
    outcome = decision.outcome
    return Side(
        decision_id=decision.id,
        intent=decision.intent,
        chosen_option_id=decision.chosen_option_id,
        options=decision.options,
        reasoning=decision.reasoning,
        outcome=outcome_of(decision),
        error=None if outcome is None else outcome.error or outcome.error_type,
    )


def _metrics(a: Run, b: Run) -> Iterator[MetricDifference]:
    one, other = a.metrics, b.metrics
    yield _metric("duration_ms", a.duration_ms, b.duration_ms)
    for name in (
        "total_decisions", "successful_decisions", "failed_decisions", "cancelled_decisions",
        "pending_decisions", "success_rate", "total_tokens", "total_latency_ms",
    ):  # fmt: skip
        yield _metric(name, getattr(one, name), getattr(other, name))
    yield _metric("cost_usd", _cost(a), _cost(b))
    yield _metric("problems", len(a.problems), len(b.problems))


def _metric(name: str, a: float | None, b: float | None) -> MetricDifference:
    difference = None if a is None or b is None else round(b - a, 9)
    return MetricDifference(name, a, b, difference)


def _cost(run: Run) -> float | None:
    outcomes = [each.outcome for each in run.decisions if each.outcome]
    costs = [each.cost_usd for each in outcomes if each.cost_usd is not None]
    return sum(costs) if costs else None


def _settings(a: Run, b: Run) -> Iterator[SettingDifference]:
    if a.goal_id != b.goal_id:
        yield SettingDifference("goal_id", a.goal_id, b.goal_id)
    if a.input_data != b.input_data:
        yield SettingDifference("input_data", a.input_data, b.input_data)
    for name in sorted(a.tags.keys() | b.tags.keys()):
        if a.tags.get(name) != b.tags.get(name):
            yield SettingDifference(f"tags.{name}", a.tags.get(name), b.tags.get(name))


# ---------------------------------------------------------------------- in words


def _comparison(found: Comparison) -> Iterator[str]:
    yield f"a: {found.a} {found.status_a}"
    yield f"b: {found.b} {found.status_b}"
    for setting in found.settings:
        yield f"{setting.name}: {plain(str(setting.a))} | {plain(str(setting.b))}"
    in_a, in_b = len(found.only_in_a), len(found.only_in_b)
    pairs = counted(len(found.aligned), "decision")
    yield f"{pairs} in common, {in_a:,} only in a, {in_b:,} only in b"
    rest = [each for each in found.differences if each is not found.divergence]
    if found.divergence is None:
        yield "They never chose differently at a place where both came by."
    else:
        yield "First divergence:"
        yield from ("  " + line for line in _difference(found.divergence))
    if rest:
        yield f"{counted(len(rest), 'other difference')}:"
        for each in rest[:_TOLD]:
            yield from ("  " + line for line in _difference(each, short=True))
        if len(rest) > _TOLD:
            yield f"  and {len(rest) - _TOLD:,} more"
    for name, sides in (("a", found.only_in_a), ("b", found.only_in_b)):
        if sides:
            yield f"Only in {name}: {listed([words_of(side) for side in sides], most=6)}"
    changed = [each for each in found.metrics if each.a != each.b]
    if changed:
        yield "Figures, a and b:"
        for metric in changed:
            figures = _figure(metric.name, metric.a), _figure(metric.name, metric.b)
            yield f"  {metric.name}: {' | '.join(figures)}"


def _difference(found: Difference, *, short: bool = False) -> Iterator[str]:
    yield f"{plain(found.a.intent) or '(no intent)'} ({found.node_id}): {', '.join(found.kinds)}"
    for name, side in (("a", found.a), ("b", found.b)):
        chosen = plain(side.chosen_option_id or "nothing", 60)
        error = f": {plain(side.error)}" if side.error else ""
        yield f"  {name} {side.decision_id} → {chosen}, {side.outcome}{error}"
        if not short and side.options:
            told = len({option.confidence for option in side.options}) > 1
            offered = [f"{o.id} {o.confidence:.2f}" if told else o.id for o in side.options]
            yield f"    of {listed(offered, most=8)}"
        if not short and side.reasoning:
            yield f"    because {plain(side.reasoning)}"


def words_of(side: Side) -> str:
    """What a run did, in a few words."""
    chosen = f" → {side.chosen_option_id}" if side.chosen_option_id else ""
    return f"{side.decision_id} {plain(side.intent, 40)}{chosen}"


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    if name.endswith("_ms"):
        return seconds(value)
    return f"{value:.0%}" if name == "success_rate" else f"{value:,.6g}"
