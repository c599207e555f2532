"""Any value to one that JSON can hold: never an exception, never nothing, never a secret.

`Values.clean` is an iterative pass over the caller's containers. It comes before msgspec, because
msgspec alone writes NaN as null, and crashes on a cyclic dict when the thread's stack is small.
Small flat dicts, the common case, are looked at in one go. `fit` is for when msgspec
refuses a record, or it is too large: it spells out what does not encode, and cuts what is too long.

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
from collections.abc import Callable, Mapping, Sequence, Set, ValuesView
from contextlib import suppress
from enum import Enum
from itertools import islice
from math import isfinite
from typing import Any, TypeAlias, TypeVar

import msgspec

from decisionlog.redaction import is_secret, redact_text

T = TypeVar("T")
Path: TypeAlias = tuple[str | int, ...]
Redact: TypeAlias = Callable[[Path, Any], Any]
"""A hook `redact(path, value) -> value`; `path` is e.g. `("result", "rows", 0, "name")`."""

MAX_DEPTH = 64
MAX_NODES = 100_000
"""How many elements of one value are looked at. An object that is nothing JSON has counts as 10, a
text as one for each 640 characters. Beyond it a value only tells how many elements are missing."""

# As they are, but to a type checker nothing follows from them: values remain `Any`.
is_a: Callable[[object, Any], bool] = isinstance
type_of: Callable[[object], type[Any]] = type
_NODE_CHARS = 640
_OBJECT_NODES = 10
_REPR_CHARS = 1000
_FEW = 100
_KNOWN_KEYS = 4096
_IN_GROUP = 20
_ATOMS: frozenset[object] = frozenset({str, int, bool, type(None)})
_SNAPSHOT = frozenset[Any]((list, tuple, set, frozenset, range, type_of(dict[Any, Any]().items())))
_BASES = ((str, str.__str__), (int, int.__int__), (float, float.__float__))
_METHODS = ("model_dump", "tolist")  # of pydantic, numpy and others
_encode = msgspec.json.Encoder().encode


class Values:
    """The rules by which one runtime turns values into what is written.

    `max_bytes` bounds one value as JSON; `redact` is True (secrets by key), False, or a hook that
    is asked after that, for every value.
    """

    __slots__ = ("harmless", "hook", "interrupts", "longest", "max_bytes", "redacting")

    def __init__(self, redact: bool | Redact = True, max_bytes: int = 2**20) -> None:
        self.hook = redact if callable(redact) else None
        self.redacting = redact is not False
        self.max_bytes = max_bytes
        self.longest = max_bytes // 4
        """How many characters are below the limit in any case."""
        self.harmless: set[str] = set()
        """Keys seen before that are written as they are."""
        self.interrupts: dict[int, BaseException] = {}
        """By thread; the record that was being made comes first, then it is raised."""

    def clean(self, value: Any, *path: str | int) -> Any:
        """`value` as plain dicts, lists, strings, integers, finite floats, booleans and None. Never
        raises: a KeyboardInterrupt or SystemExit from a method of the value waits in `interrupts`.
        """
        if self.hook is not None:
            return _Walk(self, self.hook).run(value, path)
        kind = type_of(value)
        if kind is str or value is None or kind is bool:
            return value
        if kind is dict and len(value) <= _FEW:
            harmless, longest, copy = self.harmless, self.longest, value.copy()
            for key, item in copy.items():
                if type_of(key) is not str or (key not in harmless and not self.is_harmless(key)):
                    break
                kind = type_of(item)
                if kind is str:
                    if len(item) > longest:
                        break
                elif kind is int:
                    if not -(2**63) <= item < 2**64:
                        break
                elif (
                    item is not None
                    and kind is not bool
                    and (kind is not float or not isfinite(item))
                ):
                    break
            else:
                return copy
        return _Walk(self, None).run(value, path)

    def is_harmless(self, key: str) -> bool:
        """Whether a key is written as it is, and what stands under it too."""
        if len(key) > _NODE_CHARS or key.startswith("$") or self.hides(key):
            return False
        if len(self.harmless) >= _KNOWN_KEYS:  # keys may be data
            self.harmless.clear()
        self.harmless.add(key)
        return True

    def hides(self, key: str) -> bool:
        """Whether what stands under this key is a secret."""
        return self.redacting and is_secret(key)

    def text(self, value: object, *path: str | int) -> str:
        """`value` as a string: what is none becomes the JSON of what is recorded of it."""
        clean = self.clean(value, *path)
        return "" if clean is None else _json(clean)

    def key(self, key: object) -> str:
        """The key of a mapping as a string."""
        if type(key) is str:
            return key
        if type(key) is bytes:
            return key.decode(errors="backslashreplace")
        return _json(_Walk(self, None).run(key))

    def said(self, error: BaseException) -> str:
        """What an exception says, or its type's name when it says nothing; of a group also what
        those in it say.
        """
        errors: list[Any] = [error]
        texts = [self._said(error) or type_name(type_of(error))]
        for each in errors:
            if is_a(each, BaseExceptionGroup) and len(errors) < _IN_GROUP:
                errors += each.exceptions[:_IN_GROUP]
                texts += [f"{type_name(type_of(e))}: {self._said(e)}" for e in errors[len(texts) :]]
        return "; ".join(texts)

    def _said(self, error: BaseException) -> str:
        try:
            if _holds_containers(error):
                args = error.args
                return _json(_Walk(self, None).run(args[0] if len(args) == 1 else args))
            return str.__str__(str(error))
        except BaseException as failure:
            return _json(self.unreadable(error, failure))

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

    def unreadable(self, value: object, error: BaseException) -> dict[str, Any]:
        """What there is to say of a value that cannot be read."""
        self.interrupted_by(error)
        return {"$unreadable": type_name(type(value)), "error": type_name(type(error))}

    def interrupted_by(self, error: BaseException) -> None:
        """Keep what is the user's own and not to be swallowed."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.interrupts[threading.get_ident()] = error

    def raise_interrupt(self) -> None:
        """Raise what came up while this thread's last record was made."""
        if error := self.interrupts.pop(threading.get_ident(), None):
            raise error


class _Node:
    """A container, and the copy that is to be filled with its elements."""

    __slots__ = ("copy", "items", "parent", "path", "source")

    def __init__(
        self, source: object, items: Any, copy: Any, parent: _Node | None = None, path: Path = ()
    ) -> None:
        self.source = source
        self.items = items
        self.copy = copy
        self.parent = parent
        self.path = path

    def put(self, key: Any, value: Any) -> None:
        if type_of(self.copy) is list:
            self.copy.append(value)
        else:
            while key in self.copy:  # 1 and "1" are two keys to Python and one to JSON
                key = f"{key}_{len(self.copy)}"
            self.copy[key] = value

    def missing(self) -> int:
        return len(self.items) - len(self.copy)


class _Walk:
    """One pass over one value, breadth first: depth and cycles do not burden the stack, and of a
    value that is too large it is the depths that are omitted.
    """

    __slots__ = ("hook", "left", "node", "nodes", "path", "rules", "short")

    def __init__(self, rules: Values, hook: Redact | None) -> None:
        self.rules = rules
        self.hook = hook
        self.left = MAX_NODES
        self.short = min(_NODE_CHARS, rules.longest)
        self.nodes: list[_Node] = []
        self.node: _Node | None = None

    def run(self, value: Any, path: Path = ()) -> Any:
        self.path = path
        clean = self.clean(value)
        for node in self.nodes:  # more are added meanwhile
            self.node = node
            try:
                self.fill(node)
            except BaseException as error:
                node.put("$unreadable", self.rules.unreadable(node.source, error))
        return clean

    def fill(self, node: _Node) -> None:
        """Copy the elements; the containers among them have their turn later."""
        hook, copy, harmless = self.hook, node.copy, self.rules.harmless
        is_list = type_of(copy) is list
        items: Any = islice(node.items, self.left + 1 if self.left > 0 else 1)
        if type_of(node.items) in _SNAPSHOT:
            items = list(items)  # methods called below may change it
            if is_list and hook is None and self.is_flat(items):
                self.left -= len(items)
                copy += items
                return
        pairs: Any = enumerate(items) if is_list else items
        for key, item in pairs:
            self.left -= 1
            if self.left < 0:
                node.put("$omitted", {"$omitted": self.rules.attempt(None, node.missing)})
                return
            name = key
            if not is_list and (
                type_of(key) is not str or (key not in harmless and not self.rules.is_harmless(key))
            ):
                name = self.rules.key(key)
                self.left -= len(name) // _NODE_CHARS
                if type_of(key) not in _ATOMS:
                    self.left -= _OBJECT_NODES
                if self.rules.hides(name):
                    node.put(name, {"$redacted": True})
                    continue
                key = "$" + name if name.startswith("$") else name
            kind = type_of(item)
            if hook is not None or not (
                (kind is str and len(item) < self.short)
                or (kind is int and -(2**63) <= item < 2**64)
                or (kind is float and isfinite(item))
                or kind is bool
                or item is None
            ):
                self.path = (*node.path, name)
                item = self.clean(item)
            if is_list:
                copy.append(item)
            elif key in copy:
                node.put(key, item)
            else:
                copy[key] = item

    def is_flat(self, items: list[Any]) -> bool:
        """Whether these are numbers alone, which need no look at each."""
        kinds = set(map(type, items))
        if len(kinds) > 1 or len(items) > self.left:
            return False
        if float in kinds:
            return all(map(isfinite, items))
        return int in kinds and min(items) >= -(2**63) and max(items) < 2**64

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
        if kind is str:
            limit = self.rules.max_bytes
            self.left -= min(len(value), limit) // _NODE_CHARS
            return value if _size(value) <= limit else _cut(value, limit // 2)
        if kind is int and not -(2**63) <= value < 2**64:
            self.left -= value.bit_length() // 4 // _NODE_CHARS
            return {"$int": hex(value)}
        if kind in _ATOMS:
            return value
        if kind is float:
            return value if isfinite(value) else {"$float": str(value)}
        if kind is dict:
            return self.later(value, value.items(), {})
        if kind in _SNAPSHOT:
            return self.later(value, value, [])
        self.left -= _OBJECT_NODES
        return self.known(value)

    def later(self, source: object, items: Any, copy: Any) -> Any:
        depth, outer = 0, self.node
        while outer is not None:
            if outer.source is source:
                return {"$cycle": True}
            depth, outer = depth + 1, outer.parent
        if depth >= MAX_DEPTH:
            return {"$depth": MAX_DEPTH}
        self.nodes.append(_Node(source, items, copy, self.node, self.path))
        return copy

    def known(self, value: Any) -> Any:
        """Values of other types, by what they are known to offer."""
        kind = type_of(value)
        if is_a(value, Enum):
            return self.plain(value.value)
        for base, plain in _BASES:
            if issubclass(kind, base):
                return self.plain(plain(value))
        if is_a(value, (datetime.date, datetime.time)):
            return self.plain(value.isoformat())
        if is_a(value, (datetime.timedelta, decimal.Decimal, uuid.UUID)):
            return self.plain(str(value))
        if is_a(value, os.PathLike):
            return self.plain(os.fsdecode(value))
        if is_a(value, (bytes, bytearray, memoryview)):
            most, size = self.rules.max_bytes // 2, memoryview(value).nbytes
            head = bytes(value[:most])[:most]
            self.left -= len(head) // _NODE_CHARS
            marker: dict[str, Any] = {"$bytes": b64encode(head).decode()}
            return marker if len(head) == size else {**marker, "bytes": size}
        if is_a(value, BaseException):
            marker = {"$error": type_name(kind)}
            if _holds_containers(value):
                return self.later(value, [("args", value.args)], marker)
            return marker | {"text": self.rules.redact_text(self.rules.said(value)[:_REPR_CHARS])}
        if names := _fields_of(value):
            fields = ((name, getattr(value, name)) for name in names if hasattr(value, name))
            return self.later(value, fields, {})
        if is_a(value, Mapping):
            return self.later(value, value.items(), {})
        if is_a(value, (Sequence, Set, ValuesView)):
            return self.later(value, value, [])
        for method in _METHODS:
            # Asked of the type: an instance may have every name one asks for, as mocks do.
            if hasattr(kind, method) and getattr(value, "nbytes", 0) <= 8 * MAX_NODES:
                converted = getattr(value, method)()
                if type(converted) is not kind:
                    return self.plain(converted)
        return {"$repr": self.rules.redact_text(str.__str__(repr(value))[:_REPR_CHARS])}


def _fields_of(value: Any) -> Sequence[str]:
    kind = type_of(value)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if hasattr(kind, "__attrs_attrs__"):
        return [attribute.name for attribute in kind.__attrs_attrs__]
    return getattr(kind, "_fields", ()) if is_a(value, tuple) else ()


def _holds_containers(error: BaseException) -> bool:
    """Whether what an exception says is the repr() of containers, which crashes CPython 3.12 and
    later when they are deep and the thread's stack is small.
    """
    return type(error).__str__ is BaseException.__str__ and any(
        is_a(arg, (dict, list, tuple, set, frozenset)) for arg in error.args
    )


def _json(clean: Any) -> str:
    """A clean value as a text."""
    if is_a(clean, dict):
        clean = clean.get("$repr", clean)
    return clean if is_a(clean, str) else _encode(_spelled_out(clean)).decode()


def fit(value: Any, limit: int) -> Any:
    """A clean value as it encodes within the limit. A text that takes more is cut; of anything else
    there is the head of its JSON.
    """
    try:
        encoded = _encode(value)
    except UnicodeEncodeError:
        value = _spelled_out(value)
        encoded = _encode(value)
    if len(encoded) <= limit:
        return value
    return _cut(value if type(value) is str else encoded.decode(), limit)


def _spelled_out(value: Any) -> Any:
    """A clean value without what does not encode."""
    kind = type_of(value)
    if kind is str:
        return encodable(value)
    if kind is list:
        return [_spelled_out(item) for item in value]
    if kind is not dict:
        return value
    node = _Node(value, (), {})
    for key, item in value.items():
        node.put(encodable(key), _spelled_out(item))
    return node.copy


def _cut(text: str, limit: int) -> dict[str, Any]:
    """As much of a text as fits the limit as JSON, and the size of the whole."""
    size = _size(text)
    head = encodable(text[:limit]).encode()[: limit - 40]
    while True:
        marker = {"$cut": head.decode(errors="ignore"), "bytes": size}
        if len(_encode(marker)) <= limit:
            return marker
        head = head[: len(head) * 3 // 4]  # what has to be escaped takes more room


def cut_text(text: str, limit: int) -> str:
    """The text as it encodes; when it is over the limit, as much of it as fits and its size."""
    size = _size(text)
    if size <= limit:
        return encodable(text)
    note = f"… [cut, {size} bytes]"
    head = encodable(text[:limit]).encode()[: limit - len(note.encode())]
    return head.decode(errors="ignore") + note


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(encodable(text).encode())


def encodable(text: str) -> str:
    r"""The text with lone surrogates spelled out (`\udc80`): UTF-8 has no place for them."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def type_name(kind: type) -> str:
    """The full name of a type, without `builtins.`; its metaclass is not asked."""
    name = str.__str__(type.__dict__["__qualname__"].__get__(kind))
    with suppress(AttributeError):  # some types made in C have none
        module = type.__dict__["__module__"].__get__(kind)
        if type(module) is str and module != "builtins":
            return f"{module}.{name}"
    return name
