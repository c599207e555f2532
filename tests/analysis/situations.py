"""Directories of runs that are little, odd or damaged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from decisionlog import Option, Runtime
from decisionlog.testing import FixedClock

GOAL = 'it\'s a "goal"; DROP TABLE runs; --'
ASK = [Option("ask", "Ask", confidence=0.9), Option("guess", "Guess", confidence=0.4)]
TRACEBACK = """Traceback (most recent call last):
  File "/srv/agent/run_{n}.py", line {n}, in step
    connect(host)
    ~~~~~~~^^^^^^
  File "/srv/agent/net.py", line 7, in connect
    raise ConnectionError("db-{n} is away")
ConnectionError: db-{n} is away"""


def _runs(
    path: Path,
    count: int = 12,
    *,
    goal: str = "goal",
    good: Callable[[int], bool] = lambda number: number % 2 == 0,
    decisions: int = 3,
    clock: FixedClock | None = None,
    **given: Callable[[int, int], Any],
) -> None:
    """Each of `given` says what a decision has, by the numbers of its run and of itself."""
    with Runtime(path, clock=clock or FixedClock()) as runtime:
        for number in range(count):
            tags = {"version": "ab"[number >= count / 2]}
            with runtime.run(goal, tags=tags) as run:
                for place in range(decisions):
                    told = {"intent": "what next", "options": ASK, "chosen": "ask"}
                    told |= {name: of(number, place) for name, of in given.items()}
                    error, is_open = told.pop("error", None), told.pop("open", False)
                    decision = runtime.decision(**told)
                    decision.__enter__()
                    if is_open:
                        continue
                    if error:
                        decision.fail(error)
                    decision.__exit__(None, None, None)
                if not good(number):
                    run.fail()


def _failing(number: int, place: int) -> str | None:
    return "no answer" if number % 2 and place == 2 else None


@contextmanager
def _left(fill: Callable[[Path], object], path: Path) -> Iterator[None]:
    fill(path)
    yield


@contextmanager
def _still_written(path: Path) -> Iterator[None]:
    with Runtime(path) as runtime:
        run = runtime.run("goal", tags={"version": "a"})
        run.__enter__()
        decision = runtime.decision("what next", ASK, "ask")
        decision.__enter__()
        runtime.flush_blocking()
        yield
        decision.__exit__(None, None, None)
        run.__exit__(None, None, None)


def _damaged(path: Path) -> None:
    _runs(path, error=_failing)
    files = sorted((path / "runs").glob("*.jsonl"))
    text = [file.read_bytes() for file in files]
    files[0].write_bytes(b"")
    files[1].write_bytes(text[1][: len(text[1]) // 2])
    files[2].write_bytes(text[2].replace(b"what next", b"what\x00\xff"))
    files[3].write_bytes(text[3].split(b"\n", 1)[1])  # without its head
    files[4].write_bytes(b"not JSON\n" * 3)


def _options(count: int) -> list[Option]:
    return [Option(f"o{i}", f"Do {i}", confidence=0.1 * i) for i in range(count)]


FILL: dict[str, Callable[[Path], object]] = {
    "empty directory": lambda path: path.mkdir(),
    "one run": lambda path: _runs(path, 1, error=lambda *_: "it broke"),
    "one run without decisions": lambda path: _runs(path, 1, decisions=0, good=lambda _: False),
    "all successes": lambda path: _runs(path, good=lambda _: True),
    "no options": lambda path: _runs(
        path, options=lambda *_: [], chosen=lambda *_: None, error=_failing
    ),
    "one option": lambda path: _runs(path, options=lambda *_: _options(1), chosen=lambda *_: "o0"),
    "missing confidences": lambda path: _runs(
        path, options=lambda *_: [Option("ask"), Option("guess")], error=_failing
    ),
    "equal confidences": lambda path: _runs(
        path,
        options=lambda *_: [Option("ask", confidence=0.8), Option("guess", confidence=0.8)],
        error=_failing,
    ),
    "equal timestamps": lambda path: _runs(path, error=_failing, clock=FixedClock()),
    "damaged files": _damaged,
    "goal with SQL": lambda path: _runs(path, goal=GOAL, error=_failing),
    "no outcomes": lambda path: _runs(path, open=lambda *_: True),
    "ids never the same": lambda path: _runs(
        path,
        options=lambda n, i: [Option(f"{n}-{i}-a"), Option(f"{n}-{i}-b")],
        chosen=lambda n, i: f"{n}-{i}-a",
        error=_failing,
    ),
    "intents never the same": lambda path: _runs(
        path,
        30,
        intent=lambda n, i: f"{'abcdefghij'[n % 10] * (n + 2)} {'xyz'[i]} goes",
        error=_failing,
    ),
    "hundreds of nodes": lambda path: _runs(
        path, decisions=30, node_id=lambda n, i: f"node {n} {i}", error=_failing
    ),
    "tracebacks": lambda path: _runs(
        path, error=lambda n, i: TRACEBACK.format(n=n + 3) if n % 2 and i == 2 else None
    ),
    "a long run": lambda path: _runs(path, 2, decisions=1_000, error=_failing),
}

SITUATIONS: dict[str, Callable[[Path], Any]] = {
    name: lambda path, fill=fill: _left(fill, path) for name, fill in FILL.items()
} | {"runs still being written": _still_written}
"""Each makes the directory, and is a context in which it stays as it is."""
