"""Makes `format-v1.schema.json`, the JSON Schema of a line: `python docs/schema.py`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, get_args

import msgspec

from decisionlog.records import Record

PATH = Path(__file__).with_name("format-v1.schema.json")

# Fields of the Structs that are never in a file: a reader puts other records there.
ASSEMBLED = {"Decision": ("outcome", "evaluation")}


def schema() -> dict[str, Any]:
    """The schema, from the Structs that the library reads and writes with.

    What they cannot say is added here: that a line may have a checksum, and that fields and types
    of records not known to v1 are to be tolerated.
    """
    made = msgspec.json.schema(Record)
    definitions = made["$defs"]
    for name, definition in definitions.items():
        text = inspect.cleandoc(definition.get("description", "")).split(">>>")[0]
        definition["description"] = " ".join(text.split())
        definition.pop("additionalProperties", None)
        for field in ASSEMBLED.get(name, ()):
            del definition["properties"][field]
    for record in get_args(Record):
        properties = definitions[record.__name__]["properties"]
        properties["timestamp"]["format"] = "date-time"
        properties["crc"] = {"type": "string", "pattern": "^[0-9a-f]{8}$"}
    known = [record.__struct_config__.tag for record in get_args(Record)]
    other = {
        "title": "A record of a type not known to v1",
        "type": "object",
        "properties": {"type": {"type": "string", "not": {"enum": known}}},
        "required": ["type"],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of a decisionlog run file, format v1",
        "anyOf": [*made["anyOf"], other],
        "$defs": definitions,
    }


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8", newline="\n")
