"""Loads through Spark: into catalogs that it alone writes, by days of moments, and where a table gets other columns.

The rows lie on this machine, so the Spark that reads them runs here, whatever cluster an environment names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.home import subfolder
from dataflow.loading.partition import part_text
from dataflow.loading.standing import Load, Standing, loaded_files
from dataflow.report import Report
from dataflow.spark.command_session import command_session
from dataflow.spark.errors import short_message
from dataflow.spark.guard import WriteScope, scoped_session
from dataflow.tables import iceberg
from dataflow.tables.files import each
from dataflow.tables.schema.spark_types import parse_type
from dataflow.workflow import table_names

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrameWriterV2, SparkSession

    from dataflow.workflow.project import Environment


class SparkTables:
    """The tables of an environment's catalog, as Spark has them."""

    def __init__(self, spark: SparkSession, scope: WriteScope) -> None:
        self._spark = spark
        self._scope = scope

    def look(self, table: str) -> Standing | None:
        """Return a table, or None if it does not exist."""
        if not iceberg.exists(self._spark, table):
            return None
        fields = self._spark.table(table_names.quoted(table)).schema.fields
        found = iceberg.load(self._spark, table)
        snapshot = found.currentSnapshot()
        total = snapshot.summary().get("total-records") if snapshot is not None else "0"
        try:
            types = {field.name: parse_type(field.dataType.simpleString()) for field in fields}
        except ValueError as error:
            raise DataflowError(f"{table} can't be loaded: {error}", permanent=True) from error
        return Standing(
            types,
            frozenset(field.name for field in fields if not field.nullable),
            tuple(self._parts(found)),
            iceberg.properties(found),
            loaded_files(_summaries(found)),
            int(total) if total is not None else None,
        )

    def write(self, load: Load, batches: Iterator[pa.RecordBatch]) -> None:
        """Put rows into a table by one commit.

        Raises:
            DataflowError: It can't be written; nothing was loaded.
        """
        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory(prefix="load-", dir=subfolder()) as folder:
            file = Path(folder) / "rows.parquet"
            first = next(batches)
            with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
                writer.write_batch(first)
                for batch in batches:
                    writer.write_batch(batch)
            try:
                if load.mode == "create":
                    iceberg.create_namespace(self._spark, table_names.joined(table_names.split(load.table)[:-1]))
                with scoped_session(self._spark, self._scope) as session:
                    self._commit(session, file, load)
            except DataflowError:
                raise
            except Exception as error:
                raise DataflowError(f"{load.table} can't be loaded: {short_message(error)}") from error

    def _commit(self, spark: SparkSession, file: Path, load: Load) -> None:
        from pyspark.sql import functions

        writer: DataFrameWriterV2 = spark.read.parquet(file.as_uri()).writeTo(table_names.quoted(load.table))
        writer = writer.option("check-nullability", "false")  # each row was looked at
        for name, value in load.snapshot_properties.items():
            writer = writer.option(f"snapshot-property.{name}", value)
        if load.mode == "append":
            writer.append()
        elif load.mode == "replace" and not load.reshaped:
            writer.overwrite(functions.lit(True))
        else:
            writer = writer.using("iceberg")
            if load.partition:
                column = functions.col(table_names.quote(load.partition.column))
                writer = writer.partitionedBy(functions.days(column) if load.partition.by_day else column)
            if load.mode == "create":
                writer.create()
            else:
                writer.createOrReplace()

    def _parts(self, table: Any) -> Iterator[str]:
        schema = table.schema()
        for field in each(table.spec().fields()):
            yield part_text(str(schema.findColumnName(field.sourceId())), str(field.transform()))


@contextlib.contextmanager
def spark_tables(environment: Environment, scope: WriteScope, report: Report) -> Iterator[SparkTables]:
    """Lend the tables of an environment by a Spark on this machine.

    Raises:
        DataflowError: Spark can't be started.
    """
    here = {key: value for key, value in environment.spark.items() if key != "spark.master"}
    with command_session(dataclasses.replace(environment, spark=here), "table-load", report=report) as spark:
        yield SparkTables(spark, scope)


def _summaries(table: Any) -> Iterator[dict[str, str]]:
    snapshot = table.currentSnapshot()
    while snapshot is not None:
        yield dict(snapshot.summary())
        parent = snapshot.parentId()
        snapshot = table.snapshot(parent) if parent is not None else None
