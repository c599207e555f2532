"""One run: what it was about, decision by decision, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.text import Text

from decisionlog import Decision, Option, Outcome, Problem, Run, RunStatus
from decisionlog.cli.look import (
    BAD,
    CHOSEN,
    FAILURE,
    GOOD,
    LIVE,
    NOTE,
    ODD,
    OTHER,
    QUIET,
    SEVERITY,
    STATUS,
    STRONG,
    Mark,
    across,
    bar,
    cut,
    hang,
    has_failed,
    mark,
)
from decisionlog.cli.output import Screen
from decisionlog.cli.text import (
    counted,
    data,
    duration,
    local,
    number,
    one_line,
    percent,
    safe,
    since,
    zone,
)
