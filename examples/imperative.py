"""The imperative interface, for an agent whose steps do not nest: answers come when they come.

    python examples/imperative.py [DIRECTORY]

The agent asks three sources at once and takes their answers in the order in which they arrive. A
decision and its outcome are recorded in two places, which no `with` block could enclose.
"""

import sys

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from decisionlog import Option, Runtime

SOURCES = {"carrier": 0.03, "database": 0.01, "warehouse": 0.02}
Answers = MemoryObjectSendStream[tuple[str, str | None]]


async def ask(source: str, delay: float, answers: Answers) -> None:
    await anyio.sleep(delay)
    await answers.send((source, None if source == "carrier" else f"{source}: shipped"))


async def main(directory: str) -> None:
    async with Runtime(directory) as runtime:
        run_id = await runtime.start_run("where-is-my-order", "Find an order", {"order": 1042})
        runtime.set_node("lookup")

        send, answers = anyio.create_memory_object_stream[tuple[str, str | None]]()
        asked: dict[str, str] = {}
        found: list[str] = []
        options: list[Option | dict[str, object]] = [
            Option("ask", "Ask it now"),
            {"id": "skip", "description": "Do without", "confidence": 0.2},
        ]
        async with send, answers, anyio.create_task_group() as tasks:
            for source, delay in SOURCES.items():
                asked[source] = await runtime.decide(
                    f"Ask the {source}?", options, chosen="ask", reasoning="It may know"
                )
                tasks.start_soon(ask, source, delay, send)
            for _ in SOURCES:
                source, answer = await answers.receive()
                if answer is None:
                    await runtime.record_outcome(asked[source], False, error="no answer")
                    await runtime.report_problem(
                        "minor", f"The {source} does not answer", decision_id=asked[source]
                    )
                else:
                    found.append(answer)
                    await runtime.record_outcome(asked[source], True, answer, tokens_used=15)

        runtime.set_node("writer")
        # Decide, do it and record what came of it, in one call.
        _, best = await runtime.decide_and_execute(
            "Which answer to give", [Option(text) for text in found], found[0],
            "It came first", lambda: found[0],
        )  # fmt: skip
        # There was but one thing to do: its outcome is not recorded here, so it stays pending.
        await runtime.quick_decision("Close the ticket", "close", "The question is answered")
        await runtime.end_run(True, "Two of three sources answered", {"answer": best})

    print(best)
    print(f"To look at it: decisionlog show {run_id} {directory}")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "traces")
