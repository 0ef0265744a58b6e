"""A table that a script writes, as far as its rows are concerned: columns, and which rows a write brings or replaces.

What is not certain to be as Spark has it is Spark's: implicit conversions, nulls where none may be, odd partitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.sail.insert import Insert
from dataflow.sail.judgement import SparkDecides

if TYPE_CHECKING:
    import pyarrow as pa

    from dataflow.tables.schema.spark_types import SqlType

_WIDER = {
    "tinyint": {"smallint", "int", "bigint", "decimal"},
    "smallint": {"int", "bigint", "decimal"},
    "int": {"bigint", "double", "decimal"},
    "bigint": {"int", "decimal"},  # Spark fails where it does not fit, as Arrow does
    "float": {"double"},
    "decimal": {"decimal", "double"},
    "void": {"any"},
}
"""Types that take values of others: what Spark's store assignment and Arrow's checked conversion both do alike."""


@dataclass(frozen=True)
class TargetColumn:
    """A column of a table that is written.

    Attributes:
        name: Its name.
        type: Its type.
        nullable: Whether it may have nulls.
    """

    name: str
    type: SqlType
    nullable: bool = True


@dataclass(frozen=True)
class Target:
    """A table that is written.

    Attributes:
        name: What messages call it.
        columns: Its columns, in order.
        partition: What it is partitioned by, in the one spelling: `date`, `bucket(16, id)`.
    """

    name: str
    columns: tuple[TargetColumn, ...]
    partition: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """Its columns as Arrow has them."""
        import pyarrow as pa

        return pa.schema([pa.field(it.name, arrow_type(it.type)) for it in self.columns])

    def brought(self, insert: Insert, rows: pa.Table, static: Mapping[str, Any]) -> pa.Table:
        """Return the rows that an INSERT brings, in the table's columns.

        Args:
            insert: The statement.
            rows: The rows of its query.
            static: The values of its PARTITION clause, as Arrow arrays of one value, by column in lower case.

        Raises:
            SparkDecides: It is not certain that Spark would bring the same.
        """
        own = {it.name.lower() for it in self.columns}
        if unknown := sorted(static.keys() - own):
            raise SparkDecides(f"{self.name} has no column {unknown[0]}")
        rest = [it.name.lower() for it in self.columns if it.name.lower() not in static]
        names = [it.lower() for it in (insert.listed or rows.schema.names)]
        if len(set(names)) < len(names) or len(names) != rows.num_columns or sorted(names) != sorted(rest):
            raise SparkDecides(f"the query's columns are not those of {self.name}")
        if not insert.by_name and not insert.listed and names != rest:
            raise SparkDecides(f"columns go to {self.name} by their position, under other names")
        return self._put_together(dict(zip(names, rows.columns, strict=True)), static, rows.num_rows)

    def _put_together(self, columns: Mapping[str, Any], static: Mapping[str, Any], count: int) -> pa.Table:
        import pyarrow as pa

        arrays = []
        for it in self.columns:
            name = it.name.lower()
            found = pa.repeat(static[name][0], count) if name in static else columns[name]
            arrays.append(self._stored(it, found))
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _stored(self, column: TargetColumn, values: Any) -> Any:
        """Return values as a column of the table stores them."""
        import pyarrow as pa

        wanted = arrow_type(column.type)
        if not column.nullable and values.null_count:
            raise SparkDecides(f"column {column.name} of {self.name} has a NULL, which it must not have")
        if values.type == wanted:
            return values
        given = _word(values.type)
        if given != "void" and column.type.name not in _WIDER.get(given, ()):
            raise SparkDecides(f"column {column.name} of {self.name} gets a {values.type}, and is {column.type}")
        if given == "decimal" and column.type.name == "double":  # Arrow divides, and rounds twice
            return pa.array([None if it is None else float(it) for it in values.to_pylist()], wanted)
        try:
            return values.cast(wanted)
        except pa.ArrowException as error:
            raise SparkDecides(f"a value of column {column.name} does not fit {column.type}") from error

    def after(self, there: pa.Table, brought: pa.Table, *, overwrites: bool) -> pa.Table:
        """Return the table's rows after a write: an overwrite replaces the partitions for which it brings rows.

        Raises:
            SparkDecides: Which rows that are is not clear.
        """
        import pyarrow as pa

        if not overwrites or not brought.num_rows or not there.num_rows:
            return pa.concat_tables([there, brought])
        own = {it.name.lower(): it.name for it in self.columns}
        if not all(it in own for it in self.partition):
            raise SparkDecides(f"{self.name} is partitioned by {', '.join(self.partition)}")
        if not self.partition:
            return brought
        keys = [own[it] for it in self.partition]
        replaced = set(zip(*(brought.column(it).to_pylist() for it in keys), strict=True))
        before = zip(*(there.column(it).to_pylist() for it in keys), strict=True)
        return pa.concat_tables([there.filter(pa.array([it not in replaced for it in before])), brought])


def arrow_type(type_: SqlType) -> pa.DataType:
    """Return the Arrow type in which values of a Spark type come.

    Raises:
        SparkDecides: It was not compared.
    """
    import pyarrow as pa

    match type_.name:
        case "decimal":
            return pa.decimal128(*type_.digits)
        case "array":
            return pa.list_(pa.field("element", arrow_type(type_.parts[0])))
        case "map":
            return pa.map_(*map(arrow_type, type_.parts))
        case "struct":
            return pa.struct([pa.field(name, arrow_type(inner)) for name, inner in type_.fields])
    plain = _plain_types()
    if type_.name not in plain:
        raise SparkDecides(f"a column of type {type_} was not compared")
    return plain[type_.name]


def _plain_types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {
        "boolean": pa.bool_(), "tinyint": pa.int8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(),
        "float": pa.float32(), "double": pa.float64(), "string": pa.string(), "binary": pa.binary(),
        "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"), "timestamp_ntz": pa.timestamp("us"),
        "void": pa.null(),
    }  # fmt: skip


def _word(type_: pa.DataType) -> str:
    """Return what Spark calls an Arrow type without parts; empty for others."""
    import pyarrow as pa

    if pa.types.is_decimal(type_):
        return "decimal"
    return next((name for name, it in _plain_types().items() if it == type_), "")


def columns_of(definitions: Sequence[tuple[str, str, bool]]) -> tuple[TargetColumn, ...]:
    """Return columns, given by their names, their types as Spark SQL spells them, and whether they may have nulls.

    Raises:
        SparkDecides: A type is not known here.
    """
    from dataflow.tables.schema.spark_types import parse_type

    try:
        return tuple(TargetColumn(name, parse_type(type_), nullable) for name, type_, nullable in definitions)
    except ValueError as error:
        raise SparkDecides(str(error)) from error
