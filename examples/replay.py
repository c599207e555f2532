"""Replays real trajectories of other people's agents into run files.

    python examples/replay.py [DIRECTORY] [--data FOLDER] [--limit N]

Two data sets, where the folder has them (else this says so and does nothing):

- `autogpt-benchmarks`: Auto-GPT on a benchmark, 2023. A decision is one of its steps: the thought,
  the reasoning, and the command it chose among those its prompt offered. The log does not say what
  a command returned. So a decision has an outcome only where the log tells it: the summary the
  agent made of a text it had just read, and, for the last claim that all goals are met, the
  benchmark's verdict. The others stay pending. Runs without a verdict are left out.
- `tot-game24`: the Game of 24 (make 24 of four numbers) by tree of thought. A decision is one of
  four steps: its options are the candidates of the step, the chosen one is the one with the best
  value, and it was a success if it leads to 24. Tokens and cost are known for a whole puzzle only,
  so they are those of the decision around the four.

`--limit` takes that many runs of each data set.
"""

import argparse
import gzip
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from decisionlog import DecisionType, Option, Runtime
from decisionlog.testing import FixedClock

COMMAND = re.compile(r"^\d+\. (\w+): (.*), params: \((.*)\)$", re.MULTILINE)


def read(path: Path) -> Any:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


# ------------------------------------------------------------- Auto-GPT


def labelled_runs(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, str]]]:
    """The benchmark's verdict, the agent's messages and its prompts, for each run, oldest first."""
    responses = read(folder / "auto-gpt-response.json.gz")
    prompts = read(folder / "auto-gpt-prompt.json.gz")
    with open(folder / "labels.jsonl", encoding="utf-8") as file:
        labels = [label for label in map(json.loads, file) if label["agent"] == "auto-gpt"]
    for label in sorted(labels, key=lambda label: label["started"]):
        if label.get("success") is not None:
            goal, started = label["goal"], label["started"]
            yield label, responses[goal][started], prompts[goal][started]


def parse_step(message: dict[str, Any]) -> dict[str, Any] | None:
    """The thoughts and the command of a step; None for other calls the agent makes."""
    try:
        step = json.loads(message["content"])
    except ValueError:
        return None
    return step if isinstance(step, dict) else None


async def replay_autogpt(runtime: Runtime, clock: FixedClock, folder: Path, limit: int) -> int:
    count = 0
    for label, messages, prompts in labelled_runs(folder):
        if count == limit:
            break
        count += 1
        clock.set_wall(datetime.fromisoformat(label["started"]))
        tags = {"agent": label["agent"], "difficulty": str(label["difficulty"])}
        async with runtime.run(label["goal"], label["task"], tags=tags) as run:
            decision_id = command = ""
            for number, message in messages.items():
                step = parse_step(message)
                if step is None:  # the agent sums up what it has just read
                    if decision_id and command in ("read_file", "browse_website"):
                        await runtime.record_outcome(decision_id, True, message["content"])
                    decision_id = ""
                    continue
                thoughts, command = step["thoughts"], step["command"]["name"]
                decision_id = await runtime.decide(
                    thoughts["text"],
                    [
                        Option(name, text, action_params={"params": params})
                        for name, text, params in COMMAND.findall(prompts[number])
                    ],
                    chosen=command,
                    reasoning=thoughts["reasoning"],
                    node_id="auto-gpt",
                    decision_type=DecisionType.TERMINATION
                    if command == "goals_accomplished"
                    else DecisionType.TOOL_SELECTION,
                    context={"args": step["command"]["args"], "plan": thoughts["plan"]},
                )
            if decision_id and command == "goals_accomplished":
                error = None if label["success"] else "The benchmark does not agree"
                await runtime.record_outcome(decision_id, label["success"], error=error)
            if label["reached_cutoff"]:
                run.report_problem(
                    "warning" if label["success"] else "critical",
                    f"Stopped after {label['run_time_s']:.0f} s",
                    root_cause="reached the time limit of the benchmark",
                )
            clock.advance(label["run_time_s"] or 0)
            output = {"cost_usd": label["cost_usd"], "fail_reason": label["fail_reason"]}
            if label["success"]:
                run.succeed(output)
            else:
                run.fail(output_data=output)
    return count


# ------------------------------------------------------------- Game of 24


def confidence(value: float) -> float:
    """The value of a candidate as a confidence from 0 to 1: its share of the highest value.

    A value is the sum of three votes of the model: 20 for "sure", 1 for "likely", 0.001 for
    "impossible". A duplicate or a dead end has 0.
    """
    return value / 60


async def replay_game24(runtime: Runtime, clock: FixedClock, folder: Path, limit: int) -> int:
    puzzles = read(folder / "gpt-4_0.7_propose1_value3_greedy5_start900_end1000.json.gz")
    puzzles = puzzles[: None if limit < 0 else limit]
    used = {"completion_tokens": 0, "prompt_tokens": 0, "cost": 0.0}
    clock.set_wall(datetime.now(UTC))  # the puzzles have no times, only an order
    for puzzle in puzzles:
        clock.advance(1)
        numbers = puzzle["steps"][0]["x"]
        reached = [y for y, info in zip(puzzle["ys"], puzzle["infos"], strict=True) if info["r"]]
        # The usage is counted over the whole file: a puzzle's own is the difference.
        used, before = puzzle["usage_so_far"], used
        own = {name: used[name] - before[name] for name in used}
        async with runtime.run(
            "game-of-24", "Make 24", {"numbers": numbers}, tags={"method": "tree of thought"}
        ) as run:
            async with runtime.decision(f"Make 24 of {numbers}", node_id="solver") as solving:
                for step in puzzle["steps"]:
                    await replay_step(runtime, step, reached)
                usage: dict[str, Any] = {
                    "input_tokens": own["prompt_tokens"],
                    "output_tokens": own["completion_tokens"],
                    "cost_usd": own["cost"],
                    "model": "gpt-4",
                }
                if reached:
                    solving.succeed(reached[0].splitlines()[-1], **usage)
                else:
                    solving.fail("none of the five last candidates makes 24", **usage)
            if reached:
                run.succeed(reached[0])
            else:
                run.fail(output_data=puzzle["ys"])
    return len(puzzles)


async def replay_step(runtime: Runtime, step: dict[str, Any], reached: list[str]) -> None:
    """A candidate is the text of all equations so far; those that follow it begin with it."""
    options = [
        Option(
            f"candidate-{i}",
            candidate.strip(),
            confidence=confidence(value),
            extra={"value": value, "kept": candidate in step["select_new_ys"]},
        )
        for i, (candidate, value) in enumerate(zip(step["new_ys"], step["values"], strict=True))
    ]
    best = step["new_ys"].index(step["select_new_ys"][0])
    async with runtime.decision(
        f"Step {step['step'] + 1}: which candidate to pursue first",
        options,
        chosen=options[best].id,
        reasoning="It has the highest value; the next four are pursued as well",
        node_id="search",
        decision_type=DecisionType.PATH_CHOICE,
        context={"pursued_so_far": step["ys"]},
    ) as decision:
        if any(answer.startswith(step["new_ys"][best]) for answer in reached):
            decision.succeed(step["new_ys"][best])
        else:
            decision.fail("it does not lead to 24")


async def replay(directory: str, data: Path, limit: int) -> None:
    clock = FixedClock()  # a replay tells the time of its data
    async with Runtime(directory, clock=clock) as runtime:
        agents = await replay_autogpt(runtime, clock, data / "autogpt-benchmarks", limit)
        puzzles = await replay_game24(runtime, clock, data / "tot-game24", limit)
    print(f"Replayed {agents} runs of Auto-GPT and {puzzles} games of 24.")
    print(f"To look at them: decisionlog ls {directory}")


def main() -> None:
    beside = Path(__file__).parents[2] / "shared" / "data"
    default = Path(os.environ.get("DECISIONLOG_EXAMPLE_DATA", beside))
    parser = argparse.ArgumentParser(description="Replay real trajectories into run files.")
    parser.add_argument("directory", nargs="?", default="traces")
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--limit", type=int, default=-1, help="runs of each data set")
    args = parser.parse_args()
    if args.data.is_dir():
        anyio.run(replay, args.directory, args.data, args.limit)
    else:
        print(f"There is no folder {args.data}, so nothing is replayed; --data names another.")


if __name__ == "__main__":
    main()
