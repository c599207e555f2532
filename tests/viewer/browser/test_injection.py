"""Text from traces is only ever text."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.viewer.browser.conftest import Open, Viewer, apart, playwright, viewing
from tests.viewer.payloads import PAYLOADS, record_payloads

expect = playwright.expect

# Opens whatever can be opened, so that it is in the document.
UNFOLD = """
for (let round = 0; round < 4; round += 1) {
  document.querySelectorAll('#content [aria-expanded="false"], .panel [aria-expanded="false"]')
    .forEach((each) => each.closest('.menu-box') || each.getAttribute('role') || each.click());
  await new Promise(requestAnimationFrame);
}
"""


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("poisoned") / "traces"


@pytest.fixture(scope="module")
def ids(poisoned: Path) -> list[str]:
    return apart(record_payloads, poisoned)


@pytest.fixture(scope="module")
def hostile(poisoned: Path, ids: list[str]) -> Iterator[Viewer]:
    with viewing(poisoned) as opened:
        yield opened


def test_nothing_in_a_record_runs(hostile: Viewer, ids: list[str], open_page: Open) -> None:
    watched = open_page(hostile.entrance)
    page = watched.page
    expect(page.get_by_role("table", name="Runs")).to_have_attribute("aria-rowcount", "100")
    for run_id, text in zip(ids, PAYLOADS, strict=True):
        page.goto(f"{hostile.base}#/runs/{run_id}?decision=dec_0")
        panel = page.get_by_role("complementary")
        expect(panel).to_have_attribute("data-decision", "dec_0")
        expect(page.locator(".run-id")).to_have_text(run_id)
        expect(page.get_by_test_id("headline")).not_to_be_empty()
        page.evaluate(f"(async () => {{ {UNFOLD} }})()")
        assert panel.get_by_role("heading", level=2).text_content() == text
        assert page.get_by_role("heading", level=1).text_content() == text
        assert watched.wrong == [], text
    watched.check()


def test_nor_in_the_lists(hostile: Viewer, ids: list[str], open_page: Open) -> None:
    watched = open_page(hostile.entrance)
    page = watched.page
    box = page.locator("#content")
    expect(page.locator(".run-link").first).to_be_visible()
    for at in range(0, 100, 12):
        box.evaluate("(box, top) => { box.scrollTop = top; }", at * 48)
        expect(page.locator(f'[data-index="{at}"] .run-link')).to_be_visible()
    page.goto(f"{hostile.base}#/goals")
    expect(page.locator(".goal-link")).to_have_count(100)
    page.goto(f"{hostile.base}#/compare?a={ids[0]}&b={ids[1]}")
    expect(page.get_by_role("heading", name="Figures")).to_be_visible()


def test_nor_on_the_page_of_a_goal(hostile: Viewer, open_page: Open) -> None:
    pytest.importorskip("duckdb")
    watched = open_page(hostile.entrance)
    for text in PAYLOADS[::40]:
        watched.page.goto(f"{hostile.base}#/goals/{quote(text, safe='')}")
        expect(watched.page.get_by_role("heading", name="Where runs part")).to_be_visible()
        assert watched.page.get_by_role("heading", level=1).text_content() == text
