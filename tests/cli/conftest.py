"""Runs to look at."""

from pathlib import Path

import pytest

from tests.cli.recorded import Recorded


@pytest.fixture
def recorded(traces: Path) -> Recorded:
    return Recorded(traces)
