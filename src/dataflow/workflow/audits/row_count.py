"""`row_count_should_be_between`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from dataflow.workflow.audits.base import AuditContext, AuditQuery, RowAudit, bounds_text, require_a_bound, row_count


class RowCount(RowAudit):
    """The number of rows lies between two bounds, both included."""

    function: Literal["row_count_should_be_between"]
    min: int | None = Field(None, ge=0)
    max: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _has_a_bound(self) -> RowCount:
        require_a_bound(self.min, self.max)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"'min' ({self.min}) lies above 'max' ({self.max})")
        return self

    def query(self, context: AuditContext) -> AuditQuery:  # noqa: ARG002 - it names no column
        """Count all rows."""
        expected = bounds_text(self.min, self.max)
        return AuditQuery(("count(*)",), lambda counts: row_count(counts[0], self.min, self.max, expected))
