"""Many runs: `Analysis`, which needs the extra `decisionlog[analysis]`."""

from __future__ import annotations

from importlib.util import find_spec

from decisionlog.errors import DecisionLogError

_MISSING = [name for name in ("duckdb", "narwhals", "pyarrow", "scipy") if find_spec(name) is None]
if _MISSING:
    raise DecisionLogError(
        f"this needs {', '.join(_MISSING)}; install it with: python -m pip install"
        " 'decisionlog[analysis]'"
    )

from decisionlog.analysis.many.analysis import Analysis  # noqa: E402
from decisionlog.analysis.many.dataset import Exported, export_parquet  # noqa: E402
from decisionlog.analysis.many.sandbox import QueryError  # noqa: E402

__all__ = ["Analysis", "Exported", "QueryError", "export_parquet"]
