"""How large the faults are, and where their figures go. `python -m tests.faults.report FILE` prints
the table of them.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

FULL = os.environ.get("DECISIONLOG_FAULTS") == "full"
"""As large as docs/faults.md says; otherwise short, as a part of the ordinary tests."""


def sized(short: T, full: T) -> T:
    """One of the two."""
    return full if FULL else short


def report(row: int, what: str, tried: int, **figures: Any) -> None:
    """Append a line to the file that DECISIONLOG_FAULTS_REPORT names, if it does."""
    if name := os.environ.get("DECISIONLOG_FAULTS_REPORT"):
        line = json.dumps({"row": row, "what": what, "tried": tried, "figures": figures})
        with open(name, "a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def table(lines: list[str]) -> str:
    """In Markdown, by row."""
    figures = sorted(map(json.loads, lines), key=lambda line: (line["row"], line["what"]))
    made = ["| # | what was done | tried | measured |", "|---|---|---|---|"]
    for line in figures:
        measured = ", ".join(
            f"{name.replace('_', ' ')}: {n}" for name, n in line["figures"].items()
        )
        made.append(f"| {line['row']} | {line['what']} | {line['tried']:,} | {measured} |")
    return "\n".join(made)


if __name__ == "__main__":
    print(table(Path(sys.argv[1]).read_text("utf-8").splitlines()))
