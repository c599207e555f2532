"""Values that do their worst: factories by name, since many can be used but once."""

import asyncio
import collections
import contextvars
import dataclasses
import enum
import io
import itertools
import math
import os
import sys
import threading
import types
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import attrs
import msgspec
import numpy as np
import pydantic

HOSTILE: dict[str, Callable[[], Any]] = {}
SMALL_STACK = 256 * 1024
"""Of a thread; CPython itself crashes there when the str() of something deep is taken."""


def on_a_small_stack(call: Callable[[], object], size: int = SMALL_STACK) -> None:
    """What the call raises there is raised here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    before = threading.stack_size(size)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    if raised:
        raise raised[0]


class Worse(BaseException):
    """Not to be caught by `except Exception`."""


class Mute(Exception):
    def __str__(self) -> str:
        raise Worse

    __repr__ = __str__


def raising(error: type[BaseException], *methods: str, base: type = object) -> Any:
    """An object of which these methods raise."""

    def fail(self: object, *args: object) -> Any:
        raise error("from within")

    return type(f"Raising{error.__name__}", (base,), dict.fromkeys(methods, fail))


METHODS: dict[str, tuple[type, tuple[str, ...]]] = {
    "repr": (object, ("__repr__",)),
    "repr and str": (object, ("__repr__", "__str__", "__format__")),
    "getattribute": (object, ("__getattribute__",)),
    "getattr": (object, ("__getattr__", "__repr__")),
    "bool": (object, ("__bool__", "__len__", "__repr__")),
    "tolist": (object, ("tolist",)),
    "isoformat": (object, ("isoformat",)),
    "model_dump": (object, ("model_dump",)),
    "fspath": (object, ("__fspath__",)),
    "numbers": (object, ("__int__", "__float__", "__index__", "__repr__")),
    "iter of a list": (list, ("__iter__", "__len__", "__getitem__", "__repr__")),
    "iter of a tuple": (tuple, ("__iter__", "__len__", "__getitem__", "__repr__")),
    "iter of a set": (set, ("__iter__", "__len__", "__repr__")),
    "items of a dict": (dict, ("items", "keys", "__iter__", "__getitem__", "__len__")),
    "str of a str": (str, ("__str__", "__repr__", "__hash__", "__eq__", "encode", "isascii")),
    "int of an int": (int, ("__int__", "__repr__", "__lt__", "__le__", "__eq__", "__hash__")),
    "float of a float": (float, ("__float__", "__repr__", "__lt__", "__eq__", "__hash__")),
    "bytes": (bytes, ("__getitem__", "__len__", "__bytes__", "__repr__")),
    "exception": (ValueError, ("__str__", "__repr__")),
    "mapping": (Mapping, ("__getitem__", "__iter__", "__len__", "__repr__")),  # type: ignore[type-abstract]
    "deque": (collections.deque, ("__iter__", "__len__", "__repr__")),
}
ERRORS = (RuntimeError, Worse, Mute, RecursionError, MemoryError, StopIteration, GeneratorExit)
for _name, (_base, _methods) in METHODS.items():
    for _error in ERRORS:
        HOSTILE[f"{_name} raises {_error.__name__}"] = raising(_error, *_methods, base=_base)
HOSTILE["repr raises CancelledError"] = raising(asyncio.CancelledError, "__repr__")


def hostile(make: Callable[[], Any]) -> Callable[[], Any]:
    HOSTILE[make.__name__.replace("_", " ").strip()] = make
    return make


@hostile
def a_class_that_raises() -> Any:
    class Liar:
        @property
        def __class__(self) -> Any:  # type: ignore[override]
            raise Worse

    return Liar()


@hostile
def a_class_that_lies() -> Any:
    class Liar:
        __class__ = str  # type: ignore[assignment]

    return Liar()


@hostile
def a_metaclass_that_raises() -> Any:
    class Meta(type):
        def __repr__(cls) -> str:
            raise Worse

        def __hash__(cls) -> int:
            raise Worse

        def __getattribute__(cls, name: str) -> Any:
            raise Worse

        def __instancecheck__(cls, value: object) -> bool:
            raise Worse

    class Liar(metaclass=Meta):
        __slots__ = ()

    return [Liar(), Liar]


@hostile
def names_that_are_no_text() -> Any:
    class Named:
        pass

    Named.__module__ = None  # type: ignore[assignment]
    Named.__qualname__ = "\udc80"
    return [Named(), Named, Named]


@hostile
def a_dead_proxy() -> Any:
    class There:
        pass

    return weakref.proxy(There())


@hostile
def a_dead_proxy_in_a_dict() -> Any:
    return {"proxy": a_dead_proxy(), "after": 1}


@hostile
def proxies() -> Any:
    kept = [collections.UserDict(a=1), collections.UserList([1]), collections.deque([2])]
    return [*map(weakref.proxy, kept), kept]


@hostile
def a_dead_reference() -> Any:
    return weakref.ref(type("There", (), {})())


@hostile
def an_infinite_mapping() -> Any:
    class Infinite(Mapping[int, int]):
        def __getitem__(self, key: int) -> int:
            return key

        def __iter__(self) -> Iterator[int]:
            number = 0
            while True:
                yield number
                number += 1

        def __len__(self) -> int:
            return 3

    return Infinite()


@hostile
def an_infinite_list() -> Any:
    class Infinite(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            while True:
                yield self

        def __len__(self) -> int:
            return -1

    return Infinite()


@hostile
def infinitely_deep() -> Any:
    class Deep(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            return Deep()

        def __iter__(self) -> Iterator[str]:
            return iter("ab")

        def __len__(self) -> int:
            return 2

    return Deep()


@hostile
def infinitely_convertible() -> Any:
    class Other:
        def tolist(self) -> Any:
            return infinitely_convertible()

    class Convertible:
        def model_dump(self) -> Any:
            return Other()

    return Convertible()


@hostile
def items_that_are_no_pairs() -> Any:
    class Odd(dict[Any, Any]):
        def items(self) -> Any:
            return iter([("a", 1), 5, ("b", 2)])

    return Odd(a=1)


@hostile
def a_mapping_that_raises_late() -> Any:
    class Late(dict[str, Any]):
        def items(self) -> Any:
            yield "a", 1
            raise Worse

    return Late(a=1)


@hostile
def a_list_that_raises_late() -> Any:
    class Late(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            yield 1
            raise Worse

    return Late([1])


@hostile
def it_grows_while_it_is_read() -> Any:
    grown: list[Any] = []

    class Grower:
        def __repr__(self) -> str:
            grown.append(Grower())
            return "x"

    grown.append(Grower())
    return [grown, {"in": grown}]


@hostile
def it_shrinks_while_it_is_read() -> Any:
    shrunk: dict[Any, Any] = {}

    class Shrinker:
        def __repr__(self) -> str:
            shrunk.clear()
            return "x"

    shrunk.update({n: Shrinker() for n in range(10)})
    return shrunk


@hostile
def an_ordered_dict_that_changes() -> Any:
    changed: Any = collections.OrderedDict()

    class Changer:
        def __repr__(self) -> str:
            changed[len(changed)] = 1
            return "x"

    changed["a"] = Changer()
    changed["b"] = Changer()
    return changed


@hostile
def keys_of_all_kinds() -> Any:
    class Key:
        def __init__(self) -> None:
            self.armed = False

        def __hash__(self) -> int:
            if self.armed:
                raise Worse
            return hash("a")

        def __eq__(self, other: object) -> bool:
            if self.armed:
                raise Worse
            return False

        def __repr__(self) -> str:
            raise Worse

    keys = [Key(), Key()]
    value: dict[Any, Any] = {"a": 1, **dict.fromkeys(keys, 2)}
    for key in keys:
        key.armed = True
    return [value, value]


@hostile
def a_key_like_any_other() -> Any:
    class Key:
        def __hash__(self) -> int:
            return hash("v")

        def __eq__(self, other: object) -> bool:
            return isinstance(other, str)

    return {Key(): 1}


@hostile
def a_flat_dict_with_a_key_of_a_kind() -> Any:
    return {type("Key", (str,), {"__eq__": lambda *_: True, "__hash__": str.__hash__})("v"): 1}


@hostile
def comparing_says_yes() -> Any:
    return type("Yes", (), {"__eq__": lambda *_: True, "__hash__": lambda _: 1})()


@hostile
def an_enum_that_raises() -> Any:
    class Odd(enum.Enum):
        A = 1

        @property
        def value(self) -> Any:
            raise Worse

    return Odd.A


@hostile
def an_enum_of_itself() -> Any:
    class Odd(enum.Enum):
        A = 1

        @property
        def value(self) -> Any:
            return self

    return Odd.A


@hostile
def a_dataclass_with_a_property_that_raises() -> Any:
    @dataclasses.dataclass
    class Odd:
        first: int
        second: int = 0

    Odd.second = property(lambda self: 1 / 0, lambda self, value: None)  # type: ignore[assignment]
    return Odd(1)


@hostile
def a_tuple_whose_fields_are_none() -> Any:
    return type("Odd", (tuple,), {"_fields": 5})((1, 2))


@hostile
def attrs_that_is_none() -> Any:
    return type("Odd", (), {"__attrs_attrs__": 7, "__dataclass_fields__": 8})()


@hostile
def a_model_with_a_cycle() -> Any:
    class Node(pydantic.BaseModel):
        next: Any = None

    node = Node()
    node.next = [node]
    return node


@hostile
def a_module() -> Any:
    return sys


@hostile
def a_frame() -> Any:
    return sys._getframe()


@hostile
def a_lock_and_a_thread() -> Any:
    return [threading.Lock(), threading.current_thread(), threading.local()]


@hostile
def a_released_view() -> Any:
    view = memoryview(b"abc")
    view.release()
    return view


@hostile
def a_view_without_dimensions() -> Any:
    return memoryview(np.array(5))


@hostile
def _sys_modules() -> Any:
    return dict(sys.modules)


@hostile
def the_environment() -> Any:
    return os.environ


@hostile
def namespaces() -> Any:
    space = types.SimpleNamespace()
    space.self = space
    return [space, globals()]


@hostile
def mocks() -> Any:
    from unittest import mock

    return [
        mock.Mock(),
        mock.MagicMock(),
        mock.Mock(spec=dict),
        mock.Mock(spec=str),
        mock.ANY,
        mock.call.a,
    ]


@hostile
def cycles() -> Any:
    ring: list[Any] = []
    ring.append({"ring": ring, "again": (ring, [ring])})
    knot: dict[str, Any] = {"ring": ring}
    knot["knot"] = knot
    return [ring, knot]


@hostile
def a_cyclic_dict() -> Any:
    knot: dict[str, Any] = {}
    knot["knot"] = knot
    return knot


@hostile
def a_large_cycle() -> Any:
    first: dict[str, Any] = {}
    last = first
    for _ in range(10_000):
        last["next"] = last = {}
    last["next"] = first
    return first


@hostile
def cyclic_objects() -> Any:
    @dataclasses.dataclass
    class Data:
        me: Any = None

    @attrs.define
    class Attrs:
        me: Any = None

    class Struct(msgspec.Struct):
        me: Any = None

    made = [Data(), Attrs(), Struct()]
    for each in made:
        each.me = [made, each]
    return made


@hostile
def an_exception_of_itself() -> Any:
    error = ValueError("a")
    error.args = (error, [error])
    error.__cause__ = error.__context__ = error
    return error


@hostile
def exceptions_that_cause_each_other() -> Any:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    return ExceptionGroup("both", [first, second])


@hostile
def generators() -> Any:
    async def never() -> AsyncIterator[int]:
        yield 1

    endless = (number for number in itertools.count())
    next(endless)
    return [endless, itertools.count(), iter([1, 2]), map(str, endless), never()]


@hostile
def a_generator_that_raises() -> Any:
    return (1 / 0 for _ in range(3))


@hostile
def attrs_that_raises() -> Any:
    @attrs.define
    class Odd:
        first: int = 1

        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            raise Worse

        def __repr__(self) -> str:
            raise Worse

    return Odd()


@hostile
def a_slot_that_is_empty() -> Any:
    @dataclasses.dataclass(slots=True)
    class Half:
        first: int
        second: int

    half = Half.__new__(Half)
    half.first = 1
    return half


@hostile
def a_model_that_was_never_made() -> Any:
    class Model(pydantic.BaseModel):
        first: int

    return [Model.__new__(Model), Model.model_construct()]


@hostile
def weak_collections() -> Any:
    class There:
        pass

    return [
        weakref.WeakValueDictionary({"a": There()}),
        weakref.WeakKeyDictionary({There(): 1}),
        weakref.WeakSet([There()]),
    ]


@hostile
def what_belongs_to_the_system() -> Any:
    return [io.BytesIO(b"ab"), sys.stdout, contextvars.copy_context(), types.SimpleNamespace, int]


@hostile
def default_dicts() -> Any:
    endless: Any = collections.defaultdict(lambda: endless)
    endless["a"]
    return [endless, collections.ChainMap({"a": 1}, endless), collections.Counter("abc")]


def nested(levels: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


DEEP = 100_000
HOSTILE |= {
    "deep lists": lambda: nested(DEEP, lambda inner: [inner]),
    "deep dicts": lambda: nested(DEEP, lambda inner: {"a": inner}),
    "deep tuples": lambda: nested(DEEP, lambda inner: (inner,)),
    "deep dicts and lists": lambda: nested(DEEP, lambda inner: {"a": [inner], "b": math.nan}),
    "deep deques": lambda: nested(1000, lambda inner: collections.deque([inner])),
    "a deep exception": lambda: ValueError(nested(DEEP, lambda inner: [inner])),
    "exceptions in exceptions": lambda: nested(1000, lambda inner: ValueError([inner, inner])),
    "a deep group": lambda: nested(
        500, lambda e: ExceptionGroup("g", [e if e != 1 else Mute()] * 2)
    ),
    "a wide group": lambda: ExceptionGroup("g", [ValueError("x" * 1000)] * 10_000),
    "laughing lists": lambda: nested(30, lambda inner: [inner] * 10),
    "laughing dicts": lambda: nested(30, lambda inner: dict.fromkeys("abcdefgh", inner)),
    "laughing rows": lambda: [[0.5] * 10_000] * 10_000,
    "laughing numbers": lambda: [[1 << 100_000] * 1000] * 1000,
    "laughing texts": lambda: [["x" * 100_000] * 1000] * 1000,
    "laughing bytes": lambda: [[bytes(10**6)] * 1000] * 1000,
    "laughing keys": lambda: [{"k" * 10**6: 1}] * 1000,
    "laughing flat dicts": lambda: [{"a": "x" * 10_000}] * 1000,
    "a long list": lambda: list(range(300_000)),
    "a long list of all sorts": lambda: [1, "a", None, 0.5] * 100_000,
    "a long range": lambda: range(10**12),
    "a long dict": lambda: {f"k{n}": n for n in range(150_000)},
    "a long text": lambda: "x" * 50_000_000,
    "a long text in a dict": lambda: {"a": "é" * 25_000_000, "b": 1},
    "a long text of surrogates": lambda: ["\udc80" * 10_000_000],
    "a long text to escape": lambda: {"a": "\x00" * 3_000_000},
    "long bytes": lambda: bytes(50_000_000),
    "a large array": lambda: np.zeros(10**7),
    "a large array of objects": lambda: np.array([[]] * 200_000, dtype=object),
    "a large number": lambda: 1 << 10_000_000,
    "a large number in a dict": lambda: {"a": -(1 << 10_000), "b": 10**5000},
    "surrogates everywhere": lambda: {"\ud800": ["\udfff", {"\udc80": "a\udc80"}], "b": "\ud83d"},
    "integers of 10,000 bits": lambda: {"a": 1 << 10_000, "b": [-(1 << 10_000)], "c": 1 << 64},
    "NaN at the top": lambda: math.nan,
    "infinity in a flat dict": lambda: {"a": math.inf, "b": 1},
    "a lone surrogate": lambda: "\ud800",
    "a lone surrogate in a key": lambda: {"\udfff": 1},
    "NULs and line ends": lambda: {"a\x00\n\u2028": "\x00\r\n\x85\u2029"},
    "markers": lambda: {"$int": "0x1", "$cut": "a", "bytes": 3, "$$": {"$float": "nan"}},
    "numbers": lambda: [math.nan, math.inf, -math.inf, -0.0, 2**64, -(2**63) - 1, 1e400, 5e-324],
    "numpy numbers": lambda: [
        np.float64("nan"),
        np.float32("inf"),
        np.int64(5),
        np.uint64(2**64 - 1),
    ],
    "numpy things": lambda: [
        np.datetime64("NaT", "s"),
        np.timedelta64(5, "s"),
        np.void(b"ab"),
        np.complex64(1j),
    ],
    "a structured array": lambda: np.array([(1, "a")], dtype=[("n", int), ("s", "U1")]),
    "a masked array": lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
}
