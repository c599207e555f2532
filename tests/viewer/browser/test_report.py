"""A report, opened from disk."""

import subprocess
import sys
from pathlib import Path

import pytest

from decisionlog.viewer.report import run_report
from tests.cli.recorded import Recorded
from tests.viewer.browser.conftest import Open, apart, playwright
from tests.viewer.payloads import PAYLOADS, record_payloads
from tests.waiting import LIMIT

expect = playwright.expect


def report(*arguments: object) -> None:
    command = [sys.executable, "-m", "decisionlog", "report", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr


def test_a_run_from_disk(traces: Path, tmp_path: Path, open_page: Open) -> None:
    recorded = apart(Recorded, traces)
    target = tmp_path / "run.html"
    report(recorded.failed, "-o", target, traces)
    page = open_page(target.as_uri()).page
    expect(page.get_by_test_id("headline")).to_contain_text("nobody has b.txt")
    expect(page.get_by_role("heading", level=1)).to_have_text("Fetch another file")
    page.locator('[data-id="dec_1"]').click()
    panel = page.get_by_role("complementary")
    expect(panel.locator("[data-option].is-chosen")).to_contain_text("far")
    page.keyboard.press("t")
    page.go_back()
    expect(panel).to_be_hidden()


def test_a_goal_from_disk(demo: Path, tmp_path: Path, open_page: Open) -> None:
    pytest.importorskip("duckdb")
    target = tmp_path / "goal.html"
    report("--goal", "fetch-json", "-o", target, demo)
    page = open_page(target.as_uri()).page
    expect(page.get_by_role("heading", name="Where runs part")).to_be_visible()
    expect(page.get_by_role("heading", name="Confidence against outcome")).to_be_visible()


def test_nothing_in_it_runs_but_the_page(traces: Path, tmp_path: Path, open_page: Open) -> None:
    ids = apart(record_payloads, traces)
    for run_id, text in list(zip(ids, PAYLOADS, strict=True))[::10]:
        target = tmp_path / f"{run_id}.html"
        target.write_text(apart(run_report, traces, run_id), "utf-8")
        watched = open_page(f"{target.as_uri()}#/runs/{run_id}?decision=dec_0")
        expect(watched.page.get_by_role("complementary")).to_have_attribute(
            "data-decision", "dec_0"
        )
        assert watched.page.get_by_role("heading", level=1).text_content() == text
        watched.check()
        watched.page.close()
