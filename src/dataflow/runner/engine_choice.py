"""Which of the two engines answers a query: Sail where it answers as Spark would, else Spark."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from dataflow.errors import UsageError
from dataflow.report import Report, silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.runner.query import Found
    from dataflow.workflow.project import Environment

Sessions = Callable[[], contextlib.AbstractContextManager["SparkSession"]]


class QueryEngine(StrEnum):
    """Which engine answers a query."""

    AUTO = "auto"
    SAIL = "sail"
    SPARK = "spark"


def answer(
    environment: Environment,
    sql: str,
    limit: int | None,
    sessions: Sessions,
    *,
    engine: QueryEngine = QueryEngine.AUTO,
    arrow: bool = False,
    report: Report = silent,
) -> Found:
    """Run a query by Sail if it answers it as Spark would, else by Spark.

    Args:
        environment: Where the tables are.
        sql: The query; may end in a semicolon.
        limit: How many rows to return at most; None for all rows.
        sessions: Opens Spark, where it is needed.
        engine: The only engine that may answer.
        arrow: Whether the rows are wanted as an Arrow table.
        report: Receives a line that says why Spark answers.

    Raises:
        UsageError: It is not a query, or has a mistake; the message points at it. Or Sail alone may answer, and can't.
        DataflowError: It failed while running.
    """
    if engine is not QueryEngine.SPARK:
        found = _by_sail(environment, sql, limit, arrow=arrow)
        if not isinstance(found, str):
            return found
        if engine is QueryEngine.SAIL:
            raise UsageError(f"Sail can't answer as Spark does: {found}", "without --engine Spark answers")
        report(f"Spark answers: {found}")
    from dataflow.runner.query import read_rows

    with sessions() as spark:
        return read_rows(spark, sql, limit, arrow=arrow)


def _by_sail(environment: Environment, sql: str, limit: int | None, *, arrow: bool) -> Found | str:
    """Run a query by Sail, or say why only Spark can."""
    from dataflow.runner.query import Found
    from dataflow.sail.answer import ask
    from dataflow.sail.judgement import SparkDecides
    from dataflow.sail.rows import spark_rows
    from dataflow.sail.server import SailError

    try:
        table, total = ask(environment, sql.strip().removesuffix(";").rstrip(), limit)
        rows = [] if arrow else spark_rows(table)
    except SparkDecides as reason:
        return str(reason)
    except SailError as error:
        return error.message
    except (ValueError, OverflowError) as error:  # a moment that Python has no place for
        return f"Sail's rows can't be taken over: {error}"
    return Found(table.schema.names, rows, table if arrow else None, total)
