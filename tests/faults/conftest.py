"""Which faults are a part of the ordinary tests: those that a busy computer does not change."""

import os

# Processes killed at a moment, and disks that are mounted or traced: `nox -s faults` runs them.
collect_ignore = [
    "test_disk_full.py",
    "test_disk_trouble.py",
    "test_hanging.py",
    "test_kill.py",
    "test_kill_at_calls.py",
    "test_power_cut.py",
    "test_sync.py",
]
if os.environ.get("DECISIONLOG_FAULTS"):
    collect_ignore = []
