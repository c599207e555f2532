"""The table, for people and as JSON."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from msgspec import Struct

from benchmarks.ladder import Profile, Step
from benchmarks.measure import Figure
from benchmarks.targets import Target
from decisionlog import __version__

PACKAGES = "msgspec anyio aiofiles eliot opentelemetry-sdk trio uvloop duckdb narwhals".split()


class Row(Struct, frozen=True):
    """A row of the table, measured."""

    row: str
    figure: str
    unit: str
    target: str
    bound: float
    at_least: bool
    goal: float | None
    value: float | None
    """None: not measured; `note` says why."""
    holds: bool | None
    lowest: float | None
    highest: float | None
    rounds: int
    rounds_that_hold: int
    details: dict[str, float]
    note: str


class Document(Struct, frozen=True):
    """What is written as JSON."""

    measured_at: datetime
    decisionlog: str
    python: str
    platform: str
    cores: int
    loop: str
    quick: bool
    others_cores: float | None
    """How many cores other programs used meanwhile: below 0.3 or so, the figures are good."""
    packages: dict[str, str]
    rows: list[Row] = []
    profile: Profile | None = None


def document(
    loop: str, quick: bool, others_cores: float | None, rows: list[Row], profile: Profile | None
) -> Document:
    """The figures, with what they were measured on."""
    return Document(
        datetime.now(UTC), __version__, sys.version.split()[0], platform.platform(),
        os.cpu_count() or 0, loop, quick, others_cores, _versions(), rows, profile,
    )  # fmt: skip


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found


def row(target: Target, figure: Figure) -> Row:
    """A target with what was measured."""
    samples = figure.samples
    value = target.of(samples) if samples else None
    sign = "≥" if target.at_least else "≤"
    goal = f" (goal {_number(target.goal, target.unit)})" if target.goal else ""
    return Row(
        target.row,
        target.figure,
        target.unit,
        f"{sign} {_number(target.bound, target.unit)}{goal}",
        target.bound,
        target.at_least,
        target.goal,
        value,
        None if value is None else target.holds(value),
        min(samples, default=None),
        max(samples, default=None),
        len(samples),
        sum(map(target.holds, samples)),
        figure.details,
        figure.note,
    )


def heading(document: Document) -> str:
    """What the figures were measured on, and with."""
    packages = ", ".join(f"{name} {number}" for name, number in document.packages.items())
    lines = [
        f"decisionlog {document.decisionlog}, Python {document.python}, {document.platform}, "
        f"{document.cores} cores, {document.loop}",
        packages,
    ]
    if document.others_cores is not None:
        lines.append(f"Other programs used {document.others_cores:.2f} cores meanwhile.")
    if document.quick:
        lines.append("A short run, of less than the rows say: only to see that it works.")
    return "\n".join(lines) + "\n"


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown, and below it what lies behind each."""
    lines = [("figure", "target", "measured", "holds", "rounds", "lowest … highest")]
    behind: list[str] = []
    for each in rows:
        if each.value is None or each.lowest is None or each.highest is None:
            lines.append((each.figure, each.target, "not measured", "", each.note, ""))
            continue
        spread = f"{_number(each.lowest, each.unit)} … {_number(each.highest, each.unit)}"
        lines.append(
            (
                each.figure,
                each.target,
                _number(each.value, each.unit),
                "yes" if each.holds else "NO",
                f"{each.rounds_that_hold} of {each.rounds}",
                spread,
            )
        )
        if each.details:
            told = ", ".join(f"{name} {value:g}" for name, value in each.details.items())
            behind.append(f"- {each.row}: {told}")
    return "\n".join([*_markdown(lines), "", *behind])


def profile_text(profile: Profile, least: float = 0.05) -> str:
    """The ladder, what each part costs, and the calls that every decision makes."""
    python = {name: n for name, n in profile.calls.items() if not name.endswith(" (C)")}
    of_c = {name: n for name, n in profile.calls.items() if name.endswith(" (C)")}
    calls = [("calls a decision", "function")]
    calls += [(f"{n:g}", name) for name, n in profile.calls.items() if n >= least]
    return "\n".join(
        [
            *_steps(profile.ladder, "µs of CPU a decision, all threads", "more than before"),
            "",
            *_steps(profile.parts, "to no sink, without …", "which costs"),
            "",
            f"Functions of Python called by a decision: {sum(python.values()):.1f}; "
            f"of C: {sum(of_c.values()):.1f}.",
            "",
            *_markdown(calls),
        ]
    )


def _steps(steps: Sequence[Step], what: str, more: str) -> list[str]:
    lines = [(what, "total", "agent's thread", more)]
    lines += [
        (step.name, f"{step.total_us:.2f}", f"{step.agent_us:.2f}", f"{step.more_us:.2f}")
        for step in steps
    ]
    return _markdown(lines)


def _markdown(lines: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return [
        f"| {' | '.join(cell.ljust(w) for cell, w in zip(line, widths, strict=True))} |"
        for line in ruled
    ]


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text}x" if unit == "x" else f"{text} {unit}".replace(" /s", " a second")
