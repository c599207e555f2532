"""How numbers, times and texts read, and how decisions are put in order."""

import doctest
import itertools
from datetime import UTC, datetime, timedelta, timezone
from types import ModuleType

import pytest

from decisionlog import Decision
from decisionlog.cli import look, select, text
from decisionlog.cli.outline import outline, with_parents


@pytest.mark.parametrize("module", [look, select, text], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (None, ""),
        (0, "0.00 ms"),
        (0.094, "0.09 ms"),
        (9.94, "9.9 ms"),
        (9.96, "10 ms"),
        (999.4, "999 ms"),
        (999.6, "1 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min 0 s"),
        (3_599_600, "1 h 0 min"),
        (172_799_000, "47 h 59 min"),
        (200_000_000, "2 d 7 h"),
    ],
)
def test_durations(ms: float | None, shown: str) -> None:
    assert text.duration(ms) == shown


def test_times_at_the_ends_of_the_calendar_and_without_a_zone() -> None:
    east, west = timezone(timedelta(hours=23)), timezone(-timedelta(hours=23))
    for zone, end in itertools.product((UTC, east, west), ("0001-01-01", "9999-12-31T23:59")):
        time = datetime.fromisoformat(end).replace(tzinfo=zone)
        assert text.local(time)
        assert text.zone(time)
        assert text.since(time) >= 0
    assert text.since(datetime.max.replace(tzinfo=UTC)) == 0.0
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert text.local(noon.replace(tzinfo=None)) == text.local(noon)
    assert text.local(noon.astimezone(timezone(timedelta(hours=1)))) == text.local(noon)


def test_values_that_do_not_print() -> None:
    assert text.data({"n": 10**5000}) == "<a dict that does not print>"
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert text.data(deep) == "<a list that does not print>"


def ids(decisions: list[Decision]) -> list[tuple[str, str]]:
    return [(each.first, each.decision.id) for each in outline(decisions, widest=20)]


def test_decisions_lie_below_the_one_they_were_made_in() -> None:
    decisions = [
        Decision("a"),
        Decision("b"),
        Decision("a1", parent_id="a"),
        Decision("a2", parent_id="a"),
        Decision("a1x", parent_id="a1"),
    ]
    assert ids(decisions) == [("", "a"), ("├─", "a1"), ("│ └─", "a1x"), ("└─", "a2"), ("", "b")]


def test_a_lost_parent_and_parents_in_a_circle_hide_nothing() -> None:
    assert ids([Decision("a", parent_id="lost"), Decision("b", parent_id="a")]) == [
        ("", "a"),
        ("└─", "b"),
    ]
    circle = [
        Decision("a", parent_id="c"),
        Decision("b", parent_id="a"),
        Decision("c", parent_id="b"),
    ]
    assert [name for _, name in ids([*circle, Decision("d")])] == ["d", "a", "b", "c"]
    assert ids([Decision("self", parent_id="self")]) == [("", "self")]
    assert with_parents(["c"], circle) == {"a", "b", "c"}


def test_depth_has_no_limit_but_the_width() -> None:
    decisions = [Decision("0")]
    decisions += [Decision(str(n), parent_id=str(n - 1)) for n in range(1, 20_000)]
    places = list(outline(decisions, widest=20))
    assert [each.decision.id for each in places] == [each.id for each in decisions]
    assert max(len(each.first) for each in places) <= 22
    assert [each.is_flattened for each in places[:12]] == [False] * 11 + [True]
