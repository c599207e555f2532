"""What `prune` removes, or would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from decisionlog.cli.look import QUIET
from decisionlog.cli.output import Screen

_NAMED = 20


def report(removed: Sequence[str], screen: Screen) -> Iterator[Text]:
    """Which runs; a pipe gets them all."""
    shown = removed if screen.piped else removed[:_NAMED]
    for run_id in shown:
        yield Text(run_id, QUIET)
    if len(removed) > len(shown):
        yield Text(f"and {len(removed) - len(shown):,} more", QUIET)
