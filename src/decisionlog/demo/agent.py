"""An agent which fetches files from mirrors that misbehave, and records every decision it makes.

It is an ordinary async program: a task group, timeouts, a retry loop. What `decisionlog` adds are
the scopes around the places where it chooses. A job is a run; each file is a decision (how
patient to be), and every step towards it is a decision within that one (which mirror, back off,
or give up). What the network did then is the outcome.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random

import anyio
from msgspec import Struct

from decisionlog import Runtime
from decisionlog.demo import troubles
from decisionlog.demo.beliefs import Beliefs
from decisionlog.demo.choices import (
    BACK_OFF,
    GIVE_UP,
    PATIENCES,
    choose_next,
    choose_patience,
    choose_width,
)
from decisionlog.demo.client import (
    Address,
    ChecksumMismatch,
    Download,
    FetchError,
    NotFound,
    TimedOut,
    Unavailable,
    fetch,
)
from decisionlog.demo.jobs import Item, Job
from decisionlog.demo.pursuit import Pursuit
from decisionlog.demo.troubles import Reason, Trouble
from decisionlog.demo.wording import counted, duration, size, tallied

Listener = Callable[[Job, str], None]
"""Is told of every file of a job that was fetched or given up."""


class JobReport(Struct, frozen=True):
    """What became of one job; its run file tells how."""

    run_id: str
    goal_id: str
    status: str  # completed, failed or stuck
    narrative: str
    fetched: tuple[str, ...]
    files: int
    attempts: int
    seconds: float


class Downloader:
    """The agent: takes jobs, any number at once, and learns about its mirrors from each."""

    def __init__(
        self, runtime: Runtime, mirrors: Mapping[str, Address], *, seed: int, listen: Listener
    ) -> None:
        self.runtime = runtime
        self.mirrors = mirrors
        self.seed = seed
        self.listen = listen
        self._memory = Beliefs.blank(mirrors, PATIENCES)

    async def run(self, job: Job) -> JobReport:
        """Do one job."""
        errand = _Errand(self, job, self._memory.for_new_run())
        report = await errand.run()
        self._memory.absorb(errand.beliefs)
        return report


class _Ending(Struct, frozen=True):
    """How a job ends, and the trouble behind it when that is about more than a file."""

    status: str
    narrative: str
    trouble: Trouble | None = None


class _Errand:
    """One job while it is being done."""

    def __init__(self, agent: Downloader, job: Job, beliefs: Beliefs) -> None:
        self.beliefs = beliefs
        self._runtime = agent.runtime
        self._mirrors = agent.mirrors
        self._seed = agent.seed
        self._listen = agent.listen
        self._job = job
        self._deadline = anyio.current_time() + job.budget
        self._fetched: dict[str, str] = {}  # which file from which mirror
        self._given_up: list[Trouble] = []
        self._attempts = 0
        self._errors: Counter[str] = Counter()
        self._down: set[str] = set()

    @property
    def _remaining(self) -> float:
        return max(0.001, self._deadline - anyio.current_time())

    async def run(self) -> JobReport:
        job, started = self._job, time.monotonic()
        order = {"files": [item.path for item in job.files], "budget_s": job.budget}
        tags = {"agent": "downloader", "seed": str(self._seed)}
        async with self._runtime.run(job.goal_id, job.goal, order, tags=tags) as run:
            with anyio.CancelScope(deadline=self._deadline):
                await self._fetch_all(await self._plan())
            ending = self._ending()
            if ending.trouble:
                run.report_problem(**ending.trouble.report)
            match ending.status:
                case "completed":
                    run.succeed({"fetched": self._fetched}, narrative=ending.narrative)
                case "stuck":
                    run.stuck(ending.narrative)
                case _:
                    run.fail(ending.narrative, {"fetched": self._fetched})
        return JobReport(
            run_id=run.id,
            goal_id=job.goal_id,
            status=ending.status,
            narrative=ending.narrative,
            fetched=tuple(self._fetched),
            files=len(job.files),
            attempts=self._attempts,
            seconds=time.monotonic() - started,
        )

    async def _plan(self) -> int:
        choice = choose_width(self._job, self.beliefs)
        width = round(choice.amount)
        with self._runtime.node("plan"):
            async with self._runtime.decision(
                f"Decide how many of the {len(self._job.files)} files to fetch at once",
                choice.options,
                choice.chosen,
                choice.reasoning,
                decision_type=choice.decision_type,
                constraints=[f"All files within {duration(self._job.budget)}"],
            ) as decision:
                decision.succeed({"files_at_once": width}, summary=f"{width} files at once")
        return width

    async def _fetch_all(self, width: int) -> None:
        slots = anyio.Semaphore(width)

        async def when_free(item: Item) -> None:
            async with slots:
                await self._get(item)

        with self._runtime.node("fetch"):
            async with anyio.create_task_group() as group:
                for item in self._job.files:
                    group.start_soon(when_free, item)

    async def _get(self, item: Item) -> None:
        """Get one file, or find out that it can't be had."""
        choice = choose_patience(self.beliefs, self._remaining)
        pursuit = Pursuit(item, patience=choice.amount)
        rng = Random(f"{self._seed} {self._job.ticket} {item.path}")
        async with self._runtime.decision(
            f"Get {item.path} ({size(item.size)})",
            choice.options,
            choice.chosen,
            choice.reasoning,
            decision_type=choice.decision_type,
            constraints=[f"{duration(self._remaining)} of the budget left"],
            context={"path": item.path, "size": item.size, "sha256": item.sha256},
        ) as decision:
            while pursuit.verdict is None and item.path not in self._fetched:
                await self._step(pursuit, rng)
            if verdict := pursuit.verdict:
                self._given_up.append(verdict)
                decision.fail(verdict.description, summary=f"Gave up {item.path}")
                if verdict.is_about_the_file:
                    decision.report_problem(**verdict.report)
                news = f"gave up {item.path}"
            else:
                news = f"{item.path} from {self._fetched[item.path]}"
                attempts = counted(pursuit.attempts, "attempt")
                decision.succeed(
                    {"mirror": self._fetched[item.path], "attempts": pursuit.attempts},
                    summary=f"Got {news} in {attempts}",
                    state_changes={"files_fetched": len(self._fetched)},
                )
        self._listen(self._job, news)

    async def _step(self, pursuit: Pursuit, rng: Random) -> None:
        """Choose once what to do about a file, and do it."""
        path, now = pursuit.item.path, anyio.current_time()
        choice = choose_next(pursuit, self.beliefs, now=now, deadline=self._deadline, rng=rng)
        after = f" after {counted(pursuit.attempts, 'failed attempt')}" if pursuit.attempts else ""
        # A failed attempt passes through the scope, which records it, and ends here: the next
        # step will be decided with what it taught.
        with suppress(FetchError):
            async with self._runtime.decision(
                f"Next step for {path}{after}",
                choice.options,
                choice.chosen,
                choice.reasoning,
                decision_type=choice.decision_type,
                constraints=[
                    f"{duration(self._remaining)} of the budget left",
                    f"{counted(pursuit.attempts_left, 'attempt')} left for this file",
                ],
                context={"path": path, "errors_so_far": dict(pursuit.errors)},
            ) as decision:
                if choice.chosen == GIVE_UP:
                    pursuit.verdict = pursuit.judge(self.beliefs, now, self._deadline)
                    decision.fail(f"Gave up: {pursuit.verdict.description}")
                elif choice.chosen == BACK_OFF:
                    await anyio.sleep(choice.amount)
                    waited = round(choice.amount, 3)
                    decision.succeed({"waited_s": waited}, summary=f"Waited {duration(waited)}")
                else:
                    try:
                        download = await self._attempt(choice.chosen, pursuit)
                    except FetchError as error:
                        if notice := self._notice(choice.chosen, pursuit, error):
                            decision.report_problem(**notice.report)
                        raise
                    decision.succeed(
                        {"bytes": len(download.body), "sha256": pursuit.item.sha256},
                        summary=f"{size(len(download.body))} in {duration(download.seconds)}, "
                        "checksum right",
                        attributes={"mirror": choice.chosen},
                    )

    async def _attempt(self, mirror: str, pursuit: Pursuit) -> Download:
        """Ask one mirror once, and learn from what comes of it."""
        belief, timeout = self.beliefs.mirrors[mirror], pursuit.timeout
        self._attempts += 1
        pursuit.attempts += 1
        try:
            download = await fetch(
                self._mirrors[mirror], pursuit.item, ticket=self._job.ticket, timeout=timeout
            )
        except FetchError as error:
            self._errors[error.kind] += 1
            pursuit.failed(mirror, error)
            belief.failed(str(error))
            if isinstance(error, Unavailable):
                belief.rest(anyio.current_time(), error.retry_after)
            elif not isinstance(error, NotFound | ChecksumMismatch):
                belief.rest(anyio.current_time())
            if isinstance(error, TimedOut):
                self.beliefs.waited_in_vain(timeout)
            raise
        belief.succeeded(download.seconds)
        self.beliefs.answered(download.seconds)
        self._fetched[pursuit.item.path] = mirror
        return download

    def _notice(self, mirror: str, pursuit: Pursuit, error: FetchError) -> Trouble | None:
        """Some failures say more than that one attempt failed."""
        if isinstance(error, ChecksumMismatch):
            return troubles.bad_copy(pursuit.item.path, mirror)
        if not isinstance(error, Unavailable) or error.retry_after <= self._remaining:
            return None
        if mirror in self._down:
            return None
        self._down.add(mirror)
        return troubles.down(mirror, error.retry_after)

    def _ending(self) -> _Ending:
        files, fetched, lost = len(self._job.files), len(self._fetched), self._given_up
        attempts = counted(self._attempts, "attempt")
        got = f"Fetched {fetched} of {files} files in {attempts}"
        if fetched == files:
            despite = f", despite {tallied(self._errors)}" if self._errors else ""
            return _Ending("completed", f"Fetched all {files} files in {attempts}{despite}")
        if unfinished := files - fetched - len(lost):
            cut_off = self._attempts - fetched - self._errors.total()
            trouble = troubles.out_of_time(self._job.budget, unfinished, cut_off, self._errors)
            return _Ending("failed", f"{got}. {trouble.description}", trouble)
        if all(each.reason is Reason.CLOSED for each in lost):
            return _Ending("stuck", f"{got}. {lost[0].description}", lost[0])
        more = f"; so with {counted(len(lost) - 1, 'other file')}" if len(lost) > 1 else ""
        general = next((each for each in lost if not each.is_about_the_file), None)
        return _Ending("failed", f"{got}. {lost[0].description}{more}", general)
