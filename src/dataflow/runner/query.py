"""`dataflow query`: runs queries, and nothing that changes tables; errors show their position in the SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.spark.errors import refusal_in, short_message, sql_position
from dataflow.spark.plan_inspection import changes_something, is_reading, nodes, parsed
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

_READS = (
    "dataflow query only reads; changes belong in a workflow's scripts, or in spark-sql (dataflow env --spark-conf)"
)


def read_rows(spark: SparkSession, sql: str, limit: int | None) -> tuple[list[str], list[Row], bool]:
    """Run a query.

    Args:
        spark: A session.
        sql: The query; may end in a semicolon.
        limit: How many rows to return at most; None for all rows.

    Returns:
        The column names, the rows, and whether there are more.

    Raises:
        UsageError: It is not a query, or has a mistake; the message points at it.
        DataflowError: It failed while running.
    """
    from pyspark.errors import AnalysisException, ParseException, PySparkException

    sql = sql.strip().removesuffix(";").rstrip()
    try:
        _require_query(spark, sql)
        frame = spark.sql(sql)
        rows = (frame if limit is None else frame.limit(limit + 1)).collect()
    except (ParseException, AnalysisException) as error:
        raise _usage_error(spark, sql, error) from error
    except PySparkException as error:
        raise DataflowError(_message(error)) from error
    except Exception as error:
        if (refusal := refusal_in(error)) is None:
            raise
        raise UsageError(f"this is not a query: {refusal[0]}", _READS) from error
    shown = rows if limit is None else rows[:limit]
    return frame.columns, shown, len(rows) > len(shown)


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
    message = _message(error)
    condition = getattr(error, "getCondition", lambda: None)()
    if condition == "TABLE_OR_VIEW_NOT_FOUND":
        name = (error.getMessageParameters() or {}).get("relationName", "")  # type: ignore[attr-defined]
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
