"""What does not encode as it is, or is too large: spelled out, or cut."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from typing import Any

from msgspec import Struct

from decisionlog.model import Option
from decisionlog.records import VALUE_FIELDS, Record, encode, fits

# As they are, but to a type checker nothing follows from them: values remain `Any`.
is_a: Callable[[object, Any], bool] = isinstance
type_of: Callable[[object], type[Any]] = type


def encode_within(record: Record, max_value_bytes: int) -> bytes:
    """Encode a record that does not encode as it is, or takes more than one value may.

    What does not encode (a lone surrogate, say) is spelled out, and what is over its limit cut; if
    that is not enough to fit a line, to ever lower limits. How much is left out of lists stands in
    `extra`.
    """
    limit, most = max_value_bytes, 10_000
    while True:
        omitted: dict[str, int] = {}
        fitted = _fitted(record, limit, most, omitted)
        if omitted:
            fitted.extra["$omitted"] = omitted
        body = encode(fitted)
        if fits(body) or most == 0:
            return body
        limit, most = max(limit // 16, 2**8), most // 10


def _fitted(value: Any, limit: int, most: int, omitted: dict[str, int], name: str = "") -> Any:
    """A record, or part of one: its texts and values within the limit, its lists within `most`."""
    if name in VALUE_FIELDS:
        return _fitted_value(value, limit)
    if is_a(value, str):
        return cut_text(str.__str__(value), limit)
    if is_a(value, Struct):
        names = value.__struct_fields__
        return type(value)(*(_fitted(getattr(value, n), limit, most, omitted, n) for n in names))
    if is_a(value, (list, dict)) and len(value) > most:
        omitted[name] = omitted.get(name, 0) + len(value) - most
    if name == "options":  # some are dicts as yet
        value = [Option(**item) if is_a(item, dict) else item for item in value]
    if is_a(value, list):
        return [_fitted(item, limit, most, omitted) for item in value[:most]]
    if is_a(value, dict):
        tags = islice(value.items(), most)
        return {cut_text(key, limit): cut_text(text, limit) for key, text in tags}
    return value


def _fitted_value(value: Any, limit: int) -> Any:
    """A clean value. Texts in it that are over the limit are cut; when it is itself, there is the
    head of it, or of its JSON.
    """
    is_text = is_a(value, str)
    fitted = encodable(value) if is_text else _spelled_out(value, limit)
    encoded = encode(fitted)
    if len(encoded) <= limit:
        return fitted
    return cut(value if is_text else encoded.decode(), limit)


def as_text(clean: Any) -> str:
    """A clean value as a text: what is none, as JSON."""
    if is_a(clean, dict):
        clean = clean.get("$repr", clean)
    return clean if is_a(clean, str) else encode(_spelled_out(clean, sys.maxsize)).decode()


def _spelled_out(value: Any, limit: int) -> Any:
    """A clean value, whose keys do encode, without integers that do not, and texts that do not or
    are too long.
    """
    if is_a(value, list):
        return [_spelled_out(item, limit) for item in value]
    if is_a(value, dict):
        if type_of(value) is not dict:
            limit = sys.maxsize  # a marker is whole or not there
        return {key: _spelled_out(item, limit) for key, item in value.items()}
    if type_of(value) is int and not -(2**63) <= value < 2**64:
        return {"$int": hex(value)}
    if not is_a(value, str):
        return value
    return encodable(value) if size_of(value) <= limit else cut(value, limit // 2)


def cut(text: str, limit: int) -> dict[str, Any]:
    """As much of a text as fits the limit as JSON, and the size of the whole."""
    room = limit - 40
    while True:
        marker = {"$cut": _head(text, room), "bytes": size_of(text)}
        if len(encode(marker)) <= limit:
            return marker
        room = room * 3 // 4  # what has to be escaped takes more


def cut_text(text: str, limit: int) -> str:
    """The text as it encodes; when it is over the limit, as much of it as fits and its size."""
    size = size_of(text)
    if size <= limit:
        return encodable(text)
    note = f"… [cut, {size} bytes]"
    return _head(text, limit - len(note.encode())) + note


def _head(text: str, size: int) -> str:
    return encodable(text[:size]).encode()[:size].decode(errors="ignore")


def size_of(text: str) -> int:
    """How many bytes the text takes in UTF-8."""
    return len(text) if text.isascii() else len(encodable(text).encode())


def encodable(text: str) -> str:
    r"""The text with lone surrogates spelled out (`\udc80`): UTF-8 has no place for them."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
