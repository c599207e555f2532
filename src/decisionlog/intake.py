"""What callers hand over, as the types that records have.

A value of the wrong type is misuse, and is coerced: nothing is refused, and no line is written that
the reader could not decode. See `values` for what goes inside dicts and results.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from decisionlog.errors import InvalidValueError, MisuseError
from decisionlog.model import SEVERITIES, DecisionType, Option
from decisionlog.values import Values, encodable, type_name

T = TypeVar("T")
_OPTION_FIELDS = frozenset(Option.__struct_fields__)
_TRACEBACK_FRAMES = 60


class Intake:
    """Takes what callers of one runtime hand over."""

    __slots__ = ("misuse", "values")

    def __init__(self, values: Values, misuse: Callable[[type[MisuseError], str], None]) -> None:
        self.values = values
        self.misuse = misuse

    def text(self, value: object, field: str) -> str:
        """A text; None and other types are coerced."""
        if type(value) is str and self.values.hook is None:
            return value
        if not isinstance(value, str):
            self._wrong(value, field, "str")
        return self.values.text("" if value is None else value, field)

    def optional_text(self, value: object, field: str) -> str | None:
        """A text or None."""
        return None if value is None else self.text(value, field)

    def number(self, value: object, field: str, kind: Callable[[Any], T], default: T) -> T:
        """An int or a float that is finite and not negative."""
        if type(value) is kind and (kind is int or isfinite(value)) and value >= 0:  # type: ignore[arg-type,operator]
            return value  # type: ignore[return-value]
        try:
            number = kind(value)
            sound = isfinite(number) and number >= 0 and not isinstance(value, str)  # type: ignore[arg-type,operator]
        except Exception:
            number, sound = default, False
        if not sound:
            self.misuse(
                InvalidValueError, f"{field} is {_brief(value)}, not a number from 0 up; left out"
            )
            return default
        return number

    def mapping(self, value: Any, field: str) -> dict[str, Any]:
        """A dict with clean values; anything else becomes `{"value": …}`."""
        if value is None:
            return {}
        clean = self.values.clean(value, field)
        if type(clean) is dict and isinstance(value, Mapping):
            return clean
        self._wrong(value, field, "a dict")
        return {"value": clean}

    def strings(self, value: Any, field: str) -> list[str]:
        """A list of texts; a single text is a list of one."""
        if value is None:
            return []
        if type(value) is list and set(map(type, value)) <= {str} and self.values.hook is None:
            return value
        if isinstance(value, str) or not isinstance(value, Iterable):
            self._wrong(value, field, "a list of str")
            value = [value]
        return [self.text(item, field) for item in self._elements(value, field)]

    def tags(self, value: Any) -> dict[str, str]:
        """A dict of str to str."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._wrong(value, "tags", "a dict of str to str")
            return {"tags": self.values.text(value, "tags")}
        clean = self.values.clean(value, "tags")
        return {key: self.text(item, f"tags[{key!r}]") for key, item in clean.items()}

    def decision_type(self, value: Any) -> DecisionType:
        """One of the types, or its name."""
        if type(value) is DecisionType:
            return value
        try:
            return DecisionType(value)
        except Exception:
            self.misuse(
                InvalidValueError,
                f"decision_type is {_brief(value)}, not one of {', '.join(DecisionType)}; "
                'recorded as "custom"',
            )
            return DecisionType.CUSTOM

    def severity(self, value: object) -> str:
        """One of the severities."""
        if value in SEVERITIES:
            return str(value)
        self.misuse(
            InvalidValueError,
            f"severity is {_brief(value)}, not one of {', '.join(SEVERITIES)}; "
            'recorded as "warning"',
        )
        return "warning"

    def options(self, value: Any) -> list[Option]:
        """The options, from `Option`s and dicts."""
        if not value:
            return []
        try:
            options = msgspec.convert(value, list[Option])
            sound = True
        except msgspec.ValidationError:
            sound = False
            if isinstance(value, (Mapping, Option, str)) or not isinstance(value, Iterable):
                self._wrong(value, "options", "a list of options")
                value = [value]
            options = [
                self._option(item, i) for i, item in enumerate(self._elements(value, "options"))
            ]
        if sound and self.values.hook is None:
            for i, (given, option) in enumerate(zip(value, options, strict=True)):
                if given is option and not _is_sound(option):
                    options[i] = self._option(given, i)
                elif option.action_params or option.extra:
                    options[i] = msgspec.structs.replace(
                        option,
                        action_params=self.values.clean(option.action_params, "options", i),
                        extra=self.values.clean(option.extra, "options", i),
                    )
        elif sound:
            options = [self._option(item, i) for i, item in enumerate(options)]
        return options

    def _option(self, given: Any, i: int) -> Option:
        """An option field by field, which is how a dict with unknown keys has to be read too."""
        at = f"options[{i}]"
        if isinstance(given, Option):
            given = msgspec.structs.asdict(given)
        elif isinstance(given, Mapping):
            given = dict(given)
        else:
            self._wrong(given, at, "an Option or a dict")
            given = {"id": given}
        if "id" not in given:
            self.misuse(InvalidValueError, f"{at} has no id; its position is recorded as its id")
        extra = {key: given[key] for key in given.keys() - _OPTION_FIELDS}
        return Option(
            self.text(given.get("id", str(i)), f"{at}.id"),
            self.text(given.get("description", ""), f"{at}.description"),
            self.text(given.get("action_type", "unknown"), f"{at}.action_type"),
            self.mapping(given.get("action_params"), f"{at}.action_params"),
            self.strings(given.get("pros"), f"{at}.pros"),
            self.strings(given.get("cons"), f"{at}.cons"),
            self._confidence(given.get("confidence", 0.5), at),
            self.mapping(given.get("extra"), f"{at}.extra") | self.mapping(extra, f"{at}.extra"),
        )

    def _confidence(self, value: Any, at: str) -> float:
        try:
            confidence = float(value)
        except Exception:
            confidence = float("nan")
        if 0 <= confidence <= 1:
            return confidence
        clamped = min(1.0, max(0.0, confidence)) if isfinite(confidence) else 0.5
        self.misuse(
            InvalidValueError,
            f"{at}.confidence is {_brief(value)}, outside 0 to 1; recorded as {clamped}",
        )
        return clamped

    def failure(self, error: object) -> tuple[str, str | None, str | None]:
        """The text, type and traceback of an error: an exception, or what the agent says of it."""
        if isinstance(error, BaseException):
            return self.values.error_text(error), type_name(type(error)), trace(error.__traceback__)
        text = self.values.text(error, "error")
        return (self.values.redact_text(text), None, None)

    def _elements(self, value: Iterable[Any], field: str) -> list[Any]:
        try:
            return list(value)
        except Exception as error:
            self.misuse(InvalidValueError, f"{field} cannot be read: {type_name(type(error))}")
            return []

    def _wrong(self, value: object, field: str, expected: str) -> None:
        self.misuse(InvalidValueError, f"{field} is {_brief(value)}, not {expected}; coerced")


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


def _brief(value: object) -> str:
    """A value in a message: strings and numbers as they are, of others the type."""
    if isinstance(value, (str, int, float)) and len(str(value)) <= 40:
        return repr(value)
    return f"of type {type_name(type(value))}"


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
    return encodable("\n".join(frames)) or None
