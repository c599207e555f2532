"""Where the four tables come from: run files, Parquet, or frames of the caller's."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals as nw
from msgspec import Struct

from decisionlog.analysis.many import dataset, loading
from decisionlog.analysis.many.tables import TABLES
from decisionlog.errors import ReadError
from decisionlog.store import RunStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Frame: TypeAlias = nw.LazyFrame[Any]
Source: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]


class Scratch:
    """A directory of ours, which is removed with this object, or by `remove`."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="decisionlog-"))
        self.remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class Tables(Struct, frozen=True):
    """The four tables, ready to be asked."""

    runs: Frame
    decisions: Frame
    options: Frame
    problems: Frame
    path: Path | None = None
    """Where the Parquet is, if that is what they are."""
    connection: Any = None
    scratch: Scratch | None = None
    """Where the Parquet is if it was made for these tables only."""
    memo: dict[str, Any] = {}
    """What was found out about them, and does not change."""


def open_tables(source: Source) -> Tables:
    """The tables of a traces directory, a Parquet dataset, or of four lazy frames by name.

    Raises:
        ReadError: there is nothing there, or a table or a column is missing.
    """
    if isinstance(source, Mapping):
        return _brought(source)
    path = Path(source)
    if not path.is_dir():
        raise ReadError(f"there is no directory {path}")
    if dataset.is_dataset(path):
        return _parquet(path, None)
    scratch = Scratch()
    dataset.write_once(RunStore(path), scratch.path)
    return _parquet(scratch.path, scratch)


def _parquet(path: Path, scratch: Scratch | None) -> Tables:
    connection = loading.connect()
    connection.execute("SET parquet_metadata_cache = true")
    for table in TABLES:
        define(connection, path, table)
    frames: dict[str, Frame] = {table: nw.from_native(connection.table(table)) for table in TABLES}
    return _of(frames, path, connection, scratch)


def _of(frames: dict[str, Frame], *rest: Any) -> Tables:
    return Tables(frames["runs"], frames["decisions"], frames["options"], frames["problems"], *rest)


def define(connection: DuckDBPyConnection, path: Path, table: str) -> None:
    """Make a table of a dataset known to a database, as a view of its files."""
    columns = TABLES[table]
    files = sorted(map(str, (path / table).glob("**/*.parquet")))
    if not files:
        fields = ", ".join(f'"{column.name}" {column.type}' for column in columns)
        connection.execute(f"CREATE TABLE {table} ({fields})")
    else:
        names = ", ".join(f'"{column.name}"' for column in columns)
        # Listed, as each step of a query would look for them anew.
        listed = ", ".join(map(loading.quoted, files))
        connection.execute(
            f"CREATE VIEW {table} AS SELECT {names} FROM read_parquet([{listed}],"
            " hive_partitioning=false)"
        )


def _brought(source: Mapping[str, Any]) -> Tables:
    frames: dict[str, Frame] = {}
    for table, columns in TABLES.items():
        if table not in source:
            raise ReadError(f"the table {table!r} is missing; there are {sorted(source)}")
        try:
            frame: Any = nw.from_native(source[table])
        except TypeError:
            kind = type(source[table]).__name__
            raise ReadError(
                f"the table {table!r} is a {kind}; bring frames of PySpark, DuckDB or polars"
            ) from None
        if isinstance(frame, nw.DataFrame):
            frame = frame.lazy("duckdb")
        have = set(frame.collect_schema().names())
        if missing := [column.name for column in columns if column.name not in have]:
            raise ReadError(f"the table {table!r} lacks the columns {', '.join(missing)}")
        frames[table] = frame
    return _of(frames)


def rows(frame: Frame) -> list[dict[str, Any]]:
    """What a small frame holds."""
    if frame.implementation.is_duckdb():  # by way of pyarrow, which takes a while to import, else
        found: Any = frame.to_native()
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    table: Any = frame.collect("pyarrow").to_native()
    return table.to_pylist()  # type: ignore[no-any-return]


@contextmanager
def kept(tables: Tables, frame: Frame) -> Generator[Frame]:
    """The same frame, computed once for all that is asked of it within the block: for what is much
    smaller than the tables, and asked more than once.

    That goes for what DuckDB reads of files, and for Spark; elsewhere each question computes it.
    """
    if tables.connection is not None:
        tables.memo["kept"] = number = tables.memo.get("kept", 0) + 1
        name = f"kept_{number}"
        query = frame.to_native().sql_query()
        tables.connection.execute(f"CREATE TEMP TABLE {name} AS {query}")
        try:
            yield nw.from_native(tables.connection.table(name))
        finally:
            tables.connection.execute(f"DROP TABLE {name}")
    elif frame.implementation.is_pyspark() or frame.implementation.is_pyspark_connect():
        cached = frame.to_native().cache()
        try:
            yield nw.from_native(cached)
        finally:
            cached.unpersist()
    else:
        yield frame
