"""What is audited, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.secret import masked

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


SAMPLE_ROWS = 5
"""How many offending rows a failing audit shows."""


@dataclass(frozen=True)
class AuditedRows:
    """The rows under audit.

    Attributes:
        table: As SQL names it, quoted, with a branch where there is one.
        where: A SQL condition; `true` for all rows.
    """

    table: str
    where: str = "true"

    @property
    def source(self) -> str:
        """The rows as the FROM and WHERE of a query, to which further conditions can be added."""
        # Without the first `true`, Spark takes `plays WHERE (true)` for a table alias with a list of columns.
        return f"{self.table} WHERE true AND ({self.where})"


@dataclass(frozen=True)
class AuditResult:
    """What one audit found.

    Attributes:
        name: Its name in reports.
        function: The audit's function.
        blocking: Whether a failure prevents publishing.
        passed: Whether all is as it should be.
        figure: What was measured: a number of failing rows, or the number of rows.
        expected: What the figure should be, in words: `0`, `between 1 and 100`.
        finding: What was found, in words: `12 rows are null in view_hours`.
        sample: A few of the offending rows, values as text.
        offending: The query for all of them, where the audit failed and there is one.
    """

    name: str
    function: str
    blocking: bool
    passed: bool
    figure: float
    expected: str
    finding: str = ""
    sample: tuple[dict[str, str], ...] = ()
    offending: str | None = None

    @property
    def message(self) -> str:
        """What was found and what was expected, in a line."""
        return f"{self.finding} (expected {self.expected})"


def sample(frame: DataFrame) -> tuple[dict[str, str], ...]:
    """Fetch a few rows, every value as text."""
    names = frame.columns
    cells = [f"c{i}" for i in range(len(names))]  # a query of the user's may have a name twice
    as_text = frame.limit(SAMPLE_ROWS).toDF(*cells).selectExpr(*(f"string({cell})" for cell in cells))
    return tuple(
        {masked(name): "null" if value is None else masked(value) for name, value in zip(names, row, strict=True)}
        for row in as_text.collect()
    )
