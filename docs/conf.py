"""How Sphinx builds the documentation: `nox -s docs`."""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from typing import Any

project = "decisionlog"
author = "The decisionlog developers"
copyright = "2026, The decisionlog developers"  # noqa: A001
release = installed_version("decisionlog")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
default_role = "code"  # docstrings are written with single backticks, as in Markdown

copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"decisionlog {release}"


def _fences(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn the fenced blocks of docstrings into what reStructuredText calls code blocks."""
    fenced = False
    turned: list[str] = []
    for line in lines:
        if fence := re.fullmatch(r"\s*```(\w*)\s*", line):
            fenced = not fenced
            turned += [f".. code-block:: {fence[1] or 'text'}", ""] if fenced else [""]
        else:
            turned.append(f"   {line}" if fenced and line else line)
    lines[:] = turned


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", _fences)
