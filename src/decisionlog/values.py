"""Any value to one that JSON can hold: never an exception, never nothing, never a secret.

`Values.clean` is an iterative pass over the caller's containers; it comes before msgspec because
msgspec alone writes NaN as null, raises on lone surrogates, and crashes on a cyclic dict when the
thread's stack is small. Small flat dicts, the common case, are looked at once and not copied.

What JSON lacks becomes a marker, a dict whose key starts with `$` (a user's own such key gets a
second `$`): `$float`, `$int`, `$bytes`, `$repr` and `$error` say what stood there, `$cut`,
`$omitted`, `$depth`, `$cycle`, `$redacted` and `$unreadable` what is missing and why.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import os
import threading
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from enum import Enum
from itertools import islice
from math import isfinite
from typing import Any, TypeAlias

import msgspec

from decisionlog.redaction import is_secret, redact_text

MAX_DEPTH = 64
MAX_NODES = 100_000
"""How much of one value is looked at, element by element; lists of plain numbers and strings count
as one. Beyond it a value only tells how many elements are missing."""

Redact: TypeAlias = Callable[[tuple[str | int, ...], Any], Any]
"""A hook `redact(path, value) -> value`; `path` is e.g. `("result", "rows", 0, "name")`."""

_ATOMS = frozenset({str, int, bool, type(None)})
_NUMBERS = frozenset({int, float, bool})
_AS_TEXT = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID)
_REPR_CHARS = 1000
_KNOWN_KEYS = 4096
_encode = msgspec.json.Encoder().encode


class Values:
    """The rules by which one runtime turns values into what is written.

    `max_bytes` bounds one value as JSON; `redact` is True (secrets by key), False, or a hook that
    is asked after that, for every value.
    """

    __slots__ = ("_harmless", "hook", "interrupts", "max_bytes", "redacting")

    def __init__(self, redact: bool | Redact = True, max_bytes: int = 2**20) -> None:
        self.hook = redact if callable(redact) else None
        self.redacting = redact is not False
        self.max_bytes = max_bytes
        self._harmless: set[str] = set()
        self.interrupts: dict[int, BaseException] = {}
        """By thread; the record that was being made comes first, then it is raised."""

    def clean(self, value: Any, *path: str | int) -> Any:
        """`value` as plain dicts, lists, strings, numbers, booleans and None. Never raises: a
        KeyboardInterrupt or SystemExit from one of the value's methods waits in `interrupts`.
        """
        if self.hook is None:
            kind = type(value)
            if kind in _ATOMS:
                return value
            if kind is dict and self._is_plain(value):
                return value
        return _Walk(self, path).run(value)

    def _is_plain(self, value: dict[Any, Any]) -> bool:
        harmless = self._harmless
        for key, item in value.items():
            if key not in harmless and not self._is_harmless(key):
                return False
            kind = type(item)
            if kind in _ATOMS:
                continue
            if kind is float and isfinite(item):
                continue
            return False
        return True

    def _is_harmless(self, key: object) -> bool:
        if type(key) is not str or key.startswith("$") or (self.redacting and is_secret(key)):
            return False
        if len(self._harmless) < _KNOWN_KEYS:  # keys may be data
            self._harmless.add(key)
        return True

    def text(self, value: object, *path: str | int) -> str:
        """`value` as a string that encodes, with what the hook makes of it; cut if need be."""
        if self.hook is not None:
            value = self.clean(value, *path)
        text = value if type(value) is str else self.str_of(value)
        return cut_text(encodable(text), self.max_bytes)

    def str_of(self, value: object) -> str:
        """`str(value)`, or what can be said of a value that does not tell."""
        try:
            text = str(value)
            return text if type(text) is str else str.__str__(text)
        except BaseException as error:
            self.interrupted_by(error)
            return f"<{type_name(type(value))}: {type_name(type(error))} in str()>"

    def error_text(self, error: BaseException) -> str:
        """What an exception says, without secrets; its type's name when it says nothing."""
        text = encodable(self.str_of(error)) or type_name(type(error))
        return self.redact_text(cut_text(text, self.max_bytes))

    def redact_text(self, text: str) -> str:
        """An error text without secrets, unless redaction is off."""
        return redact_text(text) if self.redacting else text

    def interrupted_by(self, error: BaseException) -> None:
        """Keep what is the user's own and not to be swallowed."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.interrupts[threading.get_ident()] = error

    def raise_interrupt(self) -> None:
        """Raise what came up while this thread's last record was made."""
        if error := self.interrupts.pop(threading.get_ident(), None):
            raise error


_Path: TypeAlias = tuple[str | int, ...]
_Items: TypeAlias = Iterator[tuple[Any, Any]]


class _Frame:
    """A container on the way down: what is left of it, and the copy it goes to."""

    __slots__ = ("copy", "items", "name", "source")

    def __init__(self, source: object, items: _Items, copy: Any, name: str | int) -> None:
        self.source = source
        self.items = items
        self.copy = copy
        self.name = name


class _Walk:
    """One pass over one value. Iterative: depth and cycles are the caller's, not our stack's."""

    __slots__ = ("active", "nodes", "path", "rules", "stack")

    def __init__(self, rules: Values, path: _Path) -> None:
        self.rules = rules
        self.path = path
        self.stack: list[_Frame] = []
        self.active: set[int] = set()
        self.nodes = 0

    def run(self, value: Any) -> Any:
        top: list[Any] = []
        self.place(top, 0, value, self.path)
        while self.stack:
            frame = self.stack[-1]
            try:
                key, item = next(frame.items)
            except StopIteration:
                self.leave()
                continue
            except BaseException as error:
                self.put(frame.copy, "$unreadable", self.unreadable(frame.source, error))
                self.leave()
                continue
            self.nodes += 1
            if self.nodes > MAX_NODES:
                self.put(frame.copy, "$omitted", {"$omitted": self.missing_from(frame)})
                self.leave()
                continue
            path = self.where(key) if self.rules.hook else ()
            self.place(frame.copy, key, item, path)
        return top[0]

    def leave(self) -> None:
        self.active.discard(id(self.stack.pop().source))

    def missing_from(self, frame: _Frame) -> int | None:
        try:
            return len(frame.source) - len(frame.copy)  # type: ignore[arg-type]
        except BaseException:
            return None

    def where(self, key: object) -> _Path:
        names = (frame.name for frame in self.stack[1:])
        return (*self.path, *names, key if isinstance(key, (str, int)) else str(key))

    def put(self, copy: Any, key: Any, value: Any) -> None:
        if type(copy) is list:
            copy.append(value)
        else:
            copy[key] = value

    def place(self, copy: Any, key: Any, value: Any, path: _Path) -> None:
        """Put the clean value into the copy, or the container it opens onto the stack."""
        try:
            if type(copy) is dict:
                name = key = self.key(key)
                if self.rules.redacting and is_secret(name):
                    copy[name] = {"$redacted": True}
                    return
                if name.startswith("$"):
                    key = "$" + name
                while key in copy:  # 1 and "1" are two keys to Python and one to JSON
                    key += "_"
            if self.rules.hook is not None:
                value = self.rules.hook(path, value)
            plain = self.plain(value)
        except BaseException as error:
            plain = self.unreadable(value, error)
        if type(plain) is not _Frame:
            self.put(copy, key, plain)
            return
        if id(plain.source) in self.active:
            self.put(copy, key, {"$cycle": True})
        elif len(self.stack) >= MAX_DEPTH:
            self.put(copy, key, {"$depth": MAX_DEPTH})
        else:
            self.put(copy, key, plain.copy)
            plain.name = key
            self.active.add(id(plain.source))
            self.stack.append(plain)

    def key(self, key: object) -> str:
        if type(key) is str:
            return encodable(key)
        if isinstance(key, Enum):
            key = key.value
        return encodable(self.rules.str_of(key))[:_REPR_CHARS]

    def plain(self, value: Any) -> Any:
        """The value itself where JSON holds it, a marker, or a frame with its elements."""
        kind = type(value)
        if kind is str:
            if len(value) * 4 > self.rules.max_bytes:  # may be over in UTF-8
                return _cut(value, self.rules.max_bytes)
            return encodable(value)
        if kind in _ATOMS:
            if kind is int and not -(2**63) <= value < 2**64:
                return {"$int": hex(value)}
            return value
        if kind is float:
            return value if isfinite(value) else {"$float": str(value)}
        if kind is dict:
            return _Frame(value, iter(list(value.items())), {}, "")
        if kind is list or kind is tuple or kind is set or kind is frozenset:
            return self.sequence(value, value)
        return self.known(value)

    def sequence(self, source: object, elements: Iterable[Any]) -> Any:
        if type(elements) is not list:
            elements = list(islice(elements, MAX_NODES + 1))
        kinds = set(map(type, elements))
        if self.rules.hook is None and kinds <= _NUMBERS and all(map(isfinite, elements)):
            if int not in kinds or -(2**63) <= min(elements) <= max(elements) < 2**64:
                return elements
        return _Frame(source, enumerate(elements), [], "")

    def known(self, value: Any) -> Any:
        """Values of other people's types, by what they are known to offer."""
        if isinstance(value, Enum):
            return self.plain(value.value)
        if isinstance(value, str):
            return self.plain(str.__str__(value))
        if isinstance(value, int):
            return self.plain(int.__int__(value))
        if isinstance(value, float):
            return self.plain(float.__float__(value))
        if isinstance(value, _AS_TEXT):
            text: Any = msgspec.to_builtins(value)
            return encodable(text) if type(text) is str else text
        if isinstance(value, (bytes, bytearray, memoryview)):
            head = bytes(value[: self.rules.max_bytes // 2])
            marker: dict[str, Any] = {"$bytes": b64encode(head).decode()}
            size = value.nbytes if isinstance(value, memoryview) else len(value)
            return marker if len(head) == size else marker | {"bytes": size}
        if isinstance(value, os.PathLike):
            return encodable(os.fsdecode(os.fspath(value)))
        if isinstance(value, BaseException):
            text = self.rules.error_text(value)[:_REPR_CHARS]
            return {"$error": type_name(type(value)), "text": text}
        if isinstance(value, type):
            return self.representation(value)
        if fields := _fields_of(value):
            return _Frame(value, iter(fields), {}, "")
        if isinstance(value, Mapping):
            return _Frame(value, iter(value.items()), {}, "")
        if isinstance(value, (list, tuple, Set, range)) or _is_deque(value):
            return self.sequence(value, value)
        size = getattr(value, "size", 0)
        if type(size) is int and size > MAX_NODES:
            return self.representation(value)
        for method in ("model_dump", "tolist", "isoformat"):  # pydantic, numpy, pandas and others
            if callable(getattr(value, method, None)):
                converted = getattr(value, method)()
                frame = self.plain(converted) if type(converted) is not type(value) else None
                if type(frame) is _Frame:
                    frame.source = value
                if frame is not None:
                    return frame
        return self.representation(value)

    def representation(self, value: object) -> dict[str, Any]:
        return {"$repr": self.rules.redact_text(encodable(repr(value))[:_REPR_CHARS])}

    def unreadable(self, value: object, error: BaseException) -> dict[str, Any]:
        self.rules.interrupted_by(error)
        return {"$unreadable": type_name(type(value)), "error": type_name(type(error))}


def _fields_of(value: Any) -> list[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value)]
    elif isinstance(value, msgspec.Struct):
        names = list(value.__struct_fields__)
    elif hasattr(type(value), "__attrs_attrs__"):
        names = [a.name for a in type(value).__attrs_attrs__]
    elif isinstance(value, tuple) and hasattr(type(value), "_fields"):
        names = list(value._fields)  # type: ignore[attr-defined]
    else:
        return []
    return [(name, getattr(value, name)) for name in names if hasattr(value, name)]


def _is_deque(value: object) -> bool:
    return type(value).__module__ == "collections" and type(value).__name__ in ("deque", "UserList")


def _cut(text: str, limit: int) -> Any:
    """A long string inside a value: half of the limit is kept, so that what is around it is too."""
    encoded = encodable(text).encode()
    if len(encoded) <= limit:
        return encodable(text)
    return {"$cut": encoded[: limit // 2].decode(errors="ignore"), "bytes": len(encoded)}


def fit(value: Any, limit: int) -> Any:
    """A clean value, or a flat dict taken as it was, as it encodes within the limit; over it, the
    head of its JSON and its size.
    """
    value = _scrub(value)
    encoded = _encode(value)
    if len(encoded) <= limit:
        return value
    if type(value) is str:
        return _cut(value, limit)
    return {"$cut": encoded[:limit].decode(errors="ignore"), "bytes": len(encoded)}


def _scrub(value: Any) -> Any:
    kind = type(value)
    if isinstance(value, str):
        return encodable(value)
    if kind is int:
        return value if -(2**63) <= value < 2**64 else {"$int": hex(value)}
    if kind is dict:
        return {encodable(key): _scrub(item) for key, item in value.items()}
    if kind is list:
        return [_scrub(item) for item in value]
    return value


def cut_text(text: str, limit: int) -> str:
    """The text, or as much of it as fits the limit with a note of its size."""
    if len(text) * 4 <= limit or len(encoded := text.encode()) <= limit:
        return text
    return f"{encoded[:limit].decode(errors='ignore')}… [cut, {len(encoded)} bytes]"


def encodable(text: str) -> str:
    r"""The text with lone surrogates spelled out (`\udc80`): UTF-8 has no place for them."""
    text = str.__str__(text)  # a subclass has no place in JSON either
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def type_name(kind: type) -> str:
    """The full name of a type, without `builtins.`."""
    module = str(kind.__module__)
    name = encodable(str(kind.__qualname__))
    return name if module == "builtins" else encodable(f"{module}.{name}")
