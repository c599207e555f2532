"""`decisionlog` and `python -m decisionlog`: the command line, or how to get it."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run the command line; the exit code when it is not installed."""
    try:
        from decisionlog.cli.app import program
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("click", "rich"):
            raise
        print(
            "decisionlog: the command line is not installed: "
            'python -m pip install "decisionlog[cli]"',
            file=sys.stderr,
        )
        return 2
    gc.set_threshold(100_000)  # a command builds one thing, and goes
    program()
    return 0  # click exits by itself


if __name__ == "__main__":
    sys.exit(main())
