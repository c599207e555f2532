"""Any value to one that JSON can hold: never an exception, never nothing, never a secret.

`Values.clean` is an iterative pass over the caller's containers. It comes before msgspec, because
msgspec alone writes NaN as null, and crashes on a cyclic dict when the thread's stack is small.
Small flat dicts, the common case, are looked at in one go. What does not encode even so, or is too
large, `rescue` deals with.

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
from collections.abc import Callable, Iterable, Mapping, Sequence, Set, ValuesView
from enum import Enum
from itertools import islice
from math import isfinite
from operator import attrgetter, methodcaller
from typing import Any, TypeAlias, TypeVar

from decisionlog.redaction import is_secret, redact_text
from decisionlog.rescue import as_text, cut_text, encodable, is_a, type_of

T = TypeVar("T")
Path: TypeAlias = tuple[str | int, ...]
Redact: TypeAlias = Callable[[Path, Any], Any]
"""A hook `redact(path, value) -> value`; `path` is e.g. `("result", "rows", 0, "name")`."""

MAX_DEPTH = 64
MAX_NODES = 100_000
"""How many elements of one value are looked at. An object that is nothing JSON has counts as 10, a
text as one for each 640 characters. Beyond it a value only tells how many elements are missing."""

_NODE_CHARS = 640
_OBJECT_NODES = 10
_REPR_CHARS = 1000
_FEW = 100
_KNOWN_KEYS = 4096
_IN_GROUP = 20

_PLAIN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, attrgetter("value")),
    (str, str.__str__),  # what a subclass holds, whatever it says of itself
    (int, int.__int__),
    (float, float.__float__),
    ((datetime.date, datetime.time), methodcaller("isoformat")),
    ((datetime.timedelta, decimal.Decimal, uuid.UUID), str),
    (os.PathLike, os.fsdecode),
)
"""Types that are recorded as values of others."""
_ATOMS = frozenset({str, int, bool, type(None)})
_LISTS = frozenset({list, tuple, set, frozenset, range})
_FIELDS = ("__struct_fields__", "__attrs_attrs__", "_fields")  # of msgspec, attrs, named tuples
_METHODS = ("model_dump", "tolist")  # of pydantic, numpy and others


class Marker(dict[str, Any]):
    """Says what stood here, or what is missing; no dict of the user's."""


class Values:
    """The rules by which one runtime turns values into what is written.

    `max_bytes` bounds one value as JSON; `redact` is True (secrets by key), False, or a hook that
    is asked after that, for every value.
    """

    __slots__ = ("harmless", "hook", "interrupts", "max_bytes", "redacting")

    def __init__(self, redact: bool | Redact = True, max_bytes: int = 2**20) -> None:
        self.hook = redact if callable(redact) else None
        self.redacting = redact is not False
        self.max_bytes = max_bytes
        self.harmless: set[str] = set()
        """Keys seen before that are written as they are, and what stands under them too."""
        self.interrupts: dict[int, BaseException] = {}
        """By thread; the record that was being made comes first, then it is raised."""

    def clean(self, value: Any, path: Path | str = ()) -> Any:
        """`value` as plain dicts, lists, strings, integers, finite floats, booleans and None. Never
        raises: a KeyboardInterrupt or SystemExit from a method of the value waits in `interrupts`.
        """
        if self.hook is None:
            kind = type_of(value)
            if kind is dict:
                # Nearly all are as simple as this: what is too large shows in the encoding.
                copy, harmless = value.copy(), self.harmless
                for key, item in copy.items():
                    if type(key) is not str or key not in harmless or type(item) not in _ATOMS:
                        break
                else:
                    return copy
                if (flat := self.flat(value, _FEW, self.max_bytes)) is not None:
                    return flat
            elif kind is str or kind is bool or value is None:
                return value
        return _Walk(self, self.hook).run(value, as_path(path))

    def flat(self, value: Any, most: int, longest: int) -> Any:
        """A copy of a dict or list of so many short texts and numbers; None of any other."""
        if len(value) > most:
            return None
        items = copy = value.copy()
        if type_of(copy) is dict:
            harmless, items = self.harmless, copy.values()
            for key in copy:
                if type_of(key) is not str or key not in harmless:
                    return None
        for item in items:
            kind = type_of(item)
            if kind is str:
                if len(item) > longest:
                    return None
            elif kind is int:
                if not -(2**63) <= item < 2**64:
                    return None
            elif kind is float:
                if not isfinite(item):
                    return None
            elif kind is not bool and item is not None:
                return None
        return copy

    def hides(self, key: str) -> bool:
        """Whether what stands under this key is a secret."""
        return self.redacting and is_secret(key)

    def text(self, value: object, path: Path | str = ()) -> str:
        """`value` as a string: what is none becomes the JSON of what is recorded of it."""
        clean = self.clean(value, path)
        return "" if clean is None else as_text(clean)

    def key(self, key: object) -> str:
        """The key of a mapping as a string."""
        if type(key) is bytes:
            return key.decode(errors="backslashreplace")
        if type(key) is str:
            return key
        return as_text(_Walk(self, None).run(key))

    def said(self, error: BaseException) -> str:
        """What an exception says, or its type's name when it says nothing; of a group also what
        those in it say.
        """
        found: list[Any] = [error]
        for each in found:  # more are added meanwhile
            if is_a(each, BaseExceptionGroup):
                found += self.attempt((), attrgetter("exceptions"), each)[:_IN_GROUP]
                del found[_IN_GROUP:]
        inner = [f"{type_name(type_of(each))}: {self._said(each)}" for each in found[1:]]
        return "; ".join([self._said(error) or type_name(type_of(error)), *inner])

    def _said(self, error: BaseException) -> str:
        try:
            if _holds_containers(error):
                args = error.args
                return as_text(_Walk(self, None).run(args[0] if len(args) == 1 else args))
            return str.__str__(str(error))
        except BaseException as failure:
            return as_text(self.unreadable(error, failure))

    def redact_text(self, text: str) -> str:
        """An error text without secrets, unless redaction is off."""
        return redact_text(cut_text(text, self.max_bytes)) if self.redacting else text

    def attempt(self, default: T, call: Callable[..., T], *args: Any) -> T:
        """What a call comes to that may run code of the value's own; never an exception."""
        try:
            return call(*args)
        except BaseException as error:
            self.interrupted_by(error)
            return default

    def unreadable(self, value: object, error: BaseException) -> Marker:
        """What there is to say of a value that cannot be read."""
        self.interrupted_by(error)
        return Marker({"$unreadable": type_name(type(value)), "error": type_name(type(error))})

    def interrupted_by(self, error: BaseException) -> None:
        """Keep what is the user's own and not to be swallowed."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.interrupts[threading.get_ident()] = error

    def raise_interrupt(self) -> None:
        """Raise what came up while this thread's last record was made."""
        if error := self.interrupts.pop(threading.get_ident(), None):
            raise error


class _Walk:
    """One pass over one value, breadth first: depth and cycles do not burden the stack, and of a
    value that is too large it is the depths that are omitted.
    """

    __slots__ = ("hook", "left", "nodes", "path", "rules", "within")

    def __init__(self, rules: Values, hook: Redact | None) -> None:
        self.rules = rules
        self.hook = hook
        self.left = MAX_NODES
        self.nodes: list[tuple[Any, Iterable[Any], Any, Path, tuple[int, ...]]] = []
        """Containers, their elements, the copies to be filled with these, where they stand, and the
        identities of the containers they are in and of their own."""

    def run(self, value: Any, path: Path = ()) -> Any:
        self.path, self.within = path, tuple[int, ...]()
        clean = self.clean(value)
        for source, items, copy, path, within in self.nodes:  # more are added meanwhile
            self.within = within
            if rest := self.fill(source, items, copy, path):
                _put(copy, next(iter(rest)), rest)
        return clean

    def fill(self, source: Any, items: Iterable[Any], copy: Any, path: Path) -> Marker | None:
        """Copy the elements; the containers among them have their turn later. What comes back says
        what is missing.
        """
        rest, hook, harmless = None, self.hook, self.rules.harmless
        taken: list[Any] = []
        try:
            # All at once, as methods called below may change it; what came before an error stays.
            taken.extend(islice(items, max(self.left, 0) + 1))
        except BaseException as error:
            rest = self.rules.unreadable(source, error)
        for name, item in enumerate(taken) if type_of(copy) is list else taken:
            self.left -= 1
            if self.left < 0:
                missing = self.rules.attempt(None, lambda: len(source) - len(copy))
                return Marker({"$omitted": missing})
            key = name
            if type_of(copy) is not list and (type_of(name) is not str or name not in harmless):
                name = encodable(self.rules.key(name))
                self.left -= len(name) // _NODE_CHARS
                key = f"${name}" if name.startswith("$") else name
                if self.rules.hides(name):
                    _put(copy, key, Marker({"$redacted": True}))
                    continue
                if key is name and len(name) <= _NODE_CHARS:
                    if len(harmless) >= _KNOWN_KEYS:  # keys may be data
                        harmless.clear()
                    harmless.add(name)
            kind = type_of(item)
            if hook is not None or not (
                (kind is str and len(item) <= _NODE_CHARS)
                or (kind is int and -(2**63) <= item < 2**64)
                or kind is bool
                or item is None
            ):
                self.path = (*path, name)
                item = self.clean(item)
            _put(copy, key, item)
        return rest

    def clean(self, value: Any) -> Any:
        """The value if JSON holds it, a marker, or a copy to be filled."""
        try:
            if self.hook is not None:
                value = self.hook(self.path, value)
            return self.plain(value)
        except BaseException as error:
            return self.rules.unreadable(value, error)

    def plain(self, value: Any) -> Any:
        kind = type_of(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            self.left -= len(value) // _NODE_CHARS
            return value
        if kind is int:
            self.left -= value.bit_length() // 4 // _NODE_CHARS
            return value if -(2**63) <= value < 2**64 else Marker({"$int": hex(value)})
        if kind is float:
            return value if isfinite(value) else Marker({"$float": str(value)})
        if kind is dict:
            return self.later(value, value.items(), {})
        if kind in _LISTS:
            return self.later(value, value, [])
        self.left -= _OBJECT_NODES
        for types, convert in _PLAIN:
            if is_a(value, types):
                return self.plain(convert(value))
        if is_a(value, (bytes, bytearray, memoryview)):
            data, most = bytes(value), self.rules.max_bytes // 2
            self.left -= min(len(data), most) // _NODE_CHARS
            size = {"bytes": len(data)} if len(data) > most else {}
            return Marker({"$bytes": b64encode(data[:most]).decode(), **size})
        if is_a(value, BaseException):
            marker = Marker({"$error": type_name(kind)})
            if _holds_containers(value):
                return self.later(value, [("args", value.args)], marker)
            marker["text"] = self.rules.redact_text(self.rules.said(value)[:_REPR_CHARS])
            return marker
        if names := _fields_of(kind):
            fields = ((name, getattr(value, name)) for name in names if hasattr(value, name))
            return self.later(value, fields, {})
        if is_a(value, Mapping):
            return self.later(value, ((key, item) for key, item in value.items()), {})
        if is_a(value, (Sequence, Set, ValuesView)):
            return self.later(value, value, [])
        for method in _METHODS:
            # Asked of the type: an instance may have every name one asks for, as mocks do.
            if hasattr(kind, method) and getattr(value, "nbytes", 0) <= 8 * MAX_NODES:
                converted = getattr(value, method)()
                if type(converted) is not kind:
                    return self.plain(converted)
        text = str.__str__(repr(value))[:_REPR_CHARS]
        return Marker({"$repr": self.rules.redact_text(text)})

    def later(self, source: Any, items: Iterable[Any], copy: Any) -> Any:
        if id(source) in self.within:
            return Marker({"$cycle": True})
        if len(self.within) >= MAX_DEPTH:
            return Marker({"$depth": MAX_DEPTH})
        if self.hook is None and type_of(source) is type_of(copy):
            # Those are few enough for all that is nearer the top to have its turn.
            flat = self.rules.flat(source, self.left // 10, _NODE_CHARS)
            if flat is not None:
                self.left -= len(flat)
                return flat
        self.nodes.append((source, items, copy, self.path, (*self.within, id(source))))
        return copy


def as_path(path: Path | str) -> Path:
    """A path of one name may be given as that."""
    return path if isinstance(path, tuple) else (path,)


def _put(copy: Any, key: Any, item: Any) -> None:
    if type_of(copy) is list:
        copy.append(item)
        return
    while key in copy:  # 1 and "1" are two keys to Python and one to JSON
        key = f"{key}_{len(copy)}"
    copy[key] = item


def _fields_of(kind: type[Any]) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    fields = next((getattr(kind, name) for name in _FIELDS if hasattr(kind, name)), ())
    return [getattr(field, "name", field) for field in fields]


def _holds_containers(error: BaseException) -> bool:
    """Whether what an exception says is the repr() of containers, which crashes CPython 3.12 and
    later when they are deep and the thread's stack is small.
    """
    return type(error).__str__ is BaseException.__str__ and any(
        is_a(arg, (dict, list, tuple, set, frozenset)) for arg in error.args
    )


def type_name(kind: type) -> str:
    """The full name of a type, without `builtins.`; its metaclass is not asked."""
    return type.__repr__(kind)[len("<class '") : -len("'>")]
