"""What values of each type are recorded as, and read back as."""

import array
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import math
import os
import pathlib
import re
import types
import uuid
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import attrs
import msgspec
import numpy as np
import pydantic
import pytest

from tests.keeping import comparable, kept

HERE = __name__
UTC = datetime.UTC
MIDNIGHT = datetime.datetime(2026, 1, 19, tzinfo=UTC)


class Colour(enum.Enum):
    RED = "red"
    DEEP = {"r": [1, 2]}


class Level(enum.StrEnum):
    HIGH = "high"


class Mixed(str, enum.Enum):  # noqa: UP042
    ONE = "one"


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not what it holds"

    def __repr__(self) -> str:
        return "nor this"


class Whole(int):
    def __int__(self) -> int:
        return -1


class Real(float):
    def __float__(self) -> float:
        return -1.0


class Dict(dict[str, Any]):
    pass


class List(list[Any]):
    pass


class Moment(datetime.datetime):
    pass


class Amount(decimal.Decimal):
    pass


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Data:
    name: str
    password: str = dataclasses.field(default="hunter2", repr=False)
    inner: Any = None


@dataclasses.dataclass(slots=True)
class Unset:
    there: int
    missing: int = dataclasses.field(init=False)


@attrs.define
class Attrs:
    name: str
    inner: Any = None


class Model(pydantic.BaseModel):
    name: str
    secret: pydantic.SecretStr = pydantic.SecretStr("hunter2")
    inner: Any = None


class Record(msgspec.Struct):
    name: str
    inner: Any = None


class Convertible:
    def __init__(self, value: Any) -> None:
        self.value = value

    def tolist(self) -> Any:
        return self.value


class Plain:
    def __repr__(self) -> str:
        return "<Plain, api_key='sk-123456', size 3>"


class Lazy(collections.abc.Sequence[int]):
    def __getitem__(self, index: Any) -> Any:
        return (4, 5, 6)[index]

    def __len__(self) -> int:
        return 3


def generator() -> Any:
    yield 1


async def coroutine() -> None:
    """Nothing is awaited."""


JSON: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**63,
    2**64 - 1,
    -(2**63),
    0.0,
    -0.0,
    1.5,
    5e-324,
    1.7976931348623157e308,
    "",
    "text",
    "\x00\x1f\x7f\u2028\\\"'",
    "é 日本語 🎈",
    [],
    {},
    [[]],
    [{}],
    {"": ""},
    {"a": {"b": [1, 2.5, None, True, "x"]}},
    [1, 2, 3],
    [0.5, -0.0],
    [1, 2.5],
    [True, 1],
    ["a", None],
]


@pytest.mark.parametrize("value", JSON, ids=ascii)
def test_what_json_holds_is_kept_as_it_is(value: Any) -> None:
    assert comparable(kept(value)) == comparable(value)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**64,
        -(2**63) - 1,
        (1 << 10_000) - 1,
        -(10**5_000),
        [math.nan, 1.0],
        [2**64, 1],
        [10**400, 1.5],
        {"a": 10**400, "b": math.inf},
        {"a": [{"b": math.nan}]},
    ],
    ids="nan inf -inf 2**64 -2**63-1 10000-bits 5000-digits nan-in-list big-in-list "
    "too-big-for-a-float flat-dict deep".split(),
)
def test_numbers_that_json_lacks_come_back(value: Any) -> None:
    assert comparable(kept(value)) == comparable(value)


TYPES: dict[str, tuple[Callable[[], Any], Any]] = {
    # Subclasses of what JSON has are what they hold, whatever they say of themselves.
    "str": (lambda: Text("it"), "it"),
    "int": (lambda: Whole(7), 7),
    "float": (lambda: Real(0.5), 0.5),
    "dict": (lambda: Dict(a=1), {"a": 1}),
    "list": (lambda: List([1, "b"]), [1, "b"]),
    "defaultdict": (lambda: collections.defaultdict(int, a=1), {"a": 1}),
    "Counter": (lambda: collections.Counter("aab"), {"a": 2, "b": 1}),
    "ChainMap": (lambda: collections.ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
    "MappingProxyType": (lambda: types.MappingProxyType({"a": 1}), {"a": 1}),
    "UserDict": (lambda: collections.UserDict(a=1), {"a": 1}),
    # Enumerations are their values.
    "Enum": (lambda: Colour.RED, "red"),
    "Enum of a dict": (lambda: Colour.DEEP, {"r": [1, 2]}),
    "StrEnum": (lambda: Level.HIGH, "high"),
    "str and Enum": (lambda: Mixed.ONE, "one"),
    "IntFlag": (lambda: Bits.A | Bits.B, 3),
    # Several in order, or in none.
    "tuple": (lambda: (1, "a", (2,)), [1, "a", [2]]),
    "set": (lambda: {"one"}, ["one"]),
    "frozenset": (lambda: frozenset({1}), [1]),
    "range": (lambda: range(3), [0, 1, 2]),
    "deque": (lambda: collections.deque("ab", 5), ["a", "b"]),
    "UserList": (lambda: collections.UserList([1, "a"]), [1, "a"]),
    "array": (lambda: array.array("d", [0.5]), [0.5]),
    "keys": (lambda: {"a": 1}.keys(), ["a"]),
    "values": (lambda: {"a": 1}.values(), [1]),
    "items": (lambda: {"a": 1}.items(), [["a", 1]]),
    "a sequence of their own": (Lazy, [4, 5, 6]),
    # Records.
    "namedtuple": (lambda: Point(1, 2), {"x": 1, "y": 2}),
    "dataclass": (
        lambda: Data("a", inner=Data("b")),
        {
            "name": "a",
            "password": {"$redacted": True},
            "inner": {"name": "b", "password": {"$redacted": True}, "inner": None},
        },
    ),
    "dataclass, a field not set": (lambda: Unset(1), {"there": 1}),
    "attrs": (lambda: Attrs("a", Attrs("b")), {"name": "a", "inner": {"name": "b", "inner": None}}),
    "pydantic": (
        lambda: Model(name="a", inner=(1,)),
        {"name": "a", "secret": {"$redacted": True}, "inner": [1]},
    ),
    "msgspec": (
        lambda: Record("a", Record("b")),
        {"name": "a", "inner": {"name": "b", "inner": None}},
    ),
    # Texts.
    "datetime": (
        lambda: datetime.datetime(2026, 1, 19, 18, tzinfo=UTC),
        "2026-01-19T18:00:00+00:00",
    ),
    "datetime without a zone": (lambda: MIDNIGHT.replace(tzinfo=None), "2026-01-19T00:00:00"),
    "datetime of their own": (lambda: Moment(2026, 1, 19, tzinfo=UTC), "2026-01-19T00:00:00+00:00"),
    "date": (lambda: datetime.date(2026, 1, 19), "2026-01-19"),
    "time": (lambda: datetime.time(18, 30), "18:30:00"),
    "timedelta": (lambda: datetime.timedelta(1, 2), "1 day, 0:00:02"),
    "Decimal": (lambda: decimal.Decimal("0.10"), "0.10"),
    "Decimal NaN": (lambda: decimal.Decimal("NaN"), "NaN"),
    "Decimal of their own": (lambda: Amount("1.50"), "1.50"),
    "UUID": (lambda: uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "Path": (lambda: pathlib.PurePosixPath("/a/b"), "/a/b"),
    "Path that is no text": (lambda: pathlib.Path(os.fsdecode(b"/\xff")), "/\\udcff"),
    # Bytes.
    "bytes": (lambda: b"\x00\xff", {"$bytes": "AP8="}),
    "no bytes": (lambda: b"", {"$bytes": ""}),
    "bytearray": (lambda: bytearray(b"ab"), {"$bytes": "YWI="}),
    "memoryview": (lambda: memoryview(b"abcd")[::2], {"$bytes": "YWM="}),
    # numpy.
    "float64": (lambda: np.float64(0.5), 0.5),
    "float32": (lambda: np.float32(0.5), 0.5),
    "int64": (lambda: np.int64(7), 7),
    "bool_": (lambda: np.bool_(True), True),
    "str_": (lambda: np.str_("a"), "a"),
    "longdouble": (lambda: np.longdouble("1.5"), {"$repr": repr(np.longdouble("1.5"))}),
    "datetime64": (lambda: np.datetime64("2026-01-19"), "2026-01-19"),
    "array of int": (lambda: np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
    "array of one": (lambda: np.array(5), 5),
    "array of objects": (lambda: np.array([{"a": 1}, None]), [{"a": 1}, None]),
    # What is left says what it is.
    "exception": (lambda: ValueError("a", 1), {"$error": "ValueError", "text": "('a', 1)"}),
    "exception, silent": (lambda: ValueError(), {"$error": "ValueError", "text": "ValueError"}),
    "exception with a secret": (
        lambda: KeyError("token=abc"),
        {"$error": "KeyError", "text": "'token=[redacted]'"},
    ),
    "exception with a dict": (
        lambda: ValueError({"a": 1, "password": "hunter2"}),
        {"$error": "ValueError", "args": [{"a": 1, "password": {"$redacted": True}}]},
    ),
    "group": (
        lambda: ExceptionGroup("two", [KeyError("a"), ExceptionGroup("in", [OSError(2, "no")])]),
        {
            "$error": "ExceptionGroup",
            "text": "two (2 sub-exceptions); KeyError: 'a'; ExceptionGroup: in (1 sub-exception); "
            "FileNotFoundError: [Errno 2] no",
        },
    ),
    "type": (lambda: Plain, {"$repr": f"<class '{HERE}.Plain'>"}),
    "object": (Plain, {"$repr": "<Plain, api_key=[redacted], size 3>"}),
    "complex": (lambda: 1j, {"$repr": "1j"}),
    "Fraction": (lambda: fractions.Fraction(1, 3), {"$repr": "Fraction(1, 3)"}),
    "address": (lambda: ipaddress.ip_address("::1"), {"$repr": "IPv6Address('::1')"}),
    "pattern": (lambda: re.compile("a+"), {"$repr": "re.compile('a+')"}),
    "ellipsis": (lambda: ..., {"$repr": "Ellipsis"}),
    "builtin": (lambda: len, {"$repr": "<built-in function len>"}),
    "tolist": (lambda: Convertible((1, 2)), [1, 2]),
}


@pytest.mark.parametrize("name", TYPES)
def test_each_type(name: str) -> None:
    make, expected = TYPES[name]
    value = make()
    assert kept(value) == expected
    assert kept([value, {"in": value}]) == [expected, {"in": expected}]
    assert kept(value, redact=lambda path, value: value) == expected


def test_functions_and_the_like_are_named_and_left_alone() -> None:
    waiting = coroutine()
    started = generator()
    with contextlib.closing(waiting):
        for value in (
            test_each_type,
            lambda: None,
            waiting,
            started,
            Lazy().index,
            weakref.ref(Plain),
        ):
            assert kept(value) == {"$repr": repr(value)}
    assert next(started) == 1


def test_a_mock_is_not_called() -> None:
    class Anything:
        called: list[str] = []

        def __getattr__(self, name: str) -> Any:
            return lambda *args: self.called.append(name)

        def __repr__(self) -> str:
            return "<anything>"

    assert kept(Anything()) == {"$repr": "<anything>"}
    assert Anything.called == []


def test_bytes_are_cut_to_their_head() -> None:
    for value in (bytes(5000), bytearray(5000), memoryview(array.array("d", [0.0] * 625))):
        found = kept(value, max_value_bytes=1024)
        assert found["bytes"] == 5000
        assert 500 < len(found["$bytes"]) < 1024
