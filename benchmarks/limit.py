"""The limit: build the Structs of a decision and its outcome from what the caller has, and encode
them.

Nothing that records these fields as JSON from Python can be much cheaper. The Structs hold what the
work item has and no more, under the names of format v1, so that the lines are those which
decisionlog writes, checksum aside; ids and times are there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.work import Item

RUN_ID = "run_20260119_184216_f423f0a9c215d3e1"
WHEN = datetime(2026, 1, 19, 18, 42, 17, 123456, UTC)
encode = msgspec.json.Encoder().encode


class LeanOption(Struct, gc=False):
    id: str
    description: str
    action_type: str
    pros: list[str]
    cons: list[str]
    confidence: float


class LeanDecision(Struct, gc=False, tag="decision"):
    id: str
    timestamp: datetime
    node_id: str
    intent: str
    decision_type: str
    options: list[LeanOption]
    chosen_option_id: str | None
    reasoning: str
    input_context: dict[str, Any]
    run_id: str
    seq: int


class LeanOutcome(Struct, gc=False, tag="outcome"):
    success: bool
    result: Any
    summary: str
    tokens_used: int
    latency_ms: float
    timestamp: datetime
    decision_id: str
    run_id: str
    seq: int


def decision_line(item: Item) -> bytes:
    """The decision, built and encoded."""
    a, b = item.options
    return encode(
        LeanDecision(
            "dec_217",
            WHEN,
            item.node_id,
            item.intent,
            item.decision_type,
            [
                LeanOption(
                    a["id"], a["description"], a["action_type"], a["pros"], a["cons"],
                    a["confidence"],
                ),
                LeanOption(
                    b["id"], b["description"], b["action_type"], b["pros"], b["cons"],
                    b["confidence"],
                ),
            ],
            item.chosen,
            item.reasoning,
            item.context,
            RUN_ID,
            435,
        )
    )  # fmt: skip


def outcome_line(item: Item) -> bytes:
    """Its outcome, built and encoded."""
    return encode(
        LeanOutcome(
            True, item.result, item.summary, item.tokens, 1.234567, WHEN, "dec_217", RUN_ID, 436
        )
    )


async def record(items: Sequence[Item]) -> None:
    """Build and encode them all, and keep nothing."""
    for item in items:
        decision_line(item)
        outcome_line(item)
