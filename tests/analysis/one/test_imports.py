"""The analysis of one run needs the core and nothing else, and the core does not need it."""

import subprocess
import sys

import pytest


def loaded(imports: str) -> set[str]:
    """The modules there are after these imports, in a fresh process."""
    script = f"import sys\n{imports}\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True
    )
    return set(done.stdout.split())


def test_it_is_not_loaded_before_it_is_asked_for() -> None:
    names = loaded("import decisionlog")
    assert not [name for name in names if name.startswith("decisionlog.analysis")]


@pytest.mark.parametrize("name", ["explain", "compare", "summarize"])
def test_it_needs_no_extra(name: str) -> None:
    names = loaded(f"from decisionlog.analysis import {name}")
    extras = {
        "duckdb",
        "narwhals",
        "scipy",
        "numpy",
        "pyarrow",
        "pandas",
        "pyspark",
        "rich",
        "click",
    }
    assert not extras & {each.partition(".")[0] for each in names}
