"""The agent of `scopes.py`, with decorators: each call is a run, or a decision, of its own.

    python examples/decorators.py [DIRECTORY]

Shows a decorated coroutine function and a decorated async generator function, options and context
taken from the arguments of the call, handles from the context, and library code that has no runtime
when it is imported.
"""

import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio

import decisionlog
from decisionlog import DecisionType, Option, Runtime

ORDERS = {1042: {"status": "shipped", "carrier": "Express", "days_ago": 2}}

# ------------------------------------------------------------- a library, which has no runtime
# It binds to the runtime of whoever calls it. Where there is none, nothing is recorded.


@decisionlog.decision("Ask the carrier", decision_type=DecisionType.TOOL_SELECTION)
async def ask_carrier(order_id: int) -> dict[str, Any]:
    await anyio.sleep(0.01)
    raise ConnectionError(f"tracking.example.com does not answer for order {order_id}")


@decisionlog.decision("Ask our database", decision_type=DecisionType.TOOL_SELECTION)
async def ask_database(order_id: int) -> dict[str, Any]:
    await anyio.sleep(0.01)
    return ORDERS[order_id]  # what is returned becomes the outcome's result


# ------------------------------------------------------------- the application

runtime = Runtime(sys.argv[1] if len(sys.argv) > 1 else "traces")


@runtime.decision(
    "Where to look for the order",
    # What differs from call to call is a callable of the call's arguments.
    options=lambda order_id, sources: [Option(name) for name in sources],
    context=lambda order_id, sources: {"order": order_id},
    node_id="lookup",
)
async def find_order(order_id: int, sources: dict[str, Any]) -> dict[str, Any]:
    where = decisionlog.current_decision()
    for name, ask in sources.items():
        try:
            found: dict[str, Any] = await ask(order_id)
        except ConnectionError as error:
            if where:
                where.report_problem("warning", f"{name} does not answer", root_cause=str(error))
            continue
        if where:
            where.choose(name, "The first that answered")
        return found
    raise LookupError(f"nobody knows order {order_id}")


@runtime.decision("How to word the answer", node_id="writer")
async def answer(found: dict[str, Any]) -> AsyncIterator[str]:
    """Streams the answer word by word; the decision lasts until the last one."""
    words = f"Your order was {found['status']} {found['days_ago']} days ago.".split()
    for word in words:
        await anyio.sleep(0.001)
        yield word
    if decision := decisionlog.current_decision():
        decision.succeed(" ".join(words), output_tokens=len(words))


@runtime.run("where-is-my-order", "Tell the customer where the order is")
async def serve(order_id: int) -> str:
    found = await find_order(order_id, {"carrier": ask_carrier, "database": ask_database})
    text = " ".join([word async for word in answer(found)])
    print(text)
    if run := decisionlog.current_run():
        print(f"To look at it: decisionlog show {run.id} {runtime.path}")
    return text  # becomes the run's output


async def main() -> None:
    async with runtime:
        await serve(1042)


if __name__ == "__main__":
    anyio.run(main)
