"""What tests of Comet share: where it can be at work, and the same query with it and without."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from dataflow.spark import class_data_archive, jars
from dataflow.spark.comet import Acceleration, hindrance
from dataflow.spark.guard import EVERYTHING
from dataflow.spark.java import find_java
from dataflow.spark.session import Engine
from dataflow.workflow.project import Environment
from tests.support.two_engines import edges, rows_of, spark_answer, types_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_HINDRANCE = hindrance(Environment("sandbox"))
MARKS = [
    pytest.mark.spark,
    pytest.mark.own_process,
    pytest.mark.skipif(_HINDRANCE is not None, reason=f"Comet can't be at work here: {_HINDRANCE}"),
]
WANTED = Acceleration(True, "a test wants it", required=True)
BOTH = (False, True)


@contextlib.contextmanager
def comet_session(folder: Path) -> Iterator[tuple[SparkSession, Path]]:
    """Lend a session with Comet, in a home of its own, with jars and class data of the machine.

    It has the table `edges`, a column of each type, in the namespace `cometed`. The folder that comes with it holds
    what Comet says of each write to Iceberg: which writer it was.
    """
    with pytest.MonkeyPatch.context() as patch:
        jars.ensure(find_java(), {}, wanted=(*jars.JARS, jars.COMET))
        class_data_archive.folder().mkdir(parents=True, exist_ok=True)
        shared, reports = class_data_archive.folder(), folder / "writes"
        patch.setenv("DATAFLOW_JARS", str(jars.folder()))
        patch.setenv("DATAFLOW_HOME", str(folder / "home"))
        (folder / "home").mkdir()
        (folder / "home" / "class-data").symlink_to(shared)
        own = {"spark.sql.shuffle.partitions": "2", "spark.comet.testing.icebergWriteReport.dir": str(reports)}
        with Engine(Environment("sandbox", spark=own), folder / "spark.log", small=True, scope=EVERYTHING) as engine:
            engine.accelerate(WANTED)
            file = folder / "edges.parquet"
            pq.write_table(edges(), file)
            engine.spark.sql("CREATE NAMESPACE cometed")
            engine.spark.read.parquet(str(file)).writeTo("cometed.edges").using("iceberg").create()
            engine.spark.table("cometed.edges").createOrReplaceTempView("edges")
            yield engine.spark, reports


@contextlib.contextmanager
def comet(spark: SparkSession, on: bool) -> Iterator[None]:
    """Have Comet at work in a session, or not."""
    spark.conf.set("spark.comet.enabled", "true" if on else "false")
    try:
        yield
    finally:
        spark.conf.set("spark.comet.enabled", "true")


def answer(spark: SparkSession, sql: str, on: bool) -> Any:
    """Return the types and rows of a query, in no order, or why it fails."""
    with comet(spark, on):
        try:
            found = spark_answer(spark, sql)
        except Exception as error:
            return str(error)[:40]
    return types_of(found), sorted(rows_of(found), key=repr)


def differences(spark: SparkSession, queries: Sequence[str]) -> list[str]:
    """Return the queries that Comet answers otherwise than Spark alone."""
    return [sql for sql in queries if answer(spark, sql, False) != answer(spark, sql, True)]


def files_of(spark: SparkSession, table: str) -> list[dict[str, Any]]:
    """Return what Iceberg's metadata says of a table's files, but where they are and how well they were packed."""
    names = "content, file_format, spec_id, sort_order_id, record_count, readable_metrics"
    found = [row.asDict(recursive=True) for row in spark.sql(f"SELECT {names} FROM {table}.files").collect()]
    for file in found:
        for column in file["readable_metrics"].values():
            column.pop("column_size", None)
    return sorted(found, key=repr)


def writers(spark: SparkSession, reports: Path) -> list[str]:
    """Return who wrote each of the writes to Iceberg so far, as Comet says: `spark`, or else `native` or `jvm`."""
    session: Any = spark._jsparkSession
    session.sparkContext().listenerBus().waitUntilEmpty()
    files = (it for it in sorted(reports.rglob("*")) if it.is_file())
    return [json.loads(line)["writer"] for file in files for line in file.read_text("utf-8").splitlines()]
