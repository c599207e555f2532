"""The page in one file, which opens from a disk: its scripts, styles and documents inside."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

STATIC = Path(__file__).with_name("static")

_STYLE = re.compile(r'<link rel="stylesheet" href="([^"]+)">')
_SCRIPT = re.compile(r'<script src="([^"]+)"></script>')
_MODULE = re.compile(r'<script type="module" src="([^"]+)"></script>')
_IMPORT = re.compile(r"import \{[^}]*\} from '\./([\w.-]+)';\n?")
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def one_file(documents: Mapping[str, bytes], start: str, title: str) -> str:
    """The page with everything it needs, in the mode in which it asks nobody.

    Args:
        documents: What the API would answer, as JSON, by path.
        start: The address within the page to start at, such as `#/runs/run_1`.
        title: What the browser shows above it.
    """
    page = _text("index.html")
    styles = "\n".join(_text(name) for name in _STYLE.findall(page))
    scripts: list[str] = []

    def inline(match: re.Match[str], attributes: str = "") -> str:
        source = _joined(match[1]) if attributes else _text(match[1])
        scripts.append(source)
        return f"<script{attributes}>{source}</script>"

    page = _STYLE.sub("", page)
    page = _SCRIPT.sub(inline, page)
    page = _MODULE.sub(lambda match: inline(match, ' type="module"'), page)
    policy = (
        f"default-src 'none'; script-src {' '.join(map(_hash, scripts))}; "
        f"style-src {_hash(styles)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<style>{styles}</style>\n'
    )
    page = page.replace("<title>decisionlog</title>", f"<title>{html.escape(title)}</title>")
    page = page.replace('<meta charset="utf-8">\n', '<meta charset="utf-8">\n' + head, 1)
    data = f'<script type="application/json" id="documents">{_embedded(documents)}</script>\n'
    mode = f'<body data-mode="report" data-start="{html.escape(start)}">\n'
    return page.replace('<body data-mode="viewer">\n', mode + data, 1)


def _joined(name: str) -> str:
    """A module and all it imports, in one: each after those it needs."""
    parts: dict[str, str] = {}

    def add(module: str) -> None:
        if module in parts:
            return
        source = _text(module)
        parts[module] = ""  # holds its place while those it imports come; they may form a ring
        for imported in _IMPORT.findall(source):
            add(imported)
        del parts[module]
        parts[module] = _EXPORT.sub("", _IMPORT.sub("", source))

    add(name)
    return "\n".join(parts.values())


def _embedded(documents: Mapping[str, bytes]) -> str:
    pairs = ",".join(f"{json.dumps(path)}:{body.decode()}" for path, body in documents.items())
    # Within a script element nothing else could end it, or begin a comment.
    return ("{" + pairs + "}").replace("<", "\\u003c")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(name: str) -> str:
    return (STATIC / name).read_text("utf-8")
