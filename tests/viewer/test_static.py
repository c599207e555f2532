"""What the page is made of: files of others as they were published, modules that can be joined."""

import hashlib
import re
import shutil
import subprocess
from importlib.resources import files

import pytest

from tests.waiting import LIMIT

STATIC = files("decisionlog.viewer") / "static"
VENDOR = STATIC / "vendor"
MODULES = {
    path.name: path.read_text("utf-8")
    for path in STATIC.iterdir()
    if path.name.endswith(".js") and path.name != "theme-early.js"
}
STYLES = {
    path.name: path.read_text("utf-8")
    for path in (STATIC / "styles").iterdir()
    if path.name.endswith(".css")
}
IMPORT = re.compile(r"import \{ [\w, ]+ \} from '\./([\w-]+\.js)';")


def rows() -> list[list[str]]:
    table = (VENDOR / "README.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table if "|" in line]
    return cells[2:]


def test_third_party_files_are_as_they_were_published() -> None:
    for name, _, version, licence, source, digest in rows():
        content = (VENDOR / name.strip("`")).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest.strip("`"), name
        assert f"@{version}" in source
        path = re.search(r"\((.+)\)", licence)
        assert path and (VENDOR / path[1]).is_file()


def test_every_third_party_file_is_listed() -> None:
    listed = {row[0].strip("`") for row in rows()}
    assert listed == {path.name for path in VENDOR.iterdir() if path.name.endswith(".js")}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_can_be_joined_with_the_others(name: str) -> None:
    source = MODULES[name]
    for line in source.splitlines():
        if line.startswith("import"):
            match = IMPORT.fullmatch(line)
            assert match, line
            assert match[1] in MODULES, line
        if line.startswith("export"):
            assert re.match(r"export (async )?(function|const|class) ", line), line
    assert "import(" not in source
    assert "</script" not in source
    assert "<!--" not in source


def test_no_name_is_used_at_the_top_of_two_modules() -> None:
    seen: dict[str, str] = {}
    for module, source in MODULES.items():
        for line in source.splitlines():
            match = re.match(
                r"(?:export )?(?:async )?(?:function|const|let|class) (?:\{ ([^}]+) \}|(\w+))", line
            )
            for name in (match[1] or match[2]).split(", ") if match else []:
                assert name not in seen, f"{name} in {module} and {seen[name]}"
                seen[name] = module


@pytest.mark.parametrize("name", MODULES)
def test_a_module_takes_one_sitting_and_no_risk(name: str) -> None:
    source = MODULES[name]
    assert len(source.splitlines()) <= 400
    for risk in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert risk not in source, risk
    assert "http://" not in source and "https://" not in source


def test_nothing_comes_from_elsewhere() -> None:
    page = (STATIC / "index.html").read_text("utf-8")
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith("data:") or (STATIC / address).is_file(), address
    for name, style in STYLES.items():
        assert "url(" not in style and "@import" not in style, name
        assert f"styles/{name}" in page
    assert " style=" not in page and not re.search(r"\son\w+=", page)


def test_every_file_of_the_page_is_used() -> None:
    page = (STATIC / "index.html").read_text("utf-8")
    reached, left = set[str](), re.findall(r'src="([\w-]+\.js)"', page)
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            left += IMPORT.findall(MODULES.get(name, ""))
    assert reached - {"theme-early.js"} == set(MODULES)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node, which only this check does")
def test_the_modules_parse() -> None:
    """All in one, as a report has them: starting Node for each would take long."""
    lines = (line for source in MODULES.values() for line in source.splitlines())
    joined = "\n".join(line.removeprefix("export ") for line in lines if not IMPORT.match(line))
    done = subprocess.run(
        ["node", "--check", "--input-type=module", "-"],
        input=joined,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
