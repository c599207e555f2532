"""Legible for everybody: an accessibility checker on each page, and pictures to look at."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from decisionlog import RunStatus, RunStore
from tests.viewer.browser.conftest import Open, Viewer, apart, playwright

expect = playwright.expect
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")

PAGES = {
    "runs": ("#/runs", ".run-link"),
    "run": ("#/runs/{a}", ".timeline"),
    "decision": ("#/runs/{a}?decision={decision}", ".option"),
    "goals": ("#/goals", ".goal-link"),
    "goal": ("#/goals/{goal}", ".place"),
    "compare": ("#/compare?a={a}&b={b}", "[data-divergence]"),
}


@pytest.fixture(scope="module")
def names(demo: Path) -> dict[str, str]:
    """A failed run, a completed one of the same goal, and the last decision of the first."""

    async def read() -> dict[str, str]:
        store = RunStore(demo)
        found = [summary async for summary in store.runs()]
        completed = {s.goal_id: s.run_id for s in found if s.status is RunStatus.COMPLETED}
        failed = next(
            s
            for s in found
            if s.status is RunStatus.FAILED and s.goal_id in completed and s.decision_count > 9
        )
        run = await store.load(failed.run_id)
        decision = next(d for d in reversed(run.decisions) if d.parent_id and d.options)
        return {
            "a": run.id,
            "b": completed[run.goal_id],
            "goal": quote(run.goal_id),
            "decision": decision.id,
        }

    return apart(anyio.run, read)


def problems(page: Any) -> Iterator[str]:
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    for each in found["violations"]:
        if each["impact"] in ("serious", "critical"):
            yield f"{each['id']}: {[node['html'] for node in each['nodes'][:3]]}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_legible(
    viewer: Viewer, open_page: Open, names: dict[str, str], screenshots: Path, theme: str
) -> None:
    # Without motion: what is fading in has no contrast yet.
    page = open_page(viewer.entrance, color_scheme=theme, reduced_motion="reduce").page
    for name, (address, landmark) in PAGES.items():
        if name == "goal":
            pytest.importorskip("duckdb")
        page.goto(viewer.base + address.format(**names))
        expect(page.locator(landmark).first).to_be_visible()
        if name in ("run", "decision"):
            expect(page.get_by_test_id("headline")).to_be_visible()
        assert list(problems(page)) == [], name
        for width, height in ((1280, 860), (400, 800), (2560, 1300)):
            page.set_viewport_size({"width": width, "height": height})
            expect(page.locator("h1").first).to_be_visible()
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} wide at {width}"
            page.screenshot(path=screenshots / f"{name}-{theme}-{width}.png")
            if width == 400:
                assert list(problems(page)) == [], f"{name} at {width}"
        page.set_viewport_size({"width": 1280, "height": 860})


def test_the_help_and_a_filtered_timeline_are_legible(
    viewer: Viewer, open_page: Open, names: dict[str, str]
) -> None:
    page = open_page(viewer.entrance, reduced_motion="reduce").page
    page.goto(viewer.base + "#/runs/{a}".format(**names))
    expect(page.locator(".timeline")).to_be_visible()
    page.keyboard.press("n")
    page.get_by_label("Search decisions").fill(names["decision"])
    expect(page.locator(".line").first).to_have_class(re.compile("is-context"))
    page.keyboard.press("Escape")
    assert list(problems(page)) == []
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert list(problems(page)) == []
