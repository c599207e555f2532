"""How answers read as plain text."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 10


def block(title: str, items: Iterable[object]) -> str:
    """A heading and its items, indented; empty without items."""
    every = [str(item) for item in items]
    if not every:
        return ""
    more = [f"and {len(every) - _SHOWN} more"] if len(every) > _SHOWN else []
    body = "\n".join((*every[:_SHOWN], *more)).replace("\n", "\n  ")
    return f"\n{title}\n  {body}"


def lines(*parts: str) -> str:
    """The parts that are not empty, one below the other."""
    return "\n".join(part for part in parts if part)
