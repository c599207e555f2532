"""What there is to fetch: packages of the running Python's own standard library.

A job is one errand for the agent: a goal, a manifest of files with their SHA-256, and a time
budget. The sources are real files of this interpreter, so the demo needs no fixtures and every
machine has something to verify.
"""

import hashlib
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

PACKAGES = ("json", "asyncio", "email", "http", "logging", "unittest", "importlib", "urllib")
FILES_PER_JOB = 9
BUDGET = 3.0


class Item(Struct, frozen=True):
    """One file of a manifest: where it is, how long it is, and what it must hash to."""

    path: str
    size: int
    sha256: str


class Job(Struct, frozen=True):
    """One errand: fetch these files within this many seconds."""

    number: int
    goal_id: str
    goal: str
    files: tuple[Item, ...]
    budget: float

    @property
    def ticket(self) -> str:
        """The name by which the mirrors know this job."""
        return f"{self.goal_id}#{self.number}"


def read_library(root: Path | None = None) -> dict[str, bytes]:
    """The sources on offer, by path: a few files from each package that is installed."""
    root = root or Path(sysconfig.get_path("stdlib"))
    library: dict[str, bytes] = {}
    for package in PACKAGES:
        contents = ((path, path.read_bytes()) for path in sorted((root / package).glob("*.py")))
        full = [(path, body) for path, body in contents if body][:FILES_PER_JOB]
        library |= {path.relative_to(root).as_posix(): body for path, body in full}
    if not library:
        raise FileNotFoundError(f"this Python has no standard library sources in {root}")
    return library


def make_jobs(library: Mapping[str, bytes], runs: int, budget: float = BUDGET) -> Sequence[Job]:
    """As many jobs as there are runs; once every package had its turn, they come round again."""
    items = [
        Item(path, len(body), hashlib.sha256(body).hexdigest()) for path, body in library.items()
    ]
    packages: dict[str, list[Item]] = {}
    for item in items:
        packages.setdefault(item.path.split("/")[0], []).append(item)
    names = list(packages)
    jobs: list[Job] = []
    for number in range(1, runs + 1):
        name = names[(number - 1) % len(names)]
        files = tuple(packages[name])
        goal = f"Fetch the sources of {name} ({len(files)} files) within {budget:g} s"
        jobs.append(Job(number, f"fetch-{name}", goal, files, budget))
    return jobs
