"""What several commands take."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from decisionlog.cli import select

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def age(text: str) -> timedelta:
    """How long: a number and a unit."""
    if ago := re.fullmatch(r"(\d{1,4})([smhdw])", text):
        return timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    raise click.BadParameter(f"{text!r} is not like 30m, 2h, 7d or 4w")


def moment(text: str) -> datetime:
    """How long ago, or a date and a time on the clock of this computer."""
    with suppress(click.BadParameter):
        return datetime.now(UTC) - age(text)
    try:
        return datetime.fromisoformat(text).astimezone()
    except (OSError, OverflowError, ValueError):
        raise click.BadParameter(
            f"{text!r} is neither like 30m, 2h or 7d nor like 2026-01-31 or 2026-01-31T18:00"
        ) from None


run_argument = click.argument(
    "run", metavar="[RUN]", required=False, shell_complete=select.complete
)
directory_argument = click.argument("directory", metavar="[DIR]", required=False, type=click.Path())


def json_option(what: str) -> Callable[[F], F]:
    """`--json`, which prints this instead of what is for people."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what}.")
