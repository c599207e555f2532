"""Text that is safe to print, and numbers and times as people read them.

Whatever comes out of a trace was written by an agent, or by those whom it listened to. Here it
becomes harmless: no control character, no escape sequence and no change of writing direction gets
through to the terminal; what stood there is spelled out.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

# C0 and C1 controls but for \n and \t, line and paragraph separators, marks that reorder or hide
# text, and lone surrogates, which no encoding has a place for.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_TAB = "    "


def safe(text: str) -> str:
    r"""The text with everything spelled out that a terminal would obey; lines stay lines.

    >>> print(safe("a\x1b[31mb"))
    a\x1b[31mb
    """
    return _UNSAFE.sub(_spelled_out, text.replace("\r\n", "\n").replace("\t", _TAB))


def one_line(text: str) -> str:
    """The same on one line, with single spaces."""
    return safe(" ".join(text.split()))


def _spelled_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def data(value: Any) -> str:
    """A recorded value on one line, as JSON.

    >>> data({"budget": 50_000, "sure": None})
    '{"budget": 50000, "sure": null}'
    """
    try:
        return one_line(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):  # an integer of thousands of digits, very deep lists
        return f"<a {type(value).__name__} that does not print>"


def duration(ms: float | None) -> str:
    """How long something took; "" when that is not known.

    >>> [duration(ms) for ms in (0.0424, 12.3, 746.2, 61_000, 7_500_000)]
    ['0.04 ms', '12 ms', '746 ms', '1 min 1 s', '2 h 5 min']
    """
    if ms is None:
        return ""
    if ms < 9.95:
        return f"{ms:.2g} ms" if ms >= 0.1 else f"{ms:.2f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    seconds = ms / 1000
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def number(count: int) -> str:
    """`12480` is "12,480"."""
    return f"{count:,}"


def percent(share: float | None) -> str:
    """A share as a percentage, 100 % only when it is all; "" when there is none.

    >>> [percent(share) for share in (0.5, 0.999, 1.0, None)]
    ['50 %', '99 %', '100 %', '']
    """
    return "" if share is None else f"{int(share * 100 + 1e-9)} %"


def local(time: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time on the clock of whoever reads it."""
    return _here(time).strftime(form)


def zone(time: datetime) -> str:
    """The zone of that clock, short: CET, or UTC+01:00 where it has no short name."""
    here = _here(time)
    name = here.tzname() or ""
    return name if len(name) <= 5 and name.isalpha() else f"UTC{here.isoformat()[-6:]}"


def _here(time: datetime) -> datetime:
    if time.tzinfo is None:  # only in a file by someone else's hand
        time = time.replace(tzinfo=UTC)
    try:
        return time.astimezone()
    except (OSError, OverflowError, ValueError):  # at the ends of the calendar
        return time


def since(time: datetime) -> float:
    """How many milliseconds ago that was."""
    return max(0.0, (datetime.now(UTC) - _here(time)).total_seconds() * 1000)
