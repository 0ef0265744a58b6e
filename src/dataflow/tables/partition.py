"""One partition of a table, as Iceberg's expressions and as a SQL condition."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, did_you_mean
from dataflow.tables.iceberg import jvm
from dataflow.tables.quoting import text
from dataflow.tables.values import date_of, flag_of, is_day, moment_of, number_of, whole_of
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

    from dataflow.workflow.values import Scalar

_SPANS = ("hour", "day", "month", "year")
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")
_COARSE = re.compile(r"(\d{4})(?:-(\d{2}))?")


@dataclass(frozen=True)
class Partition:
    """The rows that a run replaces.

    Attributes:
        label: For people and snapshot summaries: `date=2026-01-31`; `all rows` when nothing is named.
        where: The rows as a SQL condition.
        filter: The rows as an Iceberg expression.
        rest: All other rows.
        edge: No row, but the files that hold rows of both.
        values: What each column stands for, as the label has it.
    """

    label: str
    where: str
    filter: JavaObject
    rest: JavaObject
    edge: JavaObject
    values: Mapping[str, str]


@dataclass(frozen=True)
class PartitionColumn:
    """A column that a table is partitioned by.

    Attributes:
        name: As the schema has it; of a struct's field `column.field`.
        kind: Iceberg's type.
        transform: Iceberg's transform.
    """

    name: str
    kind: str
    transform: str

    @property
    def sql(self) -> str:
        """It as SQL names it."""
        return table_names.quoted(self.name)

    @property
    def zoned(self) -> bool:
        """Whether its values are moments with a zone."""
        return self.kind.startswith("timestamptz")


def partition_of(spark: SparkSession, table: JavaObject, values: Mapping[str, Scalar]) -> Partition:
    """Describe a partition of a table.

    Args:
        spark: The session.
        table: The Iceberg table.
        values: Column and value, names without regard to case; for a column partitioned by day, month, year or hour
            a moment within the span. A date alone is, of hours, the whole day. Bucket and truncate fields need no
            value: all of them are meant.

    Raises:
        DataflowError: A column is not partitioned by, or a value does not fit its type.
    """
    expressions = jvm(spark).org.apache.iceberg.expressions.Expressions
    found, shown, conditions = expressions.alwaysTrue(), dict[str, str](), []
    for column, value in _named(str(table.name()), _columns(table), values):
        with _placed(column):
            expression, condition, shown[column.name] = _condition(spark, column, value)
        found = getattr(expressions, "and")(found, expression)
        conditions.append(condition)
    rest = getattr(expressions, "not")(found)
    edge = getattr(expressions, "and")(found, rest)
    return Partition(_label(shown), " AND ".join(conditions) or "true", found, rest, edge, shown)


def partition_sql(table: str, columns: Iterable[PartitionColumn], values: Mapping[str, Scalar]) -> tuple[str, str]:
    """Return the label of a partition, and its rows as a SQL condition, by what is known of a table without a JVM.

    Raises:
        DataflowError: As `partition_of`.
    """
    shown, conditions = dict[str, str](), []
    for column, value in _named(table, {it.name.lower(): it for it in columns}, values):
        with _placed(column):
            condition, shown[column.name] = _sql_condition(column, value)
        conditions.append(condition)
    return _label(shown), " AND ".join(conditions) or "true"


def _named(
    table: str, columns: Mapping[str, PartitionColumn], values: Mapping[str, Scalar]
) -> Iterator[tuple[PartitionColumn, Scalar]]:
    """Yield the columns that a partition names, each with its value."""
    named = set[str]()
    for name, value in values.items():
        column = columns.get(name.lower())
        if column is None:
            valid = [each.name for each in columns.values()]
            raise DataflowError(
                f"{table} is not partitioned by '{name}'{did_you_mean(name, valid)}",
                "a partition names columns that the table is partitioned by (identity, day, month, year, hour)",
            )
        if column.name in named:
            raise DataflowError(f"the partition names {column.name} twice, as Spark knows no upper and lower case")
        named.add(column.name)
        yield column, value


@contextlib.contextmanager
def _placed(column: PartitionColumn) -> Iterator[None]:
    """Name the column in the error of a value that it can't have."""
    try:
        yield
    except ValueError as error:
        raise DataflowError(f"partition column {column.name}: {error}") from None


def _label(shown: Mapping[str, str]) -> str:
    return "/".join(f"{name}={value}" for name, value in shown.items()) or "all rows"


def _columns(table: JavaObject) -> dict[str, PartitionColumn]:
    """Return the columns whose value tells the partition, by their names in lower case."""
    found, fields, schema = {}, table.spec().fields(), table.schema()
    for i in range(fields.size()):
        transform = str(fields.get(i).transform().toString())
        if transform == "identity" or transform in _SPANS:
            name = str(schema.findColumnName(fields.get(i).sourceId()))
            found[name.lower()] = PartitionColumn(name, str(schema.findType(name).toString()), transform)
    return found


def _condition(spark: SparkSession, column: PartitionColumn, value: Scalar) -> tuple[JavaObject, str, str]:
    """Return the rows as an expression and as SQL, and how to show the value."""
    expressions = jvm(spark).org.apache.iceberg.expressions.Expressions
    if column.transform == "identity":
        literal, written, shown = _literal(column, value)
        return expressions.equal(column.name, literal), f"{column.sql} = {written}", shown
    low, high, shown = _span(column, value)
    (first, since), (last, until) = (_bound(column, moment) for moment in (low, high))
    within = getattr(expressions, "and")(
        expressions.greaterThanOrEqual(column.name, first), expressions.lessThan(column.name, last)
    )
    return within, _within(column, since, until), shown


def _sql_condition(column: PartitionColumn, value: Scalar) -> tuple[str, str]:
    """Return the rows as SQL, and how to show the value."""
    if column.transform == "identity":
        _, written, shown = _literal(column, value)
        return f"{column.sql} = {written}", shown
    low, high, shown = _span(column, value)
    return _within(column, _bound(column, low)[1], _bound(column, high)[1]), shown


def _within(column: PartitionColumn, since: str, until: str) -> str:
    return f"{column.sql} >= {since} AND {column.sql} < {until}"


def _bound(column: PartitionColumn, moment: dt.datetime) -> tuple[str, str]:
    """Return a moment as Iceberg and as SQL have it, for a column of its type."""
    if column.kind == "date":
        return str(moment.date()), f"DATE '{moment.date()}'"
    zone = "+00:00" if column.zoned else ""
    bound = f"{moment.isoformat(timespec='microseconds')}{zone}"
    return bound, f"{'TIMESTAMP' if zone else 'TIMESTAMP_NTZ'} '{bound.replace('T', ' ')}'"


def _literal(column: PartitionColumn, value: Scalar) -> tuple[object, str, str]:
    """Return a value as py4j hands it to Iceberg, as SQL, and as people see it.

    Raises:
        ValueError: The column can't have it.
    """
    kind = column.kind
    if kind == "boolean":
        flag = flag_of(value)
        return flag, str(flag).lower(), str(flag).lower()
    if kind == "date":
        day = date_of(value)
        return str(day), f"DATE '{day}'", str(day)
    if kind.startswith("timestamp"):
        moment = _utc(moment_of(value, zoned=column.zoned))
        return (*_bound(column, moment), moment.isoformat())
    if kind in {"string", "uuid"} and not isinstance(value, bool):
        return str(value), text(str(value)), str(value)
    return _number(kind, value)


def _number(kind: str, value: Scalar) -> tuple[object, str, str]:
    if kind in {"int", "long"}:
        number = whole_of(value, 32 if kind == "int" else 64)
        return number, f"{number}" if kind == "int" else f"{number}L", str(number)
    if kind in {"float", "double"}:
        return float(number_of(value)), f"CAST({text(str(value))} AS {kind})", str(value)
    if scale := _DECIMAL.fullmatch(kind):
        places = f"{number_of(value):.{scale[2]}f}"
        if number_of(places) != number_of(value):
            raise ValueError(f"{value!r} has more decimals than the column, which is {kind}")
        return places, f"{places}BD", places
    raise ValueError(f"{value!r} can't be compared with the column, which is {kind}")


def _span(column: PartitionColumn, value: Scalar) -> tuple[dt.datetime, dt.datetime, str]:
    """Return the first moment of the span that holds a moment, the first after it, and how to show the span.

    Raises:
        ValueError: The value is no moment of the column.
    """
    moment, transform = _moment(column, value), column.transform
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    if transform == "hour" and not is_day(value):
        return hour, hour + dt.timedelta(hours=1), hour.isoformat(timespec="minutes")
    if transform in {"hour", "day"}:
        return day, day + dt.timedelta(days=1), str(day.date())
    if transform == "month":
        first = day.replace(day=1)
        return first, (first + dt.timedelta(days=32)).replace(day=1), f"{first:%Y-%m}"
    first = day.replace(month=1, day=1)
    return first, first.replace(year=first.year + 1), f"{first:%Y}"


def _moment(column: PartitionColumn, value: Scalar) -> dt.datetime:
    coarse = _COARSE.fullmatch(str(value))
    if coarse and (column.transform == "year" or (column.transform == "month" and coarse[2])):
        return dt.datetime.fromisoformat(f"{coarse[1]}-{coarse[2] or '01'}-01")
    if column.kind == "date":
        return dt.datetime.combine(date_of(value), dt.time())
    return _utc(moment_of(str(value), zoned=column.zoned))


def _utc(moment: dt.datetime) -> dt.datetime:
    """Return a moment without its zone: what has none is UTC, as Iceberg's partitions are."""
    return moment.replace(tzinfo=None)
