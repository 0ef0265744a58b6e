"""What a table promises its readers: its columns, partitioning and key, as it is and as a DDL says it should be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError, did_you_mean
from dataflow.tables.literals import column_name

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

_SPELLED = {
    "boolean": "BOOLEAN", "int": "INT", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE",
    "string": "STRING", "binary": "BINARY", "timestamptz": "TIMESTAMP", "timestamp": "TIMESTAMP_NTZ",
    "uuid": "STRING", "time": "BIGINT",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        type: Its type, as Spark SQL spells it.
        nullable: Whether it may have nulls.
        comment: What is said of it.
    """

    name: str
    type: str
    nullable: bool = True
    comment: str = ""


@dataclass(frozen=True)
class Shape:
    """What a table promises its readers.

    Attributes:
        table: Its name, without the catalog.
        columns: Its columns, in order.
        partition: What it is partitioned by, such as `date` or `bucket(16, id)`.
        key: Its primary key, where it says one.
    """

    table: str
    columns: tuple[Column, ...]
    partition: tuple[str, ...] = ()
    key: tuple[str, ...] = ()

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


def sql_type(text: str) -> str:
    """Return a type in the one spelling that types are compared in.

    Raises:
        UsageError: It is no type.
    """
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = exp.DataType.build(text, dialect="spark")
    except SqlglotError:
        found = None
    if found is None or found.is_type("unknown", "userdefined", "null"):
        raise UsageError(f"'{text}' is no type that can be read", "for example bigint, decimal(20, 2), array<string>")
    return _one_spelling(found)


def _one_spelling(kind: Any) -> str:
    """Spell a parsed type, names inside it quoted where they have to be and nowhere else."""
    from sqlglot import exp

    for name in kind.find_all(exp.Identifier):
        name.set("quoted", re.fullmatch(r"[A-Za-z_]\w*", name.name) is None)
    return str(kind.sql(dialect="spark"))


def declared(ddl: str) -> Shape:
    """Read a `CREATE TABLE`.

    Raises:
        UsageError: It can't be read, or is something else.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = sqlglot.parse(re.sub(r"\$\{[^}]*\}", "t", ddl), read="spark")
    except SqlglotError as error:
        raise UsageError(f"the new definition can't be read: {str(error).partition(chr(10))[0]}") from error
    made = [each for each in found if isinstance(each, exp.Create) and isinstance(each.this, exp.Schema)]
    if len(made) != 1:
        raise UsageError("the new definition should be one CREATE TABLE with its columns")
    (create,) = made
    parts = create.find(exp.PartitionedByProperty)
    partition = [part.sql(dialect="spark").lower() for part in parts.this.expressions] if parts is not None else []
    columns = tuple(_declared_column(each) for each in create.this.expressions if isinstance(each, exp.ColumnDef))
    return Shape(create.this.this.sql(dialect="spark"), columns, tuple(partition))


def _declared_column(column: Any) -> Column:
    from sqlglot import exp

    constraints = [each.kind for each in column.constraints]
    nullable = not any(
        isinstance(each, exp.NotNullColumnConstraint) and not each.args.get("allow_null") for each in constraints
    )
    comment = next((each.this.name for each in constraints if isinstance(each, exp.CommentColumnConstraint)), "")
    return Column(column.name, _one_spelling(column.kind), nullable, comment)


def shape_of(name: str, table: Table) -> Shape:
    """Return a live table's shape."""
    columns = tuple(
        Column(field_.name, _in_one_spelling(_spark_type(field_.field_type)), not field_.required, field_.doc or "")
        for field_ in table.schema().fields
    )
    names = {field_.field_id: field_.name for field_ in table.schema().fields}
    partition = tuple(_transformed(str(part.transform), names.get(part.source_id, "?")) for part in table.spec().fields)
    key = tuple(filter(None, table.properties.get("dataflow.primary-key", "").split(",")))
    return Shape(name, columns, partition, key)


def shape_in_spark(spark: SparkSession, name: str) -> Shape:
    """Return a live table's shape, where only Spark can open its catalog."""
    from dataflow.tables.iceberg import column_types, load, properties

    loaded, types = load(spark, name), column_types(spark, name)
    columns = tuple(
        Column(each.name, _in_one_spelling(types[each.name]), each.nullable, (each.metadata or {}).get("comment", ""))
        for each in spark.table(name).schema.fields
    )
    names = {field_.fieldId(): str(field_.name()) for field_ in loaded.schema().columns()}
    partition = tuple(
        _transformed(str(part.transform()), names.get(part.sourceId(), "?")) for part in loaded.spec().fields()
    )
    key = tuple(filter(None, properties(loaded).get("dataflow.primary-key", "").split(",")))
    return Shape(name, columns, partition, key)


def _in_one_spelling(text: str) -> str:
    """Spell a live column's type as `sql_type` does; a plain one is spelled so, and sqlglot takes a while to arrive."""
    if text in _SPELLED.values():
        return text
    try:
        return sql_type(text)
    except UsageError:  # one that is newer than we are; nothing is asked of it, but by name
        return text


def _transformed(transform: str, column: str) -> str:
    if transform == "identity":
        return column
    name, _, size = transform.partition("[")
    plural = {"year": "years", "month": "months", "day": "days", "hour": "hours"}.get(name, name)
    return f"{plural}({size.removesuffix(']')}, {column})" if size else f"{plural}({column})"


def _spark_type(kind: Any) -> str:
    from pyiceberg.types import DecimalType, FixedType, ListType, MapType, StructType

    match kind:
        case DecimalType():
            return f"DECIMAL({kind.precision}, {kind.scale})"
        case FixedType():
            return "BINARY"
        case ListType():
            return f"ARRAY<{_spark_type(kind.element_type)}>"
        case MapType():
            return f"MAP<{_spark_type(kind.key_type)}, {_spark_type(kind.value_type)}>"
        case StructType():
            fields = (f"{column_name(each.name)}: {_spark_type(each.field_type)}" for each in kind.fields)
            return f"STRUCT<{', '.join(fields)}>"
        case _:
            return _SPELLED.get(str(kind), str(kind).upper())
