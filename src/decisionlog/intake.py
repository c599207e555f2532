"""What callers hand over, as the types that records have.

A value of the wrong type is misuse, and is coerced: nothing is refused, and no line is written that
the reader could not decode. See `values` for what goes inside dicts and results.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from itertools import islice
from math import isfinite, nan
from operator import itemgetter
from types import TracebackType
from typing import Any, TypeVar

from msgspec.structs import asdict, astuple

from decisionlog.errors import InvalidValueError, MisuseError, UnknownOptionError, brief
from decisionlog.model import SEVERITIES, DecisionType, Option
from decisionlog.redaction import REDACTED
from decisionlog.rescue import type_of
from decisionlog.values import MAX_NODES, Path, Values, as_path, type_name

T = TypeVar("T")
_SINGLE = (str, bytes, Mapping, Option)
_MOST = 10**15
"""No count or duration is larger, so sums of them are exact and fit 64 bits."""
_TRACEBACK_FRAMES = 60
DECISION_TYPES = {kind.value: kind for kind in DecisionType}
_SEVERITIES = {severity: severity for severity in SEVERITIES}
_join = "".join
_usual = itemgetter("id", "description", "action_type", "pros", "cons", "confidence")


class Intake:
    """Takes what callers of one runtime hand over; `path` says which argument it is."""

    __slots__ = ("misuse", "plain", "values")

    def __init__(self, values: Values, misuse: Callable[[type[MisuseError], str], None]) -> None:
        self.values = values
        self.misuse = misuse
        self.plain = values.hook is None
        """A text that is one is recorded as it is."""

    def text(self, value: object, path: Path | str) -> str:
        """A text; None and other types are coerced."""
        if self.plain and type(value) is str:
            return value
        if not issubclass(type(value), str):
            self._wrong(value, path, "not a str; coerced")
        return self.values.text(value, path)

    def optional_text(self, value: object, path: Path | str) -> str | None:
        """A text or None."""
        return None if value is None else self.text(value, path)

    def number(self, value: Any, field: str, kind: Callable[[Any], T], default: T) -> T:
        """An int or a float, finite and not negative. None is better than a wrong one."""
        if type(value) is kind and 0 <= value <= _MOST:
            return value  # type: ignore[no-any-return]
        number: T | None = self.values.attempt(None, _number, value, kind)
        if number is None:
            self._wrong(value, field, "not a number from 0 up; left out")
            return default
        return number

    def mapping(self, value: object, path: Path | str) -> dict[str, Any]:
        """A dict with clean values, or what is recorded as one: a dataclass, say. Anything else
        becomes `{"value": …}`.
        """
        if value is None:
            return {}
        clean: Any = self.values.clean(value, path)
        if type_of(clean) is not dict:  # a marker is another type
            if not self.values.attempt(False, isinstance, value, Mapping):
                self._wrong(value, path, "not a dict; coerced")
            clean = {"value": clean}
        return clean  # type: ignore[no-any-return]

    def strings(self, value: Any, path: Path | str) -> list[str]:
        """A list of texts; a single text is a list of one."""
        if value is None:
            return []
        texts = enumerate(self._elements(value, path))
        return [self.text(item, (*as_path(path), i)) for i, item in texts]

    def tags(self, value: Any) -> dict[str, str]:
        """A dict of str to str."""
        if value is None:
            return {}
        pairs = self._pairs(value)
        if pairs is None:
            self._wrong(value, "tags", "not a dict of str to str; coerced")
            pairs = {"tags": value}
        return {
            key: REDACTED if self.values.hides(key) else self.text(item, ("tags", key))
            for key, item in pairs.items()
        }

    def decision_type(self, value: Any) -> DecisionType:
        """One of the types, or its name."""
        return self._one_of(DECISION_TYPES, value, "decision_type", DecisionType.CUSTOM)

    def severity(self, value: Any) -> str:
        """One of the severities."""
        return self._one_of(_SEVERITIES, value, "severity", "warning")

    def _one_of(self, known: dict[str, T], value: Any, field: str, default: T) -> T:
        found = self.values.attempt(None, known.get, value)
        if found is None:
            self._wrong(value, field, f"not one of {', '.join(known)}")
            return default
        return found

    def options(self, value: Any) -> list[Any]:
        """The options, each an `Option`, or a dict that will be written as one."""
        if self.plain and type_of(value) is list and self._all_usual(value):
            return value  # type: ignore[no-any-return]
        if value is None:
            return []
        if type_of(value) is not list and type_of(value) is not tuple:
            value = self._elements(value, "options")
        options: list[Any] = []
        for i, given in enumerate(value):
            sound = self._sound_option(given) if self.plain else None
            options.append(sound or self._option(given, i))
        return options

    def _all_usual(self, options: list[Any]) -> bool:
        """Whether the options are dicts with the usual keys, and values of the right types. Most
        are, and it takes but a few questions to find out.
        """
        try:
            for option in options:
                if type_of(option) is not dict or len(option) != 6:
                    return False
                name, what, action, pros, cons, confidence = _usual(option)
                if not (
                    type(name) is type(what) is type(action) is str
                    and type(pros) is type(cons) is list
                    and type(confidence) is float
                    and 0.0 <= confidence <= 1.0
                ):
                    return False
                _join(pros)  # raises if one is no text
                _join(cons)
        except BaseException as error:
            self.values.interrupted_by(error)
            return False
        return True

    def _sound_option(self, given: Any) -> Option | None:
        """The option, if all is as it should be: that is quick to find out."""
        try:
            kind = type_of(given)
            if kind is not dict and kind is not Option:
                return None
            option = Option(**given) if kind is dict else given
            name, what, action, params, pros, cons, confidence, extra = astuple(option)
            if (
                type_of(name) is type_of(what) is type_of(action) is str
                and type_of(params) is type_of(extra) is dict
                and type_of(pros) is type_of(cons) is list
                and type_of(confidence) is float
                and 0 <= confidence <= 1
            ):
                _join(pros)
                _join(cons)
                if params or extra:
                    params, extra = self.values.clean(params), self.values.clean(extra)
                return Option(name, what, action, params, pros, cons, confidence, extra)
        except BaseException as error:
            self.values.interrupted_by(error)
        return None

    def choice(self, chosen: Any, options: list[Any]) -> str:
        """The choice, which had better be among the options."""
        option_id: str = chosen if type_of(chosen) is str else self.text(chosen, "chosen")
        for option in options:
            if (option["id"] if type(option) is dict else option.id) == option_id:
                return option_id
        if options:
            ids = [option["id"] if type_of(option) is dict else option.id for option in options]
            known = ", ".join(map(repr, ids[:10]))
            what = f"{option_id!r:.60} is not among the options ({known:.300}); kept as it is"
            self.misuse(UnknownOptionError, what)
        return option_id

    def truth(self, success: object) -> bool:
        """Whether something is a success; of an array, say, that is not clear."""
        try:
            return bool(success)
        except Exception:
            what = f"success is {brief(success)}, neither true nor false; taken as false"
            self.misuse(InvalidValueError, what)
            return False

    def _option(self, given: Any, i: int) -> Option:
        """An option field by field, which is how a dict with unknown keys has to be read too."""
        path = ("options", i)
        fields = self._pairs(asdict(given) if issubclass(type(given), Option) else given)
        if fields is None:
            self._wrong(given, path, "not an Option or a dict; coerced")
            fields = {"id": given}
        if "id" not in fields:
            self._wrong(given, path, "without an id; its position is its id")
        take = fields.pop
        option = Option(
            self.text(take("id", str(i)), (*path, "id")),
            self.text(take("description", ""), (*path, "description")),
            self.text(take("action_type", "unknown"), (*path, "action_type")),
            self.mapping(take("action_params", None), (*path, "action_params")),
            self.strings(take("pros", None), (*path, "pros")),
            self.strings(take("cons", None), (*path, "cons")),
            self._confidence(take("confidence", 0.5), (*path, "confidence")),
            self.mapping(take("extra", None), (*path, "extra")),
        )
        if fields:  # unknown ones are left
            option.extra.update(self.mapping(fields, (*path, "extra")))
        return option

    def _confidence(self, value: Any, path: Path) -> float:
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

    def _elements(self, value: Any, path: Path | str) -> list[Any]:
        """The elements of an iterable; anything else is the only one."""
        elements = self.values.attempt(None, _listed, value)
        if elements is None:
            self._wrong(value, path, "not a list; coerced")
        return [value] if elements is None else elements

    def _wrong(self, value: object, path: Path | str, what: str) -> None:
        shown = brief(value)
        if type(value) in (int, float, bool):
            shown = self.values.attempt(shown, repr, value)[:80]
        at = "".join(f"[{n}]" if type(n) is int else f".{n}" for n in as_path(path))
        self.misuse(InvalidValueError, f"{at[1:]} is {shown}, {what}")


def _listed(value: Any) -> list[Any] | None:
    return None if isinstance(value, _SINGLE) else list(islice(value, MAX_NODES))


def _number(value: Any, kind: Callable[[Any], Any]) -> Any:
    number = kind(value)
    sound = not isinstance(value, (bool, str, bytes)) and (kind is float or number == value)
    return number if sound and 0 <= number <= _MOST else None


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
