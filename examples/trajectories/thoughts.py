"""Searches by gpt-4, 2023: the Game of 24 (make 24 of four numbers), and crosswords.

- Game of 24, by tree of thought: a decision is one of four steps. Its options are the candidates of
  the step, the chosen one is the one with the best value, and it was a success if it leads to 24.
  Tokens and cost are known for a whole puzzle only, so they are those of the decision around them.
- The same puzzles by chain of thought: a decision is one of a hundred attempts, and the run
  succeeded if any of them makes 24. The log tells what came of it, and nothing of how.
- Crosswords, by depth-first search, with and without pruning: a decision writes a word, and was a
  success if more letters are right than before it was written. A run succeeded if all words of its
  grid were right at some time.

They have no times, only an order. Their clock starts when the files were published.
"""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from decisionlog import DecisionType, Option, Runtime
from decisionlog.testing import FixedClock
from trajectories import read

PUBLISHED = datetime(2023, 9, 11, tzinfo=UTC)
TREE = "gpt-4_0.7_propose1_value3_greedy5_start900_end1000.json.gz"
CHAIN = "gpt-4_0.7_naive_cot_sample_100_start900_end1000.json.gz"
CROSSWORDS = {"depth first": "infoss_dfs_no_prune.json.gz", "pruned": "infoss_dfs_prune.json.gz"}


async def replay(runtime: Runtime, clock: FixedClock, folder: Path, limit: int) -> int:
    clock.set_wall(PUBLISHED)
    some = slice(None if limit < 0 else limit)
    trees, chains = read(folder / TREE), read(folder / CHAIN)
    games = list(zip(chains, usages(chains), trees, usages(trees), strict=True))[some]
    for chain, chain_usage, tree, tree_usage in games:
        numbers = tree["steps"][0]["x"]
        await replay_chain(runtime, clock, numbers, chain, chain_usage)
        await replay_tree(runtime, clock, numbers, tree, tree_usage)
    total = 2 * len(games)
    for method, name in CROSSWORDS.items():
        for puzzle_number, steps in enumerate(read(folder / name)[some]):
            await replay_crossword(runtime, clock, method, puzzle_number, steps)
            total += 1
    return total


# ------------------------------------------------------------- Game of 24


def confidence(value: float) -> float:
    """The value of a candidate as a confidence from 0 to 1: its share of the highest value.

    A value is the sum of three votes of the model: 20 for "sure", 1 for "likely", 0.001 for
    "impossible". A duplicate or a dead end has 0.
    """
    return value / 60


def usages(puzzles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Usage is counted over the whole file: a puzzle's own is the difference. Where the program was
    started again, the count began anew.
    """
    nothing = {"completion_tokens": 0, "prompt_tokens": 0, "cost": 0.0}
    found: list[dict[str, Any]] = []
    for last, after in pairwise([nothing, *(puzzle["usage_so_far"] for puzzle in puzzles)]):
        before = last if last["cost"] <= after["cost"] else nothing
        found.append(
            {
                "input_tokens": after["prompt_tokens"] - before["prompt_tokens"],
                "output_tokens": after["completion_tokens"] - before["completion_tokens"],
                "cost_usd": after["cost"] - before["cost"],
                "model": "gpt-4",
            }
        )
    return found


async def replay_tree(
    runtime: Runtime, clock: FixedClock, numbers: str, puzzle: dict[str, Any], usage: dict[str, Any]
) -> None:
    clock.advance(1)
    reached = [y for y, info in zip(puzzle["ys"], puzzle["infos"], strict=True) if info["r"]]
    tags = {"method": "tree of thought"}
    async with runtime.run("game-of-24", "Make 24", {"numbers": numbers}, tags=tags) as run:
        async with runtime.decision(f"Make 24 of {numbers}", node_id="solver") as solving:
            for step in puzzle["steps"]:
                await replay_step(runtime, step, reached)
            if reached:
                solving.succeed(reached[0].splitlines()[-1], **usage)
            else:
                solving.fail("none of the five last candidates makes 24", **usage)
        if reached:
            run.succeed(reached[0])
        else:
            run.fail(output_data=puzzle["ys"])


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


async def replay_chain(
    runtime: Runtime, clock: FixedClock, numbers: str, puzzle: dict[str, Any], usage: dict[str, Any]
) -> None:
    clock.advance(1)
    solved = any(info["r"] for info in puzzle["infos"])
    tags = {"method": "chain of thought"}
    async with runtime.run("game-of-24", "Make 24", {"numbers": numbers}, tags=tags) as run:
        async with runtime.decision(f"Make 24 of {numbers}", node_id="solver") as solving:
            for answer, info in zip(puzzle["ys"], puzzle["infos"], strict=True):
                async with runtime.decision("Try in one go", node_id="sampler") as attempt:
                    if info["r"]:
                        attempt.succeed(answer)
                    else:
                        attempt.fail("it is not 24", result=answer)
            if solved:
                solving.succeed(**usage)
            else:
                solving.fail("none of the hundred attempts makes 24", **usage)
        if solved:
            run.succeed()
        else:
            run.fail()


# ------------------------------------------------------------- crosswords


async def replay_crossword(
    runtime: Runtime, clock: FixedClock, method: str, number: int, steps: list[dict[str, Any]]
) -> None:
    clock.advance(1)
    tags = {"method": method}
    async with runtime.run(
        "crossword", "Fill a grid of 5 x 5", {"puzzle": number}, tags=tags
    ) as run:
        letters: dict[tuple[str, ...], float] = {(): 0.0}
        for step in steps:
            *before, word = step["actions"]
            place, _, written = word.partition(". ")
            decision_id = await runtime.decide(
                f"Which word to write at {place}",
                [Option(written)],
                written,
                "",
                node_id="search",
                decision_type=DecisionType.PATH_CHOICE,
                context={"written": before, "votes": step["count"]},
            )
            right = letters[tuple(step["actions"])] = step["info"]["r_letter"]
            gained = right > letters.get(tuple(before), 0.0)
            error = None if gained else "no letter more is right"
            await runtime.record_outcome(decision_id, gained, step["info"], error)
        best = max(step["info"]["r_word"] for step in steps)
        if best == 1:
            run.succeed()
        else:
            run.fail(f"At best, {best:.0%} of the words were right.")
