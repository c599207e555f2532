"""The demo: a real agent which downloads real files, recorded by `decisionlog`.

`run_demo` opens three misbehaving mirrors on the loopback interface, sends a downloader through a
series of jobs, and leaves ordinary run files behind. A third of the jobs can't be done, and each
for a reason of its own: what it was is to be found in the log.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence

import anyio
from msgspec import Struct

from decisionlog import Runtime
from decisionlog.demo.agent import Downloader, JobReport
from decisionlog.demo.jobs import Job, make_jobs, read_library
from decisionlog.demo.mirrors import announce, open_mirrors

__all__ = ["DemoReport", "JobReport", "Progress", "run_demo"]

AT_ONCE = 3


class Progress(Struct, frozen=True):
    """How far the demo has come. A file counts as soon as it was fetched or given up."""

    files_done: int
    files: int
    runs_done: int
    runs: int
    news: str


class DemoReport(Struct, frozen=True):
    """What the demo did: its runs, in the order of their jobs, and what became of the records."""

    directory: str
    runs: tuple[JobReport, ...]
    records: int
    lost: int  # records which could not be written
    seconds: float


async def run_demo(
    out: str | os.PathLike[str],
    *,
    runs: int = 12,
    seed: int = 7,
    progress: Callable[[Progress], None] | None = None,
) -> DemoReport:
    """Run the whole demo, a few jobs at a time, and record it in the directory `out`."""
    started = time.monotonic()
    library = await anyio.to_thread.run_sync(read_library)
    jobs = make_jobs(library, runs)
    tally = _Tally(jobs, progress)
    to_do = iter(jobs)
    async with Runtime(out) as runtime, open_mirrors(library, seed=seed) as mirrors:
        announce(mirrors, jobs, seed)
        addresses = {mirror.name: mirror.address for mirror in mirrors}
        agent = Downloader(runtime, addresses, seed=seed, listen=tally.settled)

        async def work() -> None:
            for job in to_do:  # all share it: each takes the next one
                tally.ended(job, await agent.run(job))

        async with anyio.create_task_group() as workers:
            for _ in range(AT_ONCE):
                workers.start_soon(work)
    reports = tuple(tally.reports[job.number] for job in jobs)
    stats, seconds = runtime.stats(), time.monotonic() - started
    return DemoReport(os.fspath(out), reports, stats.written, stats.dropped, seconds)


class _Tally:
    """Counts what is done, and tells whoever wants to know."""

    def __init__(self, jobs: Sequence[Job], tell: Callable[[Progress], None] | None) -> None:
        self.reports: dict[int, JobReport] = {}
        self._tell = tell
        self._runs = len(jobs)
        self._files = sum(len(job.files) for job in jobs)
        self._settled: Counter[int] = Counter()  # files by job

    def settled(self, job: Job, news: str) -> None:
        """A file was fetched or given up."""
        self._settled[job.number] += 1
        self._report(news)

    def ended(self, job: Job, report: JobReport) -> None:
        """A run is over, and with it those of its files which time did not suffice for."""
        self.reports[job.number] = report
        self._settled[job.number] = len(job.files)
        self._report(f"{job.goal_id} {report.status}")

    def _report(self, news: str) -> None:
        if self._tell:
            done = self._settled.total()
            self._tell(Progress(done, self._files, len(self.reports), self._runs, news))
