"""What the viewer takes: `nox -s bench -- --viewer`, or `python -m benchmarks.viewer [--runs N]
[--decisions N] [--keep DIR]`, on Linux.

It records so many runs of three decisions, and one run of so many, and asks a `decisionlog view` of
each. CPU is that of the server's process, start included; by the clock, what a person waits. Where
Playwright and Chromium are installed, it looks at the same in a browser.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from benchmarks.contenders import decide_each, flushed
from benchmarks.work import GOAL, Item, pool, repeated
from decisionlog import Runtime

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)")
TICKS = os.sysconf("SC_CLK_TCK")
SCROLLED = """async () => {
  const box = document.querySelector('#content');
  const frames = [];
  let last = performance.now();
  for (const end = last + 5000; last < end;) {
    box.scrollTop += 300;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""
"""Scrolls for five seconds, and says how long each frame took, in ms."""


class Server:
    """A `decisionlog view` process."""

    def __init__(self, traces: Path) -> None:
        command = [sys.executable, "-m", "decisionlog", "view", "--port=0", "--no-open"]
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, str(traces)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        found = ADDRESS.search(self.process.stdout.readline())
        assert found is not None
        self.entrance = found[0]
        self._port, self._token = int(found[1]), found[2]

    def get(self, path: str) -> Any:
        """What the API answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != 200:
            raise AssertionError(f"{path}: {response.status} {body[:200]!r}")
        return json.loads(body)

    def cpu(self) -> float:
        """Seconds of it so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak(self) -> float:
        """The most memory so far, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(match[1]) / 1024 if match else 0.0

    def ask(self, what: str, path: str) -> Any:
        """The same, and print what it took."""
        cpu, start = self.cpu(), time.perf_counter()
        answer = self.get(path)
        self.tell(what, self.cpu() - cpu, time.perf_counter() - start)
        return answer

    def tell(self, what: str, cpu: float, seconds: float) -> None:
        """Print a row."""
        print(f"{what:42}{cpu:8.2f}{seconds:8.2f}{self.peak():8.0f}", flush=True)


@contextmanager
def serving(traces: Path) -> Generator[Server]:
    """A server, until the block ends."""
    server = Server(traces)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def of_many_runs(traces: Path) -> None:
    """The list, from the start on."""
    with serving(traces) as server:
        server.get("/api/runs")
        server.tell(
            "the first page of the list", server.cpu(), time.perf_counter() - server.started
        )
        while (told := server.get("/api/info"))["indexed"] < told["runs"]:
            time.sleep(0.2)
        server.tell("all runs read", server.cpu(), time.perf_counter() - server.started)
        server.ask("the list anew", "/api/runs")
        server.ask("the middle of it", f"/api/runs?offset={told['runs'] // 2}")
        server.ask("those that failed", "/api/runs?status=failed")
        server.ask("search", "/api/runs?q=number+17")
        server.ask("by tokens", "/api/runs?sort=tokens")
        server.ask("goals", "/api/goals")
        in_a_browser(server.entrance, "#/runs", ".run-link")
        cpu, start = server.cpu(), time.perf_counter()
        time.sleep(5)
        server.tell("nobody asks", server.cpu() - cpu, time.perf_counter() - start)


def of_a_long_run(traces: Path, run_id: str, decisions: int) -> None:
    """A run, and a decision in it."""
    with serving(traces) as server:
        server.get("/api/runs")
        seq = server.ask("the run", f"/api/runs/{run_id}")["seq"]
        server.ask("what has changed since", f"/api/runs/{run_id}?after={seq}")
        server.ask("its last decision", f"/api/runs/{run_id}/decisions/dec_{decisions - 1}")
        server.ask("the run again", f"/api/runs/{run_id}")
        server.ask("why it failed (another process)", f"/api/runs/{run_id}/explanation")
        in_a_browser(server.entrance, f"#/runs/{run_id}", ".line")


def in_a_browser(entrance: str, address: str, row: str) -> None:
    """How long until there are rows, and whether they scroll without a stutter."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        return
    if (chromium := shutil.which("chromium")) is None:
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(entrance + "#/nowhere")
        page.get_by_text("There is no such page").wait_for()
        start = time.perf_counter()
        page.goto(entrance.partition("?")[0] + address)
        page.reload()  # as if this were the first address
        page.locator(row).first.wait_for(timeout=600_000)
        seconds = time.perf_counter() - start
        print(f"{'  in a browser, until there are rows':50}{seconds:8.2f}", flush=True)
        page.wait_for_timeout(2000)
        frames = sorted(page.evaluate(SCROLLED))
        late = sum(frame > 50 for frame in frames)
        print(
            f"  scrolled: of {len(frames)} frames {late} took over 50 ms, the longest"
            f" {frames[-1]:.0f} ms, half of them up to {frames[len(frames) // 2]:.0f} ms",
            flush=True,
        )
        browser.close()


async def record_runs(traces: Path, count: int, items: list[Item]) -> None:
    """Runs of three decisions each, some of which fail."""
    async with Runtime(traces) as runtime:
        for number in range(count):
            async with runtime.run(f"{GOAL}-{number % 20}", tags={"v": str(number % 7)}) as run:
                start = number % (len(items) - 3)
                await decide_each(runtime, items[start : start + 3])
                if number % 5 == 0:
                    run.fail(f"Gave up on number {number % 100}")
            if number % 500 == 0:
                await flushed(runtime)
        await flushed(runtime)


async def record_decisions(traces: Path, items: list[Item]) -> None:
    """One run of all these."""
    async with Runtime(traces) as runtime:
        async with runtime.run(GOAL):
            await decide_each(runtime, items)
        await flushed(runtime)


def main(args: list[str] | None = None) -> None:
    """Record, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.viewer", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--decisions", type=int, default=50_000)
    parser.add_argument("--directory", type=Path, help="record below this one")
    parser.add_argument("--keep", type=Path, help="make the runs here, once")
    given = parser.parse_args(args)
    measured(given.runs, given.decisions, given.keep, given.directory)


def measured(
    runs: int, decisions: int, keep: Path | None = None, directory: Path | None = None
) -> None:
    """Print the figures; with `keep`, of the runs there, which are made if there are none."""
    items = pool()
    with tempfile.TemporaryDirectory(prefix="decisionlog-bench-", dir=directory) as scratch:
        many, long = (Path(keep or scratch, name) for name in ("many", "long"))
        if not (many / "runs").is_dir():
            anyio.run(record_runs, many, runs, items)
        if not (long / "runs").is_dir():
            anyio.run(record_decisions, long, repeated(items, decisions))
        [run_id] = (each.stem for each in (long / "runs").iterdir())
        print(f"{'':42}{'CPU s':>8}{'clock s':>8}{'MiB':>8}")
        of_many_runs(many)
        of_a_long_run(long, run_id, decisions)


if __name__ == "__main__":
    main()
