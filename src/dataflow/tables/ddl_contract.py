"""The DDL is a contract: safe differences are carried out on the table and reported, others stop the run.

Safe are an added nullable column, a widened type, a dropped NOT NULL, a comment and a table property. Whatever
could change what readers see, or break them, is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from dataflow.tables.column_migration import migrating_columns, optional, retired
from dataflow.tables.iceberg import exists, java_class, jvm, load, properties, quoted
from dataflow.tables.quoting import column_name, text
from dataflow.tables.schema.transforms import plain_transform
from dataflow.tables.schema.type_promotion import widens
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession
    from pyspark.sql.types import DataType, StructField, StructType


class ContractError(Exception):
    """The table and its DDL differ in ways that are not safe.

    Attributes:
        hint: What to do about it.
    """

    hint = "readers may depend on it: align the DDL with the table, or plan a migration: dataflow migration plan --help"


@dataclass(frozen=True)
class SafeChange:
    """A safe change: what it does, in words and in SQL (after `ALTER TABLE name`)."""

    text: str
    sql: str


def reconcile(spark: SparkSession, plan: JavaObject) -> list[str]:
    """Bring an existing table in line with its `CREATE TABLE IF NOT EXISTS`, as far as that is safe.

    Args:
        spark: The session.
        plan: Spark's parse of the statement.

    Returns:
        What was changed, a line each; nothing when the table does not exist yet.

    Raises:
        ContractError: A difference is not safe; nothing was changed.
    """
    from pyspark.sql.types import StructType

    name = table_name(plan)
    if not exists(spark, name):
        return []
    declared = StructType.fromJson(json.loads(_as_stored(spark, plan.tableSchema()).json()))
    changes: list[SafeChange] = []
    breaking: list[str] = list(_partitioning(spark, plan, name))
    table = load(spark, name)  # not asked as a query's source, which would count as reading it
    found = properties(table)
    util = java_class(spark, "org.apache.iceberg.spark.SparkSchemaUtil")
    existing = StructType.fromJson(json.loads(util.convert(table.schema()).json()))
    known = {field.name.lower() for field in existing.fields}
    wanted = {field.name.lower(): field for field in declared.fields}
    for gone in sorted(retired(found) & wanted.keys() - known):
        breaking.append(f"column {wanted[gone].name} was removed by a migration and would come back empty")
    moves = migrating_columns(found)
    for old, new in moves.items():
        if new is not None and not {old.lower(), new.lower()} & wanted.keys():
            breaking.append(f"columns {old} and {new} are both missing in the DDL")
    _compare(existing, declared, (), changes, breaking, moves)
    if breaking:
        listed = "; ".join(breaking)
        raise ContractError(f"{name} differs from its DDL in a way that is not safe: {listed}")
    changes += _properties(spark, plan, name)
    for change in changes:
        spark.sql(f"ALTER TABLE {quoted(name)} {change.sql}")
    return [f"{name}: {change.text}" for change in changes]


def _as_stored(spark: SparkSession, schema: JavaObject) -> JavaObject:
    """Return a DDL's columns as Iceberg stores them, which knows no SMALLINT and no VARCHAR."""
    of_spark = jvm(spark).org.apache.iceberg.spark.SparkSchemaUtil
    return of_spark.convert(of_spark.convert(schema))


def table_name(plan: JavaObject) -> str:
    """Return the name of the table that a parsed `CREATE TABLE` makes."""
    parts = plan.child().nameParts()
    return table_names.joined(str(parts.apply(i)) for i in range(parts.size()))


def _compare(
    actual: StructType,
    declared: StructType,
    path: tuple[str, ...],
    changes: list[SafeChange],
    breaking: list[str],
    moves: Mapping[str, str | None] = MappingProxyType({}),
) -> None:
    """Collect how a struct's columns differ; names are compared as Spark does, without regard to case.

    Of columns on the move the DDL may leave either out, and may still forbid nulls in the old one.
    """
    going = {old.lower() for old in moves}
    existing = {field.name.lower(): field for field in actual.fields}
    wanted = {field.name.lower() for field in declared.fields}
    for name in existing.keys() - wanted - optional(moves):
        breaking.append(f"column {_dotted(path, existing[name].name)} is missing in the DDL")
    previous: str | None = None
    for field in declared.fields:
        found = existing.get(field.name.lower())
        if found is not None:
            _compare_column(found, field, path, changes, breaking, is_going=field.name.lower() in going)
        elif not field.nullable:
            breaking.append(f"new column {_dotted(path, field.name)} is NOT NULL, but there are rows already")
        else:
            changes.append(_added(field, path, previous))
        previous = field.name
    kept = [field.name.lower() for field in declared.fields if field.name.lower() in existing]
    if kept != [name for name in existing if name in wanted]:
        breaking.append(f"the columns{' of ' + '.'.join(path) if path else ''} stand in another order")


def _compare_column(
    found: StructField,
    field: StructField,
    path: tuple[str, ...],
    changes: list[SafeChange],
    breaking: list[str],
    *,
    is_going: bool,
) -> None:
    from pyspark.sql.types import StructType

    dotted = _dotted(path, found.name)
    column = _quoted_path(path, found.name)
    if isinstance(found.dataType, StructType) and isinstance(field.dataType, StructType):
        _compare(found.dataType, field.dataType, (*path, found.name), changes, breaking)
    elif (inner := _inner(found.dataType, field.dataType)) is not None:
        _compare_column(*inner, (*path, found.name), changes, breaking, is_going=is_going)
    elif found.dataType != field.dataType:
        old, new = found.dataType.simpleString(), field.dataType.simpleString()
        if widens(old, new):
            changes.append(SafeChange(f"widened {dotted} from {old} to {new}", f"ALTER COLUMN {column} TYPE {new}"))
        else:
            breaking.append(f"column {dotted} is {old} in the table and {new} in the DDL")
    if found.nullable and not field.nullable and not is_going:
        breaking.append(f"column {dotted} is NOT NULL in the DDL, but the table allows nulls")
    elif field.nullable and not found.nullable:
        changes.append(SafeChange(f"{dotted} may be null now", f"ALTER COLUMN {column} DROP NOT NULL"))
    if (comment := _comment(field)) and comment != _comment(found):
        changes.append(SafeChange(f"new comment on {dotted}", f"ALTER COLUMN {column} COMMENT {text(comment)}"))


def _inner(found: DataType, declared: DataType) -> tuple[StructField, StructField] | None:
    """Return what is inside two arrays, or two maps with the same key, as the fields that Iceberg makes of it."""
    from pyspark.sql.types import ArrayType, MapType, StructField

    if isinstance(found, ArrayType) and isinstance(declared, ArrayType):
        return StructField("element", found.elementType), StructField("element", declared.elementType)
    if isinstance(found, MapType) and isinstance(declared, MapType) and found.keyType == declared.keyType:
        return StructField("value", found.valueType), StructField("value", declared.valueType)
    return None


def _added(field: StructField, path: tuple[str, ...], previous: str | None) -> SafeChange:
    """Add a column where the DDL has it: an INSERT goes by position."""
    place = f" AFTER {column_name(previous)}" if previous else " FIRST"
    comment = f" COMMENT {text(_comment(field))}" if _comment(field) else ""
    type_ = field.dataType.simpleString()
    return SafeChange(
        f"added column {_dotted(path, field.name)} {type_}",
        f"ADD COLUMN {_quoted_path(path, field.name)} {type_}{comment}{place}",
    )


def _partitioning(spark: SparkSession, plan: JavaObject, name: str) -> Iterator[str]:
    declared = [plain_transform(str(plan.partitioning().apply(i))) for i in range(plan.partitioning().size())]
    to_transforms = jvm(spark).org.apache.iceberg.spark.Spark3Util.toTransforms
    actual = [plain_transform(str(transform)) for transform in to_transforms(load(spark, name).spec())]
    if declared != actual:
        yield f"it is partitioned by ({', '.join(actual)}), the DDL says ({', '.join(declared)})"


def _properties(spark: SparkSession, plan: JavaObject, name: str) -> Iterator[SafeChange]:
    declared = _scala_map(plan.tableSpec().properties())
    if plan.tableSpec().comment().isDefined():
        declared["comment"] = str(plan.tableSpec().comment().get())
    current = properties(load(spark, name))
    for key, value in declared.items():
        if current.get(key) != value:
            yield SafeChange(
                "new comment on the table" if key == "comment" else f"set {key} = {value}",
                f"SET TBLPROPERTIES ({text(key)} = {text(value)})",
            )


def _scala_map(values: JavaObject) -> dict[str, str]:
    found, pairs = {}, values.iterator()
    while pairs.hasNext():
        pair = pairs.next()
        found[str(pair._1())] = str(pair._2())
    return found


def _comment(field: StructField) -> str:
    return str(field.metadata.get("comment", ""))


def _dotted(path: tuple[str, ...], name: str) -> str:
    return ".".join((*path, name))


def _quoted_path(path: tuple[str, ...], name: str) -> str:
    return ".".join(column_name(part) for part in (*path, name))
