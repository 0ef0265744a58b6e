"""What an audit is made of: its model, the columns that it names, and what it asks of the rows.

A new audit function is one module of this package: a subclass of `RowAudit` with the fields that a definition may
give it, `named_columns`, and `query`, which says in SQL what to count and what the counts mean. The package finds it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from pydantic import Field

from dataflow.wording import number, plural
from dataflow.workflow.strict_model import StrictModel

if TYPE_CHECKING:
    from dataflow.workflow.values import Scalar


@dataclass(frozen=True)
class Verdict:
    """What the counts of an audit mean.

    Attributes:
        passed: Whether all is as it should be.
        figure: What was measured: a number of failing rows, or the number of rows.
        expected: What the figure should be, in words: `0`, `between 1 and 100`.
        finding: What was found, in words: `12 rows with NULL in view_hours`.
    """

    passed: bool
    figure: float
    expected: str
    finding: str


@dataclass(frozen=True)
class AuditQuery:
    """What an audit asks of the rows.

    Attributes:
        counts: SQL aggregates, computed with those of all other audits in one pass over the rows.
        judge: Says what their values mean.
        offending: A query for the rows to blame; None where no row in particular is.
    """

    counts: tuple[str, ...]
    judge: Callable[[Sequence[int]], Verdict]
    offending: str | None = None


@dataclass(frozen=True)
class AuditColumn:
    """A column under audit.

    Attributes:
        name: As the table has it; of a struct's field `column.field`.
        sql: As SQL names it.
        has_nan: Whether its values may be NaN, which Spark takes for larger than any number.
        literal: Writes a value for a comparison with it; a value that it can't have is an error of the definition.
    """

    name: str
    sql: str
    has_nan: bool
    literal: Callable[[Scalar], str]


class AuditContext(Protocol):
    """The rows under audit, as an audit may ask about them."""

    @property
    def source(self) -> str:
        """The rows as the FROM and WHERE of a query, to which further conditions can be added."""

    @property
    def history(self) -> Sequence[int]:
        """Row counts of the last published runs, newest first, as many as audits have asked for."""

    def column(self, name: str) -> AuditColumn:
        """Find a column, or a struct's field as `column.field`, whatever its case.

        Raises:
            DataflowError: There is none; the message names the nearest.
        """


class AuditBase(StrictModel, ABC):
    """A check of the rows that a run wrote, before readers can see them."""

    function: str
    name: str | None = Field(None, description="Name in reports; the function's name when omitted.")
    blocking: bool = Field(True, description="Whether a failure prevents publishing; otherwise it is a warning.")

    @property
    def label(self) -> str:
        """What reports call it."""
        return self.name or self.function

    @property
    def script_name(self) -> str | None:
        """The script that it runs, as the definition names it."""
        return None

    @property
    def lacks_key(self) -> bool:
        """Whether it is about the table's primary key, which its definition leaves to be found."""
        return False

    def with_key(self, key: Sequence[str]) -> Self:
        """Return it with the table's primary key, where it lacks it."""
        del key
        return self

    @property
    def history_runs(self) -> int:
        """How many of the last published runs it compares with."""
        return 0


class RowAudit(AuditBase):
    """An audit in SQL that counts rows."""

    @property
    def named_columns(self) -> Sequence[str]:
        """The columns that its definition names."""
        return ()

    @abstractmethod
    def query(self, context: AuditContext) -> AuditQuery:
        """Say what to count.

        Raises:
            DataflowError: It names a column that is not there, or a value that the column can't have.
        """


def failing_rows(context: AuditContext, condition: str, what: str) -> AuditQuery:
    """Return the query of an audit that no row may fail.

    Args:
        context: The rows under audit.
        condition: True of a failing row.
        what: What is wrong with failing rows, to stand behind their number: `with NULL in a`.
    """
    return AuditQuery(
        (f"count_if({condition})",),
        lambda counts: none_failing(counts[0], f"{rows_text(counts[0])} {what}"),
        offending_rows(context, condition),
    )


def offending_rows(context: AuditContext, condition: str) -> str:
    """Return a query for the rows under audit that meet a condition."""
    return f"SELECT * FROM {context.source} AND ({condition})"


def none_failing(count: int, finding: str) -> Verdict:
    """Return the verdict on a number of failing rows."""
    return Verdict(count == 0, count, "0", finding)


def row_count(count: int, low: float | None, high: float | None, expected: str) -> Verdict:
    """Return the verdict on the number of rows."""
    passed = (low is None or count >= low) and (high is None or count <= high)
    return Verdict(passed, count, expected, rows_text(count))


def bounds_text(low: object, high: object) -> str:
    """Return two bounds in words; either may be None."""
    least, most = (number(it) if isinstance(it, int | float) else it for it in (low, high))
    if low is None:
        return f"at most {most}"
    return f"at least {least}" if high is None else f"between {least} and {most}"


def rows_text(count: int) -> str:
    """Return a number of rows in words."""
    return plural(count, "row")


def require_a_bound(low: object, high: object) -> None:
    """Refuse an audit without any bound.

    Raises:
        ValueError: Both are None.
    """
    if low is None and high is None:
        raise ValueError("needs 'min', 'max' or both")
