"""Records that do not encode as they are, or are too large."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from decisionlog.records import MAX_LINE_BYTES, VALUE_FIELDS, Record, encode
from decisionlog.values import cut_text, encodable, fit


def encode_within(record: Record, max_value_bytes: int) -> bytes:
    """Encode a record, whatever it takes: nearly always just that.

    What does not encode (a lone surrogate, say) is spelled out, and what is over its limit cut; if
    that is not enough to fit a line, to ever lower limits, and in the end what the agent put there
    is left out.
    """
    try:
        body = encode(record)
        if len(body) <= max_value_bytes:
            return body
    except Exception:
        pass
    for limit, elements in ((max_value_bytes, 10_000), (2**16, 1_000), (2**10, 100)):
        with suppress(Exception):
            body = encode(_fitted(record, min(limit, max_value_bytes), elements))
            if len(body) <= MAX_LINE_BYTES:
                return body
    bare = _fitted(record, 2**10, 0)
    given = {
        name: getattr(bare, name) for name in bare.__struct_fields__ if name not in VALUE_FIELDS
    }
    return encode(type(record)(**given))


def _fitted(record: Any, limit: int, elements: int) -> Any:
    """The record with each value and text within the limit, and lists to so many elements."""
    changes: dict[str, Any] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name in VALUE_FIELDS:
            changes[name] = fit(value, limit) if elements else None
        elif isinstance(value, str):
            changes[name] = cut_text(encodable(value), limit)
        elif name == "options":
            changes[name] = [_fitted(option, limit, elements) for option in value[:elements]]
        elif isinstance(value, list):
            changes[name] = [cut_text(encodable(text), limit) for text in value[:elements]]
        elif name == "tags":
            changes[name] = {encodable(k): cut_text(encodable(v), limit) for k, v in value.items()}
    return replace(record, **changes)
