"""Why a run failed: the causes with their evidence, the way there, and what could be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.text import Text

from decisionlog import Run, RunStatus
from decisionlog.analysis.one import (
    Cause,
    CauseKind,
    Contrast,
    Elsewhere,
    FailureExplanation,
    Link,
    Suggestion,
    SuggestionType,
)
from decisionlog.cli import story
from decisionlog.cli.decision import error as error_text
from decisionlog.cli.look import (
    BAD,
    CANCELLED,
    CHOSEN,
    FAILURE,
    GAP,
    LIVE,
    NOTE,
    ODD,
    OTHER,
    OUTCOME,
    QUIET,
    STRONG,
    SUCCESS,
    Mark,
    across,
    bar,
    cut,
    decided,
    hang,
)
from decisionlog.cli.output import Screen
from decisionlog.cli.select import handle
from decisionlog.cli.text import number, one_line, safe
from decisionlog.wording import counted

_CAUSES, _RECOVERED, _SUGGESTIONS, _PLACES, _OPTIONS = 5, 3, 8, 3, 5
_TEXT_LINES = 4
_IDS = 4
_DEEPEST = 6
_NAME = 24
_MARKS = {
    CauseKind.FAILURE: FAILURE,
    CauseKind.REPETITION: Mark("◆", BAD),
    CauseKind.PROBLEM: NOTE,
    CauseKind.LIMIT: Mark("◆", ODD),
    CauseKind.ERROR: FAILURE,
    CauseKind.INTERRUPTION: NOTE,
    CauseKind.CANCELLATION: CANCELLED,
}
_LABELS = {
    SuggestionType.JUDGEMENT: "judged",
    SuggestionType.FIX: "fix",
    SuggestionType.ELSEWHERE: "elsewhere",
    SuggestionType.OPTION: "option",
    SuggestionType.CONTEXT: "missing",
    SuggestionType.TIME: "slow",
    SuggestionType.CONSTRAINT: "constraint",
    SuggestionType.RECORD: "record",
}
_WIDTH = max(map(len, _LABELS.values()))


def why(run: Run, found: FailureExplanation, screen: Screen, *, full: bool) -> Iterator[Text]:
    """All of it; what matters less only if there is room, or it is asked for."""
    yield from story.title(run, screen, full=full)
    yield from _causes(found, screen, full=full)
    if len(found.chain) > 1:
        yield story.heading("How it came to that")
        yield from _chain(found.chain, screen)
    if found.suggestions:
        yield story.heading("What could be done")
        shown = found.suggestions if full else _fairly(found.suggestions, _SUGGESTIONS)
        for each in shown:
            yield from _suggestion(each, screen, full=full)
        if left := len(found.suggestions) - len(shown):
            yield Text(f"  {counted(left, 'suggestion')} more: --full shows all", QUIET)
    yield from _elsewhere(run, found, screen)
    if found.contrast is not None:
        yield from _contrast(found.contrast, screen)
    yield from _recovered(found, screen, full=full)
    if found.caveats:
        yield story.heading("Not all of it is here")
        for caveat in found.caveats:
            yield from hang(screen, NOTE.text + Text(" "), Text("  "), Text(one_line(caveat), ODD))


def _causes(found: FailureExplanation, screen: Screen, *, full: bool) -> Iterator[Text]:
    lasting = [each for each in found.causes if not each.recovered]
    if not lasting:
        yield story.heading("Why")
        yield from hang(screen, Text("  "), Text("  "), Text(one_line(found.headline)))
    else:
        well = found.status in (RunStatus.COMPLETED, RunStatus.RUNNING)
        yield story.heading("What went wrong on the way" if well else "Why")
    for place, cause in enumerate(lasting if full else lasting[:_CAUSES], 1):
        yield from _cause(cause, screen, Text(f"{place} "), full=full, first=place == 1)
    left = len(lasting) - (len(lasting) if full else _CAUSES)
    if left > 0:
        yield Text(f"  {number(left)} more: --full shows all", QUIET)


def _recovered(found: FailureExplanation, screen: Screen, *, full: bool) -> Iterator[Text]:
    recovered = [each for each in found.causes if each.recovered]
    if not recovered:
        return
    yield story.heading("Failed on the way, and was made up for")
    for cause in recovered if full else recovered[:_RECOVERED]:
        yield from _cause(cause, screen, Text("  "), full=full, first=False)
    left = len(recovered) - (len(recovered) if full else _RECOVERED)
    if left > 0:
        yield Text(f"  {number(left)} more: --full shows all", QUIET)


def _cause(cause: Cause, screen: Screen, place: Text, *, full: bool, first: bool) -> Iterator[Text]:
    mark = SUCCESS if cause.recovered else _MARKS[cause.kind]
    if "critical" in " ".join(cause.reasons) and cause.kind is CauseKind.PROBLEM:
        mark = FAILURE
    head = Text.assemble(place, mark.text, " ")
    what = Text(one_line(cause.summary), STRONG if first else "")
    ids = [*dict.fromkeys(cause.decision_ids), *cause.problem_ids]
    shown = ids if full else ids[:_IDS]
    more = f" +{len(ids) - len(shown)}" if len(ids) > len(shown) else ""
    meta = Text(" ".join(map(one_line, shown)) + more, QUIET)
    rest = Text(" " * head.cell_len)
    fits = across(screen, head + what, meta)
    if fits:
        yield fits
    else:
        yield from hang(screen, head, rest, what)
    lines = None if full else _TEXT_LINES
    if cause.error or cause.error_type:
        said = one_line(cause.error or "") if cause.recovered and not full else cause.error
        error = error_text(cause.error_type, said)
        yield from hang(
            screen, rest, rest, error, lines=1 if cause.recovered and not full else lines
        )
    reasons = "; ".join(map(one_line, cause.reasons))
    yield from hang(screen, rest, rest, Text(reasons, QUIET), lines=lines)
    if not fits:
        yield rest + meta


def _chain(links: Sequence[Link], screen: Screen) -> Iterator[Text]:
    width = max(len(link.decision_id) for link in links)
    depth = 0
    for link in links:
        mark = OUTCOME.get(link.outcome, OTHER)
        line = Text.assemble("  ", mark.text, " ")
        line.append(f"{one_line(link.decision_id):{min(width, 24)}}", QUIET).append(GAP)
        line.append("  " * min(depth, _DEEPEST))
        intent, _, chosen = one_line(link.summary).rpartition(" → ")
        intent, chosen = (intent, chosen) if intent else (chosen, "")
        style = STRONG if link.relation == "here" else ""
        room = screen.width - line.cell_len
        line.append_text(decided(Text(intent, style), Text(chosen, LIVE), room))
        error = Text(one_line(link.error or ""), BAD)
        if not error:
            yield line
        elif screen.piped or line.cell_len + len(GAP) + error.cell_len <= screen.width:
            yield line.append(GAP).append_text(error)
        else:
            yield line
            below = Text(" " * (6 + min(width, 24) + 2 * min(depth, _DEEPEST)))
            yield below + error
        depth += link.relation == "inside"


def _fairly(suggestions: Sequence[Suggestion], most: int) -> list[Suggestion]:
    """Some of each kind rather than all of the first."""
    kinds = [list(each) for _, each in groupby(suggestions, key=lambda each: each.type)]
    taken: set[int] = set()
    for at in range(max(map(len, kinds), default=0)):
        for kind in kinds:
            if at < len(kind) and len(taken) < most:
                taken.add(id(kind[at]))
    return [each for each in suggestions if id(each) in taken]


def _suggestion(each: Suggestion, screen: Screen, *, full: bool) -> Iterator[Text]:
    first = Text(f"  {_LABELS[each.type]:{_WIDTH}}{GAP}", QUIET)
    rest = Text(" " * first.cell_len)
    what = Text()
    if each.type is SuggestionType.FIX:
        what.append(safe(each.reason)).append(f"{GAP}{one_line(each.target)}", QUIET)
    elif each.type in (SuggestionType.TIME, SuggestionType.RECORD):
        what.append(one_line(each.reason)).append(f"{GAP}{one_line(each.target)}", QUIET)
    else:
        what.append(one_line(each.target), LIVE).append(f"{GAP}{one_line(each.reason)}")
    yield from hang(screen, first, rest, what, lines=None if full else _TEXT_LINES)


def _elsewhere(run: Run, found: FailureExplanation, screen: Screen) -> Iterator[Text]:
    """How the options fared in other runs, for the places where there was more than one."""
    places: dict[str, list[Elsewhere]] = {}
    for each in found.elsewhere:
        places.setdefault(each.decision_id, []).append(each)
    telling = {
        place: fared
        for place, fared in places.items()
        if len(fared) > 1 and any(each.success_rate is not None for each in fared)
    }
    if not telling:
        return
    runs = counted(len(found.compared_with), "other run")
    yield story.heading(f"At the same place in {runs} of the goal")
    for decision_id, fared in list(telling.items())[:_PLACES]:
        decision = run.decision(decision_id)
        if decision is None:
            continue
        where = Text(f"{GAP}{one_line(decision_id)}", QUIET)
        yield Text.assemble("  ", one_line(decision.intent), where)
        fared.sort(key=lambda each: (-(each.success_rate or 0), -each.chosen))
        shown = fared[:_OPTIONS]
        width = max(Text(one_line(each.option_id)).cell_len for each in shown)
        width = width if screen.piped else min(width, _NAME)
        for each in shown:
            here = each.option_id == decision.chosen_option_id
            name = cut(Text(one_line(each.option_id), LIVE if here else ""), width)
            name.append(" " * (width - name.cell_len))
            known = each.succeeded + each.failed
            rate = bar(each.success_rate) if each.success_rate is not None else " " * 8
            counts = f" {each.succeeded} of {known}" if known else " nothing known"
            yield Text.assemble(
                "  ",
                (CHOSEN if here else OTHER).text,
                " ",
                name,
                GAP,
                (rate, LIVE if here else QUIET),
                counts,
                (f"{GAP}chosen here" if here else "", QUIET),
            )


def _contrast(found: Contrast, screen: Screen) -> Iterator[Text]:
    yield story.heading(f"The completed run most like it: {handle(found.run_id)}")
    indent = Text("  ")
    if found.divergence is not None:
        mine, theirs = found.divergence.a, found.divergence.b
        what = Text.assemble("They part at ", (one_line(mine.intent), STRONG))
        yield from hang(screen, indent, indent, what, lines=2)
        for name, side in (("here", mine), ("there", theirs)):
            line = Text.assemble("  ", OUTCOME[side.outcome].text, f" {name:6}")
            line.append(one_line(side.chosen_option_id or "no choice"), LIVE)
            line.append(f"{GAP}{one_line(side.decision_id)}", QUIET)
            if side.error:
                line.append(f"{GAP}{one_line(side.error)}", BAD)
            yield line
    else:
        common = counted(found.in_common, "decision")
        yield from hang(screen, indent, indent, Text(f"The same choices at {common} in common"))
    for name, sides in (("only here", found.only_here), ("only there", found.only_there)):
        for side in sides[:3]:
            line = Text.assemble("  ", OUTCOME[side.outcome].text, (f" {name}{GAP}", QUIET))
            where = Text(f"{GAP}{one_line(side.decision_id)}", QUIET)
            chosen = Text(one_line(side.chosen_option_id or ""), LIVE)
            room = screen.width - line.cell_len - where.cell_len
            line.append_text(decided(Text(one_line(side.intent)), chosen, room))
            yield line.append_text(where)
        if len(sides) > 3:
            yield Text(f"    {number(len(sides) - 3)} more {name}", QUIET)
