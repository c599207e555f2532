"""What tests of the analysis share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("DECISIONLOG_EXAMPLE_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Logs of other people's agents."""
    if not DATA.is_dir():
        pytest.skip("the real data are not here")
    return DATA


@pytest.fixture(scope="session")
def real_traces(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, recorded."""
    path = tmp_path_factory.mktemp("real") / "traces"
    replay = [sys.executable, str(ROOT / "examples" / "replay.py"), str(path)]
    subprocess.run([*replay, "--data", str(real_data)], check=True, capture_output=True)
    return path
