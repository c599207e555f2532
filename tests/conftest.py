"""What all tests share: both event loops, and a directory for traces."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from decisionlog.context import open_runtimes

# No example is too slow: that would be the computer's doing. A fixture may serve several examples.
settings.register_profile(
    "tests",
    settings(),  # elsewhere by chance, in CI always the same examples
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both."""
    return str(request.param)


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "traces"


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """A runtime that one test leaves open would be "the only open one" to the next."""
    yield
    if open_runtimes:
        gc.collect()
    left = list(open_runtimes)
    open_runtimes.clear()
    assert not left
