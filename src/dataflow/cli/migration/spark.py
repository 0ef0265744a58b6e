"""Spark for what a migration command can't do, or see, without it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.cli.console import err, say

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.lineage.query import LineageGraph
    from dataflow.migration.plan.table_schema import TableSchemaLoader
    from dataflow.tables.schema.table_schema import Shape


@contextlib.contextmanager
def spark_for(known: LineageGraph, doing: str = "Working on the table …") -> Iterator[SparkSession]:
    """Start a session on an environment's catalog, with a line of progress while it starts and works."""
    from dataflow.home import subfolder
    from dataflow.spark.session import Engine
    from dataflow.tables.catalog import is_embedded

    environment = known.environment
    log = subfolder("logs") / "migration.log"
    engine = Engine(environment, log, small=is_embedded(environment), train=False, report=say)
    with engine, err().status("Starting Spark …") as shown:
        spark = engine.spark
        shown.update(doing)
        yield spark


@contextlib.contextmanager
def table_schema_loader() -> Iterator[TableSchemaLoader]:
    """Give what looks at live tables: PyIceberg, or Spark where that alone can open the catalog."""
    from dataflow.migration.plan.table_schema import load_schema, load_schema_in_spark
    from dataflow.tables.pyiceberg_catalog import SparkOnlyError

    with contextlib.ExitStack() as stack:
        sessions: list[SparkSession] = []

        def look(table: str, known: LineageGraph) -> Shape:
            if not sessions:
                try:
                    return load_schema(table, known)
                except SparkOnlyError:
                    sessions.append(stack.enter_context(spark_for(known, "Looking at the table …")))
            return load_schema_in_spark(sessions[0], table, known)

        yield look
