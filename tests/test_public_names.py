"""What the package exports, and how its errors are related."""

import inspect
import re

import decisionlog
from decisionlog import errors

NAMES = """
    Chunk Damage Decision DecisionHandle DecisionLogError DecisionNotFoundError DecisionType
    EndedError Evaluation FileSink InvalidValueError LogContext MisuseError NoRunError
    NodeHandle Option Outcome Problem ReadError Run RunCheck RunHandle RunInProgressError
    RunMetrics RunNotFoundError RunStatus RunStore RunSummary Runtime RuntimeStateError Sink
    Stats UnknownDecisionError UnknownOptionError Unwritten WriteError __version__
    current_decision current_run decision run
""".split()


def test_the_names_are_what_they_are_said_to_be() -> None:
    """Adding one is a change of this list; taking one away breaks somebody's code."""
    assert decisionlog.__all__ == sorted(NAMES)
    for name in NAMES:
        assert getattr(decisionlog, name) is not None


def test_every_public_name_says_what_it_is() -> None:
    for name in NAMES:
        thing = getattr(decisionlog, name)
        if name != "__version__":
            assert inspect.getdoc(thing), name


def test_the_tree_of_errors_is_the_one_that_is_drawn() -> None:
    drawn: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    tree = (errors.__doc__ or "").split("```")[1]
    for line in tree.strip().splitlines():
        match = re.match(r"([│├└─ ]*)(\w+)", line)
        assert match is not None
        depth, name = len(match[1]), match[2]
        above = [(d, n) for d, n in above if d < depth]
        drawn[name] = above[-1][1] if above else None
        above.append((depth, name))
    real = {
        name: None if kind is errors.DecisionLogError else kind.__base__.__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    }
    assert drawn == real
    assert set(drawn) <= set(decisionlog.__all__)
