"""What was read, as JSON from which nothing is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from math import isfinite
from typing import Any, cast

import msgspec

_DEPTH = 200
"""Levels; recorders write 64 at most."""
LARGEST = 2**1023
"""Of integers as well: those of thousands of digits can't be printed."""
EXACT = 2**53
"""The same for readers, such as a browser, that take every number for a float."""
_HARMLESS = (str, int, bool, str | None, datetime, datetime | None)


def to_json(value: Any, *, largest: int = LARGEST) -> bytes:
    """The value as JSON. Nothing is lost but what lies deeper than any recorder puts it; a marker
    of the format is in its place, and in that of numbers that JSON lacks, or that are no less than
    `largest`.
    """
    return msgspec.json.encode(value if _is_json(value, largest) else _marked(value, largest))


def _is_json(value: Any, largest: int) -> bool:
    """Whether it holds only numbers that JSON has (nan would become null), and no more levels than
    the encoder's recursion has room for.
    """
    level: list[Any] = [value]
    for _ in range(_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, (int, float)):
                if not -largest < each < largest:
                    return False
            elif isinstance(each, dict):
                below += each.values()
            elif isinstance(each, (list, tuple)):
                below += each
            elif isinstance(each, msgspec.Struct):
                below += [getattr(each, name) for name in _fields_of(type(each))]
        if not below:
            return True
        level = below
    return False


@cache
def _fields_of(kind: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind) if field.type not in _HARMLESS]


def _marked(value: Any, largest: int, depth: int = 0) -> Any:
    """With the markers that the format has for those numbers, and for what is too deep."""
    if isinstance(value, float):
        return value if isfinite(value) else {"$float": str(value)}
    if isinstance(value, int):
        return value if -largest < value < largest else {"$int": hex(value)}
    if not isinstance(value, (dict, list, tuple, msgspec.Struct)):
        return value
    if depth >= _DEPTH:
        return {"$depth": _DEPTH}
    if isinstance(value, msgspec.Struct):
        names = _fields_of(type(value))
        marked = {name: _marked(getattr(value, name), largest, depth + 1) for name in names}
        return msgspec.structs.replace(value, **marked)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _marked(item, largest, depth + 1) for name, item in fields.items()}
    return [_marked(item, largest, depth + 1) for item in cast("Sequence[Any]", value)]
