"""Files of format v1, written once, read the same by every later version."""

import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from decisionlog import RunStatus, RunStore

GOLDEN = Path(__file__).parent
RUN_IDS = sorted(path.stem for path in (GOLDEN / "v1" / "runs").glob("*.jsonl"))


def _make() -> Any:
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = _make()


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    make.copied(tmp_path)
    return tmp_path


def test_every_file_has_its_expectation() -> None:
    assert sorted(make.RUNS) == RUN_IDS
    assert sorted(path.stem for path in (GOLDEN / "v1" / "expected").glob("*.json")) == RUN_IDS


@pytest.mark.parametrize("run_id", RUN_IDS)
async def test_reads_as_it_did(traces: Path, run_id: str) -> None:
    text = (GOLDEN / "v1" / "expected" / f"{run_id}.json").read_text(encoding="utf-8")
    found = await make.read(traces, run_id)
    assert json.loads(json.dumps(found)) == json.loads(text)


async def test_lists_all_of_them(traces: Path) -> None:
    summaries = [summary async for summary in RunStore(traces).runs()]
    assert sorted(summary.run_id for summary in summaries) == RUN_IDS


async def test_says_of_those_of_another_host_only_what_can_be_known(traces: Path) -> None:
    unknown = await RunStore(traces).summary("interrupted")
    assert unknown.status == RunStatus.RUNNING
    stale = await RunStore(traces, stale_after=timedelta(days=1)).summary("interrupted")
    assert stale.status == RunStatus.INTERRUPTED
