"""Many runs at once in one runtime, with a tool that works in a thread.

    python examples/many_runs.py [DIRECTORY]

Each task knows its own run, node and decision, in worker threads too; nothing has to be passed on.
"""

import sys
from collections import Counter
from random import Random

import anyio
from anyio import to_thread

from decisionlog import Option, RunStore, Runtime

RUNS = 40


def smallest_factor(runtime: Runtime, number: int) -> int:
    """A blocking tool, run in a worker thread: plain `with` records there."""
    with runtime.decision("Try divisors in turn", context={"number": number}) as decision:
        factor = next(n for n in range(2, number + 1) if number % n == 0)
        decision.succeed(factor)
    return factor


async def factorise(runtime: Runtime, number: int) -> None:
    async with runtime.run("factorise", "Take a number apart", {"number": number}) as run:
        factors: list[int] = []
        rest = number
        while rest > 1:
            async with runtime.decision(
                "How to go on",
                [Option("divide", "Find the smallest factor"), Option("stop", "Leave it as it is")],
                chosen="divide",
                reasoning=f"{rest} is left",
                node_id="planner",
            ):
                with runtime.node("tool"):
                    factor = await to_thread.run_sync(smallest_factor, runtime, rest)
            factors.append(factor)
            rest //= factor
        if factors == [number]:
            run.fail(f"{number} is prime", output_data=factors)
        else:
            run.succeed(factors)


async def main(directory: str) -> None:
    random = Random(7)
    async with Runtime(directory) as runtime:
        async with anyio.create_task_group() as tasks:
            for _ in range(RUNS):
                tasks.start_soon(factorise, runtime, random.randrange(1_000, 100_000))
        await runtime.flush()
        print(f"{runtime.stats().written} records of {RUNS} runs")

    statuses = Counter([s.status async for s in RunStore(directory).runs(goal_id="factorise")])
    print(", ".join(f"{count} {status}" for status, count in statuses.items()))
    print(f"To look at them: decisionlog ls {directory}")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "traces")
