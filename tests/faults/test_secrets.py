"""Row 19: secrets under 80 spellings of their keys, wherever a value goes: none is on the disk."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from decisionlog import Option, Runtime
from tests.faults.report import report
from tests.test_redaction import ORDINARY, SECRET

PLACES = 10
assert len(set(SECRET)) >= 40


class Told:
    """Words that can be told apart: which key each stood under, and where."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def word(self, key: str, place: str) -> str:
        word = f"w0rd{len(self.words):06}x"
        self.words[word] = f"{key} in {place}"
        return word

    def value(self, key: str, place: str) -> Any:
        """It stands under its key at the top, nested, and nested below it."""
        made = dataclasses.make_dataclass("Made", [("inner", Any)])

        def word() -> str:
            return self.word(key, place)

        return {
            key: word(),
            "rows": [{"in": ({key: word()}, {key: {"deep": [word()]}})}, {key.encode(): word()}],
            "object": made({key: [word()]}),
        }


def record(traces: Path, told: Told, keys: list[str], redact: Any) -> None:
    """A run for each key, which stands in all places that take values or texts."""
    with Runtime(traces, redact=redact) as runtime:
        for key in keys:
            record_one(runtime, told, key)
        assert runtime.stats().errors == 0


def record_one(runtime: Runtime, told: Told, key: str) -> None:
    def value(place: str) -> Any:
        return told.value(key, place)

    def text(place: str) -> str:
        hidden = {key: told.word(key, place)}
        pair = f"{key}={told.word(key, place)}; {key}: {told.word(key, place)}"
        return f"{hidden} {json.dumps(hidden)} {pair}"

    tags = {key: told.word(key, "tags")}
    with pytest.raises(ZeroDivisionError):
        with runtime.run("goal", "", value("the input"), tags=tags) as run:
            options: list[Any] = [
                Option("a", "", "", value("action_params"), extra=value("extra")),
                {"id": "b", **value("an option"), "action_params": value("a dict's params")},
            ]
            with runtime.decision("d", options, "a", context=value("context")) as made:
                made.succeed(
                    value("the result"),
                    state_changes=value("state_changes"),
                    attributes=value("attributes"),
                )
            with runtime.decision("d") as made:
                made.fail(text("an error's text"), result=[ValueError(text("an exception"))])
            with pytest.raises(ValueError):
                with runtime.decision("d"):
                    raise ValueError(text("a raised error"))
            with pytest.raises(KeyError):
                with runtime.decision("d"):
                    raise KeyError(value("the arguments of an error"))
            run.fail(output_data=value("the output"))
            in_a_traceback(password=told.word(key, "a traceback"))


def in_a_traceback(password: str) -> None:
    raise ZeroDivisionError(password[:0])


def on_disk(traces: Path) -> set[str]:
    """The words in all files there are."""
    files = [path for path in traces.rglob("*") if path.is_file()]
    assert len(files) >= 70
    words = (re.findall(rb"w0rd[0-9a-f]{6}x", path.read_bytes()) for path in files)
    return {word.decode() for some in words for word in some}


def leaks(told: Told, found: set[str]) -> list[str]:
    """The secrets that are there."""
    return [where for word, where in told.words.items() if word in found]


def losses(told: Told, found: set[str]) -> list[str]:
    """The words that are not; of a traceback none is to be there."""
    missing = [where for word, where in told.words.items() if word not in found]
    return [where for where in missing if not where.endswith("a traceback")]


def test_no_secret_is_on_the_disk(traces: Path) -> None:
    told = Told()
    record(traces, told, SECRET, True)
    found = on_disk(traces)
    assert leaks(told, found) == []
    report(19, "secrets", len(told.words), keys=len(set(SECRET)), leaks=0)


def test_ordinary_words_are_left_alone(traces: Path) -> None:
    told = Told()
    record(traces, told, ORDINARY, True)
    assert losses(told, on_disk(traces)) == []
    report(19, "ordinary words", len(told.words), keys=len(set(ORDINARY)), missing=0)


def test_control_redaction_is_off(traces: Path) -> None:
    told = Told()
    record(traces, told, SECRET, False)
    found = set(leaks(told, on_disk(traces)))
    assert len(found) > len(SECRET) * PLACES
    assert not any(where.endswith("a traceback") for where in found)


def test_control_a_crude_redaction(traces: Path) -> None:
    def crude(path: tuple[str | int, ...], value: Any) -> Any:
        return "***" if "key" in str(path[-1]) or "token" in str(path[-1]) else value

    told = Told()
    record(traces, told, ORDINARY, crude)
    hidden = set(losses(told, on_disk(traces)))
    assert {"keyboard in the result", "token_count in context"} <= hidden
