"""The ways in: `run`, `decision` and `node`, of a runtime or of whichever surrounds the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from decisionlog.context import bound_runtime
from decisionlog.decisions import DecisionHandle
from decisionlog.model import DecisionType, Option
from decisionlog.runs import NodeHandle, RunHandle

if TYPE_CHECKING:
    from decisionlog.runtime import Runtime

T = TypeVar("T")
Options: TypeAlias = Sequence[Option | Mapping[str, Any]]
OrCallable: TypeAlias = T | Callable[..., T]


class Scopes:
    """Makes scopes for the runtime of the surrounding run, else for the only open one of the
    process; where there is none, nothing is recorded. A `Runtime` makes them for itself.
    """

    def bound(self) -> Runtime | None:
        """The runtime in which to record now."""
        return bound_runtime()

    def run(
        self,
        goal_id: OrCallable[str],
        goal_description: OrCallable[str] = "",
        input_data: Any = None,
        *,
        run_id: OrCallable[str | None] = None,
        tags: OrCallable[Mapping[str, str] | None] = None,
        parent: OrCallable[RunHandle | DecisionHandle | str | None] = None,
    ) -> RunHandle:
        """A run: `with`, `async with`, or as a decorator.

        Args:
            goal_id: What the run is for; runs are compared within a goal.
            goal_description: The same, for people.
            input_data: What the run was given.
            run_id: An id of your own, 1 to 100 of `A-Z a-z 0-9 _ -`, never used before.
            tags: What to tell runs apart by: a version, a prompt, an experiment.
            parent: The run or decision that this one is part of, if it is not the surrounding one:
                a handle or, from another process, `"<run id>"` or `"<run id>/<decision id>"`.

        As a decorator, arguments may be callables of the call's arguments. `decisionlog.run` is for
        library code, which has no runtime at import time: when the scope is entered or the function
        called, it is bound to the runtime of the surrounding run, else to the only one that is open
        in the process. Where there is none, nothing is recorded.
        """
        return RunHandle(self, (goal_id, goal_description, input_data, run_id, tags, parent))

    def decision(
        self,
        intent: OrCallable[str],
        options: OrCallable[Options] = (),
        chosen: OrCallable[str | None] = None,
        reasoning: OrCallable[str] = "",
        node_id: OrCallable[str | None] = None,
        decision_type: OrCallable[DecisionType | str] = DecisionType.CUSTOM,
        constraints: OrCallable[Sequence[str] | None] = None,
        context: OrCallable[Mapping[str, Any] | None] = None,
        *,
        supersedes: OrCallable[str | None] = None,
        run: RunHandle | None = None,
    ) -> DecisionHandle:
        """A decision in the surrounding run: `with`, `async with`, or as a decorator.

        It is recorded on entry, before the work inside begins; its outcome and latency on the way
        out: a success, unless an exception leaves the scope or the handle says otherwise.

        Args:
            intent: What is being decided.
            options: What could be done, each an `Option` or a dict with the same keys.
            chosen: The id of the option taken; `DecisionHandle.choose` chooses later.
            reasoning: Why.
            node_id: The part of the agent that decides; else the surrounding `node`.
            decision_type: What kind of thing is decided.
            constraints: What had to be respected.
            context: What the decision was based on.
            supersedes: The id of an earlier decision of this run that this one replaces.
            run: The handle of the run to record it in, instead of the surrounding one.

        As a decorator, arguments may be callables of the call's arguments. `decisionlog.decision`,
        for library code, is bound as `decisionlog.run` is.
        """
        given = (
            intent, options, chosen, reasoning, node_id, decision_type, constraints, context,
            supersedes,
        )  # fmt: skip
        return DecisionHandle(self if run is None else run, given)

    def node(self, node_id: OrCallable[str]) -> NodeHandle:
        """Name the node for the decisions inside a `with` block, and only those."""
        return NodeHandle(self, (node_id,))
