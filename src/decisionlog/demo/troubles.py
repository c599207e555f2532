"""What goes wrong beyond a single attempt, in words for the person who reads the log.

A failed attempt is only an outcome. These are the conclusions: what was the matter, where it
probably comes from, and what somebody could do about it.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from decisionlog.demo.wording import counted, duration, tallied


class Reason(StrEnum):
    """Why a file, or a run, had to do without."""

    MISSING = "missing"
    SPOILT = "spoilt"
    UNRELIABLE = "unreliable"
    CLOSED = "closed"
    OUT_OF_TIME = "out of time"
    BAD_COPY = "bad copy"
    DOWN = "down"


class Trouble(Struct, frozen=True):
    """Something worth a problem report."""

    reason: Reason
    description: str
    root_cause: str
    suggested_fix: str
    severity: str = "critical"

    @property
    def is_about_the_file(self) -> bool:
        """Other files may do well; else it is about the mirrors, and so about the whole run."""
        return self.reason in (Reason.MISSING, Reason.SPOILT)

    @property
    def report(self) -> dict[str, str]:
        """As arguments of `report_problem`."""
        return {
            "severity": self.severity,
            "description": self.description,
            "root_cause": self.root_cause,
            "suggested_fix": self.suggested_fix,
        }


def missing(path: str, mirrors: int) -> Trouble:
    """No mirror has the file."""
    return Trouble(
        Reason.MISSING,
        f"{path} is missing on all {mirrors} mirrors (HTTP 404)",
        "The file was removed upstream, or the manifest is out of date",
        "Take it out of the manifest, or add a mirror which carries it",
    )


def spoilt(path: str, digests: Counter[str]) -> Trouble:
    """Every mirror that has the file serves a wrong copy."""
    ((digest, times),) = digests.most_common(1)
    if times > 1:
        return Trouble(
            Reason.SPOILT,
            f"{path} is the same wrong copy on every mirror which has it "
            f"(sha256 {digest[:12]}…, {counted(times, 'time')})",
            "It went bad before the mirrors took it, or the manifest holds an old checksum",
            "Compare it with its origin, and correct whichever of the two is wrong",
        )
    return Trouble(
        Reason.SPOILT,
        f"{path} came with wrong bytes from every mirror ({len(digests)} different wrong copies)",
        "The mirrors spoil what they serve",
        "Report them, or add a mirror which can be trusted",
    )


def closed(waits: Sequence[float], remaining: float) -> Trouble:
    """Nobody is there for longer than the run lasts."""
    soonest = duration(min(waits))
    return Trouble(
        Reason.CLOSED,
        f"All {len(waits)} mirrors ask to come back later (HTTP 503), the first of them in "
        f"{soonest}; this run ends in {duration(remaining)}",
        "All mirrors are down for maintenance at the same time",
        f"Run again in {soonest}, or add a mirror run by somebody else",
    )


def unreliable(path: str, attempts: int, errors: Counter[str]) -> Trouble:
    """Attempts fail in passing ways, and too many of them."""
    on_the_way = sum(errors[kind] for kind in ("dropped connection", "truncation", "timeout"))
    mostly_network = on_the_way > errors.total() / 2
    return Trouble(
        Reason.UNRELIABLE,
        f"{path} did not arrive in {counted(attempts, 'attempt')} ({tallied(errors)})",
        "Connections to all mirrors break, so it is the network which they share"
        if mostly_network
        else "No single cause: each mirror fails in its own way",
        "Check the network" if mostly_network else "Allow more attempts, or add a mirror",
    )


def out_of_time(budget: float, unfinished: int, cut_off: int, errors: Counter[str]) -> Trouble:
    """The budget is spent."""
    and_more = f", {counted(cut_off, 'attempt')} cut off" if cut_off else ""
    return Trouble(
        Reason.OUT_OF_TIME,
        f"The budget of {duration(budget)} ran out with {counted(unfinished, 'file')} unfinished "
        f"({tallied(errors)}{and_more})",
        "The mirrors answered too slowly" if errors["timeout"] else "Too many attempts failed",
        "Allow more time, or fetch more files at once",
    )


def bad_copy(path: str, mirror: str) -> Trouble:
    """A mirror served something else than the file."""
    return Trouble(
        Reason.BAD_COPY,
        f"{mirror} served wrong bytes for {path}",
        "Its copy is bad, or something on the way changes it",
        f"Report it to whoever runs {mirror}",
        severity="warning",
    )


def down(mirror: str, retry_after: float) -> Trouble:
    """A mirror will be away for the rest of the run."""
    return Trouble(
        Reason.DOWN,
        f"{mirror} is down for {duration(retry_after)}, longer than this run lasts",
        f"It answers HTTP 503 with Retry-After {retry_after:.0f}",
        "Nothing, as long as the other mirrors deliver",
        severity="minor",
    )
