"""The course of a run: which decision lies inside which, and what came before what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from decisionlog.analysis.fingerprints import fingerprint
from decisionlog.model import Decision, Outcome

_ATTEMPT = re.compile(
    r"\b(attempt|retry|try|round)(\W{0,3})\d+(?:(?: of |/)\d+)?\b"
    r"|\b\d+(st|nd|rd|th)? (attempt|retry|try|round)\b",
    re.IGNORECASE,
)
_fingerprint = lru_cache(maxsize=2**14)(fingerprint)


class Place(NamedTuple):
    """Where a decision is made, as far as its text can tell.

    `intent` is the wording itself, but for the number of an attempt: "Fetch a.txt, attempt 2" is
    made where "Fetch a.txt, attempt 1" was, and "Fetch b.txt" is not.
    """

    node_id: str
    intent: str
    decision_type: str


def place_of(decision: Decision) -> Place:
    """The place of a decision within its run."""
    return Place(decision.node_id, wording(decision.intent), str(decision.decision_type))


def kind_of_place(decision: Decision) -> Place:
    """The same, with what differs from case to case taken out of the intent."""
    return Place(decision.node_id, pattern(decision.intent), str(decision.decision_type))


def wording(intent: str) -> str:
    """An intent without the number of the attempt.

    >>> wording("Fetch a.txt  (attempt 2 of 3)") == wording("Fetch a.txt (Attempt 1 of 3)")
    True
    """
    return _ATTEMPT.sub("<attempt>", " ".join(intent.split())).casefold()


def pattern(text: str | None) -> str:
    """The fingerprint of a text; "" when there is none."""
    return _fingerprint(text) if text else ""


def has_failed(decision: Decision) -> bool:
    """It has an outcome, which is a failure: neither pending nor cancelled."""
    outcome = decision.outcome
    return outcome is not None and not outcome.success and not outcome.cancelled


def outcome_of(decision: Decision) -> str:
    """What came of a decision, in a word."""
    outcome = decision.outcome
    if outcome is None:
        return "pending"
    return "success" if outcome.success else "cancelled" if outcome.cancelled else "failure"


class Course:
    """A run's decisions by their ids, their places in time, and what they lie in.

    Whatever a file holds is taken: parents that are not there, and circles of them.
    """

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self.by_id: dict[str, Decision] = {}
        self.position: dict[str, int] = {}
        self._inside: dict[str, list[Decision]] = {}
        for position, decision in enumerate(decisions):
            if decision.id not in self.by_id:
                self.by_id[decision.id] = decision
                self.position[decision.id] = position
        self.decisions = list(self.by_id.values())
        for decision in self.decisions:
            if (parent := decision.parent_id) in self.by_id and parent != decision.id:
                self._inside.setdefault(parent, []).append(decision)
        self.roots = [each for each in self.decisions if self.parent(each) is None]

    def parent(self, decision: Decision) -> Decision | None:
        """The decision in which this one was made."""
        if decision.parent_id is None or decision.parent_id == decision.id:
            return None
        return self.by_id.get(decision.parent_id)

    def parents(self, decision: Decision) -> Iterator[Decision]:
        """Those in which it lies, the innermost first."""
        seen = {decision.id}
        above = self.parent(decision)
        while above is not None and above.id not in seen:
            seen.add(above.id)
            yield above
            above = self.parent(above)

    def children(self, decision: Decision) -> list[Decision]:
        """Those made directly inside it."""
        return self._inside.get(decision.id, [])

    def siblings(self, decision: Decision) -> list[Decision]:
        """Those made at the same level, itself included."""
        above = self.parent(decision)
        return self.roots if above is None else self.children(above)

    def inside(self, decision: Decision) -> Iterator[Decision]:
        """All that was made inside it, at any depth, each followed by what lies in that."""
        seen = {decision.id}
        stack = list(reversed(self.children(decision)))
        while stack:
            each = stack.pop()
            if each.id not in seen:
                seen.add(each.id)
                yield each
                stack += reversed(self.children(each))

    def outline(self) -> list[Decision]:
        """All decisions, each followed by those made inside it: so what ran at the same time does
        not interleave.
        """
        ordered: dict[str, Decision] = {}
        for root in (*self.roots, *self.decisions):  # the latter for those in a circle
            if root.id not in ordered:
                ordered[root.id] = root
                ordered |= {each.id: each for each in self.inside(root) if each.id not in ordered}
        return list(ordered.values())

    def ended_before(self, earlier: Decision, later: Decision) -> bool:
        """Whether one was over when the other began."""
        outcome = earlier.outcome
        if outcome is None or self.position[earlier.id] >= self.position[later.id]:
            return False
        return _is_before(outcome, later)


def _is_before(outcome: Outcome, decision: Decision) -> bool:
    # Numbers first: clocks step back, and many things happen within one tick.
    if outcome.seq and decision.seq:
        return outcome.seq < decision.seq
    try:
        return outcome.timestamp <= decision.timestamp
    except TypeError:  # one of them, by someone else's hand, has no time zone
        return True
