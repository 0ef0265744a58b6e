"""One partition of a table, as Iceberg's expressions and as a SQL condition."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, did_you_mean
from dataflow.tables.iceberg import jvm
from dataflow.tables.literals import column_name, text

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

    from dataflow.workflow.auditmodels import Scalar

_SPANS = re.compile(r"^(year|month|day|hour)$")


@dataclass(frozen=True)
class Partition:
    """The rows that a run replaces.

    Attributes:
        label: For people and snapshot summaries: `date=2026-01-31`; `all rows` when nothing is named.
        where: The rows as a SQL condition.
        filter: The rows as an Iceberg expression.
        rest: All other rows.
        edge: No row, but the files that hold rows of both.
    """

    label: str
    where: str
    filter: JavaObject
    rest: JavaObject
    edge: JavaObject


def partition_of(spark: SparkSession, table: JavaObject, values: Mapping[str, Scalar]) -> Partition:
    """Describe a partition of a table.

    Args:
        spark: The session.
        table: The Iceberg table.
        values: Column and value; for a column partitioned by day, month, year or hour a moment within the span.
            Bucket and truncate fields need no value: all of them are meant.

    Raises:
        DataflowError: A column is not partitioned by, or a value does not fit its type.
    """
    expressions = jvm(spark).org.apache.iceberg.expressions.Expressions
    transforms = _transforms(table)
    found, labels, conditions = expressions.alwaysTrue(), [], []
    for column, value in values.items():
        if column not in transforms:
            raise DataflowError(
                f"{table.name()} is not partitioned by '{column}'{did_you_mean(column, transforms)}",
                "a partition names columns that the table is partitioned by (identity, day, month, year, hour)",
            )
        kind = str(table.schema().findType(column).toString())
        expression, condition = _condition(spark, column, kind, transforms[column], value)
        found = getattr(expressions, "and")(found, expression)
        labels.append(f"{column}={value}")
        conditions.append(condition)
    rest = getattr(expressions, "not")(found)
    edge = getattr(expressions, "and")(found, rest)
    return Partition("/".join(labels) or "all rows", " AND ".join(conditions) or "true", found, rest, edge)


def _transforms(table: JavaObject) -> dict[str, str]:
    """Return the columns whose value tells the partition, with their transform."""
    found, fields = {}, table.spec().fields()
    for i in range(fields.size()):
        transform = str(fields.get(i).transform().toString())
        if transform == "identity" or _SPANS.match(transform):
            found[str(table.schema().findColumnName(fields.get(i).sourceId()))] = transform
    return found


def _condition(spark: SparkSession, column: str, kind: str, transform: str, value: Scalar) -> tuple[JavaObject, str]:
    expressions = jvm(spark).org.apache.iceberg.expressions.Expressions
    name = column_name(column)
    if transform == "identity":
        literal, written = _literal(column, kind, value)
        return expressions.equal(column, literal), f"{name} = {written}"
    low, high = _span(column, transform, value)
    if kind == "date":
        bounds = [str(low.date()), str(high.date())]
        texts = [f"DATE '{bound}'" for bound in bounds]
    else:
        zone = "+00:00" if kind == "timestamptz" else ""
        bounds = [f"{moment.isoformat(timespec='microseconds')}{zone}" for moment in (low, high)]
        texts = [f"{'TIMESTAMP' if zone else 'TIMESTAMP_NTZ'} '{bound.replace('T', ' ')}'" for bound in bounds]
    within = getattr(expressions, "and")(
        expressions.greaterThanOrEqual(column, bounds[0]), expressions.lessThan(column, bounds[1])
    )
    return within, f"{name} >= {texts[0]} AND {name} < {texts[1]}"


def _literal(column: str, kind: str, value: Scalar) -> tuple[object, str]:
    """Return a value as py4j hands it to Iceberg, and as SQL."""
    given = str(value)
    try:
        if kind in {"int", "long"}:
            return int(given), str(int(given))
        if kind == "boolean":
            flag = {"true": True, "false": False}[given.lower()]
            return flag, str(flag).lower()
        if kind == "date":
            day = dt.date.fromisoformat(given)
            return str(day), f"DATE '{day}'"
    except (ValueError, KeyError):
        raise DataflowError(f"'{given}' is no value of the partition column {column} ({kind})") from None
    return given, text(given)


def _span(column: str, transform: str, value: Scalar) -> tuple[dt.datetime, dt.datetime]:
    """Return the first moment of the span that holds a moment, and the first after it."""
    try:
        moment = dt.datetime.fromisoformat(str(value)).replace(tzinfo=None)
    except ValueError:
        raise DataflowError(f"'{value}' is no moment for the partition column {column}") from None
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    if transform == "hour":
        return hour, hour + dt.timedelta(hours=1)
    if transform == "day":
        return day, day + dt.timedelta(days=1)
    if transform == "month":
        first = day.replace(day=1)
        return first, (first + dt.timedelta(days=32)).replace(day=1)
    first = day.replace(month=1, day=1)
    return first, first.replace(year=first.year + 1)
