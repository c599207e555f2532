"""The project's checks: `python -m pip install nox`, then `nox`, or `nox -s NAME` for one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2026.8.17"  # from here on, it passes over interpreters that don't start
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
MEASURED = Path(".nox", ".measured").absolute()

PARALLEL = ["--numprocesses=auto", "--dist=worksteal", "--quiet", "--durations=15"]
# What depends on the Python is the core: its tests run on each. On the first they are measured, and
# all the others run as well; on the last, those of the edge that it could break. Those in between
# have nothing but the core.
EDGE_TESTS = [
    "tests/analysis",
    "tests/cli",
    "tests/demo",
    "tests/docs",
    "tests/examples",
    "tests/faults",
    "tests/test_benchmarks.py",
    "tests/viewer",
]
WHATEVER_THE_PYTHON = [
    "tests/analysis/one/test_real.py",
    "tests/analysis/test_bad_input.py",
    "tests/analysis/test_findings.py",
    "tests/analysis/test_real_data.py",
    "tests/analysis/test_statistics.py",
    "tests/docs",
    "tests/examples",
    "tests/faults",
    "tests/test_benchmarks.py",
    "tests/viewer/browser",
]


def ignored(paths: list[str]) -> list[str]:
    return [f"--ignore={path}" for path in paths]


def group(*names: str) -> tuple[str, ...]:
    """The requirements of dependency groups (`pip install --group` would need a recent pip)."""
    return nox.project.dependency_groups(PYPROJECT, *names)


def starts(python: str, minor: int) -> bool:
    """Whether this is a Python 3.`minor` that runs: a version manager's shim may well not."""
    program = f"import sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def interpreters() -> list[str]:
    """Every Python from 3.11 on that is on the PATH and starts, and the one that runs nox."""
    minors = {sys.version_info.minor} if sys.version_info >= (3, 11) else set[int]()
    for minor in range(11, 20):
        found = (shutil.which(f"python3.{minor}", path=folder) for folder in os.get_exec_path())
        if minor not in minors and any(python and starts(python, minor) for python in found):
            minors.add(minor)
    return [f"3.{minor}" for minor in sorted(minors)] or ["3.11"]


PYTHONS = interpreters()


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers, strict, on the package and on typed examples of its use."""
    session.install(".[cli,analysis,viewer]", *group("types"))
    session.run("mypy")
    session.run("pyright")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests, on each Python, and their coverage on the first; arguments go to pytest."""
    everything = session.posargs or session.python in (PYTHONS[0], PYTHONS[-1])
    session.install(".[cli,analysis,viewer]" if everything else ".", *group("tests"))
    session.env.setdefault("DECISIONLOG_SCREENSHOTS", str(Path(".nox", "screenshots").absolute()))
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    core = [*PARALLEL, *ignored(EDGE_TESTS)]
    if session.python == PYTHONS[0]:
        shutil.rmtree(MEASURED, ignore_errors=True)
        MEASURED.mkdir(parents=True)
        measured = {"COVERAGE_FILE": str(MEASURED / ".coverage")}
        session.run("coverage", "run", "-m", "pytest", *core, "-m", "not large", env=measured)
        session.run("pytest", *core, "-m", "large")
        session.run("pytest", *PARALLEL, *EDGE_TESTS)
        session.notify("coverage")
    elif session.python == PYTHONS[-1]:
        session.run("pytest", *PARALLEL, *ignored(WHATEVER_THE_PYTHON))
    else:
        session.run("pytest", *core)


@nox.session
def coverage(session: nox.Session) -> None:
    """Judges what the core's `tests` on the first Python measured; runs after them."""
    session.install(*group("coverage"))
    session.env["COVERAGE_FILE"] = str(MEASURED / ".coverage")
    session.run("coverage", "combine", "--quiet", str(MEASURED))
    session.run("coverage", "report", "--fail-under=100")


@nox.session
def spark(session: nox.Session) -> None:
    """The analysis of many runs once more, on Spark beside DuckDB. It needs Java."""
    session.install(".[cli,analysis,viewer]", *group("spark"))
    session.run(
        "pytest", "--quiet", *(session.posargs or ["tests/analysis", "-k", "spark or engines"])
    )


@nox.session
def faults(session: nox.Session) -> None:
    """The fault suite at its full size (`DECISIONLOG_FAULTS=short`: a short form), and a table of
    its figures; arguments go to pytest.
    """
    session.install(".[cli,analysis,viewer]", *group("faults"))
    figures = Path(session.create_tmp(), "faults.jsonl").absolute()
    figures.write_bytes(b"")
    session.env["DECISIONLOG_FAULTS"] = os.environ.get("DECISIONLOG_FAULTS", "full")
    session.env["DECISIONLOG_FAULTS_REPORT"] = str(figures)
    try:
        session.run("pytest", "--quiet", "tests/faults", *session.posargs)
    finally:
        session.run("python", "-m", "tests.faults.report", str(figures))


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, into docs/_build/html; a warning is an error."""
    session.install(".[cli,analysis,viewer]", *group("docs"))
    shutil.rmtree("docs/_build", ignore_errors=True)
    session.run(
        *("sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", "--builder=html"),
        *("--doctree-dir=docs/_build/doctrees", "docs", "docs/_build/html"),
        *session.posargs,
    )


@nox.session
def bench(session: nox.Session) -> None:
    """What recording costs, beside others; arguments go to the benchmarks (`--quick`, `--help`).
    With `--analysis`, how long answers from many runs take; with `--viewer`, how long pages do.
    """
    session.install(".[cli,analysis,viewer]", *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """The demo, as a user would run it, and a look at what it left; arguments go to the demo."""
    session.install(".[cli,viewer]")
    traces = Path(session.create_tmp(), "traces").absolute()
    shutil.rmtree(traces, ignore_errors=True)
    session.run("decisionlog", "demo", f"--out={traces}", *session.posargs)
    session.run("decisionlog", "ls", str(traces))
    session.run("decisionlog", "check", str(traces))
    session.run("decisionlog", "report", "last", f"--out={traces / 'report.html'}", str(traces))
