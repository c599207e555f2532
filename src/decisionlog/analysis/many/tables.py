"""The four tables that all answers come from, and what their columns mean.

They are the same whether they come from run files, from Parquet or from frames of the caller's. The
types are those of DuckDB; times are UTC, without a zone.
"""

from __future__ import annotations

from msgspec import Struct


class Column(Struct, frozen=True):
    """A column of a table; NULL means that there is nothing to say."""

    name: str
    type: str
    meaning: str


def _columns(text: str) -> tuple[Column, ...]:
    """One a line: name, type, meaning; a `_` in a type is a space."""
    rows = (line.split(None, 2) for line in text.strip().splitlines())
    return tuple(Column(name, type_.replace("_", " "), meaning) for name, type_, meaning in rows)


RUNS = _columns("""
    run_id             VARCHAR    the run
    goal_id            VARCHAR    what it was for
    goal_description   VARCHAR    the same, for people
    status             VARCHAR    running, completed, failed, stuck, cancelled or interrupted
    succeeded          BOOLEAN    true if completed, false if failed, stuck or interrupted
    started_at         TIMESTAMP  when it started
    completed_at       TIMESTAMP  when it ended
    day                VARCHAR    the day on which it started, like 2026-01-19
    duration_ms        DOUBLE     how long it took
    decisions          BIGINT     how many decisions it made
    failed_decisions   BIGINT     how many of them failed
    problems           BIGINT     how many problems it reported
    tokens             BIGINT     what its decisions used
    cost_usd           DOUBLE     what they cost, as far as they say
    narrative          VARCHAR    what happened, for people
    error              VARCHAR    of the exception that ended it
    error_type         VARCHAR    the full name of its type
    cause              VARCHAR    of a run that did not succeed, why: its error, else the last \
critical problem, else the error of the last decision that failed
    cause_print        VARCHAR    the fingerprint of the cause
    cause_decision_id  VARCHAR    the decision that the cause belongs to
    tags               STRUCT(key_VARCHAR,value_VARCHAR)[] what to tell runs apart by
    parent_run_id      VARCHAR    the run it is part of
    parent_decision_id VARCHAR    the decision of that run
    host               VARCHAR    the computer
    library            VARCHAR    the version of the library that wrote it
    lost_records       BIGINT     records that its writer could not write
    damage             BIGINT     places of its file that did not read
""")

DECISIONS = _columns("""
    run_id             VARCHAR    the run
    goal_id            VARCHAR    its goal
    decision_id        VARCHAR    unique in the run
    seq                BIGINT     the number of its record in the run
    step               BIGINT     the n-th decision of the run it is, from 1
    node_visit         BIGINT     the n-th at its node in the run
    visit              BIGINT     the n-th with its node and intent_print in the run
    failures_before    BIGINT     how many decisions of the run were known to have failed by then
    parent_id          VARCHAR    the decision inside which it was made
    timestamp          TIMESTAMP  when it was made
    node_id            VARCHAR    the part of the agent that decided
    intent             VARCHAR    what was decided
    intent_print       VARCHAR    the fingerprint of the intent
    decision_type      VARCHAR    what kind of thing was decided
    option_count       BIGINT     how many options there were
    menu               VARCHAR    their ids, with U+001F between them
    chosen_option_id   VARCHAR    the option that was taken
    offered            BOOLEAN    whether that was one of the options
    confidence         DOUBLE     the agent's own estimate for it; NULL if all \
options of the decision have the default of 0.5
    reasoning          VARCHAR    why
    supersedes         VARCHAR    the earlier decision that it replaces
    state              VARCHAR    succeeded, failed, cancelled or pending
    succeeded          BOOLEAN    true or false if it succeeded or failed; else NULL
    error              VARCHAR    what went wrong
    error_type         VARCHAR    the full name of the exception's type
    error_print        VARCHAR    the fingerprint of the error, or of its type if it has no text
    summary            VARCHAR    the result, for people
    tokens             BIGINT     what it used, without decisions made inside it
    cost_usd           DOUBLE     what it cost
    latency_ms         DOUBLE     from the decision to its outcome; NULL without one
    model              VARCHAR    the model
    good               BOOLEAN    as evaluated afterwards; NULL if nobody did
    alignment_score    DOUBLE     likewise
    outcome_quality    DOUBLE     likewise
    better_option_id   VARCHAR    likewise
    run_succeeded      BOOLEAN    the run's succeeded
""")

OPTIONS = _columns("""
    run_id             VARCHAR    the run
    goal_id            VARCHAR    its goal
    decision_id        VARCHAR    the decision
    seq                BIGINT     the number of its record in the run
    node_id            VARCHAR    the part of the agent that decided
    intent_print       VARCHAR    the fingerprint of what was decided
    position           BIGINT     the place among the options, from 1
    option_id          VARCHAR    the option
    description        VARCHAR    what it is
    action_type        VARCHAR    what kind of action it is
    confidence         DOUBLE     the agent's own estimate; NULL if it gave none
    chosen             BOOLEAN    whether it was taken
    succeeded          BOOLEAN    the decision's succeeded
    run_succeeded      BOOLEAN    the run's succeeded
""")

PROBLEMS = _columns("""
    run_id             VARCHAR    the run
    goal_id            VARCHAR    its goal
    problem_id         VARCHAR    unique in the run
    seq                BIGINT     the number of its record in the run
    timestamp          TIMESTAMP  when it was reported
    severity           VARCHAR    critical, warning or minor
    description        VARCHAR    what went wrong
    root_cause         VARCHAR    why
    cause_print        VARCHAR    the fingerprint of the root cause, or of the description
    suggested_fix      VARCHAR    what would help
    decision_id        VARCHAR    the decision that it concerns
    run_succeeded      BOOLEAN    the run's succeeded
""")

MENU_SEPARATOR = "\x1f"

TABLES = {"runs": RUNS, "decisions": DECISIONS, "options": OPTIONS, "problems": PROBLEMS}
