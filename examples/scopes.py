"""An agent wrapped in scopes. It is asked where an order is, and one of its sources is down.

    python examples/scopes.py [DIRECTORY]

Shows decisions inside decisions, nodes, a choice made late, a failure that the agent recovers from,
and a problem it reports. `decorators.py` is the same agent with decorators.
"""

import sys

import anyio

from decisionlog import DecisionType, Option, Runtime

ORDERS = {1042: {"status": "shipped", "carrier": "Express", "days_ago": 2}}


async def ask_carrier(order_id: int) -> dict[str, object]:
    """A tool of the agent: fails, as such things do."""
    await anyio.sleep(0.01)
    raise ConnectionError(f"tracking.example.com does not answer for order {order_id}")


async def ask_database(order_id: int) -> dict[str, object]:
    """Another one, which works."""
    await anyio.sleep(0.01)
    return ORDERS[order_id]


async def find_order(runtime: Runtime, order_id: int) -> dict[str, object]:
    async with runtime.decision(
        "Where to look for the order",
        options=[
            Option("carrier", "Ask the carrier", pros=["up to date"], confidence=0.7),
            Option("database", "Ask our database", cons=["a day old"], confidence=0.9),
        ],
        decision_type=DecisionType.TOOL_SELECTION,
        constraints=["answer within a second"],
        context={"order": order_id},
    ) as where:
        # The choice is made inside, when the agent knows enough to make it.
        where.choose("carrier", "Only the carrier knows where it is today")
        try:
            # A decision inside a decision: it fails, and its error is recorded with it.
            async with runtime.decision("Ask the carrier"):
                found = await ask_carrier(order_id)
        except ConnectionError as error:
            where.report_problem(
                "warning",
                "The carrier does not answer",
                root_cause=str(error),
                suggested_fix="Keep the carrier's last answer for an hour",
            )
            # The last choice of a decision stands.
            where.choose("database", "The carrier does not answer")
            async with runtime.decision("Ask our database") as asked:
                found = await ask_database(order_id)
                asked.succeed(found)
        where.succeed(found, summary="Found it in our database")
    return found


async def answer(runtime: Runtime, found: dict[str, object]) -> str:
    async with runtime.decision(
        "How to word the answer",
        options=[Option("short", "One sentence"), Option("long", "With the whole history")],
        chosen="short",
        reasoning="The customer asked one question",
        decision_type=DecisionType.OUTPUT_FORMAT,
    ) as wording:
        text = f"Your order was {found['status']} {found['days_ago']} days ago."
        wording.succeed(text, input_tokens=180, output_tokens=21, cost_usd=0.0004, model="small-1")
    return text


async def serve(runtime: Runtime, order_id: int) -> str:
    async with runtime.run(
        "where-is-my-order", "Tell the customer where the order is", {"order": order_id}
    ) as run:
        with runtime.node("lookup"):
            found = await find_order(runtime, order_id)
        with runtime.node("writer"):
            text = await answer(runtime, found)
        run.succeed({"answer": text}, narrative="Answered from our database")
    print(f"{text} It took {run.metrics.total_decisions} decisions.")
    print(f"To look at them: decisionlog show {run.id} {runtime.path}")
    return text


async def main(directory: str) -> None:
    async with Runtime(directory) as runtime:
        await serve(runtime, 1042)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "traces")
