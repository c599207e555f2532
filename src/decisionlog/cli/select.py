"""Which directory, and which run in it: what people type, and what they mean."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from decisionlog import ReadError, RunNotFoundError, RunStore
from decisionlog.records import RUN_ID, started_at

if TYPE_CHECKING:
    import click

LAST = "last"
VARIABLE = "DECISIONLOG_DIR"
_HANDLE = 8
_SHORTEST_HANDLE = 4
_NEAREST = 3


def directory_of(given: str | None) -> Path:
    """The directory with the runs: the one given, else the one of the environment, else traces."""
    return Path(given or os.environ.get(VARIABLE) or "traces")


def existing(directory: Path) -> Path:
    """The same directory, which is there and can be read.

    Raises:
        ReadError: it is not, or can't.
    """
    try:
        os.listdir(directory)
        try:
            os.listdir(directory / "runs")
        except FileNotFoundError:
            pass
    except FileNotFoundError:
        raise ReadError(
            f"there is no directory {str(directory)!r}; name the one with the runs as the last "
            f"argument or in ${VARIABLE} (`decisionlog demo` makes one)"
        ) from None
    except OSError as error:
        raise ReadError(f"{str(directory)!r} cannot be read: {error.strerror}") from None
    return directory


def why_empty(directory: Path) -> str:
    """What to tell a person who finds no runs in a directory."""
    message = f"there are no runs in {str(directory)!r}"
    if directory.name == "runs" and any(directory.glob("*.jsonl")):
        return f"{message}; you may mean the directory above, {str(directory.parent)!r}"
    return f"{message} yet; an agent that opens Runtime({str(directory)!r}) puts them there"


def place(run: str | None, directory: str | None) -> tuple[str | None, Path]:
    """Tell `RUN`, `DIR` and `RUN DIR` apart; a run may also be named by its file.

    Raises:
        ReadError: the directory is not there.
    """
    if run and directory is None:
        path = Path(run)
        if path.is_dir():
            return None, existing(path)
        if path.suffix == ".jsonl" and path.is_file() and path.absolute().parent.name == "runs":
            return path.stem, path.absolute().parent.parent
    return run, existing(directory_of(directory))


def run_ids(directory: Path) -> list[str]:
    """The ids of all runs, by name: those that say when they began are in the order of time."""
    try:
        names = [os.path.splitext(entry) for entry in os.listdir(directory / "runs")]
    except FileNotFoundError:
        return []
    return sorted(stem for stem, kind in names if kind == ".jsonl" and RUN_ID.fullmatch(stem))


def handle(run_id: str) -> str:
    """A short name for a run: eight characters of an id that was made from the time.

    >>> handle("run_20260119_184216_f423f0a9c215d3e1"), handle("nightly-7")
    ('f423f0a9', 'nightly-7')
    """
    return run_id.rsplit("_", 1)[1][:_HANDLE] if started_at(run_id) else run_id


async def find(directory: Path, text: str | None) -> str:
    """The id of the run that is meant: `last`, an id, or the beginning of one.

    Raises:
        RunNotFoundError: none is, or more than one.
    """
    if text is None or text == LAST:
        async for summary in RunStore(directory).runs():
            return summary.run_id
        raise RunNotFoundError(why_empty(directory))
    ids = run_ids(directory)
    text = text.rstrip("…")
    if text in ids:
        return text
    found = [run_id for run_id in ids if _means(text, run_id)]
    if len(found) == 1:
        return found[0]
    if found:
        named = ", ".join(found[-_NEAREST:])
        more = f" and {len(found) - _NEAREST} more" if len(found) > _NEAREST else ""
        raise RunNotFoundError(f"{text!r} is the beginning of several runs: {named}{more}")
    if not ids:
        raise RunNotFoundError(why_empty(directory))
    names = {name: run_id for run_id in ids for name in (run_id, handle(run_id))}
    close = get_close_matches(text, names, n=_NEAREST, cutoff=0.5)
    nearest = list(dict.fromkeys(names[name] for name in close)) or [ids[-1]]
    raise RunNotFoundError(
        f"there is no run {text!r:.120} in {str(directory)!r}; nearest: {', '.join(nearest)}"
    )


def _means(text: str, run_id: str) -> bool:
    if not text:
        return False
    if run_id.startswith(text):
        return True
    if started_at(run_id) is None:
        return False
    end = run_id.rsplit("_", 1)[1]
    return run_id.startswith(f"run_{text}") or (
        len(text) >= _SHORTEST_HANDLE and end.startswith(text)
    )


def complete(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Runs and directories, for the shell."""
    given: str | None = context.params.get("directory")
    ids = run_ids(directory_of(given))
    names = [LAST, *(run_id for run_id in reversed(ids) if run_id.startswith(incomplete))]
    items = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return items or [CompletionItem(incomplete, type="dir")]
