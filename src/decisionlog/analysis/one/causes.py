"""Why a run ended as it did: candidate causes, each with its evidence, the strongest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from decisionlog.analysis.one.chains import Link
from decisionlog.analysis.one.course import Course, pattern
from decisionlog.analysis.one.incidents import REPEATED, Trail, trails
from decisionlog.analysis.one.limits import limits
from decisionlog.analysis.one.loops import Loop, loops
from decisionlog.analysis.one.wording import choice, is_generated, listed, plain
from decisionlog.model import Decision, Problem, Run, RunStatus
from decisionlog.wording import counted

_NAMED = 50
"""How many ids a cause names of each kind."""


class CauseKind(StrEnum):
    """What a cause is."""

    FAILURE = "failure"
    REPETITION = "repetition"
    PROBLEM = "problem"
    LIMIT = "limit"
    ERROR = "error"
    INTERRUPTION = "interruption"
    CANCELLATION = "cancellation"


class Cause(Struct, frozen=True):
    """A candidate cause with its evidence.

    `summary` says what happened, `reasons` why it stands where it does. `count` is how many
    decisions (of a "problem": how many problems) it is about; `decision_ids` names them, the one to
    look at first, and `problem_ids` the problems that were reported about it; neither more than 50.
    `recovered_by` is the decision that made up for a failure. `chain` leads to the decision to look
    at.
    """

    kind: CauseKind
    summary: str
    recovered: bool = False
    recovered_by: str | None = None
    count: int = 0
    decision_ids: list[str] = []
    problem_ids: list[str] = []
    reasons: list[str] = []
    error: str | None = None
    error_type: str | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    chain: list[Link] = []

    def __str__(self) -> str:
        error = self.error or (self.error_type or "").rpartition(".")[2]
        return f"{self.summary}: {plain(error)}" if error else self.summary


class Candidate(NamedTuple):
    """A cause, and what it is ranked by."""

    tier: int
    """What kind of evidence there is. 0: it is how the run ended. 1: somebody called it critical.
    2: it was never made up for. 3: nothing got any further. 4: a warning. 5: it was made up for.
    6: a minor problem."""
    position: int
    """Where in the run: what came last is nearer to its end."""
    cause: Cause

    @property
    def rank(self) -> tuple[int, int, int]:
        return self.tier, -len(self.cause.reasons), -self.position


def candidates(run: Run, course: Course) -> list[Candidate]:
    """All causes that the run's own records speak for, the strongest first."""
    finder = _Finder(run, course)
    return sorted(finder.find(), key=lambda found: found.rank)


class _Finder:
    def __init__(self, run: Run, course: Course) -> None:
        self.run = run
        self.course = course
        self.completed = run.status == RunStatus.COMPLETED
        self._told: set[str] = set()
        """Problems that are part of a cause already."""
        self._problems_of: defaultdict[str | None, list[Problem]] = defaultdict(list)
        for problem in run.problems:
            self._problems_of[problem.decision_id].append(problem)

    def find(self) -> Iterator[Candidate]:
        yield from self._limits()
        yield from self._endings()
        explained = False
        for trail in trails(self.course):
            found = self._trail(trail)
            explained = explained or found.tier == 0
            yield found
        if self.run.error_type or self.run.error:
            if not explained and not self._ended_by_limit:
                yield self._error()
        if self.run.status not in (RunStatus.COMPLETED, RunStatus.CANCELLED):
            for loop in loops(self.course):
                yield self._loop(loop)
        yield from self._problems()

    # ------------------------------------------------------------------ how it ended

    def _limits(self) -> Iterator[Candidate]:
        self._ended_by_limit = False
        for limit in limits(self.run):
            self._told.update(limit.problem_ids)
            severities = {p.severity for p in self.run.problems if p.id in limit.problem_ids}
            if self.completed:
                tier = 4
            elif limit.is_told and severities <= {"critical"}:
                tier, self._ended_by_limit = 0, True
            else:
                tier = 1 if "critical" in severities else 3
            last = self._last()
            pending = self._under_way()
            stopped = pending or self._cancelled()
            reasons = [limit.reason] if limit.reason else []
            if limit.problem_ids:
                reasons.append(
                    f"reported as {', '.join(sorted(severities))}: {listed(limit.problem_ids)}"
                )
            if pending:
                reasons.append(f"{counted(len(pending), 'decision')} without an outcome by then")
            named = stopped or ([last] if last else [])
            cause = Cause(
                CauseKind.LIMIT,
                f"Ran out of {limit.what}: {limit.said}",
                problem_ids=limit.problem_ids[:_NAMED],
                reasons=reasons,
            )
            yield self._candidate(tier, cause, named)

    def _endings(self) -> Iterator[Candidate]:
        if self.run.status == RunStatus.INTERRUPTED:
            pending = self._under_way()
            last = self._last()
            doing = f"while {counted(len(pending), 'decision')} had no outcome" if pending else ""
            if not pending:
                doing = "when nothing was under way" if last else "before its first decision"
            reasons = ["the record stops without an end, and its process is gone"]
            if pending:
                reasons.append(f"the last of them was {pending[0].id}, {choice(pending[0])}")
            elif last:
                reasons.append(f"the last decision was {last.id}, {choice(last)}")
            summary = f"Interrupted: the process died {doing}"
            cause = Cause(CauseKind.INTERRUPTION, summary, reasons=reasons)
            yield self._candidate(0, cause, pending)
        elif self.run.status == RunStatus.CANCELLED:
            stopped = self._cancelled()
            doing = f": {choice(stopped[0])}" if stopped else ""
            cause = Cause(
                CauseKind.CANCELLATION,
                f"Cancelled from outside{doing}",
                reasons=["it was stopped; what stopped it is not in the record"],
            )
            yield self._candidate(0, cause, [*stopped, *self._under_way()])

    def _error(self) -> Candidate:
        run = self.run
        last = self._last()
        cause = Cause(
            CauseKind.ERROR,
            "The run ended with an exception of its own",
            reasons=["no decision failed with it, so it was raised between decisions"],
            error=run.error,
            error_type=run.error_type,
        )
        return self._candidate(0, cause, [last] if last else [])

    # ------------------------------------------------------------------ failures

    def _trail(self, trail: Trail) -> Candidate:
        main = trail.main
        top, origin = main.top, main.origin
        failed = list(trail.failed)
        outcome = origin.outcome
        error = outcome.error if outcome else None
        problems = self._about(trail)
        tier = 5 if trail.is_recovered else 2
        reasons: list[str] = []
        if (first := main.failed[0]) is top and origin is top and len(main.failed) > 1:
            first = main.failed[1]
            reasons.append(f"the first failure inside it: {first.id}, {choice(first, 60)}")
        if trail.is_recovered:
            reasons.append(f"recovered: {main.how}")
        else:
            reasons.append("nothing made up for it")
            if self.run.error and error and (error in self.run.error or self.run.error in error):
                reasons.append("the run ended with its error")
                tier = 0
            if critical := [p.id for p in problems if p.severity == "critical"]:
                reasons.append(f"reported as critical: {listed(critical)}")
                tier = min(tier, 1)
            told = "" if is_generated(self.run.narrative) else self.run.narrative
            if error and len(error) > 8 and error in told:
                reasons.append("the run's narrative tells of its error")
            if trail.repeated >= REPEATED:
                reasons.append(f"the same choice failed in the same way {trail.repeated:,} times")
                if self.run.status == RunStatus.STUCK:
                    tier = 0
        self._told.update(p.id for p in problems)
        cause = Cause(
            CauseKind.REPETITION if trail.repeated >= REPEATED else CauseKind.FAILURE,
            _story(trail),
            recovered=trail.is_recovered,
            recovered_by=main.recovered_by,
            problem_ids=[p.id for p in problems][:_NAMED],
            reasons=reasons,
            error=error,
            error_type=outcome.error_type if outcome else None,
        )
        return self._candidate(tier, cause, [origin, top, *failed])

    def _about(self, trail: Trail) -> list[Problem]:
        """The problems that name a decision of the trail, or say the same as its error."""
        ids = dict.fromkeys(decision.id for decision in trail.failed)
        about = [problem for each in ids for problem in self._problems_of.get(each, ())]
        errors = {
            pattern(decision.outcome.error)
            for incident in trail.incidents[:_NAMED]
            for decision in (incident.top, incident.origin)
            if decision.outcome
        }
        about += [p for p in self._problems_of.get(None, ())[:_NAMED] if _says(p, errors)]
        return [
            problem
            for problem in about
            if problem.id not in self._told
            and not (trail.is_recovered and problem.severity == "critical")
        ]

    def _loop(self, loop: Loop) -> Candidate:
        what = " and ".join(choice(each, 60) for each in loop.decisions[: loop.period])
        how = "in turn, " if loop.period > 1 else ""
        reasons = [
            f"{counted(len(loop.decisions), 'decision')} in a row, {how}with the same result"
        ]
        stuck = self.run.status == RunStatus.STUCK
        if stuck:
            reasons.append("the run got stuck")
        times = counted(len(loop.decisions) // loop.period, "time")
        cause = Cause(
            CauseKind.REPETITION, f"Went round in circles, {times}: {what}", reasons=reasons
        )
        return self._candidate(0 if stuck else 3, cause, loop.decisions[::-1])

    # ------------------------------------------------------------------ problems

    def _problems(self) -> Iterator[Candidate]:
        alike: dict[tuple[str, str], list[Problem]] = {}
        for problem in self.run.problems:
            if problem.id not in self._told:
                key = problem.severity, pattern(problem.description)
                alike.setdefault(key, []).append(problem)
        for (severity, _), problems in alike.items():
            first = problems[0]
            where = [
                found
                for problem in reversed(problems)
                if problem.decision_id and (found := self.course.by_id.get(problem.decision_id))
            ]
            reasons = [f"reported as {severity}: {listed([p.id for p in problems])}"]
            if first.root_cause:
                reasons.append(f"its cause, as reported: {plain(first.root_cause)}")
            times = f" ({counted(len(problems), 'time')})" if len(problems) > 1 else ""
            cause = Cause(
                CauseKind.PROBLEM,
                f"{plain(first.description) or 'A problem without a description'}{times}",
                count=len(problems),
                problem_ids=[p.id for p in problems][:_NAMED],
                reasons=reasons,
            )
            tier = {"critical": 1, "warning": 4}.get(severity, 6)
            yield self._candidate(tier, cause, where)

    # ------------------------------------------------------------------

    def _candidate(self, tier: int, cause: Cause, about: Sequence[Decision]) -> Candidate:
        """With the decisions that the cause is about, the one to look at first."""
        by_id = {decision.id: decision for decision in about}
        in_order = sorted(by_id.values(), key=lambda d: self.course.position[d.id])
        cause = replace(
            cause,
            count=cause.count or len(by_id),
            decision_ids=list(by_id)[:_NAMED],
            first_at=in_order[0].timestamp if in_order else None,
            last_at=in_order[-1].timestamp if in_order else None,
        )
        position = self.course.position[in_order[-1].id] if in_order else -1
        return Candidate(tier, position, cause)

    def _last(self) -> Decision | None:
        return self.course.decisions[-1] if self.course.decisions else None

    def _cancelled(self) -> list[Decision]:
        """What was cancelled, the innermost of the last first."""
        return [d for d in reversed(self.course.decisions) if d.outcome and d.outcome.cancelled]

    def _under_way(self) -> list[Decision]:
        """What has no outcome, the innermost of the last first."""
        return [each for each in reversed(self.course.decisions) if each.is_pending]


def _says(problem: Problem, errors: set[str]) -> bool:
    said = pattern(problem.description)
    return len(said) > 12 and any(said in error for error in errors)


def _story(trail: Trail) -> str:
    main = trail.main
    count = len(trail.incidents)
    inner = sum(1 for _ in trail.failed) - count
    tries = f" {counted(count, 'time')}" if count > 1 else ""
    within = f", with {counted(inner, 'failure')} inside" if inner else ""
    if count > 1 and len({i.top.intent for i in trail.incidents}) > 1:
        others = counted(count - 1, "other decision")
        return f"{choice(main.top)} failed, and {others} alike{within}"
    return f"{choice(main.top)} failed{tries}{within}"
