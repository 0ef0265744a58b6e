"""`dataflow query`: runs queries, and nothing that changes tables; errors show their position in the SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.spark.errors import refusal_in, short_message, sql_position
from dataflow.spark.plan_inspection import changes_something, is_reading, nodes, parsed
from dataflow.workflow import table_names

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, Row, SparkSession

_READS = (
    "dataflow query only reads; changes belong in a workflow's scripts, or in spark-sql (dataflow env --spark-conf)"
)


@dataclass(frozen=True)
class Found:
    """What a query found.

    Attributes:
        columns: The names of the columns.
        rows: The rows, unless they are wanted as an Arrow table.
        table: The Arrow table, where that is wanted.
        total: How many rows there are, with those that were cut off.
    """

    columns: list[str]
    rows: list[Row]
    table: pa.Table | None
    total: int

    @property
    def count(self) -> int:
        """How many rows it has."""
        return len(self.rows) if self.table is None else int(self.table.num_rows)

    @property
    def is_cut(self) -> bool:
        """Whether there are more."""
        return self.total > self.count


def read_rows(spark: SparkSession, sql: str, limit: int | None, *, arrow: bool = False) -> Found:
    """Run a query.

    Args:
        spark: A session.
        sql: The query; may end in a semicolon.
        limit: How many rows to return at most; None for all rows.
        arrow: Whether the rows are wanted as an Arrow table.

    Raises:
        UsageError: It is not a query, or has a mistake; the message points at it.
        DataflowError: It failed while running.
    """
    from pyspark.errors import AnalysisException, ParseException, PySparkException

    sql = sql.strip().removesuffix(";").rstrip()
    try:
        _require_query(spark, sql)
        return _found(spark.sql(sql), limit, arrow=arrow)
    except (ParseException, AnalysisException) as error:
        raise _usage_error(spark, sql, error) from error
    except PySparkException as error:
        raise DataflowError(_message(error)) from error
    except Exception as error:
        if (refusal := refusal_in(error)) is None:
            raise
        raise UsageError(f"this is not a query: {refusal[0]}", _READS) from error


def _found(frame: DataFrame, limit: int | None, *, arrow: bool) -> Found:
    """Collect a query's rows; where they are cut off, all are counted by a second job."""
    some = frame if limit is None else frame.limit(limit + 1)
    rows = [] if arrow else some.collect()
    table = _as_arrow(some) if arrow else None
    count = len(rows) if table is None else int(table.num_rows)
    if limit is None or count <= limit:
        return Found(frame.columns, rows, table, count)
    cut = None if table is None else table.slice(0, limit)
    return Found(frame.columns, rows[:limit], cut, max(count, frame.count()))


def _as_arrow(frame: Any) -> pa.Table:
    """Collect rows as an Arrow table, in which everything may be null.

    Spark's fields that may not be null stand below structs that may, which Arrow takes for a mistake, `toArrow` too.
    """
    import pyarrow as pa

    table = pa.Table.from_batches(frame._collect_as_arrow(empty_list_if_zero_records=False))
    columns = [(column, _nullable(column.type)) for column in table.columns]
    arrays = [it if it.type == type_ else pa.chunked_array([it.to_pylist()], type_) for it, type_ in columns]
    return pa.Table.from_arrays(arrays, names=table.schema.names)


def _nullable(type_: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_struct(type_):
        return pa.struct([pa.field(it.name, _nullable(it.type)) for it in type_])
    if pa.types.is_list(type_):
        return pa.list_(_nullable(type_.value_type))
    if pa.types.is_map(type_):
        return pa.map_(_nullable(type_.key_type), _nullable(type_.item_type))
    return type_


def _require_query(spark: SparkSession, sql: str) -> None:
    plan = parsed(spark, sql)
    if is_reading(plan):
        return
    for node in nodes(plan):
        if changes_something(spark, node):
            raise UsageError(f"this is not a query: {_statement(node.nodeName())}", _READS)


def _statement(node: str) -> str:
    """Return a plan's name in words: InsertIntoStatement → insert into."""
    name = node.removesuffix("Statement").removesuffix("Command")
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _usage_error(spark: SparkSession, sql: str, error: Exception) -> UsageError:
    from pyspark.errors import PySparkException

    message = _message(error)
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    if isinstance(error, PySparkException) and condition == "TABLE_OR_VIEW_NOT_FOUND":
        name = (error.getMessageParameters() or {}).get("relationName", "")
        name = table_names.plain(name)
        message = f"there is no table or view '{name}'{did_you_mean(name, _tables(spark))}"
    if (place := sql_position(error)) and place[0] <= len(lines := sql.splitlines()):
        line, column = place
        message += f"\n  {lines[line - 1]}\n  {' ' * (column - 1)}^"
    return UsageError(message)


def _message(error: Exception) -> str:
    return re.sub(r"^\[[A-Z_.]+\] ", "", short_message(error))


def _tables(spark: SparkSession) -> list[str]:
    """Return all tables of the session's catalog."""
    namespaces = [row[0] for row in spark.sql("SHOW NAMESPACES").collect()]
    found = []
    for namespace in namespaces:
        found += [f"{namespace}.{row.tableName}" for row in spark.sql(f"SHOW TABLES IN {namespace}").collect()]
    return found
