"""Where the caller stands: current run, node and decision, across tasks, threads and generators."""

import contextvars
import gc
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

import anyio
import pytest
from anyio import to_thread

from decisionlog import (
    LogContext,
    NoRunError,
    RunHandle,
    RunStatus,
    Runtime,
    current_decision,
    current_run,
)
from decisionlog.testing import MemorySink
from tests.recording import recorded, shape

# ---------------------------------------------------------------------- nesting


async def test_decisions_know_the_one_around_them() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):
        async with runtime.decision("a"):
            with runtime.decision("b"):
                async with runtime.decision("c"):
                    pass
            async with runtime.decision("d"):
                pass
        async with runtime.decision("e"):
            pass
    assert shape(sink.run("run_1")) == [
        ("a", None, "unknown"),
        ("b", "a", "unknown"),
        ("c", "b", "unknown"),
        ("d", "a", "unknown"),
        ("e", None, "unknown"),
    ]


def test_runs_inside_runs_and_inside_decisions() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("outer") as outer:
        with runtime.run("in the run"):
            pass
        with runtime.node("n"), runtime.decision("delegate") as delegate:
            with runtime.run("in the decision") as inner:
                # A new run clears node and parent decision.
                assert current_decision() is None
                with runtime.decision("x"):
                    pass
                assert current_run() is inner
            assert (current_run(), current_decision()) == (outer, delegate)
    in_run, in_decision = sink.run("run_2"), sink.run("run_3")
    assert (in_run.parent_run_id, in_run.parent_decision_id) == ("run_1", None)
    assert (in_decision.parent_run_id, in_decision.parent_decision_id) == ("run_1", "dec_0")
    assert shape(in_decision) == [("x", None, "unknown")]
    assert sink.run("run_1").parent_run_id is None


def test_parents_can_be_named() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime:
        with runtime.run("first") as first, runtime.decision("a") as decision:
            pass
        with runtime.run("around"), runtime.decision("b"):
            for parent in (first, decision, "run_77", "run_77/dec_3", None):
                with runtime.run("child", parent=parent):
                    pass
    children = [sink.run(f"run_{n}") for n in range(3, 8)]
    assert [(run.parent_run_id, run.parent_decision_id) for run in children] == [
        ("run_1", None),
        ("run_1", "dec_0"),
        ("run_77", None),
        ("run_77", "dec_3"),
        ("run_2", "dec_0"),
    ]


def test_a_handle_that_is_not_recorded_is_no_parent() -> None:
    sink = MemorySink()
    disabled = Runtime(enabled=False)
    with recorded(sink) as runtime, disabled.run("x") as run, disabled.decision("y") as decision:
        for parent in (run, decision):
            with runtime.run("child", parent=parent):
                pass
    assert [sink.run(name).parent_run_id for name in sink.run_ids()] == [None, None]


# ---------------------------------------------------------------------- nodes


def test_a_node_names_what_is_inside_it_and_only_that() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        with runtime.decision("before"):
            pass
        with runtime.node("a") as node:
            assert node.id == "a"
            with runtime.decision("in a"):
                with runtime.node("b"), runtime.decision("in b"):
                    pass
                with runtime.decision("still in a"):
                    pass
                with runtime.decision("elsewhere", node_id="c"), runtime.decision("inside"):
                    pass
        with pytest.raises(KeyError), runtime.node("d"):
            raise KeyError
        with runtime.decision("after"):
            pass
    assert shape(sink.run("run_1")) == [
        ("before", None, "unknown"),
        ("in a", None, "a"),
        ("in b", "in a", "b"),
        ("still in a", "in a", "a"),
        ("elsewhere", "in a", "c"),
        ("inside", "elsewhere", "a"),
        ("after", None, "unknown"),
    ]
    assert sink.run("run_1").metrics.nodes_executed == ["unknown", "a", "b", "c"]


def test_a_node_does_not_leak_into_the_next_run() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime:
        for _ in range(2):
            with runtime.run("goal"):
                with runtime.decision("before"):
                    pass
                runtime.set_node("set")
                with runtime.decision("after"):
                    pass
    for run_id in ("run_1", "run_2"):
        assert [d.node_id for d in sink.run(run_id).decisions] == ["unknown", "set"]


def test_set_node_and_node_take_turns() -> None:
    sink = MemorySink()
    nodes = []
    with recorded(sink) as runtime, runtime.run("goal"):

        def decide() -> None:
            with runtime.decision("x"):
                pass

        runtime.set_node("s1")
        decide()
        with runtime.node("a"):
            decide()
            runtime.set_node("s2")
            decide()
            with runtime.node("b"):
                decide()
            decide()
        decide()  # set_node lasts
        with runtime.decision("y"):
            decide()
            runtime.set_node("s3")
            decide()
        decide()
        with runtime.run("inner"):
            decide()
        nodes = ["s1", "a", "s2", "b", "s2", "s2", "s2", "s2", "s3", "s3"]
    assert [d.node_id for d in sink.run("run_1").decisions] == nodes
    assert [d.node_id for d in sink.run("run_2").decisions] == ["unknown"]


async def test_set_node_in_a_task_stays_there() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):
        runtime.set_node("both")

        async def agent(name: str) -> None:
            async with runtime.decision("inherited"):
                pass
            runtime.set_node(name)
            await anyio.lowlevel.checkpoint()
            async with runtime.decision(name):
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent, "one")
            tasks.start_soon(agent, "two")
        async with runtime.decision("afterwards"):
            pass
    found = sorted((d.intent, d.node_id) for d in sink.run("run_1").decisions)
    assert found == [
        ("afterwards", "both"), ("inherited", "both"), ("inherited", "both"), ("one", "one"),
        ("two", "two"),
    ]  # fmt: skip


# ---------------------------------------------------------------------- tasks and threads


async def test_tasks_and_threads_inherit_where_they_were_started() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, runtime.run("goal"):

        async def in_task() -> None:
            async with runtime.decision("task"):
                await to_thread.run_sync(in_thread, "thread of the task")

        def in_thread(intent: str) -> None:
            with runtime.decision(intent):
                pass

        async with runtime.decision("outer"), anyio.create_task_group() as tasks:
            with runtime.node("n"):
                tasks.start_soon(in_task)
            await to_thread.run_sync(in_thread, "thread")
            assert current_decision() is not None
    assert sorted(shape(sink.run("run_1"))) == [
        ("outer", None, "unknown"),
        ("task", "outer", "unknown"),  # the node had ended when the task began
        ("thread", "outer", "unknown"),
        ("thread of the task", "task", "unknown"),
    ]


async def test_a_task_that_outlives_its_scope_is_no_longer_inside_it() -> None:
    sink = MemorySink()
    ended = anyio.Event()
    started = anyio.Event()
    async with recorded(sink) as runtime, anyio.create_task_group() as tasks:

        async def late() -> None:
            with runtime.node("inside"):
                started.set()
                await ended.wait()
                assert current_decision() is None
                async with runtime.decision("late"):
                    pass
            async with runtime.decision("later"):
                pass

        async def latest(run_over: anyio.Event) -> None:
            started.set()
            await run_over.wait()
            assert current_run() is None
            with pytest.raises(NoRunError):
                async with runtime.decision("too late"):
                    pass

        over = anyio.Event()
        async with runtime.run("goal"):
            async with runtime.decision("starts it"), runtime.decision("and this"):
                tasks.start_soon(late)
                await started.wait()
                started = anyio.Event()
                tasks.start_soon(latest, over)
                await started.wait()
            ended.set()
            await anyio.wait_all_tasks_blocked()
        over.set()
    assert shape(sink.run("run_1")) == [
        ("starts it", None, "unknown"),
        ("and this", "starts it", "unknown"),
        ("late", None, "inside"),
        ("later", None, "unknown"),
    ]


async def test_a_scope_may_be_left_in_another_task_than_it_was_entered_in() -> None:
    """As fixtures and lifespans do."""
    sink = MemorySink()
    stack = AsyncExitStack()
    runtime = recorded(sink)

    async def enter() -> None:
        await stack.enter_async_context(runtime)
        await stack.enter_async_context(runtime.run("goal"))
        await stack.enter_async_context(runtime.decision("a"))
        left.append(contextvars.copy_context())

    left: list[contextvars.Context] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter)
    assert left[0].run(current_run) is not None
    assert current_run() is None
    await stack.aclose()
    assert left[0].run(current_run) is None
    loaded = sink.run("run_1")
    assert (loaded.status, shape(loaded)) == (RunStatus.COMPLETED, [("a", None, "unknown")])


def test_scopes_may_end_in_any_order() -> None:
    sink = MemorySink()
    with recorded(sink) as runtime, runtime.run("goal"):
        first, second, third = ExitStack(), ExitStack(), ExitStack()
        first.enter_context(runtime.decision("first"))
        b = second.enter_context(runtime.decision("second"))
        third.enter_context(runtime.decision("third"))
        first.close()
        third.close()
        assert current_decision() is b
        with runtime.decision("in the second"):
            pass
        second.close()
        assert current_decision() is None
        with runtime.decision("in none"):
            pass
    assert shape(sink.run("run_1")) == [
        ("first", None, "unknown"),
        ("second", "first", "unknown"),
        ("third", "second", "unknown"),
        ("in the second", "second", "unknown"),
        ("in none", None, "unknown"),
    ]


def test_a_plain_thread_needs_the_handle_of_the_run() -> None:
    sink = MemorySink()
    seen = []
    with recorded(sink) as runtime, runtime.run("goal") as run, runtime.decision("outer"):

        def tool() -> None:
            seen.append(current_run())
            with runtime.decision("in a thread", run=run), runtime.decision("inside"):
                seen.append(current_run())

        thread = threading.Thread(target=contextvars.Context().run, args=(tool,))
        thread.start()
        thread.join()
    assert seen == [None, run]
    assert shape(sink.run("run_1")) == [
        ("outer", None, "unknown"),
        ("in a thread", None, "unknown"),
        ("inside", "in a thread", "unknown"),
    ]


async def test_tasks_that_each_start_the_next_do_not_string_together_what_has_ended() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime, anyio.create_task_group() as tasks:

        async def step(number: int, before: anyio.Event) -> None:
            async with runtime.run("step"):
                before.set()  # only now does the one before end
                await anyio.lowlevel.checkpoint()
                if number < 50:
                    going = anyio.Event()
                    tasks.start_soon(step, number + 1, going)
                    await going.wait()
                else:
                    gc.collect()
                    handles.extend(
                        thing
                        for thing in gc.get_objects()
                        if type(thing) is RunHandle and thing.runtime is runtime
                    )

        handles: list[RunHandle] = []
        tasks.start_soon(step, 1, anyio.Event())
    assert len(sink.run_ids()) == 50
    assert len(handles) < 5


# ---------------------------------------------------------------------- telling


def test_current_run_and_decision() -> None:
    with recorded(MemorySink()) as runtime:
        assert current_run() is current_decision() is runtime.current_run is None
        with runtime.run("goal") as run:
            assert current_run() is runtime.current_run is run
            assert current_decision() is None
            with runtime.decision("a") as a, runtime.node("n"):
                assert current_decision() is a
                with runtime.decision("b") as b:
                    assert current_decision() is b
                assert current_decision() is a
            assert current_decision() is None
        assert current_run() is None


def test_log_lines_say_where_they_come_from() -> None:
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Lines()
    handler.addFilter(LogContext())
    handler.setFormatter(logging.Formatter("%(run_id)s %(decision_id)s %(message)s"))
    log = logging.Logger("agent")  # noqa: LOG001
    log.addHandler(handler)
    with recorded(MemorySink()) as runtime:
        log.warning("outside")
        with runtime.run("goal"):
            log.warning("in the run")
            with runtime.decision("a"):
                log.warning("in the decision")
    assert lines == ["- - outside", "run_1 - in the run", "run_1 dec_0 in the decision"]


# ---------------------------------------------------------------------- generators of others


async def test_scopes_inside_context_managers_and_undecorated_generators() -> None:
    sink = MemorySink()
    async with recorded(sink) as runtime:

        @asynccontextmanager
        async def agent() -> AsyncIterator[None]:
            async with runtime.run("goal"):
                yield

        @contextmanager
        def step() -> Iterator[None]:
            with runtime.decision("step"):
                yield

        async with agent():
            with step(), runtime.decision("inside"):
                pass
    assert shape(sink.run("run_1")) == [("step", None, "unknown"), ("inside", "step", "unknown")]
