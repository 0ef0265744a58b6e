"""Reading a table through Spark for the rows of a mock: for catalogs, views and conditions that only Spark knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError
from dataflow.mocks.arrow import SourceColumn, mockable, rows_of
from dataflow.mocks.model import MockColumn, Row
from dataflow.mocks.notable_rows import FEW, plain_list
from dataflow.tables.quoting import column_name
from dataflow.tables.schema.spark_types import NUMBERS, SqlType, parse_type

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

Path = tuple[str, ...]

_TOP, _RAREST = 32, 64
_FLOATS = frozenset({"float", "double"})
_MOMENTS = frozenset({"timestamp", "timestamp_ntz"})
_ORDERED = NUMBERS | _MOMENTS | {"string", "date", "boolean", "binary"}


def spark_names(spark: SparkSession, table: str) -> list[str]:
    """Return the names of a table's or view's columns.

    Raises:
        UsageError: There is no such table; the message names the nearest.
    """
    from dataflow.runner.query import read_rows
    from dataflow.tables.iceberg import quoted

    read_rows(spark, f"SELECT 1 FROM {quoted(table)} WHERE false", 1)  # reports a mistake in the name
    return list(spark.table(quoted(table)).columns)


def spark_columns(spark: SparkSession, table: str, names: Sequence[str] | None = None) -> tuple[SourceColumn, ...]:
    """Return a table's or view's columns.

    Args:
        spark: The session.
        table: The table.
        names: Those that are wanted; all when None.

    Raises:
        UsageError: There is no such table; the message names the nearest.
        UnmockableError: A mock can't have some of them; all of these are named.
    """
    from dataflow.tables.iceberg import quoted

    wanted = spark_names(spark, table) if names is None else names
    fields = [field for field in spark.table(quoted(table)).schema.fields if field.name in wanted]
    found = [(it.name, partial(_type, it.dataType), it.nullable, str(it.metadata.get("comment", ""))) for it in fields]
    return mockable(table, found)


def _type(type_: Any) -> SqlType:
    return parse_type(ddl_of(type_))


def spark_properties(spark: SparkSession, table: str) -> Mapping[str, str]:
    """Return a table's properties; a view may have none to show."""
    from pyspark.errors import PySparkException

    from dataflow.tables.iceberg import quoted

    try:
        return {row[0]: row[1] for row in spark.sql(f"SHOW TBLPROPERTIES {quoted(table)}").collect()}
    except PySparkException:
        return {}


def spark_rows(
    spark: SparkSession, table: str, columns: Sequence[MockColumn], where: str | None, rows: int
) -> tuple[list[Row], int, Mapping[Path, Mapping[Any, int]]]:
    """Collect the rows that are worth a look: all of the table is read, and a few hundred rows leave the cluster.

    Returns:
        The rows, how many were left out because a mock can't hold them, and the counts of columns of few values.

    Raises:
        UsageError: The condition has a mistake.
        DataflowError: Spark can't read the table.
    """
    from pyspark.errors import AnalysisException, ParseException, PySparkException

    from dataflow.spark.errors import short_message

    try:
        return _SparkScan(spark, table, columns, where).rows(rows)
    except (ParseException, AnalysisException) as error:
        raise UsageError(f"--where: {short_message(error)}") from error
    except PySparkException as error:
        raise DataflowError(f"can't read {table}: {short_message(error)}") from error


class _SparkScan:
    """A table's rows as structs `r`, each with a hash `h` that decides between equals, wherever the row lies."""

    def __init__(self, spark: SparkSession, table: str, columns: Sequence[MockColumn], where: str | None) -> None:
        from dataflow.tables.iceberg import quoted

        self._spark = spark
        self._columns = columns
        frame = spark.table(quoted(table))
        frame = frame.where(where) if where else frame
        names = [column_name(column.name) for column in columns]
        hashable = [column_name(column.name) for column in columns if "map<" not in str(column.type)]
        self._frame = frame.selectExpr(
            f"named_struct({', '.join(f'{_text(c.name)}, {n}' for c, n in zip(columns, names, strict=True))}) AS r",
            f"xxhash64({', '.join(hashable) or '1'}) AS h",
        )
        self._leaves = [leaf for column in columns for leaf in _leaves((column.name,), column.type)]

    def rows(self, count: int) -> tuple[list[Row], int, Mapping[Path, Mapping[Any, int]]]:
        tables = [self._frame.orderBy("h").limit(max(256, 2 * count)).select("r").toArrow()]
        found, few = self._standing_out()
        tables += found
        counts = {}
        for path, type_ in self._leaves:
            if path in few:
                counts[path] = self._rare(path, tables)
            elif type_.name in NUMBERS | _MOMENTS:
                top = self._frame.where(f"{_sql(path)} IS NOT NULL{_finite(path, type_)}")
                tables.append(top.orderBy(f"r{_dots(path)}", "h", ascending=False).limit(_TOP).select("r").toArrow())
        rows: list[Row] = []
        left_out = 0
        for table in tables:
            some, without = rows_of(_unpacked(table), self._columns)
            rows += some
            left_out += without
        return rows, left_out, counts

    def _standing_out(self) -> tuple[list[pa.Table], set[Path]]:
        """Find extremes, nulls and the like of all columns in one pass, and which columns have few values."""
        wanted = [expression for path, type_ in self._leaves for expression in _expressions(path, type_)]
        counted = [(path, type_) for path, type_ in self._leaves if type_.name in _ORDERED]
        selected = [f"{sql} AS c{i}" for i, sql in enumerate(wanted)]
        selected += [f"approx_count_distinct({_sql(path)}) AS n{i}" for i, (path, _) in enumerate(counted)]
        answer = self._frame.selectExpr(*selected).toArrow()
        few = {path for i, (path, _) in enumerate(counted) if answer.column(f"n{i}")[0].as_py() <= FEW}
        rows = [answer.select([f"c{i}"]).rename_columns(["r"]) for i in range(len(wanted))]
        return [row for row in rows if row.column("r")[0].is_valid], few

    def _rare(self, path: Path, tables: list[pa.Table]) -> Mapping[Any, int]:
        grouped = self._frame.groupBy(f"r{_dots(path)}").agg(*_functions("min_by(r, h) AS r", "count(*) AS n"))
        known = grouped.toDF("v", "r", "n").where("v IS NOT NULL")
        rarest = known.orderBy("n", "v").limit(_RAREST).toArrow()
        tables.append(rarest.select(["r"]))
        counted = known.select("v", "n").limit(FEW).toArrow().combine_chunks()
        return dict(zip(plain_list(_array(counted, "v")), counted.column("n").to_pylist(), strict=True))


def _expressions(path: Path, type_: SqlType) -> Iterator[str]:
    value = _sql(path)
    yield f"min_by(r, h) FILTER (WHERE {value} IS NULL)"
    if type_.name in _ORDERED - {"boolean"}:
        for function in ("min_by", "max_by"):
            yield f"{function}(r, struct({value}, h)) FILTER (WHERE {value} IS NOT NULL{_finite(path, type_)})"
    if type_.name in _FLOATS:
        yield f"min_by(r, h) FILTER (WHERE isnan({value}))"
    if type_.name in NUMBERS:
        yield f"min_by(r, h) FILTER (WHERE {value} = 0)"
    length = {"string": "length", "array": "size", "map": "size"}.get(type_.name)
    if length:
        yield f"min_by(r, h) FILTER (WHERE {length}({value}) = 0)"
        yield f"max_by(r, struct({length}({value}), h)) FILTER (WHERE {value} IS NOT NULL)"


def _leaves(path: Path, type_: SqlType) -> Iterator[tuple[Path, SqlType]]:
    yield path, type_
    for name, field in type_.fields:
        yield from _leaves((*path, name), field)


def _finite(path: Path, type_: SqlType) -> str:
    return f" AND NOT isnan({_sql(path)})" if type_.name in _FLOATS else ""


def _sql(path: Path) -> str:
    return f"r{_dots(path)}"


def _dots(path: Path) -> str:
    return "".join(f".{column_name(name)}" for name in path)


def _text(name: str) -> str:
    from dataflow.tables.quoting import text

    return text(name)


def _functions(*sql: str) -> list[Any]:
    from pyspark.sql.functions import expr

    return [expr(each) for each in sql]


def _unpacked(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_struct_array(_array(table, "r"))


def _array(table: pa.Table, name: str) -> Any:
    import pyarrow as pa

    column = table.column(name).combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


def ddl_of(type_: Any) -> str:
    """Write a type with its names in backticks, which `simpleString` leaves away."""
    from pyspark.sql.types import ArrayType, MapType, StructType

    match type_:
        case StructType():
            return f"struct<{','.join(f'{column_name(f.name)}:{ddl_of(f.dataType)}' for f in type_.fields)}>"
        case ArrayType():
            return f"array<{ddl_of(type_.elementType)}>"
        case MapType():
            return f"map<{ddl_of(type_.keyType)},{ddl_of(type_.valueType)}>"
    return str(type_.simpleString())
