"""What all tests share: both event loops, and a directory for traces."""

from pathlib import Path

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both."""
    return str(request.param)


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "traces"
