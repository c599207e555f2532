"""Numbers as people read them, for the texts which the agent writes into its log."""

from collections import Counter
from collections.abc import Iterable


def duration(seconds: float) -> str:
    """`0.0123` is "12 ms", `1.5` is "1.5 s"."""
    return f"{seconds:.3g} s" if seconds >= 0.9995 else f"{seconds * 1000:.0f} ms"


def size(count: int) -> str:
    """`12480` is "12.5 kB"."""
    return f"{count / 1000:.1f} kB" if count >= 1000 else f"{count} bytes"


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1, "file"` is "1 file", `3, "file"` is "3 files"."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def listed(words: Iterable[str]) -> str:
    """`a, b, c` is "a, b and c"."""
    *head, last = list(words) or ["nothing"]
    return f"{', '.join(head)} and {last}" if head else last


def tallied(kinds: Counter[str]) -> str:
    """`{"reset": 5, "timeout": 1}` is "5 resets and 1 timeout"."""
    return listed(counted(count, kind) for kind, count in kinds.most_common())
