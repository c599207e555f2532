"""Many runs, grown from a few hundred that the product itself records.

    python -m benchmarks.grown dataset DIR RUNS     as Parquet, in the layout of `export parquet`
    python -m benchmarks.grown traces DIR RUNS 4    as run files, of so many decisions each

Copies get ids and times of their own. In the dataset their outcomes are jittered too: so there are
as many different answers as in so many real runs. All of it is drawn from a seed; what is there
already is not made again.
"""

from __future__ import annotations

import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

import duckdb

from benchmarks.work import pool
from decisionlog import Option, Runtime
from decisionlog.analysis.many import export_parquet
from decisionlog.analysis.many.tables import TABLES

SEEDS = 300
LENGTH = 50
"""Decisions of a run in the dataset."""
GOALS = {"qualify-lead": 0.4, "route-ticket": 0.25, "write-refund": 0.2, "plan-report": 0.15}
_PLACES = {
    "searcher": ["Find the record of account {n}", "Which source for page {n}", "Search again"],
    "writer": ["Draft the answer to ticket {n}", "Which template", "How long may it be"],
    "caller": [
        "Call the service for order {n}",
        "Wait or try again after {n} ms",
        "Which endpoint",
    ],
    "planner": [],  # words each anew
}
_ERRORS = ("no answer after {n} ms", "record {n} is locked", "'{n}.json' is no JSON", "refused")
_BATCH = 10_000
_PAUSE = 86
"""Seconds from one run to the next: a thousand a day."""
_FLIPPED = 6
"""Of a hundred outcomes."""


def recorded(path: Path, runs: int, decisions: int, options: int) -> None:
    """Runs of an agent that is in trouble at times, by the recorder."""
    rng = random.Random(7)
    items = pool()
    with Runtime(path) as runtime:
        for number in range(runs):
            [goal] = rng.choices(list(GOALS), list(GOALS.values()))
            ease = rng.gauss(0.75, 0.15)
            tags = {"version": str(number * 5 // runs)}
            with runtime.run(goal, f"To {goal}", {"case": number}, tags=tags) as run:
                good = True
                for step in range(decisions):
                    item = items[(number * decisions + step) % len(items)]
                    node = rng.choice(list(_PLACES))
                    intents = _PLACES[node] or [item.intent]
                    offered = [
                        Option(f"way-{i}", text["description"], confidence=text["confidence"])
                        for i, text in enumerate(item.options * (options // 2))
                    ]
                    chosen = min(int(rng.expovariate(0.8)), len(offered) - 1)
                    with runtime.decision(
                        rng.choice(intents).format(n=rng.randrange(10_000)), offered,
                        f"way-{chosen}", item.reasoning, node,
                    ) as decision:  # fmt: skip
                        good = rng.random() < ease - 0.1 * chosen
                        if good:
                            decision.succeed(item.result, summary=item.summary, tokens_used=120)
                        else:
                            decision.fail(rng.choice(_ERRORS).format(n=rng.randrange(10_000)))
                            if rng.random() < 0.05:
                                decision.report_problem("critical", "The service is down")
                if not good:
                    run.fail("The last step failed")


def copies(path: Path, runs: int, decisions: int, options: int) -> None:
    """So many run files, each a copy of a recorded one under another id."""
    if path.exists():
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        recorded(Path(scratch, "seeds"), min(SEEDS, runs), decisions, options)
        seeds = sorted(Path(scratch, "seeds", "runs").iterdir())
        made = Path(scratch, "made")
        (made / "runs").mkdir(parents=True)
        bodies = [(seed.stem, _bodies(seed)) for seed in seeds]
        start = datetime(2026, 1, 1, tzinfo=UTC)
        for number in range(runs):
            old, lines = bodies[number % len(bodies)]
            at = start + timedelta(seconds=number * _PAUSE)
            new = f"run_{at:%Y%m%d_%H%M%S}_{number:016x}"
            text = b"".join(
                b'%b,"crc":"%08x"}\n' % (line, crc32(line))
                for line in (line.replace(old.encode(), new.encode()) for line in lines)
            )
            (made / "runs" / f"{new}.jsonl").write_bytes(text)
        made.rename(path)


def _bodies(seed: Path) -> list[bytes]:
    return [line[: line.rindex(b',"crc"')] for line in seed.read_bytes().splitlines()]


def dataset(path: Path, runs: int) -> None:
    """So many runs of `LENGTH` decisions as Parquet."""
    if path.exists():
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        recorded(Path(scratch, "seeds"), min(SEEDS, runs), LENGTH, 4)
        export_parquet(Path(scratch, "seeds"), Path(scratch, "parquet"))
        made = Path(scratch, "made")
        connection = duckdb.connect()
        connection.execute("SET preserve_insertion_order = false")
        for table in TABLES:
            connection.execute(
                f"CREATE TABLE seed_{table} AS SELECT {_names(table)} FROM"
                f" read_parquet('{scratch}/parquet/{table}/**/*.parquet')"
            )
        for first in range(0, runs, _BATCH):
            _grow(connection, made, first, min(first + _BATCH, runs))
        connection.close()
        made.rename(path)


def _grow(connection: duckdb.DuckDBPyConnection, out: Path, first: int, end: int) -> None:
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE grown AS
        SELECT run_id AS old, start, strftime(start, '%Y-%m-%d') AS new_day,
            format('run_{{}}_{{:016x}}', strftime(start, '%Y%m%d_%H%M%S'), number) AS new,
            succeeded <> (hash(number, 'run') % 100 < {_FLIPPED}) AS fine
        FROM (
            SELECT number, TIMESTAMP '2025-01-01' + to_seconds({_PAUSE} * number) AS start
            FROM range({first}, {end}) AS numbers(number)
        ) JOIN (
            SELECT run_id, succeeded, row_number() OVER (ORDER BY run_id) - 1 AS place
            FROM seed_runs
        ) ON place = number % (SELECT count(*) FROM seed_runs);

        CREATE OR REPLACE TEMP TABLE outcomes AS
        SELECT new, old, new_day, start, fine, decision_id,
            succeeded <> (hash(new, seq) % 100 < {_FLIPPED}) AS went_well,
            error IS NULL AS had_none
        FROM grown JOIN seed_decisions ON run_id = old;
    """)
    key = "o.old = s.run_id AND o.decision_id = s.decision_id"
    queries = {
        "decisions": f"""
            SELECT s.* REPLACE (
                o.new AS run_id, o.start + to_seconds(s.step) AS timestamp, o.fine AS run_succeeded,
                went_well AS succeeded,
                CASE WHEN went_well THEN 'succeeded' ELSE 'failed' END AS state,
                CASE WHEN went_well THEN NULL WHEN had_none THEN 'gave up' ELSE error END AS error,
                CASE WHEN went_well THEN NULL WHEN had_none THEN 'gave up' ELSE error_print END
                    AS error_print,
                sum(CASE WHEN went_well THEN 0 ELSE 1 END) OVER (
                    PARTITION BY o.new ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING
                    AND 1 PRECEDING)::BIGINT AS failures_before,
                hash(o.new, seq, 1) % 100000 / 100 AS latency_ms,
                (hash(o.new, seq, 2) % 500)::BIGINT AS tokens
            ), o.new_day AS day FROM outcomes AS o JOIN seed_decisions AS s ON {key}
        """,
        "options": f"""
            SELECT s.* REPLACE (o.new AS run_id, o.fine AS run_succeeded, went_well AS succeeded),
                o.new_day AS day FROM outcomes AS o JOIN seed_options AS s ON {key}
        """,
        "problems": """
            SELECT s.* REPLACE (g.new AS run_id, g.fine AS run_succeeded), g.new_day AS day
            FROM grown AS g JOIN seed_problems AS s ON g.old = s.run_id
        """,
        "runs": """
            SELECT s.* REPLACE (
                g.new AS run_id, g.start AS started_at, g.fine AS succeeded, g.new_day AS day,
                CASE WHEN g.fine THEN 'completed' ELSE 'failed' END AS status,
                CASE WHEN NOT g.fine THEN coalesce(cause, 'gave up') END AS cause,
                CASE WHEN NOT g.fine THEN coalesce(cause_print, 'gave up') END AS cause_print
            ) FROM grown AS g JOIN seed_runs AS s ON g.old = s.run_id
        """,
    }
    for table, query in queries.items():
        (out / table).mkdir(parents=True, exist_ok=True)
        layout = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000"
        if table == "runs":
            target, by = out / table / f"{first}.parquet", ""
        else:
            target, by = out / table, ", day"
            layout += (
                f", PARTITION_BY (day), OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'b{first}_{{i}}'"
            )
        connection.execute(
            f"COPY (SELECT {_names(table)}{by} FROM ({query}) ORDER BY day, goal_id, run_id)"
            f" TO '{target}' ({layout})"
        )


def _names(table: str) -> str:
    return ", ".join(f'"{column.name}"' for column in TABLES[table])


def main(what: str, path: str, *numbers: str) -> None:
    """Make it."""
    target = Path(path).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    if what == "dataset":
        dataset(target, int(numbers[0]))
    elif what == "traces":
        copies(target, *map(int, numbers))
    else:
        raise SystemExit(f"what is {what!r}?")


if __name__ == "__main__":
    main(*sys.argv[1:])
