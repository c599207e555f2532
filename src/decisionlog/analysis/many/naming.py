"""Which ids of options are names, and which only say where in a list an option stood.

"candidate-4" may be anything: that runs do better with it says something about the lists, and
nothing about an option. So such options are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

import narwhals as nw

from decisionlog.analysis.many.sources import Tables, rows

_NUMBERED = re.compile(r"[A-Za-z]*[ _.#-]?[0-9]+|[A-Za-z]")
_READ = 5_000
"""How many rows of the table of options are looked at."""
_FEW = 3

Choice: TypeAlias = tuple[str, str, str]
"""A node, the fingerprint of an intent (or "", where the node alone is the place), and an id."""


def positions(tables: Tables, choices: Iterable[Choice]) -> set[Choice]:
    """Those whose id is a number or a letter, at places where what it stands for is described
    anew most of the time. Where nothing is described, nobody knows, and they count as names.
    """
    known: dict[Choice, bool] = tables.memo.setdefault("positions", {})
    asked = {choice for choice in choices if _NUMBERED.fullmatch(choice[2])}
    if unknown := asked - known.keys():
        known.update((choice, False) for choice in unknown)
        for choice, texts in _described(tables, unknown).items():
            anew = len(set(texts)) > len(texts) / 2
            known[choice] = len(texts) >= _FEW and anew and any(texts)
    return {choice for choice in asked if known[choice]}


def _described(tables: Tables, choices: set[Choice]) -> dict[Choice, list[str]]:
    """What some of the options with these ids were said to be, numbers and all: "5 + 7" is
    another thing than "3 - 2".
    """
    frame = tables.options.filter(
        nw.col("option_id").is_in(sorted({option for _, _, option in choices})),
        nw.col("node_id").is_in(sorted({node for node, _, _ in choices})),
    )
    columns = ("node_id", "intent_print", "option_id", "description")
    texts: dict[Choice, list[str]] = {}
    for row in rows(frame.select(*columns).head(_READ)):
        for place in (row["intent_print"], ""):
            choice = row["node_id"], place, row["option_id"]
            if choice in choices:
                texts.setdefault(choice, []).append(row["description"] or "")
    return texts
