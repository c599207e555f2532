"""What callers hand over, as the types that records have.

A value of the wrong type is misuse, and is coerced: nothing is refused, and no line is written that
the reader could not decode. See `values` for what goes inside dicts and results.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from itertools import islice
from math import isfinite, nan
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from msgspec.structs import asdict, replace

from decisionlog.errors import InvalidValueError, MisuseError, brief
from decisionlog.model import SEVERITIES, DecisionType, Option
from decisionlog.redaction import REDACTED
from decisionlog.values import MAX_NODES, Path, Values, is_a, type_name, type_of

T = TypeVar("T")
_OPTION_FIELDS = frozenset(Option.__struct_fields__)
_OPTION_TYPES = frozenset({Option, dict})
_SINGLE = (str, bytes, Mapping, Option)
_MOST = 10**15
"""No count or duration is larger, so sums of them are exact and fit 64 bits."""
_TRACEBACK_FRAMES = 60


class Intake:
    """Takes what callers of one runtime hand over; `path` says which argument it is."""

    __slots__ = ("misuse", "values")

    def __init__(self, values: Values, misuse: Callable[[type[MisuseError], str], None]) -> None:
        self.values = values
        self.misuse = misuse

    def text(self, value: object, *path: str | int) -> str:
        """A text; None and other types are coerced."""
        if type(value) is str and self.values.hook is None:
            return value
        if not issubclass(type(value), str):
            self._wrong(value, path, "not a str; coerced")
        return self.values.text(value, *path)

    def optional_text(self, value: object, *path: str | int) -> str | None:
        """A text or None."""
        return None if value is None else self.text(value, *path)

    def number(self, value: Any, field: str, kind: Callable[[Any], T], default: T) -> T:
        """An int or a float, finite and not negative. None is better than a wrong one."""
        if type(value) is kind and 0 <= value <= _MOST:
            return value  # type: ignore[no-any-return]
        number: T | None = self.values.attempt(None, _number, value, kind)
        if number is None:
            self._wrong(value, (field,), "not a number from 0 up; left out")
            return default
        return number

    def mapping(self, value: object, *path: str | int) -> dict[str, Any]:
        """A dict with clean values, or what is recorded as one: a dataclass, say. Anything else
        becomes `{"value": …}`.
        """
        if value is None:
            return {}
        clean: Any = self.values.clean(value, *path)
        if not is_a(clean, dict) or _is_marker(clean):
            if not self.values.attempt(False, isinstance, value, Mapping):
                self._wrong(value, path, "not a dict; coerced")
            clean = {"value": clean}
        return clean  # type: ignore[no-any-return]

    def strings(self, value: Any, *path: str | int) -> list[str]:
        """A list of texts; a single text is a list of one."""
        if value is None:
            return []
        texts = self._elements(value, path)
        return [self.text(item, *path, i) for i, item in enumerate(texts)]

    def tags(self, value: Any) -> dict[str, str]:
        """A dict of str to str."""
        if value is None:
            return {}
        pairs = self._pairs(value)
        if pairs is None:
            self._wrong(value, ("tags",), "not a dict of str to str; coerced")
            pairs = {"tags": value}
        return {
            key: REDACTED if self.values.hides(key) else self.text(item, "tags", key)
            for key, item in pairs.items()
        }

    def decision_type(self, value: Any) -> DecisionType:
        """One of the types, or its name."""
        kind = self.values.attempt(None, DecisionType, value)
        if kind is None:
            self._wrong(value, ("decision_type",), f"not one of {', '.join(DecisionType)}")
        return kind or DecisionType.CUSTOM

    def severity(self, value: Any) -> str:
        """One of the severities."""
        severity = str.__str__(value) if issubclass(type(value), str) else ""
        if severity in SEVERITIES:
            return severity
        self._wrong(value, ("severity",), f"not one of {', '.join(SEVERITIES)}")
        return "warning"

    def options(self, value: Any) -> list[Option]:
        """The options, from `Option`s and dicts."""
        if value is None:
            return []
        options: list[Option] = []
        if type(value) in (list, tuple) and self.values.hook is None:
            try:
                if _OPTION_TYPES.issuperset(map(type, value)):
                    options = msgspec.convert(value, list[Option])
            except BaseException as error:  # one of them is not as it should be
                self.values.interrupted_by(error)
        if not options:
            elements = self._elements(value, ("options",))
            return [self._option(item, i) for i, item in enumerate(elements)]
        for i, option in enumerate(options):
            if option is value[i] and not _is_sound(option):
                options[i] = self._option(option, i)
            elif option.action_params or option.extra:
                params = self.mapping(option.action_params, "options", i, "action_params")
                extra = self.mapping(option.extra, "options", i, "extra")
                options[i] = replace(option, action_params=params, extra=extra)
        return options

    def _option(self, given: Any, i: int) -> Option:
        """An option field by field, which is how a dict with unknown keys has to be read too."""
        path = ("options", i)
        fields = self._pairs(asdict(given) if issubclass(type(given), Option) else given)
        if fields is None:
            self._wrong(given, path, "not an Option or a dict; coerced")
            fields = {"id": given}
        if "id" not in fields:
            self._wrong(given, path, "without an id; its position is its id")
        unknown = {key: fields[key] for key in fields if key not in _OPTION_FIELDS}
        extra = self.mapping(fields.get("extra"), *path, "extra")
        if unknown:
            extra |= self.mapping(unknown, *path, "extra")
        return Option(
            self.text(fields.get("id", str(i)), *path, "id"),
            self.text(fields.get("description", ""), *path, "description"),
            self.text(fields.get("action_type", "unknown"), *path, "action_type"),
            self.mapping(fields.get("action_params"), *path, "action_params"),
            self.strings(fields.get("pros"), *path, "pros"),
            self.strings(fields.get("cons"), *path, "cons"),
            self._confidence(fields.get("confidence", 0.5), *path, "confidence"),
            extra,
        )

    def _confidence(self, value: Any, *path: str | int) -> float:
        given = self.values.attempt(nan, float, value)
        confidence = min(1.0, max(0.0, given)) if isfinite(given) else 0.5
        if confidence != given or type(value) is bool or issubclass(type(value), str):
            self._wrong(value, path, f"outside 0 to 1; recorded as {confidence}")
        return confidence

    def failure(self, error: Any) -> tuple[str | None, str | None, str | None]:
        """The text, type and traceback of an error: an exception, or what the agent says of it."""
        kind = where = None
        if error is None:
            return None, kind, where
        if issubclass(type(error), BaseException):
            kind = type_name(type_of(error))
            where = self.values.attempt(None, lambda: trace(error.__traceback__))
            error = self.values.said(error)
        return self.values.redact_text(self.text(error, "error")), kind, where

    def _pairs(self, value: Any) -> dict[str, Any] | None:
        """The items of a mapping, if it is one and lets itself be read."""
        return self.values.attempt(
            None, lambda: {self.values.key(k): item for k, item in islice(value.items(), MAX_NODES)}
        )

    def _elements(self, value: Any, path: Path) -> list[Any]:
        """The elements of an iterable; anything else is the only one."""
        if not self.values.attempt(True, isinstance, value, _SINGLE):
            elements: list[Any] | None
            elements = self.values.attempt(None, lambda: list[Any](islice(value, MAX_NODES)))
            if elements is not None:
                return elements
        self._wrong(value, path, "not a list; coerced")
        return [value]

    def _wrong(self, value: object, path: Path, what: str) -> None:
        shown = brief(value)
        if type(value) in (int, float, bool):
            shown = self.values.attempt(shown, repr, value)[:80]
        at = "".join(f"[{name}]" if type(name) is int else f".{name}" for name in path)
        self.misuse(InvalidValueError, f"{at[1:]} is {shown}, {what}")


def _number(value: Any, kind: Callable[[Any], Any]) -> Any:
    number = kind(value)
    sound = not isinstance(value, (bool, str, bytes)) and (kind is float or number == value)
    return number if sound and 0 <= number <= _MOST else None


def _is_sound(option: Option) -> bool:
    """Whether an Option made by hand, which nothing has checked, holds what its types say."""
    return (
        type(option.id) is str
        and type(option.description) is str
        and type(option.action_type) is str
        and type(option.confidence) is float
        and 0 <= option.confidence <= 1
        and type(option.pros) is list
        and type(option.cons) is list
        and type(option.action_params) is dict
        and type(option.extra) is dict
        and set(map(type, option.pros)) | set(map(type, option.cons)) <= {str}
    )


def _is_marker(clean: dict[str, Any]) -> bool:
    key: str = next(iter(clean), "")
    return key.startswith("$") and not key.startswith("$$")


def trace(trace: TracebackType | None) -> str | None:
    """Where an exception came from: file, line and function of each frame, innermost last.

    Neither source lines nor values: both may hold secrets.
    """
    frames = [
        f'File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_qualname}'
        for frame, line in traceback.walk_tb(trace)
    ]
    if len(frames) > _TRACEBACK_FRAMES:
        half = _TRACEBACK_FRAMES // 2
        frames[half:-half] = [f"… {len(frames) - _TRACEBACK_FRAMES} more frames …"]
    return "\n".join(frames) or None
