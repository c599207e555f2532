"""SQL over the four tables, for a query that nobody has looked at.

One statement, and that a SELECT: so nothing is written and no setting changed. Of files, only those
of the dataset can be read, as the database itself enforces: it is opened for this alone, with no
access to anything else, no extensions, no variables of the program's, and its settings locked. It
takes as much time as the query wants, and memory up to DuckDB's own limit.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from decisionlog.analysis.many import loading
from decisionlog.analysis.many.tables import TABLES
from decisionlog.errors import DecisionLogError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class QueryError(DecisionLogError):
    """A query that is not answered, and why."""


class Answer(Struct, frozen=True):
    """What a query found, as values that JSON has; `truncated` if there is more."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool = False

    def __str__(self) -> str:
        texts = [self.columns, *([_text(value) for value in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        return "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in texts
        )


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def connect(path: Path, scratch: Path) -> DuckDBPyConnection:
    """A database with views of the dataset at `path`, which can read that and nothing else."""
    from decisionlog.analysis.many.sources import define

    connection = loading.connect()
    connection.execute(f"SET temp_directory = {loading.quoted(str(scratch))}")
    connection.execute("SET python_enable_replacements = false")
    connection.execute(f"SET allowed_directories = [{loading.quoted(str(path.resolve()))}]")
    for table in TABLES:
        define(connection, path.resolve(), table)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def answer(connection: DuckDBPyConnection, query: str, most: int | None) -> Answer:
    """What a query finds.

    Raises:
        QueryError: it is not one SELECT statement, or fails.
    """
    import duckdb

    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1:
            raise QueryError(f"there are {len(statements)} statements in the query, not one")
        if statements[0].type != duckdb.StatementType.SELECT:
            name = statements[0].type.name
            raise QueryError(f"only SELECT is answered, and the query is of type {name}")
        found = connection.execute(statements[0])
        columns = [column[0] for column in found.description or ()]
        fetched = found.fetchall() if most is None else found.fetchmany(most + 1)
    except duckdb.Error as error:
        raise QueryError(str(error)) from None
    cut = most is not None and len(fetched) > most
    rows = [[_plain(value) for value in row] for row in fetched[:most]]
    return Answer(columns, rows, cut)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=str, str_keys=True)
