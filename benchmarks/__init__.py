"""What recording costs, against the limit of the machine and against others.

    python -m benchmarks             the table of targets; `--quick` for a short run
    python -m benchmarks --analysis  how long answers from many runs take
    python -m benchmarks --profile   where the microseconds of one decision go

    work        what is recorded, the same for everybody
    limit       the least that such a record can cost in Python
    contenders  who records it: decisionlog, Eliot, OpenTelemetry
    measure     how CPU is counted, and rounds interleaved
    targets     the rows of the table, and what they should come to
    cost, load, process, reading      measure those rows
    grown, analysis                   many runs, and what is asked of them
    ladder      the profile
    report      the table, and the same as JSON

Only the public interface of decisionlog is used, but for the columns that DuckDB alone is told to
read. docs/performance.md says what the rows mean.
"""
