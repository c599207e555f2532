"""From lines to the four tables, in DuckDB."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from decisionlog.analysis.fingerprints import FRAMES, IS_TRACEBACK, KEPT, PATTERNS, READ
from decisionlog.analysis.many.gathering import Batch
from decisionlog.analysis.many.tables import TABLES
from decisionlog.records import MAX_LINE_BYTES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIELDS = {
    "type": "VARCHAR", "run_id": "VARCHAR", "seq": "BIGINT", "timestamp": "TIMESTAMP",
    "goal_id": "VARCHAR", "goal_description": "VARCHAR", "tags": "MAP(VARCHAR, VARCHAR)",
    "parent_run_id": "VARCHAR", "parent_decision_id": "VARCHAR", "host": "VARCHAR",
    "library": "VARCHAR",
    "id": "VARCHAR", "parent_id": "VARCHAR", "node_id": "VARCHAR", "intent": "VARCHAR",
    "decision_type": "VARCHAR", "chosen_option_id": "VARCHAR", "reasoning": "VARCHAR",
    "supersedes": "VARCHAR",
    "options": "STRUCT(id VARCHAR, description VARCHAR, action_type VARCHAR, confidence DOUBLE)[]",
    "decision_id": "VARCHAR", "success": "BOOLEAN", "cancelled": "BOOLEAN", "error": "VARCHAR",
    "error_type": "VARCHAR", "summary": "VARCHAR", "tokens_used": "BIGINT", "cost_usd": "DOUBLE",
    "model": "VARCHAR", "latency_ms": "DOUBLE",
    "severity": "VARCHAR", "description": "VARCHAR", "root_cause": "VARCHAR",
    "suggested_fix": "VARCHAR",
    "evaluation": "STRUCT(goal_aligned BOOLEAN, alignment_score DOUBLE, better_option_id VARCHAR,"
    " outcome_quality DOUBLE)",
    "status": "VARCHAR", "narrative": "VARCHAR", "duration_ms": "DOUBLE",
    "damage": "BIGINT", "lost": "BIGINT",
}  # fmt: skip
"""What is read of the records; all others of their fields stay where they are."""


def fingerprint_sql(column: str) -> str:
    """The fingerprint of a column as an expression; see `fingerprints`."""
    whole = (
        f"CASE WHEN contains({column}, {quoted(IS_TRACEBACK)})"
        f" THEN regexp_replace({column}, {quoted(FRAMES)}, '') ELSE {column} END"
    )
    text = reduce(
        lambda inner, pair: f"regexp_replace({inner}, {quoted(pair[0])}, {quoted(pair[1])}, 'g')",
        PATTERNS,
        f"left({whole}, {READ})",
    )
    return f"left({text}, {KEPT})"


def quoted(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _success(status: str) -> str:
    return (
        f"CASE {status} WHEN 'completed' THEN true WHEN 'failed' THEN false"
        f" WHEN 'stuck' THEN false WHEN 'interrupted' THEN false END"
    )


def connect(database: DuckDBPyConnection | None = None) -> DuckDBPyConnection:
    """A database in memory, which fetches and loads nothing from elsewhere, and is silent; or for
    another thread, a connection to one that is there, with temporary tables of its own.
    """
    import duckdb

    connection = (
        database.cursor()
        if database
        else duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )
    )
    # The bar of a query that takes two seconds goes to standard output, amid the answer.
    connection.execute("SET enable_progress_bar = false")
    return connection


_STEPS = f"""
CREATE OR REPLACE TEMP TABLE prints AS
SELECT text, {fingerprint_sql("text")} AS print FROM (
    SELECT DISTINCT unnest([intent, error, root_cause, description]) AS text FROM records
    WHERE type IN ('decision', 'outcome', 'problem', 'run_ended')
) WHERE text IS NOT NULL;

CREATE OR REPLACE TEMP TABLE made AS
WITH
choices AS (
    SELECT run_id, decision_id AS id, arg_max(chosen_option_id, seq) AS chosen,
        arg_max(reasoning, seq) FILTER (reasoning <> '') AS reasoning
    FROM records WHERE type = 'choice' GROUP BY ALL
),
outcomes AS (
    SELECT run_id, decision_id AS id, success, cancelled, error, error_type, summary, tokens_used,
        cost_usd, model, latency_ms, seq
    FROM records WHERE type = 'outcome'
),
evaluations AS (
    SELECT run_id, decision_id AS id, evaluation FROM records WHERE type = 'evaluation'
),
decisions AS (
    SELECT d.run_id, d.id, d.seq, d.parent_id, d.timestamp,
        coalesce(d.node_id, 'unknown') AS node_id, coalesce(d.intent, '') AS intent,
        coalesce(d.decision_type, 'custom') AS decision_type, coalesce(d.options, []) AS options,
        coalesce(c.chosen, d.chosen_option_id) AS chosen,
        coalesce(c.reasoning, d.reasoning) AS reasoning, d.supersedes,
        CASE WHEN o.id IS NULL THEN 'pending' WHEN o.success THEN 'succeeded'
            WHEN o.cancelled THEN 'cancelled' ELSE 'failed' END AS state,
        o.error, o.error_type, o.summary, coalesce(o.tokens_used, 0) AS tokens, o.cost_usd,
        CASE WHEN o.id IS NOT NULL THEN coalesce(o.latency_ms, 0) END AS latency_ms, o.model,
        o.seq AS outcome_seq, e.evaluation
    FROM records AS d
    LEFT JOIN outcomes AS o ON d.run_id = o.run_id AND d.id = o.id
    LEFT JOIN choices AS c ON d.run_id = c.run_id AND d.id = c.id
    LEFT JOIN evaluations AS e ON d.run_id = e.run_id AND d.id = e.id
    WHERE d.type = 'decision'
)
SELECT d.*, coalesce(i.print, '') AS intent_print, coalesce(p.print, error_type) AS error_print,
    list_position(list_transform(options, lambda o: o.id), chosen) AS chosen_position,
    list_bool_or(list_transform(options, lambda o: coalesce(o.confidence, 0.5) <> 0.5))
        AS has_confidence
FROM decisions AS d
LEFT JOIN prints AS i ON i.text = d.intent
LEFT JOIN prints AS p ON p.text = d.error;

CREATE OR REPLACE TEMP TABLE counted AS  -- apart, because sorting what is wide takes long
SELECT run_id, id,
    row_number() OVER (PARTITION BY run_id ORDER BY seq) AS step,
    row_number() OVER (PARTITION BY run_id, node_id ORDER BY seq) AS node_visit,
    row_number() OVER (PARTITION BY run_id, node_id, intent_print ORDER BY seq) AS visit
FROM made;

CREATE OR REPLACE TEMP TABLE troubles AS
SELECT run_id, id, failures_before FROM (
    SELECT run_id, id, type, coalesce(sum(CASE WHEN type = 'outcome' AND NOT success
        AND cancelled IS DISTINCT FROM true THEN 1 END) OVER (PARTITION BY run_id ORDER BY seq), 0)
        ::BIGINT AS failures_before
    FROM records WHERE type IN ('decision', 'outcome')
) WHERE type = 'decision';

CREATE OR REPLACE TEMP TABLE runs_made AS
WITH
started AS (SELECT * FROM records WHERE type = 'run_started'),
ended AS (SELECT * FROM records WHERE type = 'run_ended'),
account AS (SELECT * FROM records WHERE type = 'account'),
sums AS (
    SELECT run_id, count(*) AS decisions, count(*) FILTER (state = 'failed') AS failed,
        sum(tokens) AS tokens, sum(cost_usd) AS cost_usd,
        arg_max(coalesce(nullif(error, ''), error_type), outcome_seq) FILTER (state = 'failed')
            AS error,
        arg_max(id, outcome_seq) FILTER (state = 'failed') AS failed_id
    FROM made GROUP BY run_id
),
complaints AS (
    SELECT run_id, count(*) AS problems,
        arg_max(coalesce(nullif(root_cause, ''), nullif(description, '')), seq)
            FILTER (severity = 'critical') AS cause,
        arg_max(coalesce(decision_id, ''), seq) FILTER (severity = 'critical') AS decision_id
    FROM records WHERE type = 'problem' GROUP BY run_id
),
runs AS (
    SELECT s.run_id, coalesce(s.goal_id, '') AS goal_id, s.goal_description,
        coalesce(e.status, a.status) AS status,
        nullif(s.timestamp, TIMESTAMP '1970-01-01') AS started_at,
        e.timestamp AS completed_at, e.duration_ms, coalesce(sums.decisions, 0) AS decisions,
        coalesce(sums.failed, 0) AS failed_decisions, coalesce(c.problems, 0) AS problems,
        coalesce(sums.tokens, 0) AS tokens, sums.cost_usd, e.narrative, e.error, e.error_type,
        CASE
            WHEN coalesce(e.error, e.error_type) IS NOT NULL
                THEN [coalesce(nullif(e.error, ''), e.error_type),
                      CASE WHEN sums.error = e.error THEN sums.failed_id END]
            WHEN c.cause IS NOT NULL THEN [c.cause, nullif(c.decision_id, '')]
            WHEN sums.error IS NOT NULL THEN [sums.error, sums.failed_id]
        END AS why,
        map_entries(s.tags) AS tags, s.parent_run_id, s.parent_decision_id, s.host, s.library,
        coalesce(a.lost, 0) AS lost_records, coalesce(a.damage, 0) AS damage
    FROM started AS s
    LEFT JOIN ended AS e USING (run_id)
    LEFT JOIN account AS a USING (run_id)
    LEFT JOIN sums USING (run_id)
    LEFT JOIN complaints AS c USING (run_id)
)
SELECT *, coalesce(strftime(started_at, '%Y-%m-%d'), 'unknown') AS day,
    {_success("status")} AS succeeded
FROM runs;
"""

_SELECTS = {
    "runs": f"""
        SELECT r.* EXCLUDE (why),
            CASE WHEN succeeded = false THEN why[1] END AS cause,
            CASE WHEN succeeded = false THEN {fingerprint_sql("why[1]")} END AS cause_print,
            CASE WHEN succeeded = false THEN why[2] END AS cause_decision_id
        FROM runs_made AS r
    """,
    "decisions": """
        SELECT m.* EXCLUDE (options), r.goal_id, r.day,
            m.id AS decision_id, step, node_visit, visit, failures_before,
            len(m.options) AS option_count,
            array_to_string(list_transform(m.options, lambda o: o.id), chr(31)) AS menu,
            chosen AS chosen_option_id,
            CASE WHEN chosen IS NOT NULL THEN chosen_position IS NOT NULL AND chosen_position > 0
                END AS offered,
            CASE WHEN has_confidence AND chosen_position > 0
                THEN coalesce(m.options[chosen_position].confidence, 0.5) END AS confidence,
            CASE state WHEN 'succeeded' THEN true WHEN 'failed' THEN false END AS succeeded,
            CASE WHEN evaluation IS NOT NULL
                THEN evaluation.goal_aligned AND evaluation.outcome_quality > 0.5 END AS good,
            evaluation.alignment_score AS alignment_score,
            evaluation.outcome_quality AS outcome_quality,
            evaluation.better_option_id AS better_option_id,
            r.succeeded AS run_succeeded
        FROM made AS m JOIN runs_made AS r USING (run_id) JOIN counted AS c
            ON c.run_id = m.run_id AND c.id = m.id
        JOIN troubles AS t ON t.run_id = m.run_id AND t.id = m.id
    """,
    "options": """
        SELECT o.run_id, r.goal_id, r.day, o.decision_id, o.seq,
            o.node_id, o.intent_print, o.position, o.option.id AS option_id,
            coalesce(o.option.description, '') AS description,
            coalesce(o.option.action_type, 'unknown') AS action_type,
            CASE WHEN has_confidence THEN coalesce(o.option.confidence, 0.5) END AS confidence,
            o.position = coalesce(chosen_position, 0) AS chosen,
            CASE state WHEN 'succeeded' THEN true WHEN 'failed' THEN false END AS succeeded,
            r.succeeded AS run_succeeded
        FROM (
            SELECT run_id, id AS decision_id, seq, node_id, intent_print, has_confidence,
                chosen_position, state, unnest(options) AS option,
                generate_subscripts(options, 1) AS position
            FROM made
        ) AS o JOIN runs_made AS r USING (run_id)
    """,
    "problems": """
        SELECT p.run_id, r.goal_id, r.day, p.id AS problem_id,
            p.seq, p.timestamp, coalesce(p.severity, 'warning') AS severity,
            coalesce(p.description, '') AS description, p.root_cause,
            print AS cause_print, p.suggested_fix, p.decision_id, r.succeeded AS run_succeeded
        FROM records AS p JOIN runs_made AS r USING (run_id)
        LEFT JOIN prints ON text = coalesce(nullif(p.root_cause, ''), p.description)
        WHERE p.type = 'problem'
    """,
}


def load(connection: DuckDBPyConnection, batch: Batch, anew: Callable[[str], bytes]) -> None:
    """Read a batch, so that `select` can give the four tables of it.

    `anew` gives the lines of a run in which something is there twice after all.
    """
    _read(connection, batch.text)
    twice = connection.execute("""
        SELECT DISTINCT run_id FROM (
            SELECT run_id FROM records
            WHERE type IN ('decision', 'outcome', 'run_started', 'run_ended', 'evaluation')
            GROUP BY run_id, type, coalesce(decision_id, id) HAVING count(*) > 1
        )
    """).fetchall()
    if names := {name for (name,) in twice}:
        _read(
            connection,
            [
                anew(name) if name in names else text
                for name, text in zip(batch.run_ids, batch.text, strict=True)
            ],
        )
    connection.execute(_STEPS)


def select(table: str, *, with_day: bool = True) -> str:
    """The query for a table of the batch that was loaded; for partitions, with its `day`."""
    names = [f'"{column.name}"' for column in TABLES[table]]
    if with_day and "day" not in {column.name for column in TABLES[table]}:
        names.append("day")
    return f"SELECT {', '.join(names)} FROM ({_SELECTS[table]})"


def _read(connection: DuckDBPyConnection, text: list[bytes]) -> None:
    with tempfile.TemporaryDirectory(prefix="decisionlog-") as folder:
        path = Path(folder, "lines.jsonl")
        with open(path, "wb") as file:
            file.writelines(text)
        fields = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in FIELDS.items())
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE records AS SELECT * FROM read_json({quoted(str(path))},"
            f" columns={{{fields}}}, format='newline_delimited', ignore_errors=true,"
            f" maximum_object_size={2 * MAX_LINE_BYTES})"
        )
