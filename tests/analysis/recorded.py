"""Runs that the recorder wrote, for the analysis to read."""

from pathlib import Path
from typing import Any

import anyio

from decisionlog import Option, Runtime

ASK = [Option("ask", "Ask", confidence=0.9), Option("guess", "Guess", confidence=0.4)]


def record(path: Path, *runs: tuple[str, list[dict[str, Any]]], strict: bool = True) -> list[str]:
    """Record runs: a goal, and for each decision what `decision` takes and how it comes out.

    A decision's `error` makes it fail; `pending` leaves it without an outcome. A run fails if its
    last decision did.
    """

    async def main() -> list[str]:
        ids: list[str] = []
        async with Runtime(path, strict=strict) as runtime:
            for goal, decisions in runs:
                ids.append(await runtime.start_run(goal))
                good = True
                for given in decisions:
                    decision_id = await runtime.decide(
                        given.get("intent", "what next"),
                        given.get("options", ASK),
                        given.get("chosen", "ask"),
                        "because",
                        node_id=given.get("node", "planner"),
                    )
                    error = given.get("error")
                    good = error is None
                    if not given.get("pending"):
                        await runtime.record_outcome(
                            decision_id, good, error=error, latency_ms=2.0, tokens_used=7
                        )
                await runtime.end_run(good)
        return ids

    return anyio.run(main)


def run_file(path: Path, run_id: str) -> Path:
    return path / "runs" / f"{run_id}.jsonl"
