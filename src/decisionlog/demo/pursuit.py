"""The hunt for one file: what was tried, what it taught, and why it ended without the file."""

from collections import Counter
from dataclasses import dataclass, field

from decisionlog.demo import troubles
from decisionlog.demo.beliefs import Beliefs
from decisionlog.demo.client import ChecksumMismatch, FetchError, NotFound
from decisionlog.demo.jobs import Item
from decisionlog.demo.troubles import Trouble

MAX_ATTEMPTS = 6
LONGEST_TIMEOUT = 1.0

# What is left of a mirror's chance to deliver a file after what it did to this very file.
AFTER_404 = 0.02
AFTER_BAD_COPY = 0.1  # for each of them


@dataclass(slots=True)
class Pursuit:
    """How the hunt for one file stands."""

    item: Item
    patience: float
    attempts: int = 0
    last_error: str = ""
    errors: Counter[str] = field(default_factory=Counter[str])
    missing_at: set[str] = field(default_factory=set[str])
    bad_copies: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # their digests
    verdict: Trouble | None = None  # why it was given up

    @property
    def timeout(self) -> float:
        """How long the next attempt may take: twice as long after each timeout."""
        return min(LONGEST_TIMEOUT, self.patience * 2.0 ** self.errors["timeout"])

    @property
    def attempts_left(self) -> int:
        return MAX_ATTEMPTS - self.attempts

    def odds(self, mirror: str) -> float:
        """What this file's own history leaves of a mirror's chance to deliver it."""
        bad_copies = len(self.bad_copies.get(mirror, ()))
        return (AFTER_404 if mirror in self.missing_at else 1.0) * AFTER_BAD_COPY**bad_copies

    def failed(self, mirror: str, error: FetchError) -> None:
        self.last_error = f"{mirror}: {error}"
        self.errors[error.kind] += 1
        if isinstance(error, NotFound):
            self.missing_at.add(mirror)
        elif isinstance(error, ChecksumMismatch):
            self.bad_copies.setdefault(mirror, []).append(error.digest)

    def judge(self, beliefs: Beliefs, now: float, deadline: float) -> Trouble:
        """Why there is no point in going on."""
        path, mirrors = self.item.path, beliefs.mirrors.keys()
        if mirrors <= self.missing_at:
            return troubles.missing(path, len(mirrors))
        if mirrors <= self.missing_at | self.bad_copies.keys():
            digests = [digest for copies in self.bad_copies.values() for digest in copies]
            return troubles.spoilt(path, Counter(digests))
        waits = [belief.wait(now) for belief in beliefs.mirrors.values() if belief.asked_to_wait]
        if len(waits) == len(mirrors) and now + min(waits) >= deadline:
            return troubles.closed(waits, deadline - now)
        return troubles.unreliable(path, self.attempts, self.errors)
