"""`decisionlog` and `python -m decisionlog`: the command line, or how to get it."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; the exit code when it is not installed."""
    try:
        from decisionlog.cli.app import program
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich"):
            raise
        print(
            "decisionlog: the command line is not installed: "
            'python -m pip install "decisionlog[cli]"',
            file=sys.stderr,
        )
        return 2
    program(prog_name="decisionlog")
    return 0  # click exits by itself


if __name__ == "__main__":
    sys.exit(main())
