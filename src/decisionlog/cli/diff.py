"""Two runs side by side: where they part, and all that is different."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.text import Text

from decisionlog import Decision, Option, Run
from decisionlog.analysis.one import (
    Comparison,
    Difference,
    MetricDifference,
    SettingDifference,
    Side,
)
from decisionlog.analysis.one.course import Course
from decisionlog.cli import story
from decisionlog.cli.look import (
    BAD,
    CHOSEN,
    GAP,
    GOOD,
    LIVE,
    ODD,
    OTHER,
    OUTCOME,
    QUIET,
    STATUS,
    STRONG,
    Column,
    across,
    bar,
    columns,
    cut,
    decided,
    hang,
    mark,
)
from decisionlog.cli.output import Screen
from decisionlog.cli.select import handle
from decisionlog.cli.text import data, duration, local, number, one_line, percent, zone
from decisionlog.wording import counted

_ALIKE = 3
"""From how many decisions in a row that are alike they are told in one line."""
MANY = 60
"""How many lines a terminal gets to see of the decisions."""
_OPTIONS = 12
_NAME = 28
_WORTH_IT = 16
"""How much room makes it worth while to begin with an error."""
_A, _B = "magenta", "blue"
_NAMES = {
    "duration_ms": "took",
    "total_decisions": "decisions",
    "successful_decisions": "succeeded",
    "failed_decisions": "failed",
    "cancelled_decisions": "cancelled",
    "pending_decisions": "without an outcome",
    "success_rate": "success rate",
    "total_tokens": "tokens",
    "total_latency_ms": "all decisions took",
    "cost_usd": "cost",
}


def diff(a: Run, b: Run, found: Comparison, screen: Screen, *, full: bool) -> Iterator[Text]:
    """What the two have in common, and what not; `full` leaves nothing out."""
    for name, style, run in (("a", _A, a), ("b", _B, b)):
        yield _head(name, style, run, screen)
    if found.settings:
        yield story.heading("Not the same from the outset")
        for setting in found.settings:
            yield from _setting(setting, screen)
    if found.divergence is not None:
        yield story.heading("Where they first choose differently")
        yield from _divergence(found.divergence, screen)
    else:
        yield Text("\nThey never choose differently where both come by.", STRONG)
    yield story.heading("Decision by decision")
    yield from _listing(a, b, found, screen, full=full)
    if changed := [each for each in found.metrics if each.a != each.b]:
        yield Text()
        yield from _metrics(changed)


def _head(name: str, style: str, run: Run, screen: Screen) -> Text:
    status = STATUS[run.status]
    line = Text.assemble((name, f"{STRONG} {style}"), " ", status.text, " ")
    line.append(one_line(run.goal_id) or "(no goal)", STRONG).append(" ")
    line.append(str(run.status), f"{STRONG} {status.style}")
    facts = [counted(len(run.decisions), "decision")]
    if run.duration_ms is not None:
        facts.insert(0, duration(run.duration_ms))
    if run.started_at:
        facts.insert(0, f"{local(run.started_at)} {zone(run.started_at)}")
    run_id = handle(run.id)
    for details in ([*facts, run.id], [*facts, run_id], [*facts[1:], run_id], [run_id]):
        if both := across(screen, line, Text(GAP.join(details), QUIET)):
            return both
    return line


def _setting(setting: SettingDifference, screen: Screen) -> Iterator[Text]:
    first = Text(f"  {one_line(setting.name)}{GAP}", QUIET)
    for name, style, value in (("a", _A, setting.a), ("b", _B, setting.b)):
        text = Text.assemble((name, style), " ", "none" if value is None else data(value))
        yield from hang(screen, first, Text(" " * first.cell_len), text, lines=2)
        first = Text(" " * first.cell_len)


def _divergence(found: Difference, screen: Screen) -> Iterator[Text]:
    what = Text(one_line(found.a.intent) or "(no intent)", STRONG)
    if found.a.intent != found.b.intent:
        what.append(f"\n{one_line(found.b.intent)}", STRONG)
    what.append(f"{GAP}{one_line(found.node_id)}", QUIET)
    indent = Text("  ")
    yield from hang(screen, indent, indent, what)
    for name, style, side in (("a", _A, found.a), ("b", _B, found.b)):
        first = Text.assemble("  ", (name, style), " ", OUTCOME[side.outcome].text, " ")
        rest = Text(" " * first.cell_len)
        what = Text.assemble("→ ", (one_line(side.chosen_option_id or "no choice"), LIVE))
        what.append(f"{GAP}{one_line(side.decision_id)}", QUIET)
        yield from hang(screen, first, rest, what)
        if side.error:
            yield from hang(screen, rest, rest, Text(one_line(side.error), BAD), lines=2)
        if side.reasoning:
            because = Text(f"because {one_line(side.reasoning)}", QUIET)
            yield from hang(screen, rest, rest, because, lines=2)
    yield from _options(found.a, found.b, screen)


def _options(a: Side, b: Side, screen: Screen) -> Iterator[Text]:
    """Both sets of options in one table, with the confidence that each run had in them."""
    ids = list(dict.fromkeys(option.id for option in (*a.options, *b.options)))
    if not ids:
        return
    # Those that were chosen come first where not all are shown.
    chosen = (a.chosen_option_id, b.chosen_option_id)
    shown = ids if screen.piped else sorted(ids, key=lambda each: each not in chosen)[:_OPTIONS]
    shown = [each for each in ids if each in shown]
    room = screen.width if screen.piped else _NAME
    table = [
        Column("  OPTION", [Text("  ") + cut(Text(one_line(each)), room) for each in shown]),
        Column("A", [_confidence(a, each) for each in shown]),
        Column("B", [_confidence(b, each) for each in shown]),
        Column("", [_described(a, b, each) for each in shown]),
    ]
    yield Text()
    yield from columns(table)
    if len(ids) > len(shown):
        yield Text(f"  {number(len(ids) - len(shown))} more: --full shows all", QUIET)


def _confidence(side: Side, option_id: str) -> Text:
    option = _option(side, option_id)
    if option is None:
        return Text("not offered", QUIET)
    chosen = side.chosen_option_id == option_id
    sign = (CHOSEN if chosen else OTHER).text
    if len({each.confidence for each in side.options}) < 2:  # nobody said how sure it was
        return sign
    style = LIVE if chosen else QUIET
    return Text.assemble(sign, " ", (bar(option.confidence), style), f" {option.confidence:.2f}")


def _option(side: Side, option_id: str) -> Option | None:
    return next((each for each in side.options if each.id == option_id), None)


def _described(a: Side, b: Side, option_id: str) -> Text:
    options = [each for each in (_option(a, option_id), _option(b, option_id)) if each]
    texts = dict.fromkeys(one_line(each.description) for each in options)
    return Text(" | ".join(filter(None, texts)), QUIET)


class _Line(NamedTuple):
    """A decision of one run or of both, and whether anything is different about it."""

    a: Decision | None
    b: Decision | None
    kinds: Sequence[str] = ()

    @property
    def is_alike(self) -> bool:
        return self.a is not None and self.b is not None and not self.kinds


def _listing(a: Run, b: Run, found: Comparison, screen: Screen, *, full: bool) -> Iterator[Text]:
    lines = list(_merged(a, b, found))
    width = max((len(each.id) for each in (*a.decisions, *b.decisions)), default=0)
    width = min(width, 12)
    told = 0
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and lines[end].is_alike:
            end += 1
        if end - at >= _ALIKE and not full:
            yield Text(f"  = {' ' * (2 * width + 2)}{number(end - at)} alike", QUIET)
            at = end
        else:
            yield from _line(lines[at], width, screen)
            at += 1
        told += 1
        if told == MANY and not full and not screen.piped and at < len(lines):
            left = counted(len(lines) - at, "decision")
            yield Text(f"  {left} more: --full shows all", QUIET)
            return


def _merged(a: Run, b: Run, found: Comparison) -> Iterator[_Line]:
    """The decisions of both in one order, each followed by those made inside it."""
    kinds = {each.a.decision_id: each.kinds for each in found.differences}
    partner = dict(found.aligned)
    with_partner = set(partner.values())
    right = iter(Course(b.decisions).outline())
    for one in Course(a.decisions).outline():
        if one.id not in partner:
            yield _Line(one, None)
            continue
        for other in right:
            if other.id == partner[one.id]:
                yield _Line(one, other, kinds.get(one.id, ()))
                break
            if other.id not in with_partner:
                yield _Line(None, other)
    for other in right:
        if other.id not in with_partner:
            yield _Line(None, other)


def _line(line: _Line, width: int, screen: Screen) -> Iterator[Text]:
    one, other = line.a, line.b
    sign, style = ("=", QUIET) if line.is_alike else ("≠", ODD)
    if one is None or other is None:
        sign, style = ("-", _A) if other is None else ("+", _B)
    text = Text.assemble("  ", (sign, style), " ")
    for each in (one, other):
        text.append(f"{one_line(each.id) if each else '':{width}} ", QUIET)
    shown = one or other
    if shown is None:
        return
    chosen = Text(one_line(shown.chosen_option_id or ""), LIVE)
    if one and other and one.chosen_option_id != other.chosen_option_id:
        chosen = Text(one_line(one.chosen_option_id or "nothing"), _A).append(" | ", QUIET)
        chosen.append(one_line(other.chosen_option_id or "nothing"), _B)
    marks = [mark(each).text for each in (one, other) if each]
    if len(marks) == 2 and marks[0].plain == marks[1].plain:
        marks = marks[:1]
    text.append_text(Text(" ").join(marks) if len(marks) == 2 else marks[0]).append(" ")
    intent = Text(one_line(shown.intent) or "(no intent)")
    text.append_text(decided(intent, chosen, screen.width - text.cell_len))
    failed = other if one and other and mark(other).sign == "✗" and mark(one).sign != "✗" else shown
    left = screen.width - text.cell_len - len(GAP)
    if not line.is_alike and failed.outcome and failed.outcome.error and left >= _WORTH_IT:
        text.append(GAP).append_text(cut(Text(one_line(failed.outcome.error), BAD), left))
    yield text


def _metrics(changed: Sequence[MetricDifference]) -> Iterator[Text]:
    table = [
        Column("", [Text(f"  {_NAMES.get(each.name, each.name)}", QUIET) for each in changed]),
        Column("A", [Text(_figure(each.name, each.a), _A) for each in changed], right=True),
        Column("B", [Text(_figure(each.name, each.b), _B) for each in changed], right=True),
        Column("", [_change(each) for each in changed], right=True),
    ]
    yield from columns(table)


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "none"
    if name.endswith("_ms"):
        return duration(value)
    if name == "success_rate":
        return percent(value)
    return f"${value:,.4g}" if name == "cost_usd" else number(round(value))


def _change(each: MetricDifference) -> Text:
    if each.difference is None:
        return Text()
    sign = "+" if each.difference > 0 else "-"
    better = each.difference > 0
    style = QUIET
    if each.name in ("success_rate", "failed_decisions", "problems"):
        style = GOOD if better == (each.name == "success_rate") else BAD
    return Text(f"{sign}{_figure(each.name, abs(each.difference))}", style)
