"""`columns_should_not_have_nulls`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from dataflow.workflow.audits.base import (
    AuditContext,
    AuditQuery,
    RowAudit,
    Verdict,
    none_failing,
    offending_rows,
    rows_text,
)


class NotNull(RowAudit):
    """No row has NULL in these columns."""

    function: Literal["columns_should_not_have_nulls"]
    columns: list[str] = Field(min_length=1)

    @property
    def named_columns(self) -> Sequence[str]:
        """The columns."""
        return self.columns

    def query(self, context: AuditContext) -> AuditQuery:
        """Count the rows with a NULL in any of the columns, and in each."""
        columns = [context.column(name) for name in self.columns]
        nulls = [f"{column.sql} IS NULL" for column in columns]
        condition = " OR ".join(nulls)

        def judge(counts: Sequence[int]) -> Verdict:
            failing = {column.name: n for column, n in zip(columns, counts[1:], strict=True) if n}
            finding = f"{rows_text(counts[0])} with NULL in {', '.join(failing or [it.name for it in columns])}"
            if len(failing) > 1:
                finding += f" ({', '.join(f'{column}: {n}' for column, n in failing.items())})"
            return none_failing(counts[0], finding)

        counts = tuple(f"count_if({null})" for null in (condition, *nulls))
        return AuditQuery(counts, judge, offending_rows(context, condition))
