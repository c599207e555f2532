"""Three agents on one benchmark, 2023: Auto-GPT, mini-agi and Turbo.

A decision is one step of an agent: its thought and the command it chose. For Auto-GPT the log has
the prompts too, so the options are the commands on offer; of the others it has the choice alone.

The log does not say what a command returned. So a decision has an outcome only where the log tells
it, and stays pending elsewhere:

- Auto-GPT and Turbo sum up a text that they have just read: then reading it succeeded.
- mini-agi sums up its history after each command. It failed if that account names an error that
  the account before did not name, and else succeeded.
- The claim that all is done succeeds if the benchmark agrees.

Runs without a verdict are left out. Steps have no times: all of them have that of the run's start.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from decisionlog import DecisionType, Option, Runtime
from decisionlog.testing import FixedClock
from trajectories import read

AGENTS = ("auto-gpt", "mini-agi", "turbo")
DONE = {"goals_accomplished", "done"}
READS = {"read_file", "browse_website", "read", "www"}

OFFERED = re.compile(r"^\d+\. (\w+): (.*), params: \((.*)\)$", re.MULTILINE)
OBJECT = re.compile(r"^{$.*^}$", re.MULTILINE | re.DOTALL)
TAGGED = re.compile(r"\s*(?:<r>(.*?)</r>)?\s*<c>(.*?)</c>\s*(.*)", re.DOTALL)
NAMES_ERROR = re.compile(  # and not in code that it quotes
    r"(?<![\"'\w])(?:[A-Z]\w*Error\b|HTTP Error(?: \d+: \w+)?)"
    r"|\b(?:encounter|receiv)\w* an? (?:\w+ ){0,3}error\b"
)


class Step(NamedTuple):
    """What an agent thought and chose."""

    thought: str
    reasoning: str
    command: str
    context: dict[str, Any]


def parse_step(agent: str, content: str) -> Step | None:
    """A step as the agent words it; None for its other calls, which sum something up."""
    if agent == "mini-agi":
        found = TAGGED.match(content)
        if found is None:
            return None
        thought, command, argument = (part or "" for part in found.groups())
        return Step(thought, "", command.strip(), {"args": argument})
    found = OBJECT.search(content)  # Turbo sometimes talks around it
    try:
        step = json.loads(found.group() if found else "")
    except ValueError:
        return None
    if agent == "turbo":
        plan, command = step["mind"]["plan"], step["cmd"]
        return Step(plan, "", command["name"], {"args": command["args"]})
    thoughts, command = step["thoughts"], step["command"]
    context = {"args": command["args"], "plan": thoughts["plan"]}
    return Step(thoughts["text"], thoughts["reasoning"], command["name"], context)


def labelled_runs(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, str]]]:
    """The benchmark's verdict, the agent's messages and its prompts, for each run, oldest first."""
    responses = {agent: read(folder / f"{agent}-response.json.gz") for agent in AGENTS}
    prompts = {"auto-gpt": read(folder / "auto-gpt-prompt.json.gz")}
    with open(folder / "labels.jsonl", encoding="utf-8") as file:
        labels = [label for label in map(json.loads, file) if label.get("success") is not None]
    for label in sorted(labels, key=lambda label: (label["started"], label["agent"])):
        agent, goal, started = label["agent"], label["goal"], label["started"]
        if agent in responses:  # of a fourth one there are verdicts, and no log
            asked = prompts[agent][goal][started] if agent in prompts else {}
            yield label, responses[agent][goal][started], asked


async def replay(runtime: Runtime, clock: FixedClock, folder: Path, limit: int) -> int:
    count = 0
    for label, messages, prompts in labelled_runs(folder):
        if count == limit:
            break
        count += 1
        clock.set_wall(datetime.fromisoformat(label["started"]))
        tags = {"agent": label["agent"], "difficulty": label["difficulty"]}
        async with runtime.run(label["goal"], label["task"], tags=tags) as run:
            await replay_steps(runtime, label, messages, prompts)
            if label["reached_cutoff"]:
                run.report_problem(
                    "warning" if label["success"] else "critical",
                    f"Stopped after {label['run_time_s']:.0f} s",
                    root_cause="reached the time limit of the benchmark",
                )
            clock.advance(label["run_time_s"])
            output = {"cost_usd": label["cost_usd"], "fail_reason": label["fail_reason"]}
            if label["success"]:
                run.succeed(output)
            else:
                run.fail(output_data=output)
    return count


async def replay_steps(
    runtime: Runtime, label: dict[str, Any], messages: dict[str, Any], prompts: dict[str, str]
) -> None:
    agent = label["agent"]
    decision_id = command = account = ""
    for number, message in messages.items():
        step = parse_step(agent, message["content"])
        if step is None:
            before, account = account, message["content"]
            if agent == "mini-agi":
                error = new_error(before, account)
                await told(runtime, decision_id, error, account)
            elif command in READS:
                await told(runtime, decision_id, None, account)
            decision_id = ""
            continue
        command = step.command
        decision_id = await runtime.decide(
            step.thought,
            [
                Option(name, text, action_params={"params": params})
                for name, text, params in OFFERED.findall(prompts.get(number, ""))
            ]
            or [Option(command)],
            chosen=command,
            reasoning=step.reasoning,
            node_id=agent,
            decision_type=DecisionType.TERMINATION
            if command in DONE
            else DecisionType.TOOL_SELECTION,
            context=step.context,
        )
    if command in DONE:
        error = None if label["success"] else "The benchmark does not agree"
        await told(runtime, decision_id, error, None)


async def told(runtime: Runtime, decision_id: str, error: str | None, account: str | None) -> None:
    if decision_id:
        await runtime.record_outcome(decision_id, error is None, account, error)


def new_error(before: str, account: str) -> str | None:
    """The error that an account names, and the account before did not."""
    known = set(NAMES_ERROR.findall(before))
    return next((error for error in NAMES_ERROR.findall(account) if error not in known), None)
