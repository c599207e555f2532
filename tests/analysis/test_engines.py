"""The same call gives the same answer on DuckDB, on Spark and with polars."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from decisionlog.analysis import Analysis
from decisionlog.analysis.many import export_parquet
from decisionlog.analysis.many.tables import TABLES
from tests.analysis import spark
from tests.analysis.generated import World, tables
from tests.analysis.recorded import record


def on_spark(path: Path) -> Analysis:
    session = spark.session()
    return Analysis({name: session.read.parquet(str(path / name)) for name in TABLES})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("engines")
    world = World(runs=80, places=2, visits=1, bad_option=3.0, cause=0.3, overconfidence=1.0)
    for name, table in tables(world, seed=5).items():
        (path / name).mkdir()
        pq.write_table(table, path / name / "part.parquet")
    return path


@pytest.fixture(scope="module")
def on_duckdb(dataset: Path) -> Iterator[Analysis]:
    with Analysis(dataset) as analysis:
        yield analysis


@pytest.fixture(scope="module", params=["spark", "polars"])
def other(request: pytest.FixtureRequest, dataset: Path) -> Analysis:
    if request.param == "spark":
        return on_spark(dataset)
    polars = pytest.importorskip("polars")
    return Analysis({name: polars.scan_parquet(dataset / name / "*.parquet") for name in TABLES})


def assert_same(one: Any, other: Any, at: str = "") -> None:
    """Equal, but for the last digits of what was added up in another order."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), at
        for key, value in one.items():
            assert_same(value, other[key], f"{at}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), at
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{at}[{place}]")
    elif isinstance(one, float):
        assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12), (at, one, other)
    else:
        assert one == other, at


CALLS = [
    ("goals",), ("patterns", "easy"), ("nodes",), ("options",), ("options", "hard", "node-0"),
    ("calibration",), ("divergence", "easy"), ("changes", "version"), ("suggest", "easy"),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_they_agree(on_duckdb: Analysis, other: Analysis, call: tuple[str, ...]) -> None:
    answers = [getattr(analysis, call[0])(*call[1:]) for analysis in (on_duckdb, other)]
    assert_same(*(msgspec.to_builtins(answer) for answer in answers), at=call[0])
    assert answers[0], "an empty answer proves nothing"
    assert all(map(str, answers))


def test_spark_reads_what_was_exported(tmp_path: Path) -> None:
    record(tmp_path / "traces", ("a", [{}, {"error": "no 1"}]), ("b", [{"pending": True}]))
    export_parquet(tmp_path / "traces", tmp_path / "parquet")
    with Analysis(tmp_path / "parquet") as analysis:
        assert_same(
            msgspec.to_builtins(analysis.goals()),
            msgspec.to_builtins(on_spark(tmp_path / "parquet").goals()),
        )
