"""The shortest useful one: record a run with one decision in it, and read it back.

python examples/shortest.py [DIRECTORY]
"""

import sys

import anyio

from decisionlog import Option, RunStore, Runtime


async def main(directory: str) -> None:
    async with Runtime(directory) as runtime, runtime.run("add", "Add two numbers", "2 + 2") as run:
        async with runtime.decision(
            "How to find the answer",
            options=[Option("calculate", "Work it out"), Option("search", "Look it up")],
            chosen="calculate",
            reasoning="It is arithmetic, and a search takes longer",
        ) as decision:
            decision.succeed(2 + 2, summary="Worked it out", tokens_used=12)
        run.succeed({"answer": 4})

    recorded = await RunStore(directory).load(run.id)
    for made in recorded.decisions:
        print(f"{made.intent}: {made.chosen_option_id}, because: {made.reasoning}")
    print(f"To look at it: decisionlog show {run.id} {directory}")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "traces")
