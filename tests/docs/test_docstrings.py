"""The examples in the docstrings run, in an empty directory and with the public names at hand."""

import doctest
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import decisionlog

EDGE = {"analysis", "bridges", "cli", "demo", "viewer", "__main__"}
CORE = [decisionlog] + [
    importlib.import_module(f"decisionlog.{module.name}")
    for module in pkgutil.iter_modules(decisionlog.__path__)
    if module.name not in EDGE
]


@pytest.mark.parametrize("module", CORE, ids=lambda module: module.__name__)
def test_examples_run(
    module: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    public = {name: getattr(decisionlog, name) for name in decisionlog.__all__}
    failed = ""
    for test in doctest.DocTestFinder().find(module, globs=public | vars(module)):
        report: list[str] = []
        doctest.DocTestRunner().run(test, out=report.append)
        failed += "".join(report)
    assert not failed, failed
    assert caplog.messages == []  # an example that is misuse is a bad example
