"""What is recorded: one decision with its outcome. Everybody gets the same values, made before."""

from __future__ import annotations

import random
from typing import Any

from msgspec import Struct

GOAL = "Work through the queue"
POOL = 4096
"""So many different items; more would only measure the cache."""

_SUBJECTS = (
    "account basket claim contract customer delivery invoice lead order parcel refund ticket"
)
_VERBS = "approve check close compare draft escalate estimate fetch forward merge route verify"
_DETAILS = (
    "amount budget carrier deadline discount history owner policy priority region stock terms"
)
_LINKS = "after against and before because by for from once then to unless with without"
_TYPES = "tool_selection parameter_choice path_choice output_format retry_strategy delegation"
_ACTIONS = "tool_call generate delegate execute"
_NODES = "lead-qualifier order-router refund-writer report-planner ticket-router"


class Item(Struct, frozen=True):
    """A decision with its outcome, as an agent has the values at hand."""

    intent: str
    node_id: str
    decision_type: str
    options: list[dict[str, Any]]
    chosen: str | None
    reasoning: str
    context: dict[str, Any]
    result: dict[str, Any] | None
    summary: str
    tokens: int


def _text(rng: random.Random, length: int) -> str:
    words: list[str] = []
    while len(" ".join(words)) < length:
        words += [rng.choice(kind.split()) for kind in (_VERBS, _SUBJECTS, _LINKS, _DETAILS)]
    return " ".join(words)[:length].strip().capitalize()


def _option(rng: random.Random, name: str) -> dict[str, Any]:
    return {
        "id": name,
        "description": _text(rng, 36),
        "action_type": rng.choice(_ACTIONS.split()),
        "pros": [_text(rng, 28)],
        "cons": [_text(rng, 28)],
        "confidence": round(rng.random(), 2),
    }


def _item(rng: random.Random) -> Item:
    names = rng.sample(_VERBS.split(), 2)
    return Item(
        intent=_text(rng, 40),
        node_id=rng.choice(_NODES.split()),
        decision_type=rng.choice(_TYPES.split()),
        options=[_option(rng, name) for name in names],
        chosen=rng.choice(names),
        reasoning=_text(rng, 60),
        context={
            "ticket": rng.randrange(10**6),
            "customer": _text(rng, 14),
            "urgency": rng.choice(("low", "mid", "high")),
        },
        result={"value": rng.randrange(10**5), "state": _text(rng, 12)},
        summary=_text(rng, 40),
        tokens=rng.randrange(50, 4000),
    )


def pool(size: int = POOL, seed: int = 7) -> list[Item]:
    """Different items, the same ones every time."""
    rng = random.Random(seed)
    return [_item(rng) for _ in range(size)]


def repeated(items: list[Item], count: int) -> list[Item]:
    """So many items: the given ones, over and over."""
    return (items * (count // len(items) + 1))[:count]
