"""The demo source: what was played, made up by Spark itself, the same rows for the same day on every machine.

A row is a hash of its day and its number, so a day has the same rows whenever and beside whatever it is made.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.tables.iceberg import COMMIT_RETRIES, create_namespace, exists, head, jvm, load, properties
from dataflow.tables.properties import DEMO
from dataflow.tables.quoting import text

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

    from dataflow.workflow.resolved import Workflow

TABLE = "dataflow_demo.playback"
ROWS_PER_DAY = 400_000
BYTES_PER_ROW = 12.4
"""Bytes of a row on disk, as measured: narrow types, few distinct values, Parquet with zstd."""


_ROWS_PER_FILE = 10_000_000  # files of about 128 MB
_ROWS_PER_COMMIT = 10 * _ROWS_PER_FILE  # what a kill may lose
_ATTEMPTS = 5
_TITLES = 20_000

# The members of the United Nations by ISO 3166-1 alpha-2 code: the largest audiences first, then by the alphabet.
_COUNTRIES = (
    "US IN BR GB DE JP FR MX KR CA IT ES AU ID TR PH PL AR NL CO TH SA ZA EG VN SE BE CL MY NG PE RO CZ PT GR HU "
    "AE CH AT DK NO FI IE IL NZ SG AD AF AG AL AM AO AZ BA BB BD BF BG BH BI BJ BN BO BS BT BW BY BZ CD CF CG CI "
    "CM CN CR CU CV CY DJ DM DO DZ EC EE ER ET FJ FM GA GD GE GH GM GN GQ GT GW GY HN HR HT IQ IR IS JM JO KE KG "
    "KH KI KM KN KP KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MR MT MU MV MW MZ NA NE "
    "NI NP NR OM PA PG PK PW PY QA RS RU RW SB SC SD SI SK SL SM SN SO SR SS ST SV SY SZ TD TG TJ TL TM TN TO TT "
    "TV TZ UA UG UY UZ VC VE VU WS YE ZM ZW"
)

_DDL = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
  profile_id BIGINT COMMENT 'Who watched; a profile belongs to one country',
  title_id INT COMMENT 'What was watched; null where a player was opened and nothing chosen',
  country_code STRING COMMENT 'Where, ISO 3166-1 alpha-2',
  view_hours DOUBLE COMMENT 'For how long; zero where nothing was watched, negative where an earlier row is corrected',
  received_at TIMESTAMP COMMENT 'When the row arrived, which may be days after the viewing',
  date DATE COMMENT 'Day of viewing, UTC'
)
USING iceberg
PARTITIONED BY (date)
COMMENT 'Demo data, made up: who watched what, where and for how long'
TBLPROPERTIES ('{DEMO}' = 'true', 'commit.retry.num-retries' = '{COMMIT_RETRIES}')
"""

# Of each thousand rows ten have no title, twenty no hours, five negative ones, and twenty are late.
_ROWS = """
WITH numbered AS (
  SELECT element_at(array({dates}), CAST(id DIV {rows} AS INT) + 1) AS date, id % {rows} AS number
  FROM range(0, {total}, 1, {tasks})
),
drawn AS (
  SELECT
    date,
    number,
    number % 1000 AS quirk,
    pmod(xxhash64(date, number, 'profile'), {profiles}) AS profile,
    CAST(exp({title_draw} * ln({titles}D)) AS BIGINT) AS title_rank,
    {hours_draw} AS hours_draw,
    pmod(xxhash64(date, number, 'time'), 86400) AS second
  FROM numbered
),
placed AS (
  SELECT *, CAST({countries} * pow({country_draw}, 1.5D) AS INT) AS country FROM drawn
)
SELECT
  1000000 + profile AS profile_id,
  -- The n-th title has 1/n of the first one's viewers (Zipf). Half of the viewers choose by an order that is their
  -- country's own. The prime scatters neighbours in popularity over the ids.
  IF(
    quirk < 10,
    NULL,
    CAST(1 + (7919 * title_rank + IF(number % 2 = 0, 101 * country, 0)) % {titles} AS INT)
  ) AS title_id,
  element_at(split({codes}, ' '), country + 1) AS country_code,
  CASE
    WHEN quirk BETWEEN 10 AND 29 THEN 0D
    WHEN quirk BETWEEN 30 AND 34 THEN -1D
    ELSE 1D
  END * CAST(1 - 2400 * ln(1 - hours_draw) AS INT) / 3600 AS view_hours,
  timestamp_seconds(
    86400L * unix_date(date) + second + IF(quirk BETWEEN 40 AND 59, 86400 * (1 + number % 3), 0)
  ) AS received_at,
  date
FROM placed
"""


def prepare(spark: SparkSession, workflow: Workflow, report: Callable[[str], None]) -> None:
    """Make what a run is going to read of the demo source, when that is what it reads.

    Args:
        spark: The session.
        workflow: What is about to run.
        report: Called with a line when something has to be made.
    """
    days = {
        dt.date.fromisoformat(inner.params["EXECUTION_DATE"])
        for inner in workflow.walk()
        if TABLE in inner.params.values() and "EXECUTION_DATE" in inner.params
    }
    if days:
        ensure(spark, days, report=report)


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
    wanted = sorted(set(dates))

    def missing(sizes: Mapping[dt.date, int]) -> list[dt.date]:
        return [day for day in wanted if day not in sizes]

    with _translated_errors():
        if exists(spark, TABLE) and not _is_ours(spark):
            return
        left = missing(existing_dates(spark))
        if left:
            report(f"making demo data for {_span(left)}, {rows_per_day:,} rows a day, this once")
            _make(spark, missing, rows_per_day, lambda _: None)


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
        DataflowError: It can't be written, or the table is none of ours.
    """
    wanted = [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]

    def missing(sizes: Mapping[dt.date, int]) -> list[dt.date]:
        return [day for day in wanted if sizes.get(day) != rows_per_day]

    with _translated_errors():
        if exists(spark, TABLE) and not _is_ours(spark):
            raise DataflowError(f"{TABLE} was not made by Dataflow, and is left alone", permanent=True)
        _make(spark, missing, rows_per_day, progress)


def existing_dates(spark: SparkSession) -> dict[dt.date, int]:
    """Return the days that the demo source has, with their numbers of rows, from its metadata alone."""
    return _sizes(spark, load(spark, TABLE)) if exists(spark, TABLE) else {}


def _is_ours(spark: SparkSession) -> bool:
    return DEMO in properties(load(spark, TABLE))


def _make(
    spark: SparkSession,
    missing: Callable[[Mapping[dt.date, int]], list[dt.date]],
    rows_per_day: int,
    progress: Callable[[int], None],
) -> None:
    """Make what is missing, commit by commit, until nothing is; what others make meanwhile counts."""
    per_commit = max(1, _ROWS_PER_COMMIT // rows_per_day)
    conflicts, done = 0, 0
    _create_table(spark)
    while True:
        table = load(spark, TABLE)
        days = missing(_sizes(spark, table))[:per_commit]
        if not days:
            return
        rows = len(days) * rows_per_day
        try:
            with _watched(spark, done, rows, progress):
                _write(spark, days, rows_per_day, base=head(table))
        except Exception as error:
            conflicts += 1
            if "conflicting files" not in str(error) or conflicts == _ATTEMPTS:
                raise
        else:  # on a conflict another process has just made one of these days: look again
            done += rows
            progress(done)


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn an error of Spark or py4j into one message, while there is a JVM to ask for it."""
    from dataflow.spark.errors import short_message

    try:
        yield
    except DataflowError:
        raise
    except Exception as error:
        raise DataflowError(f"the demo source {TABLE} can't be made: {short_message(error)}") from error


def _create_table(spark: SparkSession) -> None:
    if exists(spark, TABLE):
        return
    create_namespace(spark, TABLE.partition(".")[0])
    try:
        spark.sql(_DDL)
    except Exception:  # another process may just have made it
        if not exists(spark, TABLE):
            raise


def _write(spark: SparkSession, days: Sequence[dt.date], rows_per_day: int, *, base: int | None) -> None:
    """Write whole days in one commit, refused when another process has written one of them since `base`.

    Each task writes a piece of one day, in order: no shuffle, no sort, one file a task.
    """
    writer = (
        spark.sql(_select(days, rows_per_day))
        .writeTo(TABLE)
        .option("distribution-mode", "none")
        .option("fanout-enabled", "true")
        .option("isolation-level", "serializable")
    )
    if base is not None:  # without one, all that was ever written counts
        writer = writer.option("validate-from-snapshot-id", str(base))
    writer.overwritePartitions()


def _select(days: Sequence[dt.date], rows_per_day: int) -> str:
    files_per_day = math.ceil(rows_per_day / _ROWS_PER_FILE)
    return _ROWS.format(
        dates=", ".join(f"DATE '{day}'" for day in days),
        rows=rows_per_day,
        total=rows_per_day * len(days),
        tasks=files_per_day * len(days),
        profiles=max(1, rows_per_day // 4),
        titles=_TITLES,
        countries=len(_COUNTRIES.split()),
        codes=text(_COUNTRIES),
        title_draw=_uniform("date, number, 'title'"),
        hours_draw=_uniform("date, number, 'hours'"),
        country_draw=_uniform("profile, 'country'"),
    )


def _uniform(key: str) -> str:
    """Write a number drawn evenly from [0, 1) as SQL: the upper 53 bits of a hash, as a double has them."""
    return f"shiftrightunsigned(xxhash64({key}), 11) * {2.0**-53!r}D"


def _sizes(spark: SparkSession, table: JavaObject) -> dict[dt.date, int]:
    """Read Iceberg's table of partitions without a Spark job: milliseconds, whatever the rows."""
    iceberg = jvm(spark).org.apache.iceberg
    partitions = iceberg.MetadataTableUtils.createMetadataTableInstance(table, iceberg.MetadataTableType.PARTITIONS)
    names = [str(field.name()) for field in _items(partitions.schema().columns())]
    partition, records = names.index("partition"), names.index("record_count")
    anything = jvm(spark).java.lang.Class.forName("java.lang.Object")
    epoch = dt.date(1970, 1, 1)
    return {
        epoch + dt.timedelta(days=row.get(partition, anything).get(0, anything)): int(row.get(records, anything))
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


def _span(days: Sequence[dt.date]) -> str:
    if len(days) == 1:
        return str(days[0])
    return f"{len(days)} days, {days[0]} to {days[-1]}"
