"""What takes long to find out, in worker processes: the server stays quick, and small.

Functions of this module run there, and import the analysis there: the server needs none of it. They
take and give what pickles: paths, ids, bytes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from decisionlog.extras import missing, require
from decisionlog.jsontext import EXACT, to_json
from decisionlog.store import RunStore
from decisionlog.viewer.documents import run_head

_KEPT = 64
"""How many answers are remembered."""
_READY_S = 240.0
"""For how long a process that was made ready is: idle ones are let go after five minutes."""


def explained(path: str, run_id: str) -> bytes:
    """Why a run failed, as JSON."""
    from decisionlog.analysis import explain

    store = RunStore(path)
    return to_json(explain(store.load_blocking(run_id), store), largest=EXACT)


def summarized(path: str, run_id: str) -> bytes:
    """What mattered in a run, as JSON."""
    from decisionlog.analysis import summarize

    return to_json(summarize(RunStore(path).load_blocking(run_id)), largest=EXACT)


def compared(path: str, a: str, b: str) -> bytes:
    """Two runs side by side, as JSON."""
    from decisionlog.analysis import compare

    store = RunStore(path)
    one, other = store.load_blocking(a), store.load_blocking(b)
    found = {"comparison": compare(one, other), "a": run_head(one), "b": run_head(other)}
    return to_json(found, largest=EXACT)


def about_goal(path: str, dataset: str, goal_id: str) -> bytes:
    """What the runs of a goal say together, as JSON; `dataset` is brought up to date first."""
    from decisionlog.analysis.many import Analysis, export_parquet

    export_parquet(path, dataset)
    with Analysis(dataset) as analysis:
        found = {
            "goal_id": goal_id,
            "patterns": analysis.patterns(goal_id),
            "divergence": analysis.divergence(goal_id),
            "options": analysis.options(goal_id),
            "calibration": analysis.calibration(goal_id),
            "nodes": analysis.nodes(goal_id),
            "suggestions": analysis.suggest(goal_id),
        }
    return to_json(found, largest=EXACT)


def get_ready() -> None:
    """Import what answers about goals need. It takes seconds, which nobody has to wait for then."""
    # A worker of anyio has none when the server was started by `python -c`; DuckDB asks for it.
    sys.modules.setdefault("__main__", ModuleType("__main__"))
    for name in ("duckdb", "decisionlog.analysis.many.hypotheses"):
        import_module(name)


def about_goal_now(path: str, dataset: str, goal_id: str) -> bytes:
    """The same, without what earlier datasets take up, in which there are runs that have gone."""
    get_ready()
    for other in Path(dataset).parent.iterdir():
        if other.name != Path(dataset).name:
            shutil.rmtree(other, ignore_errors=True)
    return about_goal(path, dataset, goal_id)


class Answers:
    """Asks worker processes, one about goals and two about runs at a time, and remembers what they
    said: for a run as long as it does not grow, for a goal as long as no run comes or goes.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._known: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._scratch = tempfile.TemporaryDirectory(
            prefix="decisionlog-", ignore_cleanup_errors=True
        )
        self._goals = CapacityLimiter(1)
        self._ready_until = 0.0
        self._runs = CapacityLimiter(2)

    def close(self) -> None:
        """Remove what was made."""
        self._scratch.cleanup()

    async def explanation(self, run_id: str, mark: object) -> bytes:
        """Why a run failed. `mark` changes when the run does."""
        return await self._ask(self._runs, mark, explained, self._path, run_id)

    async def summary(self, run_id: str, mark: object) -> bytes:
        """What mattered in it."""
        return await self._ask(self._runs, mark, summarized, self._path, run_id)

    async def comparison(self, a: str, b: str, mark: object) -> bytes:
        """Two runs side by side."""
        return await self._ask(self._runs, mark, compared, self._path, a, b)

    async def goal(self, goal_id: str, mark: object, removed: int) -> bytes:
        """What the runs of a goal say together. `removed` says how many runs have gone so far: a
        dataset only grows, so that another is made then.

        Raises:
            NotInstalledError: what it needs is not there.
            ReadError: no run has this goal.
        """
        require("analysis")
        dataset = str(Path(self._scratch.name) / f"dataset-{removed}")
        return await self._ask(self._goals, mark, about_goal_now, self._path, dataset, goal_id)

    async def prepare(self) -> None:
        """Have a process ready for questions about goals; someone is about to ask, it seems."""
        now = time.monotonic()
        if now < self._ready_until or missing("analysis"):
            return
        self._ready_until = now + _READY_S
        async with self._goals:
            with suppress(BrokenWorkerProcess, ImportError):  # whoever asks is told
                await to_process.run_sync(get_ready, cancellable=True)

    async def _ask(
        self, limiter: CapacityLimiter, mark: object, ask: Callable[..., bytes], *args: Any
    ) -> bytes:
        key = (ask, mark, *args)
        async with limiter:  # who asks the same meanwhile finds it answered
            if key not in self._known:
                told = await to_process.run_sync(ask, *args, cancellable=True)
                self._known[key] = told
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
            return self._known[key]
