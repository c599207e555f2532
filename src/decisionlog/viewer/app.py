"""The application: the page, its JSON API and what it tells by itself. See docs/viewer-api.md."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import msgspec
from anyio import BrokenWorkerProcess, to_thread
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from decisionlog.errors import DecisionLogError, DecisionNotFoundError, ReadError, RunNotFoundError
from decisionlog.extras import NotInstalledError, missing
from decisionlog.jsontext import EXACT, to_json
from decisionlog.model import RunStatus
from decisionlog.store import RunStore
from decisionlog.version import __version__
from decisionlog.viewer.answers import Answers
from decisionlog.viewer.documents import encoded
from decisionlog.viewer.guard import refusal
from decisionlog.viewer.index import SORTS, Page, Query, RunIndex
from decisionlog.viewer.page import STATIC
from decisionlog.viewer.tracking import TrackedRun

_log = logging.getLogger("decisionlog.viewer")

T = TypeVar("T")
Answer = Callable[["Viewer", Request], Awaitable[Response]]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_ROWS_KEPT, _RUNS_KEPT = 200_000, 200
"""Of the runs looked at last, so many are kept, with so many decisions as rows at the most."""
_LIST_EVERY, _RUN_EVERY = 0.5, 0.2
_LIMIT = 1000
_STATUS = {
    RunNotFoundError: 404,
    DecisionNotFoundError: 404,
    ReadError: 404,
    NotInstalledError: 501,
}


class Viewer:
    """What the routes share: the runs of one directory, and what is known of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = RunStore(path)
        self.index = RunIndex(self.store)
        self.answers = Answers(path)
        self._tracked: OrderedDict[str, TrackedRun] = OrderedDict()

    def tracked(self, run_id: str) -> TrackedRun:
        """The run, as far as it was read; those looked at last are kept."""
        run = self._tracked.pop(run_id, None) or TrackedRun(self.store, run_id)
        self._tracked[run_id] = run
        while len(self._tracked) > 1 and self._is_much():
            self._tracked.popitem(last=False)
        return run

    def _is_much(self) -> bool:
        kept = self._tracked.values()
        return len(kept) > _RUNS_KEPT or sum(each.size for each in kept) > _ROWS_KEPT

    async def fill(self) -> None:
        """Read all runs, some at a time, so that whoever asks meanwhile is answered."""
        with suppress(DecisionLogError):  # whoever asks is told
            while await to_thread.run_sync(self.index.refresh):
                await anyio.lowlevel.checkpoint()

    async def mark(self, run_id: str) -> object:
        """Changes when the run does."""
        return await to_thread.run_sync(self.tracked(run_id).standing)


def create_app(path: Path) -> Starlette:
    """The viewer of a directory, without its guard."""
    viewer = Viewer(path)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(viewer.fill)
            yield
            tasks.cancel_scope.cancel()
        viewer.answers.close()

    routes = [
        Route(path, partial(_answered, viewer, answer))
        for path, answer in {
            "/api/info": info,
            "/api/runs": runs,
            "/api/runs/{run}": run,
            "/api/runs/{run}/decisions/{decision:path}": decision,
            "/api/runs/{run}/explanation": explanation,
            "/api/runs/{run}/summary": summary,
            "/api/runs/{run}/events": run_events,
            "/api/events": events,
            "/api/goals": goals,
            "/api/goal": goal,
            "/api/compare": comparison,
            "/{file:path}": static,
        }.items()
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def _answered(viewer: Viewer, answer: Answer, request: Request) -> Response:
    """The one place where errors become answers."""
    try:
        return await answer(viewer, request)
    except HTTPException as error:
        return refusal(error.status_code, "BadRequest", error.detail)
    except DecisionLogError as error:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
        return refusal(status, type(error).__name__, str(error))
    except OSError as error:
        return refusal(503, type(error).__name__, f"the directory cannot be read now: {error}")
    except BrokenWorkerProcess:
        return refusal(503, "WorkerDied", "the process that worked this out has died; ask again")
    except Exception as error:
        _log.exception("what nobody thought of, at %s", request.url.path)
        return refusal(500, type(error).__name__, "the viewer failed; it said more where it runs")


# ---------------------------------------------------------------------- the list, and goals


async def info(viewer: Viewer, request: Request) -> Response:
    """What this is a viewer of."""
    await to_thread.run_sync(viewer.index.refresh)
    return _json({
        "version": __version__,
        "directory": str(viewer.path),
        "runs": viewer.index.of,
        "indexed": viewer.index.indexed,
        "analysis": not missing("analysis"),
    })  # fmt: skip


async def runs(viewer: Viewer, request: Request) -> Response:
    """Some runs, in some order."""
    query, offset, limit = _query(request)

    def found() -> bytes:
        viewer.index.refresh()
        page: Page = viewer.index.page(query, offset, limit)
        return msgspec.json.encode(page)

    return Response(await to_thread.run_sync(found), media_type="application/json")


def _query(request: Request) -> tuple[Query, int, int]:
    asked = request.query_params
    sort, order = asked.get("sort", "started"), asked.get("order", "desc")
    if sort not in SORTS:
        raise HTTPException(400, f"sort is {sort!r:.80}, not one of {', '.join(SORTS)}")
    if order not in ("asc", "desc"):
        raise HTTPException(400, f"order is {order!r:.80}, neither asc nor desc")
    statuses = frozenset(asked.getlist("status"))
    if unknown := statuses - set(RunStatus):
        raise HTTPException(400, f"status is {min(unknown)!r:.80}, none of {', '.join(RunStatus)}")
    tags = frozenset(
        (name, value) for name, _, value in (tag.partition("=") for tag in asked.getlist("tag"))
    )
    query = Query(
        asked.get("goal"), statuses, _moment(request, "since"), _moment(request, "until"), tags,
        asked.get("q", ""), sort, order == "desc",
    )  # fmt: skip
    return query, _count(request, "offset", 0, 10**9), _count(request, "limit", 100, _LIMIT)


def _moment(request: Request, name: str) -> datetime | None:
    if (text := request.query_params.get(name)) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise HTTPException(400, f"{name} is {text!r:.80}, no time like 2026-01-31T18:00:00Z")
    return moment


def _count(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= most):
        raise HTTPException(400, f"{name} is {text!r:.80}, no number from 0 to {most}")
    return int(text)


async def goals(viewer: Viewer, request: Request) -> Response:
    """All goals, from the list of runs."""
    await to_thread.run_sync(viewer.index.refresh)
    found = [
        {**msgspec.structs.asdict(each), "success": _success(each.statuses)}
        for each in await to_thread.run_sync(viewer.index.goals)
    ]
    answer = _json({"goals": found, "indexed": viewer.index.indexed, "of": viewer.index.of})
    if request.query_params.get("prepare"):
        answer.background = BackgroundTask(viewer.answers.prepare)
    return answer


def _success(statuses: dict[str, int]) -> dict[str, float] | None:
    """How many of the runs that succeeded or not did, with the interval of 95 %. As in the
    analysis, those in progress or cancelled are neither.
    """
    from decisionlog.analysis.proportion import wilson  # no page of runs needs it

    n = sum(count for status, count in statuses.items() if status not in ("running", "cancelled"))
    k = statuses.get("completed", 0)
    if (interval := wilson(k, n)) is None:
        return None
    return {"rate": k / n, "low": interval.low, "high": interval.high, "k": k, "n": n}


async def goal(viewer: Viewer, request: Request) -> Response:
    """What the runs of a goal say together."""
    goal_id = request.query_params.get("id", "")
    await to_thread.run_sync(viewer.index.refresh)
    index = viewer.index
    return _ready(await viewer.answers.goal(goal_id, index.revision, index.removed))


async def comparison(viewer: Viewer, request: Request) -> Response:
    """Two runs side by side."""
    a, b = request.query_params.get("a", ""), request.query_params.get("b", "")
    mark = (await viewer.mark(a), await viewer.mark(b))
    return _ready(await viewer.answers.comparison(a, b, mark))


# ---------------------------------------------------------------------- a run


async def run(viewer: Viewer, request: Request) -> Response:
    """A run, or what has changed in it."""
    after = _count(request, "after", 0, 10**11)
    tracked = viewer.tracked(request.path_params["run"])

    return _ready(await to_thread.run_sync(lambda: encoded(tracked.document(after))))


async def decision(viewer: Viewer, request: Request) -> Response:
    """A decision, whole."""
    tracked = viewer.tracked(request.path_params["run"])
    decision_id = request.path_params["decision"]
    return _json(await to_thread.run_sync(tracked.decision, decision_id))


async def explanation(viewer: Viewer, request: Request) -> Response:
    """Why a run failed."""
    run_id = request.path_params["run"]
    answer = _ready(await viewer.answers.explanation(run_id, await viewer.mark(run_id)))
    answer.background = BackgroundTask(viewer.answers.prepare)  # its goal is a click away
    return answer


async def summary(viewer: Viewer, request: Request) -> Response:
    """What mattered in a run."""
    run_id = request.path_params["run"]
    return _ready(await viewer.answers.summary(run_id, await viewer.mark(run_id)))


# ---------------------------------------------------------------------- what is told by itself


async def events(viewer: Viewer, request: Request) -> Response:
    """Tells that the list has changed."""

    async def told() -> AsyncIterator[bytes]:
        index, last = viewer.index, -1
        yield b": hello\n\n"
        while True:
            with suppress(DecisionLogError):  # it may be readable again later
                await to_thread.run_sync(index.refresh)
            if index.revision != last:
                last = index.revision
                yield _event("runs", {"revision": last, "of": index.of, "indexed": index.indexed})
            await anyio.sleep(_LIST_EVERY)

    return _stream(told())


async def run_events(viewer: Viewer, request: Request) -> Response:
    """Tells that a run has grown, and that it has ended."""
    tracked = viewer.tracked(request.path_params["run"])
    seq, status = await to_thread.run_sync(tracked.standing)

    async def told() -> AsyncIterator[bytes]:
        nonlocal seq, status
        yield _event("changed", {"seq": seq})
        while status == RunStatus.RUNNING:
            await anyio.sleep(_RUN_EVERY)
            before = seq
            try:
                seq, status = await to_thread.run_sync(tracked.standing)
            except DecisionLogError:  # it was deleted
                break
            if seq != before:
                yield _event("changed", {"seq": seq})
        yield _event("ended", {})

    return _stream(told())


def _event(name: str, data: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


def _stream(told: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(told, media_type="text/event-stream")


# ---------------------------------------------------------------------- files of the page


async def static(viewer: Viewer, request: Request) -> Response:
    """A file of the page: one of those that are there, so that no path leads elsewhere."""
    name = request.path_params["file"] or "index.html"
    if name not in static_files():
        raise HTTPException(404, f"there is nothing at /{name:.100}")
    kind = next(kind for ending, kind in _TYPES.items() if name.endswith(ending))
    return Response((STATIC / name).read_bytes(), media_type=kind)


@cache
def static_files() -> list[str]:
    """The names of the page's files, below `static`."""
    folders = {"": STATIC, "styles/": STATIC / "styles", "vendor/": STATIC / "vendor"}
    return [
        folder + each.name
        for folder, path in folders.items()
        for each in path.iterdir()
        if each.name.endswith(tuple(_TYPES))
    ]


def _json(value: Any) -> Response:
    return _ready(to_json(value, largest=EXACT))


def _ready(body: bytes) -> Response:
    return Response(body, media_type="application/json")
