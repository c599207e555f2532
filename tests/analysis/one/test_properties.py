"""What holds for all runs, however odd."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from decisionlog import Decision, DecisionType, Option, Outcome, Problem, Run, RunMetrics, RunStatus
from decisionlog.analysis import compare, explain, summarize
from decisionlog.analysis.one.alignment import align, common_subsequence

START = datetime(2026, 1, 1, tzinfo=UTC)
few = st.sampled_from(["", "a", "b", "Fetch 1", "Fetch 2", "Read /x/y.txt, attempt 3", "\x1b[2J\n"])
texts = few | st.text(max_size=30)
ids = st.sampled_from([f"dec_{n}" for n in range(6)])
times = st.integers(0, 3).map(lambda seconds: START + timedelta(seconds=seconds))
outcomes = st.builds(
    Outcome,
    success=st.booleans(),
    cancelled=st.booleans(),
    error=st.none() | few,
    error_type=st.none() | st.sampled_from(["KeyError", "x.TimeoutError", "."]),
    summary=few,
    tokens_used=st.integers(-1, 10**6),
    latency_ms=st.floats(),
    timestamp=times,
    seq=st.integers(0, 9),
    result=st.none() | few | st.lists(st.floats()),
)
decisions = st.builds(
    Decision,
    id=ids,
    parent_id=st.none() | ids,
    supersedes=st.none() | ids,
    timestamp=times,
    node_id=st.sampled_from(["n", "m"]),
    intent=texts,
    decision_type=st.sampled_from(DecisionType),
    options=st.lists(st.builds(Option, id=few, description=few), max_size=3),
    chosen_option_id=st.none() | few,
    active_constraints=st.lists(st.sampled_from(["within 3 s", "at most 0 min", ""]), max_size=2),
    input_context=st.dictionaries(st.sampled_from(["k", "l"]), st.none() | few),
    outcome=st.none() | outcomes,
    seq=st.integers(0, 9),
)
problems = st.builds(
    Problem,
    id=st.sampled_from(["prob_0", "prob_1"]),
    severity=st.sampled_from(["critical", "warning", "minor", "odd"]),
    description=texts | st.just("time limit reached"),
    decision_id=st.none() | ids | st.just("dec_99"),
    suggested_fix=st.none() | few,
)
runs = st.builds(
    Run,
    id=st.sampled_from(["run_a", "run_b"]),
    goal_id=few,
    goal_description=st.sampled_from(["", "Do it within 2 s"]),
    status=st.sampled_from(RunStatus),
    decisions=st.lists(decisions, max_size=8),
    problems=st.lists(problems, max_size=3),
    narrative=texts,
    error=st.none() | few,
    error_type=st.none() | st.just("builtins.TimeoutError"),
    duration_ms=st.none() | st.floats(),
    input_data=st.none() | st.dictionaries(st.just("timeout_s"), st.floats()),
    metrics=st.builds(RunMetrics, total_tokens=st.integers(-1, 10**6)),
    lost_records=st.integers(0, 2),
)


@given(runs)
def test_explaining_and_summing_up_never_fail(run: Run) -> None:
    found = explain(run)
    assert set(found.pending) <= {each.id for each in run.decisions if each.is_pending}
    known = {decision.id for decision in run.decisions}
    for cause in found.causes:
        assert set(cause.decision_ids) <= known
        assert cause.count >= len(cause.decision_ids) - 1 or len(cause.decision_ids) == 50
        if cause.kind == "failure":
            first = next(d for d in run.decisions if d.id == cause.decision_ids[0])
            assert first.outcome is not None
    standing = [cause.recovered for cause in found.causes if cause.kind == "failure"]
    assert standing == sorted(standing)
    for result in (found, summarize(run)):
        assert str(result)
        assert msgspec.json.encode(result)


@given(runs, runs)
def test_comparing_is_the_same_from_both_sides(a: Run, b: Run) -> None:
    there, back = compare(a, b), compare(b, a)
    assert {(y, x) for x, y in back.aligned} == set(there.aligned)
    assert (there.only_in_a, there.only_in_b) == (back.only_in_b, back.only_in_a)
    assert [each.kinds for each in there.differences] == [each.kinds for each in back.differences]
    assert (there.divergence is None) == (back.divergence is None)
    assert str(there)
    assert msgspec.json.encode(there)
    paired = {x for x, _ in there.aligned} | {side.decision_id for side in there.only_in_a}
    assert paired == {decision.id for decision in a.decisions}


tries = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=9)


@given(tries, tries)
def test_nor_does_it_depend_on_the_side_what_goes_with_what(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    """With so few intents there are many alignments as good as the best."""
    a, b = (
        Run(
            "run", decisions=[Decision(f"d{i}", intent=n, chosen_option_id=c) for i, (n, c) in each]
        )
        for each in (list(enumerate(one)), list(enumerate(other)))
    )
    assert [(y, x) for x, y in compare(b, a).aligned] == compare(a, b).aligned


@given(runs)
def test_a_run_does_not_differ_from_itself(run: Run) -> None:
    found = compare(run, run)
    assert (found.divergence, found.differences) == (None, [])
    assert found.only_in_a == found.only_in_b == []
    assert len(found.aligned) == len({decision.id for decision in run.decisions})


@given(st.lists(st.sampled_from("abc"), max_size=12), st.data())
def test_an_insertion_shifts_nothing(intents: list[str], data: st.DataObject) -> None:
    def made(names: list[str]) -> Run:
        return Run("run", decisions=[Decision(f"dec_{i}", intent=n) for i, n in enumerate(names)])

    at = data.draw(st.integers(0, len(intents)))
    longer = [*intents[:at], "inserted", *intents[at:]]
    found = compare(made(intents), made(longer))
    assert [side.intent for side in found.only_in_b] == ["inserted"]
    assert found.only_in_a == []
    assert found.differences == []


sequences = st.lists(st.integers(0, 3), max_size=24)


@given(sequences, sequences)
def test_the_common_subsequence_is_the_longest(a: list[int], b: list[int]) -> None:
    lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            longest = max(lengths[i][j + 1], lengths[i + 1][j])
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if x == y else longest
    pairs = common_subsequence(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
    assert len(pairs) == lengths[-1][-1]


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_long_sequences_are_aligned_as_well(seed: int) -> None:
    """Longer than the best alignment is sought for: anchors hold, and only what fits is paired."""
    from random import Random

    random = Random(seed)
    a = [(random.choice("abcdefgh"), str(i)) for i in range(700)]
    b = [step for step in a if random.random() > 0.1]
    pairs = align(a, b, lambda x, y: 1.0 + (x == y) if x[0] == y[0] else 0.0, [lambda x: x])
    assert pairs == sorted(set(pairs))
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
    assert sum(a[i] == b[j] for i, j in pairs) == len(b)
