"""docs/format-v1.md says of every field what the code does, and its commands work."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from decisionlog import Evaluation, Option, Outcome, Problem, RunMetrics
from decisionlog.model import Decision
from decisionlog.records import Choice, Evaluated, Gap, RunEnded, RunStarted

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "format-v1.md").read_text(encoding="utf-8")
TABLES: list[tuple[type[msgspec.Struct], str]] = [
    (RunStarted, "### `run_started`"),
    (Decision, "### `decision`"),
    (Option, "An **option**:"),
    (Choice, "### `choice`"),
    (Outcome, "### `outcome`"),
    (Problem, "### `problem`"),
    (Gap, "### `gap`"),
    (RunEnded, "### `run_ended`"),
    (RunMetrics, "The **metrics**"),
    (Evaluated, "### `evaluation`"),
    (Evaluation, "| `evaluation` | object"),
]
IN_ALL = {"run_id", "seq", "timestamp", "extra"}
ASSEMBLED = {"outcome", "evaluation"}


def table_after(place: str) -> dict[str, tuple[str, str]]:
    """Type and default of each field, from the first table that begins after this."""
    start = TEXT.index("| field |", TEXT.index(place))
    rows = TEXT[start:].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {name.strip("`"): (kind, default.strip("`")) for name, kind, default, _ in cells}


def default_of(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value: Any = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if isinstance(value, RunMetrics):
        return "all 0"
    if isinstance(value, float) and value == 0:
        value = 0
    return msgspec.json.encode(value).decode()


@pytest.mark.parametrize(("struct", "place"), TABLES, ids=lambda value: str(value)[:40])
def test_every_field_is_described(struct: type[msgspec.Struct], place: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    if struct not in (Option, RunMetrics, Evaluation):
        fields = {name: field for name, field in fields.items() if name not in IN_ALL}
    if struct is Decision:
        fields = {name: field for name, field in fields.items() if name not in ASSEMBLED}
    described = table_after(place)
    assert described.keys() == fields.keys()
    for name, (_, default) in described.items():
        assert default == default_of(fields[name]), name


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """What an example leaves, and a run that was torn."""
    for name in ("scopes", "imperative"):
        subprocess.run([sys.executable, ROOT / "examples" / f"{name}.py"], cwd=tmp_path, check=True)
    shutil.copy(ROOT / "tests" / "golden" / "v1" / "runs" / "torn.jsonl", tmp_path / "traces/runs")
    return tmp_path


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_jq_commands_work(traces: Path) -> None:
    commands = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    found = [
        subprocess.run(["sh", "-c", command], cwd=traces, capture_output=True, text=True)
        for command in commands
    ]
    assert [(done.returncode, done.stderr) for done in found] == [(0, "")] * 2
    assert "tracking.example.com does not answer" in found[0].stdout
    assert "\tcompleted\t201\tAnswered from our database" in found[1].stdout


def test_the_sql_works(traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.chdir(traces)
    [script] = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    rows = duckdb.connect().execute(script).fetchall()
    assert ("Where to look for the order", "database", 1, 1.0) in rows  # a late choice
    assert ("Count to 0", None, 1, 1.0) in rows  # of the torn run
