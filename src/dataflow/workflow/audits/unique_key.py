"""`columns_should_be_unique`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field

from dataflow.wording import plural
from dataflow.workflow.audits.base import AuditContext, AuditQuery, RowAudit, none_failing
from dataflow.workflow.table_names import quote


class UniqueKey(RowAudit):
    """No two rows have the same values in these columns."""

    function: Literal["columns_should_be_unique"]
    columns: list[str] | None = Field(
        None,
        min_length=1,
        description="The key; when omitted, the `primary_key` that the table's Metadata job declares.",
    )

    @property
    def named_columns(self) -> Sequence[str]:
        """The columns."""
        return self.columns or ()

    @property
    def lacks_key(self) -> bool:
        """Whether it names no columns."""
        return self.columns is None

    def with_key(self, key: Sequence[str]) -> Self:
        """Return it with these columns, where it names none."""
        return self.model_copy(update={"columns": list(key)}) if self.lacks_key else self

    def query(self, context: AuditContext) -> AuditQuery:
        """Count the rows beyond the first of each key."""
        columns = [context.column(name) for name in self.named_columns]
        keys = ", ".join(column.sql for column in columns)
        shown = ", ".join(f"{column.sql} AS {quote(column.name)}" for column in columns)
        rows = f"FROM {context.source} GROUP BY {keys}"
        key = f"for key ({', '.join(column.name for column in columns)})"
        return AuditQuery(
            (f"count(*) - (SELECT count(*) FROM (SELECT 1 {rows}))",),
            lambda n: none_failing(n[0], f"{plural(n[0], 'duplicate row')} {key}"),
            f"SELECT {shown}, count(*) AS `rows` {rows} HAVING count(*) > 1 ORDER BY count(*) DESC, {keys}",
        )
