"""What is in a report; how it looks in a browser is tested elsewhere."""

import base64
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from decisionlog import Option, Runtime
from decisionlog.viewer.report import goal_report, run_report
from tests.cli.recorded import Recorded
from tests.viewer.payloads import PAYLOADS, record_payloads
from tests.viewer.serving import serving
from tests.waiting import LIMIT

ROOT = Path(__file__).parents[2]


class Parsed(HTMLParser):
    """The elements, as a browser finds them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.policy = ""
        self.body: dict[str, str | None] = {}
        self._open: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "meta" and named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""
        if tag == "body":
            self.body = named
        if tag == "script":
            self.scripts.append((named, ""))
        if tag == "style":
            self.styles.append("")
        self._open = tag if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif self._open == "style":
            self.styles[-1] += data

    @property
    def documents(self) -> dict[str, Any]:
        [text] = [text for attributes, text in self.scripts if attributes.get("id") == "documents"]
        found: dict[str, Any] = json.loads(text)
        return found


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_a_run_is_in_it_as_the_api_tells_it(traces: Path) -> None:
    recorded = Recorded(traces)
    page = Parsed(run_report(traces, recorded.failed))
    assert page.body == {"data-mode": "report", "data-start": f"#/runs/{recorded.failed}"}
    base = f"/api/runs/{recorded.failed}"
    assert set(page.documents) == {
        base, f"{base}/explanation", f"{base}/decisions/dec_0", f"{base}/decisions/dec_1",
    }  # fmt: skip
    with serving(traces) as client:
        for path, document in page.documents.items():
            assert document == client.get(path), path


def test_a_goal_is_in_it_with_the_runs_that_it_names(traces: Path) -> None:
    options = [Option("near", confidence=0.9), Option("far", confidence=0.6)]
    with Runtime(traces) as runtime:
        for number in range(120):
            with runtime.run("fetch it's / 100 %") as run:
                chosen = "near" if number % 2 else "far"
                with runtime.decision("Which mirror", options, chosen, "", "fetcher") as decision:
                    if chosen == "near":
                        decision.fail("no answer")
                if chosen == "near":
                    run.fail("gave up")
    goal = "fetch it's / 100 %"
    page = Parsed(goal_report(traces, goal, traces.parent / "scratch"))
    quoted = quote(goal, safe="-_.!~*'()")
    assert page.body["data-start"] == f"#/goals/{quoted}"
    documents = page.documents
    answers = documents[f"/api/goal?id={quoted}"]
    assert answers["patterns"]["runs"] == 120
    listed = documents[f"/api/runs?goal={quoted}&limit=100"]
    assert (len(listed["runs"]), listed["total"]) == (100, 120)
    whole = {path.split("/")[3] for path in documents if path.startswith("/api/runs/")}
    assert 1 <= len(whole) <= 20
    assert all(run_id in json.dumps(answers) for run_id in whole)
    with serving(traces) as client:
        assert client.get(f"/api/runs?goal={quoted}&limit=100")["runs"] == listed["runs"]
        asked = client.get(f"/api/goal?id={quoted}")  # runs that are alike come in any order
        assert asked["patterns"]["success"] == answers["patterns"]["success"]
        assert asked["options"] == answers["options"]


def test_nothing_runs_but_what_the_policy_names(traces: Path) -> None:
    recorded = Recorded(traces)
    text = run_report(traces, recorded.failed)
    page = Parsed(text)
    code = [text for attributes, text in page.scripts if attributes.get("id") != "documents"]
    policy = dict(part.strip().split(" ", 1) for part in page.policy.split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"].split() == [digest(each) for each in code]
    assert policy["style-src"].split() == [digest(each) for each in page.styles]
    assert policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["img-src"] == "data:"
    assert "connect-src" not in policy
    # The policy must come before what it is to hold for.
    assert text.index("Content-Security-Policy") < min(text.index("<script"), text.index("<style"))
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name != "style", tag
        if name in ("src", "href"):
            assert value is not None and value.startswith(("#", "data:")), (tag, name, value)


def test_it_is_small(traces: Path) -> None:
    recorded = Recorded(traces)
    text = run_report(traces, recorded.failed)
    assert len(text.encode()) < 2_000_000


def test_no_text_of_a_run_breaks_out(traces: Path) -> None:
    ids = record_payloads(traces)
    for run_id, payload in list(zip(ids, PAYLOADS, strict=True))[::5]:
        text = run_report(traces, run_id)
        page = Parsed(text)
        innocent = Parsed(run_report(traces, ids[0]))
        assert len(page.scripts) == len(innocent.scripts), payload
        decision = page.documents[f"/api/runs/{run_id}/decisions/dec_0"]["decision"]
        assert decision["intent"] == payload
        start, end = text.index('id="documents">'), text.index("</script>", text.index('id="doc'))
        assert "<" not in text[start + len('id="documents">') : end]


@pytest.mark.parametrize(
    "goal", ["</script><script>alert(1)</script>", '"><img src=x onerror=1>', ""]
)
def test_no_name_of_a_goal_breaks_out(traces: Path, goal: str) -> None:
    with Runtime(traces) as runtime, runtime.run(goal):
        pass
    page = Parsed(goal_report(traces, goal, traces.parent / "scratch"))
    assert not any(tag == "img" and name == "onerror" for tag, name, _ in page.attributes)
    assert page.body["data-start"] == "#/goals/" + quote(goal, safe="-_.!~*'()")
    assert any(path.startswith("/api/goal?id=") for path in page.documents)


def test_the_page_is_in_the_wheel_and_in_the_source(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    static = ROOT / "src" / "decisionlog" / "viewer" / "static"
    for path in static.rglob("*"):
        if path.is_file():
            assert path.relative_to(ROOT / "src").as_posix() in names
    [source] = tmp_path.glob("*.tar.gz")
    listed = subprocess.run(["tar", "-tzf", source], capture_output=True, text=True).stdout
    assert re.search(r"/src/decisionlog/viewer/static/index\.html$", listed, re.MULTILINE)
    assert re.search(r"/src/decisionlog/viewer/static/vendor/README\.md$", listed, re.MULTILINE)
