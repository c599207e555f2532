"""Whether a run ran out of something: time, steps, tokens or money.

It is said in an error, in a problem or in what the agent told at the end; or it shows in how long
the run took, where a constraint or the input named a limit. A single request that timed out is no
limit of the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from decisionlog.analysis.one.wording import is_generated, plain, seconds
from decisionlog.model import Problem, Run, RunStatus

_OUT_OF = {
    "time": re.compile(
        r"time[- ]?limit|\bdeadline\b|\bout of time\b|time (is|was) up\b|time ?budget"
        r"|stopped after \d|\bcut[- ]?off after|ran too long"
        r"|max\w*[ _]?(execution|wall|run)?[ _]?time\b"
        r"|budget of [\d.,]+ ?(ms|s|sec\w*|min\w*|h|hours?) (ran out|is spent)",
        re.IGNORECASE,
    ),
    "steps": re.compile(
        r"\bmax(imum)?[ _-]?(number of )?(allowed )?(iteration|step|turn|round|recursion|depth)s?\b"
        r"|\b(iteration|step|turn|recursion|call)s?[ _-]?(limit|budget)"
        r"|limit of \d+ (step|iteration|turn|call)s?",
        re.IGNORECASE,
    ),
    "tokens": re.compile(
        r"context[ _-]?(length|window|limit|size)|maximum context|tokens?[ _-]?(limit|budget)"
        r"|max(imum)?[ _-](number of )?tokens|too many tokens",
        re.IGNORECASE,
    ),
    "money": re.compile(
        r"\b(cost|money|spending|credit)s?[ _-]?(limit|budget)"
        r"|budget (was |is )?(exceeded|exhausted)|insufficient[ _]quota",
        re.IGNORECASE,
    ),
}
_WITHIN = re.compile(
    r"\b(?:within|under|less than|at most|no more than|limit(?:ed)?(?: of| to)?|budget(?: of)?"
    r"|deadline(?: of)?|timeout(?: of)?)[: ]+(\d+(?:\.\d+)?)"
    r" ?(ms|s|sec|seconds?|min|minutes?|h|hours?)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:time_?out|time_?limit|deadline|budget|max_time)_(ms|s|sec|seconds|min|minutes)"
)
_MS = {"ms": 1.0, "s": 1e3, "sec": 1e3, "min": 6e4, "h": 3.6e6}
_NEARLY = 0.97
"""Which share of a limit counts as all of it: whoever minds one stops a little sooner."""


class Limit(NamedTuple):
    """A limit that was reached, how that is known, and the problems which say so."""

    what: str
    said: str
    reason: str
    """How that is known, if not from the problems."""
    problem_ids: list[str]
    is_told: bool
    """Somebody says so; else it is only that the time was up."""


def limits(run: Run) -> Iterator[Limit]:
    """Those that a run reached."""
    told: dict[str, list[tuple[str, str]]] = {}
    ids: dict[str, list[str]] = {}
    for problem in run.problems:
        if what := problem_names(problem):
            told.setdefault(what, []).append((plain(problem.description, 120), ""))
            ids.setdefault(what, []).append(problem.id)
    kind = (run.error_type or "").rpartition(".")[2]
    if what := _out_of(f"{kind} {run.error or ''}") or ("time" if kind == "TimeoutError" else ""):
        error = plain(f"{kind}: {run.error}" if run.error else kind, 120)
        told.setdefault(what, []).append((error, "the run ended with this error"))
    if run.status != RunStatus.COMPLETED and not is_generated(run.narrative):
        if what := _out_of(run.narrative):
            told.setdefault(what, []).append((plain(run.narrative, 120), "the narrative says so"))
    for what, sources in told.items():
        reasons = "; ".join(reason for _, reason in sources if reason)
        yield Limit(what, sources[0][0], reasons, ids.get(what, []), True)
    if "time" not in told and run.status != RunStatus.COMPLETED and run.duration_ms:
        for allowed, source in _allowed(run):
            if run.duration_ms >= allowed * _NEARLY:
                took = f"it took {seconds(run.duration_ms)}"
                yield Limit("time", took, source, [], False)
                break


def problem_names(problem: Problem) -> str:
    """What a problem says that the run ran out of; "" when it does not."""
    return _out_of(f"{problem.description} {problem.root_cause or ''}")


def _out_of(text: str) -> str:
    text = text[:2000]
    return next((what for what, words in _OUT_OF.items() if words.search(text)), "")


def _allowed(run: Run) -> Iterator[tuple[float, str]]:
    """How many ms there were, and who says so."""
    for said in dict.fromkeys(c for d in run.decisions[:1000] for c in d.active_constraints):
        if match := _WITHIN.search(said[:500]):
            yield _ms(match[1], match[2]), f'a constraint was "{plain(said, 60)}"'
    if match := _WITHIN.search(run.goal_description[:2000]):
        yield _ms(match[1], match[2]), f'the goal was "{plain(run.goal_description, 80)}"'
    given: object = run.input_data
    for key, value in cast("dict[str, Any]", given if isinstance(given, dict) else {}).items():
        match = _NAMED.fullmatch(key)
        if match and isinstance(value, (int, float)) and 0 < value < 1e12:
            yield _ms(value, match[1]), f"its input had {key}={value}"


def _ms(amount: str | float, unit: str) -> float:
    unit = unit.lower().rstrip("s") or "s"
    unit = {"m": "ms", "second": "sec", "minute": "min", "hour": "h"}.get(unit, unit)
    return float(amount) * _MS[unit]
