"""`row_count_should_be_near_history`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from dataflow.wording import number
from dataflow.workflow.audits.base import (
    AuditContext,
    AuditQuery,
    RowAudit,
    Verdict,
    bounds_text,
    row_count,
    rows_text,
)


class NearHistory(RowAudit):
    """The number of rows is near the median of the last published runs."""

    function: Literal["row_count_should_be_near_history"]
    tolerance: float = Field(0.5, gt=0, description="Allowed deviation: 0.5 is 50 % below or above.")
    runs: int = Field(14, ge=1, description="How many of the last published runs to compare with.")
    min_runs: int = Field(3, ge=1, description="Passes while the history has fewer runs than this.")

    @property
    def history_runs(self) -> int:
        """How many of the last published runs it compares with."""
        return self.runs

    def query(self, context: AuditContext) -> AuditQuery:
        """Count all rows."""
        last = context.history[: self.runs]
        return AuditQuery(("count(*)",), lambda counts: self._verdict(counts[0], last))

    def _verdict(self, count: int, last: Sequence[int]) -> Verdict:
        if len(last) < self.min_runs:
            expected = f"anything: the history has {len(last)} of the {self.min_runs} runs that it needs"
            return Verdict(True, count, expected, rows_text(count))
        import statistics  # takes longer to import than loading a definition needs

        median = statistics.median(last)
        low, high = max(0, median * (1 - self.tolerance)), median * (1 + self.tolerance)
        expected = f"{bounds_text(_plain(low), _plain(high))}: {self.tolerance:.0%} around {_plain(median)}, "
        return row_count(count, low, high, f"{expected}the median of the last {len(last)} runs")


def _plain(value: float) -> str:
    return number(float(f"{value:.15g}"))
