"""`rows_should_match_source`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from dataflow.wording import number, plural
from dataflow.workflow.audits.base import AuditContext, AuditQuery, RowAudit, Verdict, none_failing, rows_text
from dataflow.workflow.table_names import quote, quoted
from dataflow.workflow.values import TableName


class MatchesSource(RowAudit):
    """As many rows are there as the source has; or, of some columns, the same values.

    It is about the source as it is when it is audited.
    """

    function: Literal["rows_should_match_source"]
    source: TableName = Field(description="The table that the rows were computed from.")
    where: str = Field("true", description="Which rows of the source count, as SQL: `date = DATE '${EXECUTION_DATE}'`.")
    columns: list[str] | None = Field(
        None, min_length=1, description="Columns of both tables whose values have to be the same; instead of a number."
    )
    tolerance: float = Field(0.0, ge=0, lt=1, description="Allowed deviation of the number: 0.01 is 1 %.")

    @property
    def named_columns(self) -> Sequence[str]:
        """The columns of both tables."""
        return self.columns or ()

    def query(self, context: AuditContext) -> AuditQuery:
        """Count both sides, or the values that only one of them has."""
        source = f"{quoted(self.source)} WHERE true AND ({self.where})"
        if not self.columns:
            return AuditQuery(("count(*)", f"(SELECT count(*) FROM {source})"), self._compared)
        ours = ", ".join(context.column(name).sql for name in self.columns)
        theirs = ", ".join(".".join(quote(part) for part in name.split(".")) for name in self.columns)
        missing = f"SELECT {theirs} FROM {source} EXCEPT SELECT {ours} FROM {context.source}"
        extra = f"SELECT {ours} FROM {context.source} EXCEPT SELECT {theirs} FROM {source}"
        counts = tuple(f"(SELECT count(*) FROM ({query}))" for query in (missing, extra))
        return AuditQuery(
            counts,
            self._found,
            f"SELECT 'only in the source' AS side, * FROM ({missing}) "
            f"UNION ALL SELECT 'not in the source', * FROM ({extra})",
        )

    def _compared(self, counts: Sequence[int]) -> Verdict:
        rows, wanted = counts
        away = f" within {self.tolerance:.15g} of it" if self.tolerance else ""
        passed = abs(rows - wanted) <= self.tolerance * wanted
        return Verdict(passed, rows, f"{number(wanted)}, as many as {self.source} has{away}", rows_text(rows))

    def _found(self, counts: Sequence[int]) -> Verdict:
        missing, extra = counts
        of = ", ".join(self.columns or ())
        finding = f"{plural(missing, 'value')} of {of} only in {self.source}, {number(extra)} not in it"
        return none_failing(missing + extra, finding)
