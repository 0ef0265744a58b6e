"""`column_should_be_between`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import model_validator

from dataflow.workflow.audits.base import (
    AuditContext,
    AuditQuery,
    RowAudit,
    bounds_text,
    failing_rows,
    require_a_bound,
)
from dataflow.workflow.values import Scalar


class Between(RowAudit):
    """Every value of a column that is not NULL lies between two bounds, both included."""

    function: Literal["column_should_be_between"]
    column: str
    min: Scalar | None = None
    max: Scalar | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Between:
        require_a_bound(self.min, self.max)
        return self

    @property
    def named_columns(self) -> Sequence[str]:
        """The column."""
        return (self.column,)

    def query(self, context: AuditContext) -> AuditQuery:
        """Count the rows with a value outside the bounds."""
        column = context.column(self.column)
        outside = [
            f"{column.sql} {operator} {column.literal(bound)}"
            for operator, bound in (("<", self.min), (">", self.max))
            if bound is not None
        ]
        if column.has_nan:
            outside.append(f"isnan({column.sql})")
        condition = f"{column.sql} IS NOT NULL AND ({' OR '.join(outside)})"
        return failing_rows(context, condition, f"with {column.name} not {bounds_text(self.min, self.max)}")
