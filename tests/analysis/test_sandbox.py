"""SQL that somebody else wrote: it reads the tables, and nothing else happens."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from decisionlog import DecisionLogError
from decisionlog.analysis import Analysis
from decisionlog.analysis.many import QueryError, export_parquet
from tests.analysis.recorded import record


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sandbox")
    record(folder / "traces", ("a goal", [{}, {"error": "boom 1"}]))
    export_parquet(folder / "traces", folder / "parquet")
    (folder / "secret.csv").write_text("secret\n42\n")
    os.symlink(folder / "secret.csv", folder / "parquet" / "link.csv")
    return folder / "parquet"


@pytest.fixture(scope="module")
def analysis(dataset: Path) -> Iterator[Analysis]:
    with Analysis(dataset) as analysis:
        yield analysis


def test_a_select_over_the_four_tables_is_answered(analysis: Analysis) -> None:
    found = analysis.sql(
        "SELECT r.goal_id, count(*) AS n, sum(d.tokens) AS tokens, avg(d.latency_ms)::DECIMAL(9, 1)"
        " AS ms FROM decisions AS d JOIN runs AS r USING (run_id) GROUP BY ALL"
    )
    assert found.columns == ["goal_id", "n", "tokens", "ms"]
    assert found.rows == [["a goal", 2, 14, "2.0"]]
    assert str(found).splitlines()[0].split() == found.columns
    everything = analysis.sql("FROM runs")
    assert msgspec.json.decode(msgspec.json.encode(everything))["columns"] == everything.columns


def test_no_bar_gets_into_the_answer_of_a_query_that_takes_long(analysis: Analysis) -> None:
    assert analysis.sql("SELECT current_setting('enable_progress_bar')").rows == [[False]]
    bar = analysis.tables.connection.execute("SELECT current_setting('enable_progress_bar')")
    assert bar.fetchall() == [(False,)]


def test_only_so_many_rows_are_given(analysis: Analysis) -> None:
    found = analysis.sql("FROM range(10)", limit=3)
    assert (len(found.rows), found.truncated) == (3, True)


ATTACKS = [
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{inside}/../secret.csv')",
    "SELECT * FROM read_csv('{inside}/runs/../../secret.csv')",
    "SELECT * FROM read_text('{inside}/link.csv')",
    "SELECT * FROM glob('{outside}/*')",
    "SELECT * FROM parquet_metadata('{outside}/x.parquet')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM read_csv('https://example.org/x.csv')",
    "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
    "SELECT * FROM query_table(['{secret}'])",
    "SELECT getenv('HOME')",
    "SELECT * FROM in_this_program",
    "COPY (SELECT 42) TO '{outside}/made.csv'",
    "COPY (SELECT 42) TO '{inside}/made.csv'",
    "COPY runs TO '{inside}/made.parquet' (FORMAT parquet)",
    "SELECT 1; COPY (SELECT 42) TO '{inside}/made.csv'",
    "SELECT 1; SELECT 2",
    "EXPORT DATABASE '{inside}/made'",
    "ATTACH '{inside}/made.db'",
    "ATTACH '{outside}/made.db' AS made",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET allowed_directories",
    "PRAGMA disable_object_cache",
    "CREATE TABLE made AS SELECT 42",
    "CREATE OR REPLACE VIEW runs AS SELECT 42",
    "DROP VIEW runs",
    "INSERT INTO runs VALUES (1)",
    "EXPLAIN ANALYZE SELECT 42",
    "CALL pragma_version()",
    "PREPARE p AS SELECT 42",
    "CREATE SECRET s (TYPE s3)",
    "VACUUM",
    "CHECKPOINT",
    "",
    "nonsense",
    "SELECT (",
    "SELECT * FROM no_such_table",
    "SELECT 1/0::INT + 'x'",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_else_is(dataset: Path, analysis: Analysis, attack: str) -> None:
    in_this_program = [{"secret": 42}]
    assert in_this_program
    outside = dataset.parent
    before = sorted(map(str, outside.rglob("*")))
    query = attack.format(secret=outside / "secret.csv", outside=outside, inside=dataset)
    with pytest.raises(QueryError) as refused:
        print(analysis.sql(query))
    assert isinstance(refused.value, DecisionLogError)
    assert sorted(map(str, outside.rglob("*"))) == before
    assert analysis.sql("SELECT count(*) FROM runs").rows == [[1]]


def test_frames_of_the_callers_have_no_sql(analysis: Analysis) -> None:
    tables = analysis.tables
    brought = Analysis({
        "runs": tables.runs, "decisions": tables.decisions,
        "options": tables.options, "problems": tables.problems,
    })  # fmt: skip
    with pytest.raises(QueryError, match="directories"):
        brought.sql("SELECT 1")
