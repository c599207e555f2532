"""The published JSON Schema is the one the code makes, and what is written fits it."""

import importlib.util
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "tests" / "golden" / "v1"
BY_OTHERS = {"later_version.jsonl"}  # holds values that v1 does not have
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "format-v1.schema.json").read_text("utf-8"))
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def wrong(value: Any, schema: dict[str, Any], at: str = "line") -> Iterator[str]:
    """What does not fit; knows as much of JSON Schema as this one uses, and fails on the rest."""
    for keyword, said in schema.items():
        match keyword:
            case "$ref":
                yield from wrong(value, SCHEMA["$defs"][said.removeprefix("#/$defs/")], at)
            case "anyOf":
                tries = [list(wrong(value, option, at)) for option in said]
                if all(tries):
                    yield from min(tries, key=len)
            case "not":
                if not list(wrong(value, said, at)):
                    yield f"{at} is {value!r}"
            case "enum":
                if value not in said:
                    yield f"{at} is {value!r}, not one of {said}"
            case "type":
                if not isinstance(value, TYPES[said]) or (
                    isinstance(value, bool) and said != "boolean"
                ):
                    yield f"{at} is {value!r}, not {said}"
            case "minimum":
                if value < said:
                    yield f"{at} is {value!r}, below {said}"
            case "maximum":
                if value > said:
                    yield f"{at} is {value!r}, above {said}"
            case "pattern":
                if not re.search(said, value):
                    yield f"{at} is {value!r}, not like {said}"
            case "format":
                assert said == "date-time"
                if datetime.fromisoformat(value).tzinfo is None:
                    yield f"{at} is {value!r}, without a time zone"
            case "required":
                if isinstance(value, dict):
                    yield from (f"{at}.{name} is missing" for name in said if name not in value)
            case "properties":
                if isinstance(value, dict):
                    for name in said.keys() & value.keys():
                        yield from wrong(value[name], said[name], f"{at}.{name}")
            case "additionalProperties":
                for name in value.keys() - schema.get("properties", {}).keys():
                    yield from wrong(value[name], said, f"{at}.{name}")
            case "items":
                for i, item in enumerate(value):
                    yield from wrong(item, said, f"{at}[{i}]")
            case "$schema" | "$defs" | "title" | "description" | "default":
                pass
            case _:
                raise NotImplementedError(keyword)


def lines() -> Iterator[Any]:
    for path in sorted(RUNS.glob("*/*.jsonl")):
        if path.name not in BY_OTHERS:
            for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
                if not line.startswith(b"\0"):
                    yield pytest.param(line, id=f"{path.stem}:{number}")


def test_the_file_is_what_the_code_makes() -> None:
    spec = importlib.util.spec_from_file_location("schema", ROOT / "docs" / "schema.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PATH.read_text("utf-8") == module.text(), "run `python docs/schema.py`"


@pytest.mark.parametrize("line", list(lines()))
def test_lines_fit(line: bytes) -> None:
    assert list(wrong(json.loads(line), SCHEMA)) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ([], "line is [], not object"),
        ({}, "line.type is missing"),
        ({"type": 1}, "line.type is 1, not string"),
        ({"type": "gap", "timestamp": "2026-01-19T18:42:16Z"}, "line.count is missing"),
        ({"type": "gap", "timestamp": "2026-01-19T18:42:16", "count": 1}, "without a time zone"),
        ({"type": "decision", "id": "dec_0", "options": [{"id": 1}]}, "options[0].id is 1"),
        ({"type": "decision", "id": "a", "options": [{"id": "b", "confidence": 2}]}, "above 1"),
        ({"type": "outcome", "success": True, "crc": "3B1C90FF"}, "not like ^[0-9a-f]{8}$"),
    ],
)
def test_others_do_not(line: Any, problem: str) -> None:
    assert any(problem in found for option in SCHEMA["anyOf"] for found in wrong(line, option))
    assert list(wrong(line, SCHEMA)) != []


@pytest.mark.parametrize(
    "line",
    [
        {"type": "thought", "text": "a type of record that is not known here"},
        {"type": "problem", "id": "prob_0", "colour": "a field that is not known here"},
    ],
)
def test_what_is_not_known_is_tolerated(line: Any) -> None:
    assert list(wrong(line, SCHEMA)) == []
