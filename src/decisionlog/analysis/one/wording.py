"""How results are put into words, each thing in one way."""

from __future__ import annotations

import re
from collections.abc import Sequence

from decisionlog.model import Decision, printable

_LONGEST = 160
_GENERATED = re.compile(r"Run [\w ]+\. Made \d+ decisions?")


def plain(text: str, longest: int = _LONGEST) -> str:
    r"""A text on one line, with no more of it than is needed to know it, and without anything that
    a terminal would obey.

    >>> plain("two\nlines \x1b[31m", 14)
    'two lines \\x1…'
    """
    text = printable(" ".join(text[: 8 * longest].split()))
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def is_generated(narrative: str) -> bool:
    """Nobody wrote it, so it says no more than the records do: it repeats their errors."""
    return _GENERATED.match(narrative) is not None


def choice(decision: Decision, longest: int = 90) -> str:
    """What was decided: the intent, and the option chosen."""
    intent = plain(decision.intent, longest) or "(no intent)"
    if decision.chosen_option_id is None:
        return intent
    return f"{intent} → {plain(decision.chosen_option_id, 40)}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """A few names, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(plain(name, 60) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def seconds(ms: float) -> str:
    """How long something took.

    >>> [seconds(ms) for ms in (0.04, 12.3, 746.2, 61_000, 7_500_000)]
    ['0.04 ms', '12 ms', '746 ms', '61 s', '125 min']
    """
    if ms < 1000:
        return f"{ms:.2g} ms" if ms < 100 else f"{ms:.0f} ms"
    return f"{ms / 1000:.3g} s" if ms < 600_000 else f"{ms / 60_000:.0f} min"
