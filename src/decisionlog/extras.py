"""The extras that come with more packages, and what to say where those are missing."""

from __future__ import annotations

from importlib.util import find_spec

from decisionlog.errors import DecisionLogError

NEEDS = {"analysis": ("duckdb", "narwhals", "pyarrow", "scipy"), "viewer": ("starlette", "uvicorn")}
"""What each extra installs that its part of the library cannot do without."""


class NotInstalledError(DecisionLogError):
    """An extra is not installed; the message says how to get it."""


def missing(extra: str) -> list[str]:
    """What is not installed of what an extra needs."""
    return [name for name in NEEDS[extra] if find_spec(name) is None]


def require(extra: str) -> None:
    """See that an extra is installed.

    Raises:
        NotInstalledError: it is not.
    """
    if lacking := missing(extra):
        raise NotInstalledError(
            f"this needs {', '.join(lacking)}; install it with: "
            f'python -m pip install "decisionlog[{extra}]"'
        )
