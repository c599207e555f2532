"""The same cause gives the same text, in Python, in DuckDB and on Spark."""

from functools import reduce
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisionlog.analysis.fingerprints import KEPT, PATTERNS, READ, fingerprint
from tests.analysis import spark

CAUSES = [
    (
        "Timed out after <n> s: <url> (attempt <n>)",
        "Timed out after 1.52 s: https://example.org/a?b=1 (attempt 3/10)",
        "Timed out after 12s  s: http://10.0.0.1:8080/ (attempt 10/10)",
    ),
    ("<path> is missing on all <n> mirrors", "json/__init__.py is missing on all 3 mirrors",
     "cookies.py is missing on all 12 mirrors"),
    ("KeyError: <text>", "KeyError: 'user_17'", "KeyError: 'a b c'"),
    ("can't open <text>, don't know why", "can't open 'x.txt', don't know why",
     'can\'t open "it\'s", don\'t know why'),
    ("run <n> failed", "run 3d0900a9-c215-d3e1-abcd-0123456789ab failed",
     "run run_20260119_184216_3d0900a9c215d3e1 failed", "run -1,234.5e+10 failed"),
    ("no answer from <n>", "no answer from 0x7f3a2c", "no answer from 10.0.0.1:80"),
    ("write to <email>", "write to jane.doe+x@mail.example.org"),
    ("in <path> at <n>", r"in C:\Users\x\main at 2026-01-19T18:42:16.250Z", "in ~/a/b at 18:42:16"),
    ("plain words stay, also the ones in json.decoder.JSONDecodeError",)*2,
]  # fmt: skip


@pytest.mark.parametrize(("expected", "texts"), [(c[0], c[1:]) for c in CAUSES])
def test_one_cause_is_one_text(expected: str, texts: tuple[str, ...]) -> None:
    assert {fingerprint(text) for text in texts} == {expected}


def test_a_fingerprint_is_short_however_long_the_text() -> None:
    assert len(fingerprint("why " * 10_000)) == KEPT
    assert len(fingerprint("a" * 10_000)) == KEPT
    assert fingerprint("'" * 10_000) == fingerprint("'" * 20_000)


connection = duckdb.connect()
PIECES = st.sampled_from([text for cause in CAUSES for text in cause] + list("'\"`“”:/.@-+, \n\té"))
# U+0000 ends a text for some of the C code below DuckDB; JSON Lines hold it as six characters.
TEXTS = st.lists(
    PIECES
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
    | st.text("0123456789abcdef-_./'\" ", max_size=30),
    max_size=8,
).map("".join)


def in_duckdb(text: str) -> str:
    put_in = reduce(
        lambda inner, _: f"regexp_replace({inner}, ?, ?, 'g')", PATTERNS, f"left(?, {READ})"
    )
    values = [text, *(part for pair in PATTERNS for part in pair)]
    row: Any = connection.execute(f"select left({put_in}, {KEPT})", values).fetchone()
    return str(row[0])


@given(TEXTS)
def test_duckdb_agrees(text: str) -> None:
    assert in_duckdb(text) == fingerprint(text)


def test_spark_agrees() -> None:
    session = spark.session()
    from pyspark.sql import functions as F

    drawn: list[str] = []

    @given(TEXTS)
    def draw(text: str) -> None:
        drawn.append(text)

    draw()
    drawn += [text for cause in CAUSES for text in cause]
    column = F.substring(F.col("text"), 1, READ)
    for pattern, put in PATTERNS:
        column = F.regexp_replace(column, pattern, put)
    table = session.createDataFrame([(text,) for text in drawn], "text string")
    found = [row[0] for row in table.select(F.substring(column, 1, KEPT)).collect()]
    assert found == [fingerprint(text) for text in drawn]
