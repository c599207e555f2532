"""Coding agents (OpenHands on a benchmark of issues, 2025), with times, latency and tokens.

A decision is an action of the agent: its options are the tools it was given, its outcome what the
environment observed. Whether a patch is right is not in the data: a run is completed when its agent
said that it had finished.
"""

import gzip
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from decisionlog import DecisionType, Option, Runtime
from decisionlog.testing import FixedClock


async def replay(runtime: Runtime, clock: FixedClock, folder: Path, limit: int) -> int:
    with gzip.open(folder / "multi_swe_bench_output.jsonl.gz", "rt", encoding="utf-8") as file:
        instances = [json.loads(line) for line in file]
    instances = instances[: None if limit < 0 else limit]
    for instance in instances:
        clock.set_wall(when(instance["history"][0]))
        with suppress(RuntimeError):  # it is recorded as what ended the run
            await replay_run(runtime, clock, instance)
    return len(instances)


def when(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["timestamp"]).replace(tzinfo=UTC)


async def replay_run(runtime: Runtime, clock: FixedClock, instance: dict[str, Any]) -> None:
    history = instance["history"]
    tools = [tool["function"] for tool in history[0]["args"]["tools"]]
    options = [Option(tool["name"], tool["description"].split("\n")[0]) for tool in tools]
    observed = {
        event["cause"]: event for event in history if "observation" in event and "cause" in event
    }
    tags = {"agent": "openhands", "instance": instance["instance_id"]}
    async with runtime.run("fix-an-issue", "Fix an issue of a repository", tags=tags) as run:
        for event in history:
            move(clock, event)
            made = event.get("tool_call_metadata")
            if made is None or "action" not in event:
                continue
            await replay_action(runtime, clock, event, made, options, observed.get(event["id"]))
        if instance["error"]:
            raise RuntimeError(instance["error"].removeprefix("RuntimeError: "))
        run.succeed(narrative=history[-1].get("message", ""))


def move(clock: FixedClock, event: dict[str, Any]) -> None:
    clock.advance(max(0.0, (when(event) - clock.now()).total_seconds()))


async def replay_action(
    runtime: Runtime,
    clock: FixedClock,
    event: dict[str, Any],
    made: dict[str, Any],
    options: list[Option],
    seen: dict[str, Any] | None,
) -> None:
    usage = made["model_response"]["usage"]
    async with runtime.decision(
        event["message"] or f"{event['action']} {event['args'].get('path', '')}".strip(),
        options,
        made["function_name"],
        event["args"].get("thought", ""),
        node_id=made["function_name"],
        decision_type=DecisionType.TERMINATION
        if event["action"] == "finish"
        else DecisionType.TOOL_SELECTION,
    ) as decision:
        if seen is not None:
            move(clock, seen)
        text = seen["content"] if seen else ""
        used = {
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
            "model": made["model_response"]["model"],
        }
        if seen is not None and failed(seen):
            decision.fail(text, **used)
        else:
            decision.succeed(text, **used)


def failed(seen: dict[str, Any]) -> bool:
    """A command that exits with another code than 0, or an edit that the editor refuses."""
    code = seen.get("extras", {}).get("metadata", {}).get("exit_code")
    return seen["observation"] == "error" or bool(code) or seen["content"].startswith("ERROR:")
