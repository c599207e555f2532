"""What a person does: find a failed run, see why it failed, look at what was decided."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from decisionlog import Run, RunStatus, RunStore, Runtime
from tests.viewer.browser.conftest import Open, Viewer, apart, playwright, viewing

expect = playwright.expect


@pytest.fixture(scope="module")
def runs(demo: Path) -> list[Run]:
    """All runs, the newest first."""

    async def read() -> list[Run]:
        store = RunStore(demo)
        return [await store.load(summary.run_id) async for summary in store.runs()]

    return apart(anyio.run, read)


@pytest.fixture(scope="module")
def failed(runs: list[Run]) -> Run:
    """A run of the demo that failed and has a completed one of the same goal beside it."""
    completed = {run.goal_id for run in runs if run.status is RunStatus.COMPLETED}
    return next(
        run
        for run in runs
        if run.status is RunStatus.FAILED
        and run.goal_id in completed
        and run.goal_id.startswith("fetch-")
    )


def rows(page: Any) -> Any:
    return page.get_by_role("table", name="Runs").get_by_role("row")


def test_the_list_is_filtered_and_leads_to_why_a_run_failed(
    viewer: Viewer, open_page: Open, runs: list[Run], failed: Run
) -> None:
    page = open_page(viewer.entrance).page
    expect(page).to_have_url(re.compile(re.escape(viewer.base)))
    assert "token" not in page.url
    expect(page.locator(".total")).to_have_text(f"{len(runs)} runs")

    page.get_by_role("button", name=re.compile("^failed")).click()
    expect(page).to_have_url(re.compile("status=failed"))
    count = sum(run.status is RunStatus.FAILED for run in runs)
    expect(page.locator(".total")).to_have_text(re.compile(rf"^{count} runs?$"))
    page.get_by_label("Goal").select_option(failed.goal_id)
    expect(page).to_have_url(re.compile(f"goal={failed.goal_id}"))
    expect(rows(page).first).to_contain_text(failed.goal_id)

    rows(page).filter(has_text=failed.narrative[:40]).first.get_by_role("link").click()
    expect(page.get_by_test_id("headline")).not_to_be_empty()
    expect(page.get_by_role("heading", level=1)).to_have_text(failed.goal_description)
    expect(page.get_by_text("Why it failed")).to_be_visible()
    page.get_by_role("list", name="How it came to it").get_by_role("link").last.click()

    panel = page.get_by_role("complementary")
    expect(panel).to_have_attribute("data-decision", re.compile("dec_"))
    decision = failed.decision(panel.get_attribute("data-decision"))
    assert decision is not None
    expect(page).to_have_url(re.compile(f"decision={decision.id}"))
    expect(panel.locator("[data-option]")).to_have_count(len(decision.options))
    expect(panel.locator("[data-option].is-chosen")).to_contain_text(
        decision.chosen_option_id or ""
    )
    expect(panel).to_contain_text(decision.reasoning[:60])
    for option in decision.options:
        shown = panel.locator(f'[data-option="{option.id}"]')
        expect(shown).to_contain_text(f"{option.confidence:.2f}")
        for point in [*option.pros, *option.cons]:
            expect(shown).to_contain_text(point)


def test_search_finds_and_an_empty_answer_says_what_to_do(
    viewer: Viewer, open_page: Open, runs: list[Run]
) -> None:
    page = open_page(viewer.entrance).page
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("Gave up on b.txt")
    expect(page.locator(".total")).to_have_text("1 run")
    page.keyboard.press("Escape")
    page.get_by_label("Search runs").fill("nothing says this")
    expect(page.get_by_text("No run fits these filters")).to_be_visible()
    page.get_by_role("link", name="Clear the filters").click()
    expect(page.locator(".total")).to_have_text(f"{len(runs)} runs")
    page.get_by_role("link", name="Decisions").click()
    expect(page).to_have_url(re.compile("sort=decisions"))
    most = max(len(run.decisions) for run in runs)
    expect(rows(page).first).to_contain_text(str(most))


def test_a_link_to_a_decision_opens_it_in_another_page(
    viewer: Viewer, open_page: Open, failed: Run
) -> None:
    first = open_page(viewer.entrance).page
    chosen = next(each for each in failed.decisions if len(each.options) > 2)
    first.goto(f"{viewer.base}#/runs/{failed.id}?decision={chosen.id}")
    second = first.context.new_page()
    second.goto(first.url)
    panel = second.get_by_role("complementary")
    expect(panel.get_by_role("heading", level=2)).to_have_text(chosen.intent)
    second.close()


def test_back_and_forward_go_through_what_was_seen(
    viewer: Viewer, open_page: Open, failed: Run
) -> None:
    page = open_page(f"{viewer.entrance}").page
    page.goto(f"{viewer.base}#/runs?status=failed")
    row = rows(page).filter(has_text=failed.narrative[:40]).first
    row.get_by_role("link").click()
    expect(page.get_by_test_id("headline")).to_be_visible()
    page.keyboard.press("n")
    page.locator('[role="treeitem"]:focus').click()
    panel = page.get_by_role("complementary")
    expect(panel).to_be_visible()
    page.go_back()
    expect(panel).to_be_hidden()
    page.go_back()
    expect(page.get_by_role("button", name=re.compile("^failed"))).to_have_attribute(
        "aria-pressed", "true"
    )
    page.go_forward()
    expect(page.get_by_test_id("headline")).to_be_visible()
    page.go_forward()
    expect(panel).to_be_visible()


def test_the_keyboard_is_enough(viewer: Viewer, open_page: Open, failed: Run) -> None:
    page = open_page(viewer.entrance).page
    page.goto(f"{viewer.base}#/runs?status=failed&goal={failed.goal_id}")
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("j")
    expect(page.locator(".run-link:focus")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("tree")).to_be_visible()

    page.keyboard.press("n")
    focused = page.locator('[role="treeitem"]:focus')
    expect(focused).to_have_attribute("data-state", "failure")
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary")
    expect(panel).to_be_visible()
    first = page.url
    page.keyboard.press("j")
    expect(page).not_to_have_url(first)
    page.keyboard.press("k")
    expect(page).to_have_url(first)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name=re.compile("failed only"))).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("Escape")
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("G")
    expect(page.get_by_role("heading", name="Goals")).to_be_visible()


def test_the_focus_stays_when_what_is_above_grows(
    viewer: Viewer, open_page: Open, failed: Run
) -> None:
    """The explanation may come after somebody has gone to the first failure."""
    page = open_page(viewer.entrance).page
    page.goto(f"{viewer.base}#/runs/{failed.id}")
    expect(page.get_by_test_id("headline")).to_be_visible()
    page.keyboard.press("n")
    focused = page.locator('[role="treeitem"]:focus')
    expect(focused).to_have_attribute("data-state", "failure")
    decision = focused.get_attribute("data-id")
    page.evaluate(
        "document.querySelector('.run').prepend(document.createElement('pre')); "
        "document.querySelector('.run > pre').style.height = '9000px'"
    )
    expect(page.locator('[role="treeitem"]').first).not_to_be_in_viewport()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(focused).to_have_attribute("data-id", str(decision))


def test_the_timeline_folds_and_is_searched(viewer: Viewer, open_page: Open, failed: Run) -> None:
    page = open_page(viewer.entrance).page
    page.goto(f"{viewer.base}#/runs/{failed.id}")
    tree = page.get_by_role("tree")
    count = f"{len(failed.decisions)} decisions"
    expect(page.locator(".timeline .total")).to_have_text(count)
    expect(page.get_by_test_id("headline")).to_be_visible()
    page.keyboard.press("n")
    outer = next(
        d.id for d in failed.decisions if any(e.parent_id == d.id for e in failed.decisions)
    )
    inner = next(each.id for each in failed.decisions if each.parent_id == outer)
    tree.locator(f'[data-id="{outer}"]').focus()
    page.keyboard.press("ArrowLeft")
    expect(tree.locator(f'[data-id="{inner}"]')).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(tree.locator(f'[data-id="{inner}"]')).to_have_count(1)
    page.get_by_label("Search decisions").fill(inner)
    expect(tree.locator(f'[data-id="{inner}"]')).to_be_visible()
    expect(tree.locator(f'[data-id="{outer}"]')).to_have_class(re.compile("is-context"))


def test_two_runs_are_compared_from_the_page_of_one(
    viewer: Viewer, open_page: Open, failed: Run
) -> None:
    page = open_page(viewer.entrance).page
    page.goto(f"{viewer.base}#/runs/{failed.id}")
    page.get_by_role("button", name="Compare with…").click()
    page.get_by_role("link", name=re.compile("The completed run most like it")).click()
    expect(page).to_have_url(re.compile("compare"))
    expect(page.get_by_role("heading", name="Two runs compared")).to_be_visible()
    expect(page.locator("[data-divergence]")).to_be_in_viewport()
    expect(page.locator("[data-divergence]")).to_contain_text("first divergence")


def test_a_goal_leads_to_its_runs(viewer: Viewer, open_page: Open, failed: Run) -> None:
    pytest.importorskip("duckdb")
    page = open_page(viewer.entrance).page
    page.goto(f"{viewer.base}#/goals")
    page.get_by_role("link", name=failed.goal_id, exact=True).click()
    expect(page.get_by_role("heading", name="Where runs part")).to_be_visible()
    expect(page.get_by_role("heading", name="Options and what came of them")).to_be_visible()
    expect(page.get_by_role("heading", name="Confidence against outcome")).to_be_visible()
    page.locator(f'.strip a[href*="{failed.id}"]').click()
    expect(page.get_by_role("heading", level=1)).to_have_text(failed.goal_description)


def test_a_goal_tells_what_weakens_a_finding(viewer: Viewer, open_page: Open, failed: Run) -> None:
    pytest.importorskip("duckdb")
    page = open_page(viewer.entrance).page

    def weaken(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        patterns = told["patterns"]
        example = patterns["causes"][0]["example"]
        ending = {"node_id": "fetch", "option_id": "the-end", "success": patterns["success"]}
        patterns["endings"] = [ending | {"example": example}]
        patterns["causes"][0]["succeeded_too"] = 3
        told["options"]["places"][0]["positions"] = True
        route.fulfill(response=answer, json=told)

    page.route("**/api/goal?*", weaken)
    page.goto(f"{viewer.base}#/goals/{failed.goal_id}")
    expect(page.get_by_role("heading", name="The last choice of runs")).to_be_visible()
    expect(page.get_by_text("the-end")).to_be_visible()
    expect(page.get_by_text("3 runs had it and succeeded all the same")).to_be_visible()
    expect(page.get_by_text("An id only says where in a list")).to_be_visible()


def test_a_run_tells_how_others_came_out_that_ended_so(
    viewer: Viewer, open_page: Open, failed: Run
) -> None:
    page = open_page(viewer.entrance).page

    def ended_so(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        told["ending"] = {
            "decision_id": "dec_1", "option_id": "give-up", "node_id": "fetch", "runs": 9,
            "runs_completed": 1, "others": 8, "others_completed": 7, "p_value": 0.0034,
            "examples": [],
        }  # fmt: skip
        route.fulfill(response=answer, json=told)

    page.route("**/explanation", ended_so)
    page.goto(f"{viewer.base}#/runs/{failed.id}")
    expect(
        page.get_by_text("1 run of 9 completed, after other last choices 7 of 8")
    ).to_be_visible()


def test_a_chart_has_the_colours_of_the_page_without_motion_too(
    viewer: Viewer, open_page: Open, failed: Run
) -> None:
    pytest.importorskip("duckdb")
    page = open_page(viewer.entrance, reduced_motion="reduce").page
    page.goto(f"{viewer.base}#/goals/{failed.goal_id}")
    expect(page.locator("canvas").first).to_be_visible()
    told = page.evaluate(
        "(({ data, options }) => [options.scales.x.grid.color, options.scales.x.ticks.color,"
        " data.datasets.at(-1).borderColor])(Chart.getChart(document.querySelector('canvas')))"
    )
    assert len(set(told)) == 3, told


def test_a_goal_without_an_id_has_its_page(traces: Path, open_page: Open) -> None:
    pytest.importorskip("duckdb")
    with Runtime(traces) as runtime:
        for goal in ("", "other"):
            with runtime.run(goal), runtime.decision("which", [{"id": "a"}], "a") as decision:
                decision.succeed()
    with viewing(traces) as opened:
        watched = open_page(opened.entrance)
        watched.expected.append("ERR_INCOMPLETE_CHUNKED_ENCODING")  # when the viewer ends
        page = watched.page
        page.goto(opened.base + "#/goals")
        page.get_by_role("link", name="(no goal)").click()
        expect(page.get_by_role("heading", name="(no goal)")).to_be_visible()
        expect(page.get_by_role("heading", name="Why runs fail")).to_be_visible()
        page.get_by_role("link", name="Its runs").click()
        expect(page.locator(".run-link")).to_have_count(1)
        expect(page.locator(".run-link")).to_have_text("(no goal)")


def test_a_goal_says_what_to_install_where_the_extra_is_missing(
    viewer: Viewer, open_page: Open, failed: Run
) -> None:
    watched = open_page(viewer.entrance)
    watched.expected.append("the server responded with a status of 501")
    answer = {"error": {"type": "NotInstalledError", "message": "It needs duckdb."}}
    watched.page.route("**/api/goal?*", lambda route: route.fulfill(status=501, json=answer))
    watched.page.goto(f"{viewer.base}#/goals/{failed.goal_id}")
    expect(watched.page.get_by_text('pip install "decisionlog[analysis]"')).to_be_visible()
    expect(watched.page.get_by_role("list", name="Runs, the oldest first")).to_be_visible()


def test_a_failed_answer_can_be_asked_for_again(
    viewer: Viewer, open_page: Open, failed: Run
) -> None:
    watched = open_page(viewer.entrance)
    watched.expected.append("the server responded with a status of 503")
    error = {"error": {"type": "ReadError", "message": "The directory cannot be read now."}}
    address = re.compile(rf"/api/runs/{failed.id}$")
    watched.page.route(address, lambda route: route.fulfill(status=503, json=error))
    watched.page.goto(f"{viewer.base}#/runs/{failed.id}")
    expect(watched.page.get_by_text("The directory cannot be read now.")).to_be_visible()
    watched.page.unroute(address)
    watched.page.get_by_role("button", name="Try again").click()
    expect(watched.page.get_by_test_id("headline")).to_be_visible()


def test_what_is_not_there_is_said_quietly(viewer: Viewer, open_page: Open) -> None:
    watched = open_page(viewer.entrance)
    watched.expected.append("the server responded with a status of 404")
    page = watched.page
    page.goto(f"{viewer.base}#/runs/run_20200101_000000_0000000000000000")
    expect(page.get_by_text("There is no such run")).to_be_visible()
    page.goto(f"{viewer.base}#/nowhere")
    expect(page.get_by_text("There is no such page")).to_be_visible()
    page.goto(f"{viewer.base}#/compare")
    expect(page.get_by_text("Which two runs?")).to_be_visible()
    page.goto(f"{viewer.base}#/goals/{quote('no such goal')}")
    expect(page.get_by_role("heading", name="no such goal")).to_be_visible()


def test_the_theme_is_the_systems_until_it_is_chosen(viewer: Viewer, open_page: Open) -> None:
    page = open_page(viewer.entrance, color_scheme="dark").page
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Switch to light").click()
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    expect(page.get_by_role("button", name="Switch to dark")).to_be_visible()
    assert page.evaluate(ground) == light


def test_it_works_where_storage_is_forbidden(viewer: Viewer, open_page: Open) -> None:
    watched = open_page("about:blank")
    watched.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } });"
    )
    watched.page.goto(viewer.entrance)
    expect(rows(watched.page).first).to_be_visible()
    watched.page.keyboard.press("t")
    expect(watched.page.locator("html")).to_have_attribute("data-theme", re.compile("light|dark"))
