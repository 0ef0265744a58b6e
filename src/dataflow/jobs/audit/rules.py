"""The declared audits as SQL: what to count for each, what the counts mean, and which rows are to blame."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, did_you_mean
from dataflow.jobs.audit.literals import literal
from dataflow.jobs.audit.results import Rows, name_of
from dataflow.tables.quoting import column_name
from dataflow.workflow import table_names
from dataflow.workflow.audit_models import Between, NearHistory, NotNull, RowCount, Scalar, UniqueKey, ValuesIn

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructType

Rule = NotNull | UniqueKey | RowCount | ValuesIn | Between | NearHistory


@dataclass(frozen=True)
class Verdict:
    """What the counts mean: as in `AuditResult`."""

    passed: bool
    figure: float
    expected: str
    finding: str


@dataclass(frozen=True)
class Column:
    """A column under audit.

    Attributes:
        name: As the table has it; of a struct's field `column.field`.
        sql: As SQL names it.
        type: Its type.
    """

    name: str
    sql: str
    type: DataType


@dataclass(frozen=True)
class Check:
    """One declared audit.

    Attributes:
        audit: The audit.
        counts: SQL aggregates to compute in the one pass over the rows.
        judge: Says what their values mean.
        offending: A query for the rows to blame, or None where no row in particular is.
    """

    audit: Rule
    counts: tuple[str, ...]
    judge: Callable[[Sequence[int]], Verdict]
    offending: str | None = None


@dataclass(frozen=True)
class Scope:
    """What the audits of one table look at.

    Attributes:
        rows: The rows under audit.
        schema: Their columns.
        history: Row counts of the last published runs, newest first.
    """

    rows: Rows
    schema: StructType
    history: Sequence[int]

    def check(self, audit: Rule) -> Check:
        """Turn an audit into SQL.

        Raises:
            DataflowError: It names a column that is not there, or a value that the column can't have.
        """
        match audit:
            case NotNull():
                return self._not_null(audit)
            case UniqueKey():
                return self._unique(audit)
            case ValuesIn():
                return self._values_in(audit)
            case Between():
                return self._between(audit)
            case RowCount(min=low, max=high):
                expected = _bounds(low, high)
                return Check(audit, ("count(*)",), lambda n: _row_count(n[0], low, high, expected))
            case NearHistory():
                return Check(audit, ("count(*)",), lambda n: self._near_history(n[0], audit))

    def _not_null(self, audit: NotNull) -> Check:
        columns = [self._column(audit, name) for name in audit.columns]
        nulls = [f"{column.sql} IS NULL" for column in columns]
        condition = " OR ".join(nulls)

        def judge(counts: Sequence[int]) -> Verdict:
            failing = {column.name: n for column, n in zip(columns, counts[1:], strict=True) if n}
            finding = f"{_rows(counts[0])} with nulls in {', '.join(failing or _names(columns))}"
            if len(failing) > 1:
                finding += f" ({', '.join(f'{column} {n}' for column, n in failing.items())})"
            return _none_should_fail(counts[0], finding)

        counts = tuple(f"count_if({null})" for null in (condition, *nulls))
        return Check(audit, counts, judge, self._where(condition))

    def _unique(self, audit: UniqueKey) -> Check:
        columns = [self._column(audit, name) for name in audit.columns]
        keys = ", ".join(column.sql for column in columns)
        shown = ", ".join(f"{column.sql} AS {column_name(column.name)}" for column in columns)
        rows = f"FROM {self.rows.source} GROUP BY {keys}"
        finding = f"too many with the same {', '.join(_names(columns))}"
        return Check(
            audit,
            (f"count(*) - (SELECT count(*) FROM (SELECT 1 {rows}))",),
            lambda n: _none_should_fail(n[0], f"{_rows(n[0])} {finding}"),
            f"SELECT {shown}, count(*) AS `rows` {rows} HAVING count(*) > 1 ORDER BY count(*) DESC, {keys}",
        )

    def _values_in(self, audit: ValuesIn) -> Check:
        column = self._column(audit, audit.column)
        allowed = ", ".join(self._literal(audit, column, value) for value in audit.values)
        return self._counting(
            audit,
            f"{column.sql} IS NOT NULL AND {column.sql} NOT IN ({allowed})",
            f"with another value in {column.name}",
        )

    def _between(self, audit: Between) -> Check:
        column = self._column(audit, audit.column)
        outside = [
            f"{column.sql} {operator} {self._literal(audit, column, bound)}"
            for operator, bound in (("<", audit.min), (">", audit.max))
            if bound is not None
        ]
        if column.type.typeName() in {"float", "double"}:
            outside.append(f"isnan({column.sql})")  # which Spark takes for larger than any number
        return self._counting(
            audit,
            f"{column.sql} IS NOT NULL AND ({' OR '.join(outside)})",
            f"with {column.name} not {_bounds(audit.min, audit.max)}",
        )

    def _counting(self, audit: Rule, failing: str, what: str) -> Check:
        return Check(
            audit,
            (f"count_if({failing})",),
            lambda n: _none_should_fail(n[0], f"{_rows(n[0])} {what}"),
            self._where(failing),
        )

    def _near_history(self, count: int, audit: NearHistory) -> Verdict:
        last = self.history[: audit.runs]
        if len(last) < audit.min_runs:
            expected = f"anything: the history has {len(last)} of the {audit.min_runs} runs that it needs"
            return Verdict(True, count, expected, _rows(count))
        median = statistics.median(last)
        low, high = max(0, median * (1 - audit.tolerance)), median * (1 + audit.tolerance)
        expected = f"{_bounds(_plain(low), _plain(high))}: {audit.tolerance:.0%} around {_plain(median)}, "
        return _row_count(count, low, high, f"{expected}the median of the last {len(last)} runs")

    def _where(self, condition: str) -> str:
        return f"SELECT * FROM {self.rows.source} AND ({condition})"

    def _column(self, audit: Rule, name: str) -> Column:
        """Find a column, or a struct's field as `column.field`, as Spark does: without regard to case.

        A column whose own name has a dot in it comes first.
        """
        found = _within(self.schema, (name,)) or _within(self.schema, table_names.split(name))
        if found is None:
            valid = {path for path, _ in _fields(self.schema)}
            near = did_you_mean(name, sorted(valid))
            raise DataflowError(f"audit {name_of(audit)}: {self.rows.table} has no column '{name}'{near}")
        path, type_ = found
        return Column(".".join(path), table_names.quoted_parts(path), type_)

    def _literal(self, audit: Rule, column: Column, value: Scalar) -> str:
        try:
            return literal(value, column.type)
        except ValueError as error:
            raise DataflowError(f"audit {name_of(audit)}, column {column.name}: {error}") from None


def _within(schema: StructType, path: Sequence[str]) -> tuple[tuple[str, ...], DataType] | None:
    """Return a field of a schema as the schema writes it, with its type."""
    from pyspark.sql.types import StructType

    first, *rest = path
    for field in schema.fields:
        if field.name.lower() != first.lower():
            continue
        if not rest:
            return (field.name,), field.dataType
        inner = _within(field.dataType, rest) if isinstance(field.dataType, StructType) else None
        return None if inner is None else ((field.name, *inner[0]), inner[1])
    return None


def _fields(schema: StructType, above: tuple[str, ...] = ()) -> Iterator[tuple[str, DataType]]:
    """Yield the columns of a schema and the fields of its structs."""
    from pyspark.sql.types import StructType

    for field in schema.fields:
        yield ".".join((*above, field.name)), field.dataType
        if isinstance(field.dataType, StructType):
            yield from _fields(field.dataType, (*above, field.name))


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def _none_should_fail(count: int, finding: str) -> Verdict:
    return Verdict(count == 0, count, "0", finding)


def _row_count(count: int, low: float | None, high: float | None, expected: str) -> Verdict:
    passed = (low is None or count >= low) and (high is None or count <= high)
    return Verdict(passed, count, expected, _rows(count))


def _bounds(low: object, high: object) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"between {low} and {high}"


def _plain(number: float) -> str:
    return f"{number:.15g}"


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
