"""One cause, one text: what varies from case to case is taken out of errors and intents.

The same patterns run in Python, in DuckDB (RE2) and on Spark (Java), and give the same text
there. So they use only what means the same in all three: no look-around, no classes by letter (the
digits are ASCII here and Unicode there), no flags, and no groups in what is put in. Where a quote
only counts after a space or a bracket, that one character becomes a space.
"""

from __future__ import annotations

import re

IS_TRACEBACK = "Traceback (most recent call last)"
FRAMES = r'^[^\x00]*\n  File "[^\n]*(\n    [^\n]*)*\n'
"""What stands before the error itself in a traceback of Python."""

READ = 1000
"""How many characters of a text are looked at."""
KEPT = 200
"""How long a fingerprint is at the most."""

_BLANK = r"[\t-\r ]"
_PATH = r"[A-Za-z0-9_.~@%+-]"
_NUMBER = r"[A-Za-z_]*[0-9][A-Za-z0-9_]*"
"""Any word with a digit in it: numbers, `12ms`, `dec_12`, hashes."""
_BEFORE = r"(^|[\t-\r ({\[<=:,])"
"""What stands before something that begins here."""

PATTERNS: tuple[tuple[str, str], ...] = (
    (r'"[^"]*"', "<text>"),
    (r"`[^`]*`", "<text>"),
    (r"[“„][^“”]*[“”]", "<text>"),
    (_BEFORE + r"[bfru]?'[^']*'", " <text>"),  # the apostrophe of "can't" is none
    (r"[A-Za-z][A-Za-z0-9+.-]*://[^\t-\r <>]*", "<url>"),
    (r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", "<email>"),
    (_BEFORE + r"[0-9]+/[0-9]+", " <n>"),  # 3/10 is no path
    (r"[A-Za-z]:[\\/][^\t-\r <>|,;:]*", "<path>"),
    (rf"{_PATH}*(/{_PATH}+)+/?", "<path>"),
    (
        r"[A-Za-z0-9_.-]+\.(csv|css|docx?|gif|gz|html?|ini|ipynb|jpe?g|jsx?|jsonl?|log|md|parquet"
        r"|pdf|png|py|rs|rst|sh|sql|svg|toml|tsx?|tsv|txt|xlsx?|xml|ya?ml|zip)",
        "<path>",
    ),
    (r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "<n>"),
    (rf"[+-]?{_NUMBER}([.,:+-]{_NUMBER})*", "<n>"),
    (rf"{_BLANK}+", " "),
    (r"^ | $", ""),
)
"""Each pattern and what is put in its place, in this order."""

_FRAMES = re.compile(FRAMES)
_COMPILED = [(re.compile(pattern), put) for pattern, put in PATTERNS]


def fingerprint(text: str) -> str:
    """The text without numbers, ids, paths, quoted text and addresses: the same for all cases of
    one kind.

    >>> fingerprint("Read timed out after 1.52 s: https://example.org/a?b=1 (attempt 3/10)")
    'Read timed out after <n> s: <url> (attempt <n>)'
    >>> fingerprint("KeyError: 'user_17' in /srv/app/main.py, line 12")
    'KeyError: <text> in <path>, line <n>'
    """
    text = without_frames(text)[:READ]
    for pattern, put in _COMPILED:
        text = pattern.sub(put, text)
    return text[:KEPT]


def without_frames(text: str) -> str:
    r"""What a traceback comes to: the error, which stands at its end.

    >>> without_frames('Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1')
    'KeyError: 1'
    """
    return _FRAMES.sub("", text) if IS_TRACEBACK in text else text
