"""Runs to look at, and ways to read them back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from decisionlog import Option, Run, RunStore, RunSummary, Runtime

MIRRORS = [
    Option("near", "Ask the near mirror", pros=["fast"], cons=["often down"], confidence=0.75),
    Option("far", "Ask the far mirror", pros=["reliable"], cons=["slow"], confidence=0.5),
]


class Recorded:
    """A directory with three runs, one after the other: completed, failed, stuck."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with Runtime(path) as runtime:
            with runtime.run("fetch", "Fetch the file", {"file": "a.txt"}, tags={"v": "7"}) as run:
                with runtime.decision(
                    "Where from", MIRRORS, "near", "it is fast", node_id="plan"
                ) as decision:
                    decision.succeed({"size": 3}, summary="Got 3 bytes", tokens_used=1234)
                run.succeed({"ok": True}, narrative="Fetched a.txt")
            self.completed = run.id
            with runtime.run("fetch", "Fetch another file") as run:
                with runtime.decision("Get b.txt", reasoning="it was asked for") as outer:
                    with (
                        pytest.raises(TimeoutError),
                        runtime.decision("Next step", MIRRORS, "far", "the near one is down"),
                    ):
                        raise TimeoutError("no answer within 3 s")
                    outer.fail("nobody has b.txt")
                    outer.report_problem(
                        "critical", "b.txt is nowhere", root_cause="a typo", suggested_fix="ask"
                    )
                run.fail("Gave up on b.txt")
            self.failed = run.id
            with runtime.run("rest") as run:
                runtime.decision("Left open").__enter__()
                run.stuck("Nothing to do")
            self.stuck = run.id

    def file(self, run_id: str) -> Path:
        return self.path / "runs" / f"{run_id}.jsonl"

    def damage(self, run_id: str, change: Callable[[list[bytes]], Any]) -> None:
        """Change the lines of a file."""
        lines = self.file(run_id).read_bytes().splitlines(keepends=True)
        change(lines)
        self.file(run_id).write_bytes(b"".join(lines))

    def load(self, run_id: str) -> Run:
        return anyio.run(RunStore(self.path).load, run_id)

    def summaries(self) -> list[RunSummary]:
        async def collect() -> list[RunSummary]:
            return [summary async for summary in RunStore(self.path).runs()]

        return anyio.run(collect)


def plain(value: Any) -> Any:
    """A Struct as what `json.loads` makes of its JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))
