"""What a run file holds: format v1, and its codec; what recording and reading share.

A line is a JSON object with a `"type"`, and ends in a checksum over what comes before it:

    {"type":"choice","decision_id":"dec_0",…,"run_id":"run_…","seq":7,"crc":"3b1c90ff"}

`Decision`, `Outcome` and `Problem` (in `model`) are records too. The specification for other
programs is docs/format-v1.md.
"""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, TypeAlias, get_args
from zlib import crc32

import msgspec
from msgspec import Meta, Struct, field

from decisionlog.model import (
    Decision,
    Evaluation,
    LineStruct,
    Option,
    Outcome,
    Problem,
    RunMetrics,
    RunStatus,
)

FORMAT = 1
MAX_LINE_BYTES = 16 * 2**20
"""No record is longer, its checksum aside; a reader may pass over a line that is."""
MAX_ITEMS = 2**20
"""No record has more of `,`, `[` and `{`, those in texts included. What lies between them may take
a hundred times its length in memory, so that a line of 16 MiB could take a gigabyte."""
SEAL_BYTES = len(b',"crc":"00000000"}')

RUN_ID = re.compile(r"(?!(?i:con|prn|aux|nul|com\d|lpt\d)\Z)[A-Za-z0-9_-]{1,100}", re.ASCII)
"""What a run id looks like, wherever it comes from: it is the one string that becomes a path. (The
names left out are devices on Windows.)"""

_TIMED_ID = re.compile(r"run_(\d{8})_(\d{6})_([0-9a-f]{5})[0-9a-f]*", re.ASCII)
_SURELY_TIMED = re.compile(
    r"run_[12]\d{3}(0[1-9]|1[0-2])(0[1-9]|1\d|2[0-8])_([01]\d|2[0-3])([0-5]\d){2}_[0-9a-e][0-9a-f]{4,}",
    re.ASCII,
)
"""Most of those whose digits are a time, told without making one."""
HOST = platform.node()


def random_run_id(now: datetime) -> str:
    """`run_<YYYYMMDD>_<HHMMSS>_<hex>`: ids sort by start; the first five hex digits are the
    microseconds, the other eleven random.

    >>> random_run_id(datetime(2026, 1, 19, 18, 42, 16, 999_999, UTC))[:25]
    'run_20260119_184216_f423f'
    """
    return stamp(now) + os.urandom(6).hex()[:11]


def stamp(time: datetime) -> str:
    """How ids begin of runs that start then."""
    with suppress(OverflowError):  # at the ends of the calendar
        time = time.astimezone(UTC)
    return f"run_{time.year:04}{time:%m%d_%H%M%S_}{time.microsecond:05x}"


def is_timed(run_id: str) -> bool:
    """Whether an id says when the run began."""
    return bool(_SURELY_TIMED.fullmatch(run_id)) or started_at(run_id) is not None


def started_at(run_id: str) -> datetime | None:
    """When a run began, from an id that says so.

    >>> started_at("run_20260119_184216_f423f0a9c215d3e1").isoformat()
    '2026-01-19T18:42:16.999999+00:00'
    """
    if match := _TIMED_ID.fullmatch(run_id):
        try:
            second = datetime.fromisoformat(f"{match[1]}T{match[2]}")
            return second.replace(microsecond=int(match[3], 16), tzinfo=UTC)
        except ValueError:
            return None
    return None


Timestamp: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""RFC 3339, which is never without an offset."""


class RunStarted(LineStruct, frozen=True, tag="run_started"):
    """The first record of a run: its goal and input, and who writes it."""

    goal_id: str
    timestamp: Timestamp
    goal_description: str = ""
    input_data: Any = None
    tags: dict[str, str] = {}
    parent_run_id: str | None = None
    parent_decision_id: str | None = None
    format: int = 0
    library: str = ""
    host: str = ""
    pid: int = 0
    writer: str = ""
    run_id: str = ""
    seq: int = 0
    extra: dict[str, Any] = {}


class Choice(LineStruct, frozen=True, tag="choice"):
    """A choice made after the decision was recorded; the last one of a decision stands."""

    decision_id: str
    chosen_option_id: str
    timestamp: Timestamp
    reasoning: str = ""
    run_id: str = ""
    seq: int = 0
    extra: dict[str, Any] = {}


class Gap(LineStruct, frozen=True, tag="gap"):
    """`count` records were lost here. It bears the number of the last of them, so that the numbers
    missing before it are `count - 1`.
    """

    count: Annotated[int, Meta(ge=1)]
    timestamp: Timestamp
    reason: str = ""
    run_id: str = ""
    seq: int = 0
    extra: dict[str, Any] = {}


class RunEnded(LineStruct, frozen=True, tag="run_ended"):
    """The last record of a run, with what a summary needs, so that a listing reads no more."""

    status: RunStatus
    timestamp: Timestamp
    narrative: str = ""
    output_data: Any = None
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    duration_ms: float = 0.0
    metrics: RunMetrics = field(default_factory=RunMetrics)
    problem_count: int = 0
    key_decisions: list[str] = []
    critical_problems: list[str] = []
    warnings: list[str] = []
    successes: list[str] = []
    run_id: str = ""
    seq: int = 0
    extra: dict[str, Any] = {}


class Evaluated(LineStruct, frozen=True, tag="evaluation"):
    """A judgement of a decision, made afterwards; it lies in a file beside the run's."""

    decision_id: str
    evaluation: Evaluation
    timestamp: Timestamp
    run_id: str = ""
    seq: int = 0
    extra: dict[str, Any] = {}


Record: TypeAlias = RunStarted | Decision | Choice | Outcome | Problem | Gap | RunEnded | Evaluated
"""What a line holds when its type is known here."""

AnyRecord: TypeAlias = Record | dict[str, Any]
"""A record; of a type not known here, the JSON object as it stands."""

encode = msgspec.json.Encoder().encode
_decode_strictly = msgspec.json.Decoder(Record).decode
_decode_plain = msgspec.json.Decoder(dict[str, Any]).decode
_TYPES: dict[str, type[Struct]] = {kind.__struct_config__.tag: kind for kind in get_args(Record)}
_fields = cache(msgspec.structs.fields)


def fits(body: bytes) -> bool:
    """Whether a record, without its checksum, is no longer than records are, and no richer."""
    if len(body) <= MAX_ITEMS:
        return True
    return len(body) <= MAX_LINE_BYTES and sum(map(body.count, (b",", b"[", b"{"))) <= MAX_ITEMS


def seal(body: bytes) -> bytes:
    r"""The line for an encoded record: its checksum put in last, and a newline.

    >>> seal(b'{"type":"gap","count":1}')
    b'{"type":"gap","count":1,"crc":"c191e991"}\n'
    """
    body = body[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def unseal(line: bytes) -> tuple[bytes, bool | None]:
    """The record without its checksum, and whether that was right (None: the line has none)."""
    body, crc = line[:-SEAL_BYTES], line[-SEAL_BYTES:]
    if not crc.startswith(b',"crc":"'):
        return line, None
    return body + b"}", crc == b',"crc":"%08x"}' % crc32(body)


def decode(body: bytes) -> AnyRecord:
    """The record in a line without its checksum.

    Fields that this version does not know, or whose value does not fit, are kept in `extra`.

    Raises:
        ValueError: the line is no JSON object, has no type, or lacks what its type requires.
    """
    # Strict first, where there are no markers: going by way of dicts costs several times as much.
    # The first of the two searches is much faster than the second.
    try:
        if b"$" not in body or b'"$' not in body:
            try:
                record: Record = _decode_strictly(body)
                return record
            except msgspec.DecodeError:
                pass
        return _decode_leniently(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _decode_leniently(body: bytes) -> AnyRecord:
    try:
        given = _decode_plain(body)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a record: {error}") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    name = given.get("type")
    if type(name) is not str:
        raise ValueError("not a record: no JSON object with a type")
    given.pop("crc", None)
    try:
        record: AnyRecord = _fit(given, _TYPES[name]) if name in _TYPES else unescape(given)
    except (msgspec.ValidationError, TypeError) as error:
        raise ValueError(f"not a {name} record: {error}") from None
    return record


def _fit(given: dict[str, Any], kind: Any) -> Any:
    """As much of a JSON object as fits the Struct; the rest goes to its `extra`."""
    rest = {key: value for key, value in given.items() if key != "type"}
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for spec in _fields(kind):
        if spec.name not in rest:
            continue
        value = rest.pop(spec.name)
        if spec.name in VALUE_FIELDS:
            undone = unescape(value)
            if spec.type is Any or type(undone) is type(value):  # what has to be a dict stays one
                value = undone
        try:
            if spec.name == "options":
                known[spec.name] = [_fit(option, Option) for option in value]
            else:
                known[spec.name] = msgspec.convert(value, spec.type)
        except (msgspec.ValidationError, AttributeError, TypeError):
            if spec.required:
                raise msgspec.ValidationError(f"`{spec.name}` does not fit") from None
            extra[spec.name] = value
    extra |= {name: unescape(value) for name, value in rest.items()}
    known["extra"] = known.get("extra", {}) | extra
    return kind(**known)


def unescape(value: Any) -> Any:
    """Undo what writing did to values that JSON lacks: `{"$float": "nan"}` becomes nan, `{"$int":
    "0x…"}` an integer, and a user's own key `$ref`, written `$$ref`, is itself again. The other
    markers say what is no longer there, and stay as they are.
    """
    if value.__class__ is list:
        return [unescape(item) for item in value]
    if value.__class__ is not dict:
        return value
    if len(value) == 1:
        [(key, item)] = value.items()
        if key == "$float" and item in ("nan", "inf", "-inf"):
            return float(item)
        if key == "$int" and type(item) is str:
            with suppress(ValueError):
                return int(item, 16)
    return {key[1:] if key.startswith("$$") else key: unescape(item) for key, item in value.items()}


VALUE_FIELDS = frozenset(
    "action_params attributes extra input_context input_data output_data result "
    "state_changes".split()
)
"""The fields that hold whatever the agent put there."""
