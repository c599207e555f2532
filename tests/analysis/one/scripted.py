"""Runs that are recorded as an agent would record them, and read back."""

from collections.abc import Callable, Sequence
from typing import Any

from decisionlog import Option, Run, Runtime
from decisionlog.testing import CountingIds, FixedClock, MemorySink
from tests.recording import recorded

Script = Callable[["Agent"], Any]


class Agent:
    """Makes decisions, one after the other, at times that can be told in advance."""

    def __init__(self, runtime: Runtime, run: Any, clock: FixedClock) -> None:
        self.runtime = runtime
        self.run = run
        self.clock = clock

    def decide(
        self,
        intent: str,
        chosen: str | None = None,
        *,
        options: Sequence[str] = ("a", "b", "c"),
        error: str | None = None,
        inside: Script | None = None,
        took: float = 1.0,
        tokens: int = 0,
        problem: str | None = None,
        fix: str | None = None,
        result: Any = None,
        **told: Any,
    ) -> str:
        """A decision that succeeds, or fails with `error`; `inside` it others may be made."""
        menu = [Option(each, f"Do {each}") for each in options] if chosen else []
        with self.runtime.decision(intent, menu, chosen, **told) as decision:
            if inside:
                inside(self)
            self.clock.advance(took)
            if problem:
                decision.report_problem("critical", problem, suggested_fix=fix)
            if error is not None:
                decision.fail(error, tokens_used=tokens)
            else:
                decision.succeed(result, tokens_used=tokens)
        return decision.id

    def leave_open(self, intent: str, chosen: str | None = None, **told: Any) -> str:
        """A decision of which nobody ever says what came of it."""
        menu = [Option("a"), Option("b")] if chosen else []
        decision = self.runtime.decision(intent, menu, chosen, **told)
        decision.__enter__()
        return decision.id


def record(
    script: Script,
    *,
    ending: str = "fail",
    goal: str = "goal",
    narrative: str = "It did not work out",
    **told: Any,
) -> Run:
    """A run in which an agent does what the script says; `ending` is "fail", "succeed", "stuck",
    or "raise": then the script raises, and the run ends with that.
    """
    sink, clock = MemorySink(), FixedClock()
    ids = CountingIds(f"{goal}_")
    with recorded(sink, clock=clock, new_run_id=ids, strict=False) as runtime:
        try:
            with runtime.run(goal, **told) as run:
                script(Agent(runtime, run, clock))
                if ending == "succeed":
                    run.succeed(narrative=narrative)
                elif ending == "stuck":
                    run.stuck(narrative)
                elif ending == "fail":
                    run.fail(narrative)
        except Exception:
            if ending != "raise":
                raise
    [run_id] = sink.run_ids()
    return sink.run(run_id)
