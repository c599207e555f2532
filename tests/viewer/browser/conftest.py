"""A real viewer, on real runs, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.cli.recorded import Recorded
from tests.waiting import LIMIT

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

# Longer than anything should take, for machines that are busy with other things as well.
PATIENCE_MS = LIMIT * 1000
playwright.expect.set_options(timeout=PATIENCE_MS)

ADDRESS = re.compile(r"http://\S+:\d+/\?token=\S+")
LOOPBACK = re.compile(r"(https?|wss?)://(127\.0\.0\.1|localhost|\[::1\])[:/]")
LOCAL = ("data:", "blob:", "about:", "file:")

# Collects what the policy of the page forbade, from before its first script on.
WATCH = """
window.violations = [];
addEventListener('securitypolicyviolation', (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


T = TypeVar("T")


class Viewer:
    """A `decisionlog view` process."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "decisionlog", "view", "--port=0", "--no-open", str(path)]
        self.path = path
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        assert self.process.stdout
        said = ""
        for line in self.process.stdout:
            said += line
            if match := ADDRESS.search(line):
                self.entrance = match[0]
                break
        else:
            raise AssertionError(f"the viewer printed no address: {said}")
        self.base = self.entrance.partition("?")[0]

    def close(self) -> None:
        # As ctrl-C does: what a process that ends in peace ran is measured, too.
        self.process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)
        self.process.communicate(timeout=LIMIT)


@contextmanager
def viewing(path: Path) -> Iterator[Viewer]:
    viewer = Viewer(path)
    try:
        yield viewer
    finally:
        viewer.close()


class Watched:
    """A page, and everything on it that must not happen."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.expected: list[str] = []
        page.add_init_script(WATCH)
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(LOCAL) and not LOOPBACK.match(request.url):
            self.wrong.append(f"request: {request.url}")

    def check(self) -> None:
        """Nothing ran that should not, nothing was forbidden, and nothing went out."""
        violations = self.page.evaluate("window.violations ?? []")
        wrong = [each for each in self.wrong if not any(one in each for one in self.expected)]
        assert (wrong, violations) == ([], [])


def apart(function: Callable[..., T], *arguments: Any) -> T:
    """Calls it in another thread: in this one, Playwright keeps an event loop running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Debian's Chromium; one for all tests here that a worker runs. It must be gone before other
    tests run: the event loop that Playwright leaves running would be theirs.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as driver:
        # Root, as in a container, cannot have Chromium's own sandbox.
        arguments = ["--no-sandbox"] if getattr(os, "getuid", lambda: 1)() == 0 else []
        launched = driver.chromium.launch(
            executable_path=chromium, args=arguments, timeout=PATIENCE_MS
        )
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `decisionlog demo` leaves behind, and three small runs."""
    path = tmp_path_factory.mktemp("demo") / "traces"
    command = [sys.executable, "-m", "decisionlog", "demo", f"--out={path}", "--runs=16", "--json"]
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT)
    apart(Recorded, path)
    return path


@pytest.fixture(scope="package")
def viewer(demo: Path) -> Iterator[Viewer]:
    with viewing(demo) as opened:
        yield opened


Open = Callable[..., Watched]


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a page in a context of its own; whatever happens on it is checked at the end."""
    contexts: list[Any] = []
    pages: list[Watched] = []

    def enter(address: str, width: int = 1280, height: int = 860, **options: Any) -> Watched:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        watched = Watched(context.new_page())
        pages.append(watched)
        watched.page.goto(address)
        return watched

    yield enter
    try:
        for each in pages:
            if not each.page.is_closed():
                each.check()
    finally:
        for context in contexts:
            context.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures of the pages go: `$DECISIONLOG_SCREENSHOTS`, else a place that is cleared."""
    path = Path(os.environ.get("DECISIONLOG_SCREENSHOTS") or tmp_path / "screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path
