"""What the README and the documentation show is run, and prints what they say it prints.

In each document, the Python blocks are run in turn, in one namespace and in an empty directory. A
block marked `text` directly below one holds what it prints; `...` there stands for anything. Other
blocks are for people.
"""

import doctest
import io
import logging
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

from decisionlog.records import decode, unseal

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
run_python = PythonEvaluator()


def run(example: Example) -> None:
    """Run a Python block, and keep what it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        run_python(example)
    example.namespace["_printed"] = (example.end, printed.getvalue())


def compare(example: Example) -> str | None:
    """Compare what the block above printed with what the document says."""
    end, printed = example.namespace.get("_printed", (0, ""))
    if example.document.text[end : example.start].strip(" \n`"):
        return None  # it stands by itself
    checker = doctest.OutputChecker()
    if checker.check_output(example.parsed, printed, doctest.ELLIPSIS):
        return None
    expected = doctest.Example("", example.parsed)
    return checker.output_difference(expected, printed, doctest.ELLIPSIS | doctest.REPORT_NDIFF)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", [])  # some documents set up logging
    parsers = [CodeBlockParser("python", run), CodeBlockParser("text", compare)]
    for example in Sybil(parsers).parse(path).examples():
        example.evaluate()


@pytest.mark.parametrize("name", ["README.md", "docs/format-v1.md"])
def test_lines_that_are_shown_are_records(name: str) -> None:
    shown = re.findall(r"^```json\n(.*)\n```$", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    assert shown
    for line in shown:
        body, intact = unseal(line.encode())
        assert intact, line
        assert not isinstance(decode(body), dict)


def test_links_lead_to_files() -> None:
    """Those within the project; Sphinx looks after the anchors."""
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert path.stem == "index" or f"\n{path.stem}\n" in index
