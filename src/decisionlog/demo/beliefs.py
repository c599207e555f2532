"""What the agent has learnt about its mirrors, and how sure it is.

The chance that a mirror delivers is a Beta distribution: it starts flat, and every attempt that
succeeds or fails moves it. What earlier runs taught is where a run starts from, but it weighs no
more than a few attempts of its own, since mirrors change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

CARRIED = 6  # earlier runs together weigh as much as this many attempts, at most
REST = 0.05  # how long a mirror rests after a failure; doubled for each further one in a row


@dataclass(slots=True)
class Evidence:
    """Successes and failures, of this run and of all before it."""

    successes: int = 0
    failures: int = 0
    earlier_successes: int = 0
    earlier_failures: int = 0

    def add(self, success: bool) -> None:
        self.successes += success
        self.failures += not success

    @property
    def attempts(self) -> int:
        return self.successes + self.failures

    @property
    def earlier_attempts(self) -> int:
        return self.earlier_successes + self.earlier_failures

    @property
    def posterior(self) -> tuple[float, float]:
        """The two parameters of the Beta distribution."""
        weight = min(1.0, CARRIED / max(1, self.earlier_attempts))
        return (
            1 + self.successes + weight * self.earlier_successes,
            1 + self.failures + weight * self.earlier_failures,
        )

    @property
    def mean(self) -> float:
        alpha, beta = self.posterior
        return alpha / (alpha + beta)

    def draw(self, rng: Random) -> float:
        """A chance of success as it might well be: near the mean only when much was seen."""
        return rng.betavariate(*self.posterior)

    def carried_over(self) -> "Evidence":
        """The same knowledge as a new run starts with."""
        return Evidence(
            earlier_successes=self.earlier_successes + self.successes,
            earlier_failures=self.earlier_failures + self.failures,
        )

    def absorb(self, run: "Evidence") -> None:
        """Learn from a run that has ended."""
        self.successes += run.successes
        self.failures += run.failures


@dataclass(slots=True)
class MirrorBelief:
    """One mirror as the agent sees it in one run."""

    evidence: Evidence = field(default_factory=Evidence)
    last_seconds: float | None = None  # of its latest attempt, when that succeeded
    last_error: str = ""  # of its latest attempt, when that failed
    ready_at: float = 0.0
    asked_to_wait: bool = False  # by the mirror, with Retry-After
    failures_in_a_row: int = 0

    def succeeded(self, seconds: float) -> None:
        self.evidence.add(True)
        self.last_seconds, self.last_error = seconds, ""
        self.ready_at, self.failures_in_a_row = 0.0, 0

    def failed(self, error: str) -> None:
        self.evidence.add(False)
        self.last_seconds, self.last_error = None, error

    def rest(self, now: float, retry_after: float = 0.0) -> None:
        """Leave the mirror alone: for as long as it asks, or longer after each failure in a row."""
        pause = retry_after or REST * 2.0 ** min(self.failures_in_a_row, 2)
        self.failures_in_a_row += 1
        if now + pause > self.ready_at:
            self.ready_at, self.asked_to_wait = now + pause, bool(retry_after)

    def wait(self, now: float) -> float:
        """How much longer it should be left alone."""
        return max(0.0, self.ready_at - now)


@dataclass(slots=True)
class Pace:
    """How long good answers take, on the average; a tenth of a second until one has come."""

    answers: int = 1
    seconds: float = 0.1

    @property
    def mean(self) -> float:
        return self.seconds / self.answers


@dataclass(slots=True)
class Beliefs:
    """Everything the agent believes during one run; or, between runs, its memory of them all."""

    mirrors: dict[str, MirrorBelief]
    patience: dict[float, Evidence]  # by seconds: does a good answer come within them?
    pace: Pace = field(default_factory=Pace)  # one for all runs

    @classmethod
    def blank(cls, mirrors: Iterable[str], patiences: Iterable[float]) -> "Beliefs":
        return cls(
            {name: MirrorBelief() for name in mirrors}, {each: Evidence() for each in patiences}
        )

    def for_new_run(self) -> "Beliefs":
        """What a run starts with: all evidence is of earlier runs, and nobody needs a rest."""
        return Beliefs(
            {
                name: MirrorBelief(belief.evidence.carried_over())
                for name, belief in self.mirrors.items()
            },
            {each: evidence.carried_over() for each, evidence in self.patience.items()},
            self.pace,
        )

    def absorb(self, run: "Beliefs") -> None:
        """Learn from a run that has ended."""
        for name, belief in run.mirrors.items():
            self.mirrors[name].evidence.absorb(belief.evidence)
        for each, evidence in run.patience.items():
            self.patience[each].absorb(evidence)

    def answered(self, seconds: float) -> None:
        """A good answer tells of every patience whether it would have been enough."""
        self.pace.answers += 1
        self.pace.seconds += seconds
        for each, evidence in self.patience.items():
            evidence.add(seconds <= each)

    def waited_in_vain(self, timeout: float) -> None:
        """A timeout tells only of those patiences which are no longer than it."""
        for each, evidence in self.patience.items():
            if each <= timeout:
                evidence.add(False)
