"""Which faults are a part of the ordinary tests, and how long each test runs."""

import os
import time

import pytest

from tests.faults.report import Stopwatch

# What a busy computer would change: processes killed at a moment, disks that are mounted or traced,
# event loops that are timed. `nox -s faults` runs them.
collect_ignore = [
    "test_disk_full.py",
    "test_disk_trouble.py",
    "test_hanging.py",
    "test_kill.py",
    "test_kill_at_calls.py",
    "test_overload.py",
    "test_power_cut.py",
    "test_sync.py",
]
if os.environ.get("DECISIONLOG_FAULTS"):
    collect_ignore = []


@pytest.fixture(autouse=True)
def stopwatch() -> None:
    """For the report."""
    Stopwatch.began = time.monotonic()
