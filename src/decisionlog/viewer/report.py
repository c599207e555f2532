"""Reports: what the viewer shows of a run, or of a goal, as one file that can be mailed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from decisionlog.errors import RunNotFoundError
from decisionlog.jsontext import EXACT, to_json
from decisionlog.store import RunStore
from decisionlog.viewer.answers import about_goal, explained
from decisionlog.viewer.documents import encoded, run_row
from decisionlog.viewer.index import Page
from decisionlog.viewer.page import one_file
from decisionlog.viewer.tracking import TrackedRun

_LISTED, _WHOLE = 100, 20
"""Of a goal, how many runs are listed, and how many of those that its answers name are whole."""
_UNESCAPED = "-_.!~*'()"
"""What `encodeURIComponent` leaves alone besides letters and digits."""

Documents = dict[str, bytes]


def run_report(path: Path, run_id: str) -> str:
    """A run as HTML: why it failed, its decisions, each with all there is to it.

    Raises:
        RunNotFoundError: there is no such run.
    """
    documents = _of_run(RunStore(path), run_id)
    return one_file(documents, f"#/runs/{_quoted(run_id)}", f"{run_id} - decisionlog")


def goal_report(path: Path, goal_id: str, scratch: Path) -> str:
    """A goal as HTML: what its runs say together, the newest 100 of them, and up to 20 of those
    that are named as evidence, whole. `scratch` is a directory to work in.

    Raises:
        ReadError: no run has this goal.
        NotInstalledError: the extra `analysis` is not installed.
    """
    store = RunStore(path)
    answers = about_goal(str(path), str(scratch / "dataset"), goal_id)
    told: Any = msgspec.json.decode(answers)
    goal = _quoted(goal_id)
    rows = [run_row(each) for each in islice(store.runs_blocking(goal_id=goal_id), _LISTED)]
    statuses: dict[str, int] = told["patterns"]["statuses"]
    total = sum(statuses.values())
    page = Page(rows, total, total, total, statuses, 0)
    documents: Documents = {
        f"/api/goal?id={goal}": answers,
        f"/api/runs?goal={goal}&limit={_LISTED}": to_json(page, largest=EXACT),
    }
    for run_id in islice(dict.fromkeys(_named(told)), _WHOLE):
        try:
            documents |= _of_run(store, run_id)
        except RunNotFoundError:  # deleted meanwhile
            continue
    return one_file(documents, f"#/goals/{goal}", f"{goal_id} - decisionlog")


def _of_run(store: RunStore, run_id: str) -> Documents:
    tracked = TrackedRun(store, run_id)
    document = tracked.document()
    base = f"/api/runs/{_quoted(run_id)}"
    documents = {base: encoded(document), f"{base}/explanation": explained(str(store.path), run_id)}
    for whole in tracked.decisions():
        place = f"{base}/decisions/{_quoted(whole.decision.id)}"
        documents[place] = to_json(whole, largest=EXACT)
    return documents


def _named(told: Any) -> Iterator[str]:
    """The runs that answers name as evidence, in their order."""
    if isinstance(told, dict):
        for key, value in told.items():  # pyright: ignore[reportUnknownVariableType]
            if key in ("run_id", "example") and isinstance(value, str):
                yield value
            else:
                yield from _named(value)
    elif isinstance(told, list):
        for each in told:  # pyright: ignore[reportUnknownVariableType]
            yield from _named(each)


def _quoted(text: str) -> str:
    return quote(text, safe=_UNESCAPED)
