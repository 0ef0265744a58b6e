"""`values_should_be_in`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from dataflow.workflow.audits.base import AuditContext, AuditQuery, RowAudit, failing_rows
from dataflow.workflow.values import Scalar


class ValuesIn(RowAudit):
    """Every value of a column that is not NULL is one of these."""

    function: Literal["values_should_be_in"]
    column: str
    values: list[Scalar] = Field(min_length=1)

    @property
    def named_columns(self) -> Sequence[str]:
        """The column."""
        return (self.column,)

    def query(self, context: AuditContext) -> AuditQuery:
        """Count the rows with another value."""
        column = context.column(self.column)
        allowed = ", ".join(map(column.literal, self.values))
        condition = f"{column.sql} IS NOT NULL AND {column.sql} NOT IN ({allowed})"
        return failing_rows(context, condition, f"with another value in {column.name}")
