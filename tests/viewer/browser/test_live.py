"""What is written while one looks."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from decisionlog import Option, Runtime
from tests.viewer.browser.conftest import Open, Viewer, playwright, viewing

expect = playwright.expect


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live") / "traces"


@pytest.fixture(scope="module")
def live(place: Path) -> Iterator[Viewer]:
    place.mkdir()
    with viewing(place) as opened:
        yield opened


def test_a_run_grows_on_the_page_and_ends(live: Viewer, place: Path, open_page: Open) -> None:
    page = open_page(live.entrance).page
    expect(page.get_by_text("No runs here yet")).to_be_visible()
    with Runtime(place) as runtime:
        with runtime.run("watched", "Be watched") as run:
            expect(page.get_by_role("table", name="Runs").get_by_role("row")).to_have_count(1)
            page.locator(".run-link").click()
            expect(page.get_by_text("None so far")).to_be_visible()
            expect(page.locator(".live")).to_be_visible()
            with runtime.decision("First step", [Option("a"), Option("b")], "a") as decision:
                line = page.locator(f'[data-id="{decision.id}"]')
                expect(line).to_have_attribute("data-state", "pending")
                line.click()
                panel = page.get_by_role("complementary")
                expect(panel).to_contain_text("It is still at work.")
                decision.succeed({"found": 7}, summary="It was there")
            expect(line).to_have_attribute("data-state", "success")
            expect(panel).to_contain_text("It was there")
            for step in range(2, 8):
                with runtime.decision(f"Step {step}") as decision:
                    expect(page.locator(f'[data-id="{decision.id}"]')).to_be_visible()
            run.fail("In the end it did not work")
        expect(page.locator(".status-large")).to_have_text("failed")
        expect(page.locator(".live")).to_be_hidden()
        expect(page.get_by_text("Why it failed")).to_be_visible()
        expect(page.locator(".why")).to_contain_text("In the end it did not work")


def test_the_newest_decision_is_followed_until_one_scrolls_up(
    live: Viewer, place: Path, open_page: Open
) -> None:
    with Runtime(place) as runtime, runtime.run("followed") as run:
        for step in range(60):
            with runtime.decision(f"Step {step}"):
                pass
        page = open_page(live.entrance).page
        page.goto(f"{live.base}#/runs/{run.id}")
        page.get_by_role("button", name="follow").click()
        expect(page.locator('[data-id="dec_59"]')).to_be_in_viewport()
        for step in range(60, 100):
            with runtime.decision(f"Step {step}"):
                pass
        expect(page.locator('[data-id="dec_99"]')).to_be_in_viewport()
        page.mouse.move(400, 500)
        page.mouse.wheel(0, -400)
        expect(page.get_by_role("button", name="follow")).to_have_attribute("aria-pressed", "false")


def test_new_runs_come_in_above_without_moving_what_one_reads(
    live: Viewer, place: Path, open_page: Open
) -> None:
    with Runtime(place) as runtime:
        for step in range(60):
            with runtime.run(f"early-{step:02}"):
                pass
        page = open_page(live.entrance).page
        table = page.get_by_role("table", name="Runs")
        expect(table).to_have_attribute("aria-rowcount", re.compile("6[0-9]"))
        page.locator("#content").evaluate("(box) => { box.scrollTop = 30 * 48; }")
        row = page.locator(".run-row", has_text="early-20")
        expect(row).to_be_visible()
        before = row.bounding_box()
        for step in range(3):
            with runtime.run(f"late-{step}"):
                pass
        expect(page.get_by_role("button", name="3 new runs above")).to_be_visible()
        assert row.bounding_box() == before
        page.get_by_role("button", name="3 new runs above").click()
        expect(page.locator(".run-row", has_text="late-2")).to_be_visible()


def test_a_viewer_that_stopped_is_told_of_with_a_way_to_try_again(
    place: Path, open_page: Open
) -> None:
    with viewing(place) as stopping:
        watched = open_page(stopping.entrance)
        watched.expected += ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_"]
        expect(watched.page.get_by_role("table", name="Runs")).to_be_visible()
    watched.page.goto(f"{stopping.base}#/runs?q=anything")
    expect(watched.page.get_by_text("The viewer does not answer")).to_be_visible()
    expect(watched.page.get_by_role("button", name="Try again")).to_be_visible()
