"""The current schema of a table, by PyIceberg or by Spark."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError
from dataflow.tables.iceberg import quoted
from dataflow.tables.schema.table_schema import TableSchema, live_schema, live_schema_in_spark
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.lineage.query import LineageGraph


TableSchemaLoader = Callable[[str, "LineageGraph"], TableSchema]
"""Loads the current schema of a table."""


def load_schema(table: str, lineage: LineageGraph) -> TableSchema:
    """Load the schema of a table with PyIceberg, without Spark.

    Raises:
        UsageError: The table does not exist; the message suggests similar names.
        SparkOnlyError: PyIceberg can't open the catalog, or read the metadata.
        DataflowError: The catalog can't be reached.
    """
    from dataflow.tables.pyiceberg_catalog import SparkOnlyError
    from dataflow.tables.reader.catalog_tables import TableReader

    name = lineage.plain(table)
    reader = TableReader(lineage.environment)
    reader.reach()
    try:
        return live_schema(name, reader.get(name).opened)
    except SparkOnlyError:
        raise
    except DataflowError as error:
        raise UsageError(error.message, error.hint) from error


def load_schema_in_spark(spark: SparkSession, table: str, lineage: LineageGraph) -> TableSchema:
    """Load the schema of a table with Spark, where PyIceberg can't open the catalog.

    Raises:
        UsageError: The table does not exist; the message suggests similar names.
    """
    from dataflow.tables.iceberg import exists, list_tables
    from dataflow.tables.pyiceberg_catalog import is_full, no_table

    name = lineage.plain(table)
    parts = table_names.split(name)
    if not (is_full(parts) and exists(spark, quoted(name))):
        raise UsageError(no_table(table, parts, list_tables(spark)).message)
    return live_schema_in_spark(spark, name)
