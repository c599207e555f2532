"""`decisionlog view` and `decisionlog report`, as processes."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.recorded import Recorded
from tests.cli.terminal import COMMAND, LIMIT, decisionlog, environment, in_a_process
from tests.viewer.serving import Client

unix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals of Unix")


class Viewing:
    """A `decisionlog view` process, which has said where it is."""

    def __init__(self, *args: object, env: dict[str, str] | None = None) -> None:
        # Shells have what they start in the background ignore ctrl-C, and it would inherit that.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self.process = subprocess.Popen(
                [*COMMAND, "view", *map(str, args)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                env=environment(**(env or {})),
                start_new_session=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]+)$", self.said.rstrip())
        assert found, (self.said, self.process.communicate())
        self.token = found[2]
        self.client = Client(int(found[1]), self.token)

    def interrupt(self) -> tuple[int, str, str]:
        """Ctrl-C, which reaches everything that was started from the terminal."""
        os.killpg(self.process.pid, signal.SIGINT)
        out, err = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, out, err


@contextmanager
def viewing(*args: object, env: dict[str, str] | None = None) -> Iterator[Viewing]:
    viewing = Viewing(*args, env=env)
    try:
        yield viewing
    finally:
        viewing.process.kill()
        viewing.process.communicate()


@unix
def test_ctrl_c_ends_it_in_silence_with_streams_open_and_leaves_nothing(
    traces: Path, tmp_path: Path
) -> None:
    recorded, scratch = Recorded(traces), tmp_path / "scratch"
    scratch.mkdir()
    with viewing("--port=0", traces, env={"TMPDIR": str(scratch)}) as viewer:
        client = viewer.client
        assert client.get("/api/runs")["total"] == 3
        assert client.get("/api/goal?id=fetch")["goal_id"] == "fetch"
        assert client.run(recorded.failed, "explanation")["run_id"] == recorded.failed
        assert list(scratch.iterdir())
        with client.events("/api/events") as events:
            next(events)
            code, out, err = viewer.interrupt()
    assert (code, out) == (130, "")
    assert err == "ctrl-C ends it\n"
    assert list(scratch.iterdir()) == []


@unix
def test_a_polite_end_leaves_nothing_either(traces: Path, tmp_path: Path) -> None:
    Recorded(traces)
    with viewing("--port=0", traces, env={"TMPDIR": str(tmp_path)}) as viewer:
        viewer.client.get("/api/info")
        viewer.process.terminate()
        _, err = viewer.process.communicate(timeout=LIMIT)
        assert "Traceback" not in err
    assert [each for each in tmp_path.iterdir() if each.name.startswith("decisionlog-")] == []


def test_the_address_has_a_fresh_token_that_lets_one_in(traces: Path) -> None:
    Recorded(traces)
    with viewing("--port=0", "--no-open", traces) as one, viewing("--port=0", traces) as other:
        assert len(one.token) >= 43
        assert one.token != other.token
        host = ("Host", one.client.host)
        assert one.client.raw(f"/?token={one.token}", [host]).status == 303
        assert one.client.raw(f"/?token={other.token}", [host]).status == 401
        assert str(traces) in one.said


@pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")
def test_it_listens_on_the_loopback_interface_alone(traces: Path) -> None:
    Recorded(traces)
    with viewing("--port=0", traces) as viewer, socket.socket() as elsewhere:
        # Nobody holds the port on another address of this computer.
        elsewhere.bind(("127.0.0.2", viewer.client.port))


def test_a_port_that_is_taken_is_only_passed_over_when_none_was_named(traces: Path) -> None:
    Recorded(traces)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = decisionlog("view", "--no-open", f"--port={port}", traces)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
        assert done.stderr.count("\n") == 1
    with viewing("--no-open", traces) as one, viewing("--no-open", traces) as other:
        assert one.client.port != other.client.port
        assert other.client.get("/api/info")["runs"] == 3


@unix
def test_a_port_that_was_just_left_can_be_had_again(traces: Path) -> None:
    Recorded(traces)
    with viewing("--port=0", traces) as viewer:
        port = viewer.client.port
        with viewer.client.events("/api/events") as events:
            next(events)
            viewer.interrupt()
    with viewing(f"--port={port}", traces) as again:
        assert again.client.get("/api/info")["runs"] == 3


def test_it_says_what_ls_says_of_a_directory_that_is_not_there(tmp_path: Path) -> None:
    viewed, listed = (decisionlog(each, tmp_path / "none") for each in ("view", "ls"))
    assert (viewed.returncode, viewed.stdout, viewed.stderr) == (1, "", listed.stderr)


def test_an_empty_directory_can_be_viewed(traces: Path) -> None:
    traces.mkdir()
    with viewing("--port=0", traces) as viewer:
        assert viewer.client.get("/api/runs")["runs"] == []
        Recorded(traces)


def without(*names: str) -> dict[str, str]:
    """An environment in which these are not installed, for workers too."""
    folder = Path(__file__).parent / "without"
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    return {"PYTHONPATH": path, "WITHOUT": ",".join(names)}


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(traces: Path, name: str) -> None:
    Recorded(traces)
    done = in_a_process("view", traces, env=without(name))
    assert (done.returncode, done.stdout) == (1, "")
    assert 'python -m pip install "decisionlog[viewer]"' in done.stderr
    assert name in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_analysis_all_but_goals_is_there(traces: Path, tmp_path: Path) -> None:
    recorded = Recorded(traces)
    env = without("duckdb", "narwhals", "pyarrow", "scipy")
    with viewing("--port=0", traces, env=env) as viewer:
        client = viewer.client
        assert client.get("/api/info")["analysis"] is False
        answer = client.ask("/api/goal?id=fetch")
        assert answer.error == (501, "NotInstalledError")
        assert 'pip install "decisionlog[analysis]"' in answer.json["error"]["message"]
        assert client.get("/api/goals")["goals"][1]["success"]["n"] == 2
        assert client.run(recorded.failed, "explanation")["causes"]
    done = in_a_process("report", "--goal", "fetch", traces, env=env, cwd=tmp_path)
    assert done.returncode == 1
    assert "decisionlog[analysis]" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))


def test_a_report_of_a_run_needs_no_server(traces: Path, tmp_path: Path) -> None:
    recorded, out = Recorded(traces), tmp_path / "run.html"
    env = without("starlette", "uvicorn", "duckdb", "narwhals", "pyarrow", "scipy")
    done = in_a_process("report", recorded.failed, traces, "-o", out, env=env)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert str(out) in done.stderr
    assert recorded.failed in out.read_text("utf-8")


def test_a_report_of_the_newest_run_has_its_name(traces: Path, tmp_path: Path) -> None:
    recorded = Recorded(traces)
    assert in_a_process("report", "last", traces, cwd=tmp_path).returncode == 0
    assert [each.name for each in tmp_path.glob("*.html")] == [f"{recorded.stuck}.html"]
    assert in_a_process("report", "--goal", "fetch", traces, cwd=tmp_path).returncode == 0
    assert "#/goals/fetch" in (tmp_path / "goal.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nothing"], 1, "nothing"),
        (["--goal", "nothing"], 1, "nothing"),
        (["last", "--goal", "fetch", "{traces}"], 2, "not both"),
        (["last", "-o", "{traces}/none/x.html"], 1, "x.html"),
    ],
)
def test_a_report_that_cannot_be_made(
    traces: Path, args: list[str], code: int, message: str
) -> None:
    Recorded(traces)
    given = [each.format(traces=traces) for each in args]
    done = in_a_process("report", *given, env={"DECISIONLOG_DIR": str(traces)})
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_browser_is_opened_when_asked_for(traces: Path, tmp_path: Path) -> None:
    Recorded(traces)
    told = tmp_path / "told"
    browser = f"{sys.executable} -c \"import sys; open({str(told)!r}, 'w').write(sys.argv[1])\" %s"
    with viewing("--port=0", "--open", traces, env={"BROWSER": browser}) as viewer:
        viewer.client.get("/api/info")
        assert told.read_text() == viewer.said.split()[-1]
    told.unlink()
    with viewing("--port=0", traces, env={"BROWSER": browser}) as viewer:  # in a pipe
        viewer.client.get("/api/info")
        assert not told.exists()
