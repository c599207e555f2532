"""What the data of many runs say to change, on a terminal: whether confidence means anything, where
runs part, what a version changed, and suggestions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from decisionlog.analysis.many.calibration import Calibration
from decisionlog.analysis.many.changes import Change, Changes
from decisionlog.analysis.many.divergence import Branch, Divergence, Taken
from decisionlog.analysis.many.stats import FALSE_FINDINGS
from decisionlog.analysis.many.suggestions import Suggestion
from decisionlog.cli.intervals import ROWS, bar, judged, more, names, rates, right, share, table
from decisionlog.cli.look import (
    BAD,
    GAP,
    GOOD,
    ODD,
    QUIET,
    STRONG,
    Column,
    cut,
    decided,
    hang,
    width_of,
)
from decisionlog.cli.output import Screen
from decisionlog.cli.select import handle
from decisionlog.cli.story import heading
from decisionlog.cli.text import duration, number, one_line
from decisionlog.wording import counted

_VERDICT = {"overconfident": BAD, "underconfident": ODD, "miscalibrated": ODD, "in line": GOOD}
_PRIORITY = {"high": BAD, "medium": ODD, "low": ""}


def calibration(answer: Calibration, screen: Screen) -> Iterator[Text]:
    """How confidence compares with success."""
    verdict = answer.verdict or "too little to tell"
    told = Text(verdict, f"{STRONG} {_VERDICT.get(verdict, '')}".strip())
    told.append(f": said {share(answer.confidence)} on average, and succeeded ")
    told.append(one_line(str(answer.success)))
    yield from hang(screen, Text(), Text(GAP), told)
    scores = (
        f"Brier score {answer.brier:.3f} (always saying the mean rate:"
        f" {answer.brier_of_base_rate:.3f}), expected calibration error {answer.ece:.3f}"
    )
    yield from hang(screen, Text(), Text(GAP), Text(scores, QUIET))
    yield heading("Confidence and success")
    curve = answer.curve
    colours = [ODD if each.p_value <= FALSE_FINDINGS else "" for each in curve]
    _, shares, counts = rates("", [each.success for each in curve])
    drawn = [
        bar(each.success.rate or 0.0, each.success.interval, colour, said=each.confidence)
        for each, colour in zip(curve, colours, strict=True)
        if each.success.interval
    ]
    yield from table(
        screen,
        [
            right("CONFIDENCE", [f"{each.low:.1f} to {each.high:.1f}" for each in curve]),
            right("SAID ○", [share(each.confidence) for each in curve]),
            Column("WAS ●", drawn),
            Column(
                "", [Text(s.plain, c) for s, c in zip(shares.cells, colours, strict=True)], True
            ),
            counts,
        ],
    )


def divergence(answer: Divergence, screen: Screen) -> Iterator[Text]:
    """Where runs part, and the tree of their choices."""
    goal = one_line(answer.goal_id)
    if answer.divergence is None:
        told = Text(f"No choice separates the runs of {goal} that succeed from those that fail")
        looked = f" ({counted(answer.looked_at, 'split')} looked at)"
        yield from hang(screen, Text(), Text(GAP), told.append(looked, QUIET))
    else:
        split = answer.divergence
        told = Text.assemble("The runs of ", (goal, STRONG), f" part at decision {split.step}")
        if split.path:
            told.append(f", after {split.path[-1]}")
        told.append(f"{GAP}p = {split.p_value:.2g}", QUIET)
        yield from hang(screen, Text(), Text(GAP), told)
        ordered = sorted(split.branches, key=lambda each: -(each.success.rate or 0.0))
        yield from _branches([(each, "") for each in ordered], screen)
    if answer.tree:
        yield heading("All choices")
        yield from _branches(list(_tree(answer.tree, "")), screen)


def _branches(rows: Sequence[tuple[Branch, str]], screen: Screen) -> Iterator[Text]:
    drawn = rates("SUCCESS OF RUNS", [branch.success for branch, _ in rows])
    room = screen.width - width_of(drawn) - len(GAP)
    chosen = [
        Text.assemble((guide, QUIET), _taken(branch.choice, room - len(guide)))
        for branch, guide in rows
    ]
    return table(screen, drawn, Column("CHOICE", chosen))


def _taken(choice: Taken, room: int) -> Text:
    """A choice; it is what was decided that is cut."""
    intent = Text(one_line(f"{choice.node_id}: {choice.intent or 'decides'}"))
    return decided(intent, Text(one_line(choice.option_id or "no choice")), room)


def _tree(branches: Sequence[Branch], indent: str) -> Iterator[tuple[Branch, str]]:
    for branch in branches:
        last = branch is branches[-1]
        guide = ("└ " if last else "├ ") if indent else ""
        yield branch, indent[1:] + guide
        yield from _tree(
            branch.branches, (indent or " ") + (("  " if last else "│ ") if indent else "")
        )


def changes(answer: Changes, screen: Screen) -> Iterator[Text]:
    """From each value of a tag to the next."""
    for at, step in enumerate(answer.steps):
        if at:
            yield Text()
        title = Text.assemble(
            (one_line(step.before), STRONG), f" ({counted(step.before_runs, 'run')}) → "
        )
        title.append(one_line(step.after), STRONG).append(f" ({counted(step.after_runs, 'run')})")
        yield from hang(screen, Text(), Text(GAP), title)
        every = [
            *((change, GOOD) for change in step.better),
            *((change, BAD) for change in step.worse),
            *((change, QUIET) for change in step.unclear[:ROWS]),
        ]
        if not every:
            yield Text("No goal or node has enough runs of both.", QUIET)
            continue
        yield from table(
            screen,
            [
                Column("", [Text({GOOD: "better", BAD: "worse"}.get(s, "?"), s) for _, s in every]),
                names("WHAT", [_what(change) for change, _ in every], screen),
                right("BEFORE", [_amount(c, c.before) for c, _ in every]),
                Column("AFTER", [Text(_amount(c, c.after), s) for c, s in every], True),
                right("DIFFERENCE", [_by(change) for change, _ in every]),
                right("P", [f"{change.p_value:.2g}" for change, _ in every]),
            ],
        )
        yield from more(step.unclear)


def _what(change: Change) -> str:
    word = "time" if change.what == "duration_ms" else change.what
    return f"{word} of {change.target or 'all runs'}"


def _amount(change: Change, value: float) -> str:
    if change.what == "success":
        return share(value)
    return duration(value) if change.what == "duration_ms" else number(round(value))


def _by(change: Change) -> str:
    if change.difference is not None:
        return str(change.difference)
    return f"{change.ratio - 1:+.0%}" if change.ratio is not None else ""


def suggestion(each: Suggestion, screen: Screen, *, first: bool) -> Iterator[Text]:
    """A proposal with its evidence; an empty line before it, but for the first."""
    if not first:
        yield Text()
    title = Text.assemble((f"[{each.priority}] ", _PRIORITY[each.priority]))
    title.append(each.type.replace("_", " "), STRONG).append(
        f"{GAP}{one_line(each.target)}", STRONG
    )
    yield from hang(screen, Text(), Text(GAP), title)
    yield from hang(screen, Text(GAP), Text(GAP), Text(one_line(each.reason)))
    proof = each.evidence
    shown = [("with it", proof.with_it)]
    if proof.without_it:
        shown.append(("otherwise", proof.without_it))
    limit = proof.without_it.rate if proof.without_it else None
    drawn = rates(
        "", [rate for _, rate in shown],
        lambda rate: judged(rate.interval, limit) if rate is proof.with_it else "",
    )  # fmt: skip
    labels = Column("", [Text(label, QUIET) for label, _ in shown])
    for line in list(table(screen, [labels, *drawn]))[1:]:
        yield cut(Text.assemble(GAP, line), screen.width)
    facts = [f"p = {proof.p_value:.2g}"]
    if each.expected_gain:
        facts.insert(0, f"expected gain {each.expected_gain} of {each.gain_of}s")
    if runs := list(dict.fromkeys(handle(example.run_id) for example in proof.examples)):
        facts.append(f"see {', '.join(runs)}")
    yield from hang(screen, Text(GAP), Text(GAP), Text("; ".join(facts), QUIET))
