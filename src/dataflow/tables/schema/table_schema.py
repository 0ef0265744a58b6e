"""What a table promises its readers: its columns, partitioning and key, as it is and as a DDL says it should be."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, did_you_mean
from dataflow.tables.column_migration import migrating_columns, optional, retired
from dataflow.tables.properties import PRIMARY_KEY
from dataflow.tables.schema.columns import Column, of_iceberg, of_spark
from dataflow.tables.schema.ddl import CreateTable, create_tables, key_of
from dataflow.tables.schema.transforms import transform_of
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

_PARAMETER = "__parameter__"
"""What stands for `${…}` while a DDL is read; what it says where one stands can't be compared."""


@dataclass(frozen=True)
class TableSchema:
    """What a table promises its readers.

    Attributes:
        table: Its name, without the catalog.
        columns: Its columns, in order.
        partition: What it is partitioned by, such as `date` or `bucket(16, id)`.
        key: Its primary key; None where a DDL does not say.
        comment: What is said of the table; None where a DDL does not say.
        optional: The columns that a DDL may leave out while a migration moves them, in lower case.
        retired: The columns that migrations took away, in lower case.
    """

    table: str
    columns: tuple[Column, ...]
    partition: tuple[str, ...] = ()
    key: tuple[str, ...] | None = ()
    comment: str | None = ""
    optional: frozenset[str] = frozenset()
    retired: frozenset[str] = frozenset()

    def column(self, name: str) -> Column:
        """Return a column by its name, whatever its case.

        Raises:
            UsageError: There is none; names the nearest.
        """
        for column in self.columns:
            if column.name.lower() == name.lower():
                return column
        raise UsageError(
            f"{self.table} has no column '{name}'{did_you_mean(name, [column.name for column in self.columns])}"
        )

    def has(self, name: str) -> bool:
        """Say whether there is a column of that name."""
        return any(column.name.lower() == name.lower() for column in self.columns)


def declared(ddl: str) -> TableSchema:
    """Read a `CREATE TABLE`.

    Raises:
        UsageError: It can't be read, is something else, or says two things at once.
    """
    create = _create(ddl)
    columns = create.columns
    names = [column.name.lower() for column in columns]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"column {twice} stands twice in the new definition")
    comment = create.comment
    known = None if comment is None or _PARAMETER in comment else comment
    return TableSchema(create.table, columns, create.partition, _declared_key(create), known)


def require_of(wanted: TableSchema, table: str) -> None:
    """Refuse a definition of another table; a parameter may be any name, and one without a database any table.

    Raises:
        UsageError: It is of another one.
    """
    said, live = table_names.split(wanted.table.lower()), table_names.split(table.lower())
    pairs = zip(reversed(said), reversed(live), strict=False)
    if len(said) > 1 and any(a != b and _PARAMETER not in a for a, b in pairs):
        raise UsageError(
            f"the new definition is of {wanted.table.replace(_PARAMETER, '${…}')}, not of {table}",
            "plan the table that it names, or name this one in it",
        )


def is_name(said: str) -> bool:
    """Say whether a definition's table is named, and not left to a parameter."""
    return _PARAMETER not in said


def _create(ddl: str) -> CreateTable:
    from sqlglot.errors import SqlglotError

    try:
        found = list(create_tables(re.sub(r"\$\{[^}]*\}", _PARAMETER, ddl)))
    except SqlglotError as error:
        raise UsageError(f"the new definition can't be read: {str(error).partition(chr(10))[0]}") from error
    if len(found) != 1:
        raise UsageError("the new definition should be one CREATE TABLE with its columns")
    return found[0]


def _declared_key(create: CreateTable) -> tuple[str, ...] | None:
    """Return the key that a DDL declares, by a constraint or by our property.

    Raises:
        UsageError: It declares two.
    """
    found = [key for key in create.primary_keys if not any(_PARAMETER in name for name in key)]
    if len({frozenset(map(str.lower, key)) for key in found}) > 1:
        listed = " and ".join(f"({', '.join(key)})" for key in found)
        raise UsageError(f"the new definition has two primary keys: {listed}")
    return found[0] if found else None


def live_schema(name: str, table: Table) -> TableSchema:
    """Return the schema of a live table."""
    schema = table.schema()
    partition = tuple(
        transform_of(str(part.transform), schema.find_column_name(part.source_id) or "?")
        for part in table.spec().fields
    )
    return _with_properties(TableSchema(name, tuple(map(of_iceberg, schema.fields)), partition), table.properties)


def live_schema_in_spark(spark: SparkSession, name: str) -> TableSchema:
    """Return the schema of a live table, where only Spark can open its catalog."""
    from dataflow.tables.iceberg import column_types, load, properties, quoted

    loaded, types = load(spark, name), column_types(spark, name)
    columns = tuple(
        of_spark(each.name, types[each.name], each.nullable, (each.metadata or {}).get("comment", ""))
        for each in spark.table(quoted(name)).schema.fields
    )
    schema = loaded.schema()
    partition = tuple(
        transform_of(str(part.transform()), str(schema.findColumnName(part.sourceId())))
        for part in loaded.spec().fields()
    )
    return _with_properties(TableSchema(name, columns, partition), properties(loaded))


def _with_properties(shape: TableSchema, properties: Mapping[str, str]) -> TableSchema:
    """Add what a table's properties declare."""
    return replace(
        shape,
        key=key_of(properties.get(PRIMARY_KEY, "")),
        comment=properties.get("comment", ""),
        optional=optional(migrating_columns(properties)),
        retired=retired(properties),
    )
