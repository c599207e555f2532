"""The menus the agent chooses from, and what it holds for and against every entry.

Nothing here acts or records. Each function looks at what is believed and what is left of the
budget, and returns the options with their confidence, the one to take, and why.
"""

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from decisionlog import DecisionType, Option
from decisionlog.demo.beliefs import Beliefs, Evidence, MirrorBelief
from decisionlog.demo.jobs import Job
from decisionlog.demo.pursuit import MAX_ATTEMPTS, Pursuit
from decisionlog.demo.wording import counted, duration

WIDTHS = (2, 4, 8)
PATIENCES = (0.15, 0.4, 0.8)
BACK_OFF = "back-off"
GIVE_UP = "give-up"

# What is left of a mirror's chance to deliver when it is asked before it is ready again.
BEFORE_RETRY_AFTER = 0.02
WHILE_RESTING = 0.4

SHORTEST_PAUSE = 0.02
SURE = 0.8  # the agent gives up only when it is this sure that going on is hopeless


class Choice(Struct, frozen=True):
    """A menu, what was taken from it, and why."""

    options: Sequence[Option]
    chosen: str
    reasoning: str
    decision_type: DecisionType
    amount: float = 0.0  # files at once, or seconds to wait for an answer, or to back off


def choose_width(job: Job, beliefs: Beliefs) -> Choice:
    """How many files to fetch at once: as few as the budget allows, to be easy on the mirrors."""
    chance = sum(belief.evidence.mean for belief in beliefs.mirrors.values()) / len(beliefs.mirrors)
    work = len(job.files) / chance * beliefs.pace.mean
    options: list[Option] = []
    for width in WIDTHS:
        needed = work / width
        confidence = _rounded(1 - needed / job.budget)
        options.append(
            Option(
                f"{width}-at-once",
                f"Fetch {width} files at the same time",
                "parallelism",
                {"files_at_once": width},
                pros=[f"needs about {duration(needed)} of the {duration(job.budget)} budget"],
                cons=[f"up to {width} connections to mirrors which others use too"],
                confidence=confidence,
            )
        )
    at = next((at for at, option in enumerate(options) if option.confidence >= 0.75), -1)
    reasoning = (
        f"{counted(len(job.files), 'file')} at {duration(beliefs.pace.mean)} an answer and "
        f"{chance:.0%} of attempts succeeding are about {duration(work)} of work; "
        f"{WIDTHS[at]} at once is the politest width that leaves room for surprises"
    )
    chosen, width = options[at].id, WIDTHS[at]
    return Choice(options, chosen, reasoning, DecisionType.PARAMETER_CHOICE, width)


def choose_patience(beliefs: Beliefs, remaining: float) -> Choice:
    """How long to wait for an answer: the chance that it comes, less the budget it may cost."""
    options: list[Option] = []
    worth: dict[float, float] = {}
    for seconds, evidence in beliefs.patience.items():
        cost = seconds / remaining
        worth[seconds] = evidence.mean - cost
        record = [_record(evidence, "answer", "came within it")]
        for_it, against_it = (record, []) if evidence.mean > 0.5 else ([], record)
        options.append(
            Option(
                f"wait-{seconds * 1000:.0f}-ms",
                f"Wait {duration(seconds)} for an answer, twice as long after each timeout",
                "timeout",
                {"seconds": seconds},
                pros=for_it,
                cons=[
                    *against_it,
                    f"each stall costs {cost:.0%} of the {duration(remaining)} left",
                ],
                confidence=_rounded(evidence.mean),
            )
        )
    best = max(worth, key=worth.__getitem__)
    reasoning = (
        f"{duration(best)}: {_record(beliefs.patience[best], 'answer', 'came within it')}, and a "
        f"stall would cost {best / remaining:.0%} of the time left; no other wait weighs up better"
    )
    chosen = f"wait-{best * 1000:.0f}-ms"
    return Choice(options, chosen, reasoning, DecisionType.PARAMETER_CHOICE, best)


def choose_next(
    pursuit: Pursuit, beliefs: Beliefs, *, now: float, deadline: float, rng: Random
) -> Choice:
    """What to do next about one file: ask one of the mirrors, back off, or give up.

    This is Thompson sampling: for each mirror a chance of success is drawn from what is believed
    about it, and the best draw wins, so that a mirror of which little is known gets its turn.
    """
    remaining = max(0.001, deadline - now)
    options: list[Option] = []
    drawn: dict[str, float] = {}
    once_ready: dict[str, float] = {}
    for name, belief in beliefs.mirrors.items():
        chance = belief.evidence.draw(rng) * pursuit.odds(name)
        drawn[name] = chance * _readiness(belief, now)
        once_ready[name] = chance * _left(belief.wait(now), remaining)
        options.append(_fetch(name, belief, pursuit, now))

    awaited = max(once_ready, key=once_ready.__getitem__)
    belief = beliefs.mirrors[awaited]
    pause = min(max(SHORTEST_PAUSE, belief.wait(now)), remaining)
    # When nobody needs a rest, backing off gains nothing.
    drawn[BACK_OFF] = once_ready[awaited] if belief.wait(now) else 0.0
    options.append(_back_off(awaited, belief, pursuit, now, pause, remaining))

    hopeless = (1 - max(option.confidence for option in options)) ** pursuit.attempts_left
    drawn[GIVE_UP] = hopeless if hopeless >= SURE else 0.0
    options.append(_give_up(pursuit, hopeless))

    chosen = max(drawn, key=drawn.__getitem__)
    if chosen == GIVE_UP:
        verdict = pursuit.judge(beliefs, now, deadline).description
        reasoning, decision_type = f"{verdict}; {options[-1].pros[0]}", DecisionType.TERMINATION
    else:
        retry = DecisionType.RETRY_STRATEGY if pursuit.attempts else DecisionType.PATH_CHOICE
        reasoning, decision_type = _why(chosen, drawn, options, pursuit), retry
    return Choice(options, chosen, reasoning, decision_type, pause)


def _fetch(name: str, belief: MirrorBelief, pursuit: Pursuit, now: float) -> Option:
    evidence = belief.evidence
    pros: list[str] = []
    cons: list[str] = []
    speaks_for_it = evidence.mean > 0.5
    (pros if speaks_for_it else cons).append(_record(evidence, "attempt", "succeeded"))
    if belief.last_seconds is not None:
        pros.append(f"last answered in {duration(belief.last_seconds)}")
    if belief.last_error:
        cons.append(f"last attempt: {belief.last_error}")
    if name in pursuit.missing_at:
        cons.append("it does not have this file")
    if copies := pursuit.bad_copies.get(name):
        cons.append(f"it served {counted(len(copies), 'bad copy', 'bad copies')} of this file")
    if wait := belief.wait(now):
        why = "it asked to be left alone" if belief.asked_to_wait else "it failed and rests"
        cons.append(f"{why} for another {duration(wait)}")
    return Option(
        name,
        f"Fetch {pursuit.item.path} from {name} now",
        "fetch",
        {"mirror": name, "timeout_s": pursuit.timeout},
        pros=pros,
        cons=cons,
        confidence=_rounded(evidence.mean * pursuit.odds(name) * _readiness(belief, now)),
    )


def _back_off(
    awaited: str, belief: MirrorBelief, pursuit: Pursuit, now: float, pause: float, remaining: float
) -> Option:
    pros: list[str] = []
    cons = [f"costs {pause / remaining:.0%} of the {duration(remaining)} left"]
    if belief.wait(now) > pause:
        cons.append("no mirror will be ready before the budget ends")
    elif belief.wait(now):
        pros.append(f"{awaited} will be ready again by then")
    else:
        cons.append(f"{awaited} is ready now")
    left = _left(belief.wait(now) or pause, remaining)
    return Option(
        BACK_OFF,
        f"Back off for {duration(pause)}, then choose again",
        "wait",
        {"seconds": round(pause, 3)},
        pros=pros,
        cons=cons,
        confidence=_rounded(belief.evidence.mean * pursuit.odds(awaited) * left),
    )


def _give_up(pursuit: Pursuit, hopeless: float) -> Option:
    prospect = f"all {MAX_ATTEMPTS} attempts are used up"
    if left := pursuit.attempts_left:
        prospect = (
            f"{counted(left, 'more attempt')} would get it with a chance of {1 - hopeless:.0%}"
        )
    pros, cons = ([prospect], []) if hopeless > 0.5 else ([], [prospect])
    return Option(
        GIVE_UP,
        f"Give up {pursuit.item.path}",
        "stop",
        pros=pros,
        cons=[*cons, "without this file the run fails"],
        confidence=_rounded(hopeless),
    )


def _why(chosen: str, drawn: dict[str, float], options: Sequence[Option], pursuit: Pursuit) -> str:
    before = f"Last try: {pursuit.last_error}. " if pursuit.last_error else ""
    option = next(option for option in options if option.id == chosen)
    facts = ", ".join([*option.pros, *option.cons][:2])
    ranking = sorted((each for each in drawn if drawn[each]), key=drawn.__getitem__, reverse=True)
    sampled = ", ".join(f"{each} {drawn[each]:.2f}" for each in ranking)
    action = "Backing off" if chosen == BACK_OFF else f"Trying {chosen}"
    return f"{before}{action}: {facts}. Sampled chance of success: {sampled}"


def _readiness(belief: MirrorBelief, now: float) -> float:
    if not belief.wait(now):
        return 1.0
    return BEFORE_RETRY_AFTER if belief.asked_to_wait else WHILE_RESTING


def _left(pause: float, remaining: float) -> float:
    """The share of the time left which a pause leaves."""
    return max(0.0, 1 - pause / remaining)


def _record(evidence: Evidence, noun: str, verb: str) -> str:
    parts: list[str] = []
    if evidence.attempts:
        parts.append(f"{evidence.successes} of {counted(evidence.attempts, noun)} {verb}")
    if evidence.earlier_attempts:
        earlier = f"{evidence.earlier_successes} of {evidence.earlier_attempts}"
        parts.append(
            f"{earlier} in earlier runs" if parts else f"{earlier} {noun}s {verb} in earlier runs"
        )
    return ", ".join(parts) or "nothing is known yet"


def _rounded(confidence: float) -> float:
    return round(min(1.0, max(0.0, confidence)), 3)
