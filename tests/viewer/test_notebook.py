"""What a notebook shows of a run."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import anyio
import pytest

from decisionlog import Decision, Option, Outcome, Run, RunStatus, RunStore
from tests.cli.recorded import Recorded
from tests.viewer.payloads import PAYLOADS, record_payloads

ALLOWED = {
    *("div", "style", "h4", "p", "b", "ol", "li", "span", "details", "summary", "table", "tr"),
    *("th", "td", "br", "meter", "pre", "code"),
}


class Markup(HTMLParser):
    """What a browser would make of it: the elements, their attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.opened: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.opened:
            self.text += data


@pytest.fixture
def recorded(traces: Path) -> Recorded:
    return Recorded(traces)


def shown(run: Run) -> Markup:
    return Markup(run._repr_html_())


def test_a_failed_run_tells_why_and_what_the_options_were(recorded: Recorded) -> None:
    markup = shown(recorded.load(recorded.failed))
    assert markup.opened == []
    assert "✗ failed: Fetch another file" in markup.text
    assert "no answer within 3 s" in markup.text
    assert "reported as critical" in markup.text
    assert "Ask the far mirror" in markup.text
    assert "far (chosen)" in markup.text
    assert "reliable" in markup.text
    assert "slow" in markup.text
    assert "To try: ask" in markup.text


@pytest.mark.parametrize("which", ["completed", "stuck"])
def test_other_runs_show_themselves_too(recorded: Recorded, which: str) -> None:
    markup = shown(recorded.load(getattr(recorded, which)))
    assert which in markup.text
    assert markup.opened == []


def test_what_a_run_holds_is_only_ever_text(traces: Path) -> None:
    store = RunStore(traces)
    for run_id, text in zip(record_payloads(traces), PAYLOADS, strict=True):
        markup = shown(anyio.run(store.load, run_id))
        assert markup.opened == []
        assert markup.tags <= ALLOWED
        assert markup.attributes <= {"class", "style", "value"}
        assert text.split("\t")[0] in markup.text


def test_its_size_is_bounded() -> None:
    options = [Option(f"option-{i}", "x" * 10_000, pros=["y" * 10_000] * 50) for i in range(300)]
    decisions = [
        Decision(f"dec_{i}", intent="z" * 100_000, options=options, reasoning="r" * 100_000)
        for i in range(1000)
    ]
    source = Run("large", decisions=decisions, narrative="n" * 10**6)._repr_html_()
    assert len(source) < 600_000
    assert "more decisions" in source
    assert Markup(source).opened == []


def test_after_200_decisions_the_rest_is_counted() -> None:
    decisions = [Decision(f"dec_{i}", intent="Go on") for i in range(1200)]
    markup = shown(Run("long", decisions=decisions))
    assert "dec_199" in markup.text
    assert "dec_200" not in markup.text
    assert "and 1,000 more decisions" in markup.text


def test_nested_decisions_are_set_in_and_a_circle_does_no_harm() -> None:
    decisions = [
        Decision("dec_0", parent_id="dec_1"),
        Decision("dec_1", parent_id="dec_0"),
        Decision("dec_2", parent_id="dec_2"),
    ]
    assert "dec_2" in shown(Run("odd", decisions=decisions)).text


def test_a_run_made_by_hand_may_hold_anything() -> None:
    outcome = Outcome(False, result={1, 2}, error="\ud800", error_type="Odd\x00")
    decision = Decision("dec_0", intent="\udfff", options=[Option("a")], outcome=outcome)
    run = Run(
        "odd",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        status=RunStatus.FAILED,
        decisions=[decision],
        duration_ms=12.0,
    )
    assert "failed" in shown(run).text
    assert "decision" in shown(Run("empty")).text
    run._repr_html_().encode()
