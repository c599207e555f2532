"""Many runs: `Analysis`, which needs the extra `decisionlog[analysis]`."""

from __future__ import annotations

from decisionlog.errors import DecisionLogError

try:
    import duckdb  # noqa: F401
    import narwhals  # noqa: F401
    import pyarrow  # noqa: F401
    import scipy  # noqa: F401
except ImportError as error:  # pragma: no cover
    raise DecisionLogError(
        f"this needs {error.name}; install it with: python -m pip install 'decisionlog[analysis]'"
    ) from error

from decisionlog.analysis.many.analysis import Analysis
from decisionlog.analysis.many.dataset import Exported, export_parquet
from decisionlog.analysis.many.sandbox import QueryError

__all__ = ["Analysis", "Exported", "QueryError", "export_parquet"]
