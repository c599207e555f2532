"""Numbers with nouns, as every part of the library words them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1, "run"` is "1 run", `3, "run"` is "3 runs".

    >>> counted(2, "other try"), counted(1200, "run")
    ('2 other tries', '1,200 runs')
    """
    if count != 1:
        noun = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{count:,} {noun}"
