"""What `prune` removes, or would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from rich.text import Text

from decisionlog import RunStatus, RunStore
from decisionlog.cli.look import QUIET
from decisionlog.cli.output import Screen

_NAMED = 20


async def foresee(store: RunStore, older_than: timedelta | None, keep: int) -> list[str]:
    """The runs that pruning would remove as things stand, the oldest first."""
    before = datetime.now(UTC) - older_than if older_than is not None else None
    found: list[str] = []
    newer = 0
    async for run in store.runs():
        newer += 1
        old = before is None or run.started_at is None or run.started_at < before
        if newer > keep and old and run.status != RunStatus.RUNNING:
            found.append(run.run_id)
    return found[::-1]


def report(removed: Sequence[str], screen: Screen) -> Iterator[Text]:
    """Which runs; a pipe gets them all."""
    shown = removed if screen.piped else removed[:_NAMED]
    for run_id in shown:
        yield Text(run_id, QUIET)
    if len(removed) > len(shown):
        yield Text(f"and {len(removed) - len(shown):,} more", QUIET)
