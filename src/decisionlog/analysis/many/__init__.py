"""Many runs: `Analysis`, which needs the extra `decisionlog[analysis]`."""

from __future__ import annotations

from decisionlog.extras import require

require("analysis")

from decisionlog.analysis.many.analysis import Analysis  # noqa: E402
from decisionlog.analysis.many.dataset import Exported, export_parquet  # noqa: E402
from decisionlog.analysis.many.sandbox import QueryError  # noqa: E402

__all__ = ["Analysis", "Exported", "QueryError", "export_parquet"]
