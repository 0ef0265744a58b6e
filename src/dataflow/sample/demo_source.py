"""The demo source: what was played, made up by Spark itself, the same rows for the same day on every machine.

A row is a hash of its day and its number, so a day has the same rows whenever and beside whatever it is made. There is
one table by the day, and one by the hour.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.sample.demo_rows import BY_DAY, BY_HOUR, ROWS_PER_FILE, TABLE, TABLE_BY_HOUR, Grain, select
from dataflow.tables.iceberg import create_namespace, exists, head, jvm, load, properties
from dataflow.tables.properties import DEMO
from dataflow.workflow.periods import Cadence

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

    from dataflow.workflow.resolved import Workflow

ROWS_PER_DAY = 400_000
ROWS_PER_HOUR = 20_000
BYTES_PER_ROW = 12.4
"""Bytes of a row on disk, as measured: narrow types, few distinct values, Parquet with zstd."""


_ROWS_PER_COMMIT = 10 * ROWS_PER_FILE  # what a kill may lose
_ATTEMPTS = 5


def prepare(spark: SparkSession, workflow: Workflow, report: Callable[[str], None]) -> None:
    """Make what a run is going to read of the demo source, when that is what it reads.

    Args:
        spark: The session.
        workflow: What is about to run.
        report: Called with a line when something has to be made.
    """
    read = [(period, set(inner.params.values())) for inner in workflow.walk() if (period := inner.period) is not None]
    days = [Cadence.DAILY.range(period, period) for period, tables in read if TABLE in tables]
    if days:  # a month costs about as much as a day
        size = ROWS_PER_DAY // max(map(len, days))
        ensure(spark, {it.date for found in days for it in found}, rows_per_day=size, report=report)
    hours = [Cadence.HOURLY.range(period, period) for period, tables in read if TABLE_BY_HOUR in tables]
    if hours:
        ensure_hours(spark, {it.start for found in hours for it in found}, report=report)


def ensure(
    spark: SparkSession,
    dates: Iterable[dt.date],
    *,
    rows_per_day: int = ROWS_PER_DAY,
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Make the days that are missing; those that are there stay, whatever their size.

    Args:
        spark: The session.
        dates: The days that are needed.
        rows_per_day: The size of a new day.
        report: Called with a line when something has to be made.

    Raises:
        DataflowError: It can't be written.
    """
    _ensure(spark, BY_DAY, dates, rows_per_day, report)


def ensure_hours(
    spark: SparkSession, hours: Iterable[dt.datetime], *, report: Callable[[str], None] = lambda _: None
) -> None:
    """Make the hours that are missing in the table by the hour, as `ensure` does days.

    Raises:
        DataflowError: It can't be written.
    """
    _ensure(spark, BY_HOUR, hours, ROWS_PER_HOUR, report)


def _ensure(
    spark: SparkSession, grain: Grain, begins: Iterable[dt.date], rows: int, report: Callable[[str], None]
) -> None:
    wanted = sorted(set(begins))

    def missing(sizes: Mapping[dt.date, int]) -> list[dt.date]:
        return [begin for begin in wanted if begin not in sizes]

    with _translated_errors(grain):
        there = exists(spark, grain.table)
        if there and not _is_ours(spark, grain):
            return
        left = missing(_sizes(spark, grain) if there else {})
        if left:
            unit = grain.cadence.unit
            report(f"making demo data for {_span(left, unit)}, {rows:,} rows {_a(unit)}, this once")
            _make(spark, grain, missing, rows, lambda _: None)


def create(
    spark: SparkSession,
    rows_per_day: int,
    first: dt.date,
    last: dt.date,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Make a range of days of a given size; days of another size are replaced, those of this size are done.

    Args:
        spark: The session.
        rows_per_day: The size of each day.
        first: The first day.
        last: The last day, included.
        progress: Called from time to time, from another thread, with the number of rows written.

    Raises:
        DataflowError: It can't be written, or the table is not demo data.
    """
    wanted = [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]

    def missing(sizes: Mapping[dt.date, int]) -> list[dt.date]:
        return [day for day in wanted if sizes.get(day) != rows_per_day]

    with _translated_errors(BY_DAY):
        if exists(spark, TABLE) and not _is_ours(spark, BY_DAY):
            raise DataflowError(f"{TABLE} was not made by Dataflow, and is left alone", permanent=True)
        _make(spark, BY_DAY, missing, rows_per_day, progress)


def existing_dates(spark: SparkSession) -> dict[dt.date, int]:
    """Return the days that the demo source has, with their numbers of rows, from its metadata alone."""
    return _sizes(spark, BY_DAY) if exists(spark, TABLE) else {}


def _is_ours(spark: SparkSession, grain: Grain) -> bool:
    return DEMO in properties(load(spark, grain.table))


def _make(
    spark: SparkSession,
    grain: Grain,
    missing: Callable[[Mapping[dt.date, int]], list[dt.date]],
    size: int,
    progress: Callable[[int], None],
) -> None:
    """Make what is missing, commit by commit, until nothing is; what others make meanwhile counts."""
    per_commit = max(1, _ROWS_PER_COMMIT // size)
    conflicts, done = 0, 0
    _create_table(spark, grain)
    while True:
        table = load(spark, grain.table)
        begins = missing(_sizes(spark, grain, table))[:per_commit]
        if not begins:
            return
        rows = len(begins) * size
        try:
            with _watched(spark, done, rows, progress):
                _write(spark, grain, begins, size, base=head(table))
        except Exception as error:
            conflicts += 1
            if "conflicting files" not in str(error) or conflicts == _ATTEMPTS:
                raise
        else:  # on a conflict another process has just made one of these days: look again
            done += rows
            progress(done)


@contextlib.contextmanager
def _translated_errors(grain: Grain) -> Iterator[None]:
    """Turn an error of Spark or py4j into one message, while there is a JVM to ask for it."""
    from dataflow.spark.errors import short_message

    try:
        yield
    except DataflowError:
        raise
    except Exception as error:
        raise DataflowError(f"the demo source {grain.table} can't be made: {short_message(error)}") from error


def _create_table(spark: SparkSession, grain: Grain) -> None:
    if exists(spark, grain.table):
        return
    create_namespace(spark, grain.table.partition(".")[0])
    try:
        spark.sql(grain.ddl)
    except Exception:  # another process may just have made it
        if not exists(spark, grain.table):
            raise


def _write(spark: SparkSession, grain: Grain, begins: Sequence[dt.date], size: int, *, base: int | None) -> None:
    """Write whole partitions in one commit, refused when another process has written one of them since `base`.

    Each task writes a piece of one day, in order: no shuffle, no sort, one file a task.
    """
    writer = (
        spark.sql(select(grain, begins, size))
        .writeTo(grain.table)
        .option("distribution-mode", "none")
        .option("fanout-enabled", "true")
        .option("isolation-level", "serializable")
    )
    if base is not None:  # without one, all that was ever written counts
        writer = writer.option("validate-from-snapshot-id", str(base))
    writer.overwritePartitions()


def _sizes(spark: SparkSession, grain: Grain, table: JavaObject | None = None) -> dict[dt.date, int]:
    """Read Iceberg's table of partitions without a Spark job: milliseconds, whatever the rows."""
    table = load(spark, grain.table) if table is None else table
    iceberg = jvm(spark).org.apache.iceberg
    partitions = iceberg.MetadataTableUtils.createMetadataTableInstance(table, iceberg.MetadataTableType.PARTITIONS)
    names = [str(field.name()) for field in _items(partitions.schema().columns())]
    partition, records = names.index("partition"), names.index("record_count")
    anything = jvm(spark).java.lang.Class.forName("java.lang.Object")
    return {
        grain.begin(row.get(partition, anything).get(0, anything)): int(row.get(records, anything))
        for task in _items(partitions.newScan().planFiles())
        for row in _items(task.asDataTask().rows())
    }


def _items(iterable: JavaObject) -> Iterator[JavaObject]:
    found = iterable.iterator()
    while found.hasNext():
        yield found.next()


@contextlib.contextmanager
def _watched(spark: SparkSession, done: int, rows: int, progress: Callable[[int], None]) -> Iterator[None]:
    """Report while a write runs how many rows are written beside those done, by the tasks that Spark has finished."""
    ended = threading.Event()
    tracker = spark.sparkContext.statusTracker()

    def watch() -> None:
        while not ended.wait(0.5):
            for stage in map(tracker.getStageInfo, tracker.getActiveStageIds()):
                if stage is not None and stage.numTasks:
                    progress(done + rows * stage.numCompletedTasks // stage.numTasks)

    watcher = threading.Thread(target=watch, daemon=True, name="progress of the demo source")
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _span(begins: Sequence[dt.date], unit: str) -> str:
    if len(begins) == 1:
        return str(begins[0])
    return f"{len(begins)} {unit}s, {begins[0]} to {begins[-1]}"


def _a(unit: str) -> str:
    return f"an {unit}" if unit == "hour" else f"a {unit}"
