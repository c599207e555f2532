"""Records that do not encode as they are, or are too large."""

from __future__ import annotations

from itertools import islice
from typing import Any

from msgspec import Struct

from decisionlog.records import MAX_LINE_BYTES, VALUE_FIELDS, Record, encode
from decisionlog.values import cut_text, fit, is_a


def encode_within(record: Record, max_value_bytes: int) -> bytes:
    """Encode a record, whatever it takes: nearly always just that.

    What does not encode (a lone surrogate, say) is spelled out, and what is over its limit cut; if
    that is not enough to fit a line, to ever lower limits. How much is left out of lists stands in
    `extra`.
    """
    try:
        body = encode(record)
        if len(body) <= max_value_bytes:
            return body
    except Exception:  # what it is, the encoding below deals with
        pass
    limit, elements = max_value_bytes, 10_000
    while True:
        omitted: dict[str, int] = {}
        fields = _fitted_fields(record, limit, elements, omitted)
        if omitted:
            fields["extra"] = {**fields["extra"], "$omitted": omitted}
        body = encode(type(record)(**fields))
        if len(body) <= MAX_LINE_BYTES or elements == 0:
            return body
        limit, elements = max(limit // 16, 2**8), elements // 10


def _fitted_fields(
    struct: Struct, limit: int, elements: int, omitted: dict[str, int]
) -> dict[str, Any]:
    return {
        name: _fitted(name, getattr(struct, name), limit, elements, omitted)
        for name in struct.__struct_fields__
    }


def _fitted(name: str, value: Any, limit: int, elements: int, omitted: dict[str, int]) -> Any:
    """A field of a record: a text or value within the limit, or so many elements of them."""
    if name in VALUE_FIELDS:
        return fit(value, limit)
    if isinstance(value, str):
        return cut_text(str.__str__(value), limit)
    if isinstance(value, Struct):
        return type(value)(**_fitted_fields(value, limit, elements, omitted))
    if not is_a(value, (list, dict)):
        return value
    if len(value) > elements:
        omitted[name] = omitted.get(name, 0) + len(value) - elements
    if is_a(value, list):
        return [_fitted("", item, limit, elements, omitted) for item in value[:elements]]
    tags = islice(value.items(), elements)
    return {cut_text(key, limit): cut_text(text, limit) for key, text in tags}
