"""What a main run does, written by hand: plain PySpark on default settings, without Dataflow.

The same catalog, DDL, properties, SQL, audits and publishing; one session, however many days.
"""

from __future__ import annotations

import argparse
import datetime as dt
import uuid
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from pyspark.sql import SparkSession

PACKAGES = "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0,org.xerial:sqlite-jdbc:3.50.1.0"

COMET: dict[str, bool | float | int | str | None] = {
    "spark.plugins": "org.apache.spark.CometPlugin",
    "spark.shuffle.manager": "org.apache.spark.sql.comet.execution.shuffle.CometShuffleManager",
    "spark.memory.offHeap.enabled": "true",
    "spark.memory.offHeap.size": "4g",
    "spark.comet.scan.icebergNative.enabled": "true",
}
"""Comet as its documentation sets it up."""

AUDITS = {
    "no nulls": "count_if(title_id IS NULL OR country_code IS NULL OR title_rank IS NULL OR view_hours IS NULL) = 0",
    "unique key": "count(*) = count(DISTINCT date, country_code, title_id)",
    "row count": "count(*) BETWEEN 1 AND 50000",
    "ranks": "count_if(title_rank NOT BETWEEN 1 AND 100) = 0",
}


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes:
        ddl: The package's DDL.
        sql: The package's transformation.
        source: The table it reads.
        target: The table it writes.
    """

    ddl: str
    sql: str
    source: str
    target: str

    def filled(self, text: str, **values: str) -> str:
        """Put the parameters into a script."""
        return Template(text).substitute(SOURCE_TABLE=self.source, TARGET_TABLE=self.target, **values)


def session(home: Path, memory: str, comet: Path | None = None) -> SparkSession:
    """Open a session on the same catalog, with Comet where its jar is given; all else is Spark's default."""
    conf: dict[str, bool | float | int | str | None] = {
        "spark.driver.memory": memory,
        "spark.jars.packages": PACKAGES,
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.defaultCatalog": "dataflow",
        "spark.sql.catalog.dataflow": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.dataflow.type": "jdbc",
        "spark.sql.catalog.dataflow.uri": f"jdbc:sqlite:{home}/catalog.db?journal_mode=WAL&busy_timeout=30000",
        "spark.sql.catalog.dataflow.jdbc.schema-version": "V1",
        "spark.sql.catalog.dataflow.warehouse": str(home / "warehouse"),
        "spark.sql.catalog.dataflow.cache-enabled": "false",
    }
    if comet is not None:
        conf |= {"spark.driver.extraClassPath": str(comet), **COMET}
    return SparkSession.builder.config(map=conf).getOrCreate()


def describe(spark: SparkSession, job: Job) -> None:
    """Create the table and say what it is."""
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {job.target.partition('.')[0]}")
    spark.sql(job.filled(job.ddl))
    spark.sql(
        f"ALTER TABLE {job.target} SET TBLPROPERTIES ('dataflow.owner' = 'bench', 'dataflow.tags' = 'dataflow,sample', "
        "'dataflow.lifetime-days' = '123', 'dataflow.primary-key' = 'date,country_code,title_id', "
        "'write.wap.enabled' = 'true')"  # else Iceberg passes over spark.wap.branch
    )


def run_day(spark: SparkSession, job: Job, day: dt.date) -> int:
    """Write a day on a branch, audit it there, publish it; return its rows."""
    branch = f"bare_{uuid.uuid4().hex[:8]}"
    base = begin(spark, job.target, branch)
    spark.conf.set("spark.wap.branch", branch)
    spark.sql(job.filled(job.sql, EXECUTION_DATE=str(day)))
    spark.conf.unset("spark.wap.branch")
    rows = f"{job.target}.branch_{branch} WHERE date = DATE '{day}'"
    for name, condition in AUDITS.items():
        if not spark.sql(f"SELECT {condition} FROM {rows}").collect()[0][0]:
            raise SystemExit(f"{day}: audit failed: {name}")
    publish(spark, job.target, branch, day, base)
    return int(spark.sql(f"SELECT count(*) FROM {job.target} WHERE date = DATE '{day}'").collect()[0][0])


def load(spark: SparkSession, table: str) -> Any:
    """Return the Iceberg table."""
    return spark._jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, f"dataflow.{table}")  # type: ignore[union-attr]


def begin(spark: SparkSession, target: str, branch: str) -> int:
    """Make a branch of main, which an empty table does not have yet; return the snapshot it starts from."""
    table = load(spark, target)
    if table.currentSnapshot() is None:
        table.newAppend().commit()
        table.refresh()
    base = int(table.currentSnapshot().snapshotId())
    table.manageSnapshots().createBranch(branch, base).commit()
    return base


def publish(spark: SparkSession, target: str, branch: str, day: dt.date, base: int) -> None:
    """Replace the day on main by the branch's, in one transaction, unless somebody changed it meanwhile."""
    table = load(spark, target)
    here = spark._jvm.org.apache.iceberg.expressions.Expressions.equal("date", (day - dt.date(1970, 1, 1)).days)  # type: ignore[union-attr]
    transaction = table.newTransaction()
    overwrite = transaction.newOverwrite().overwriteByRowFilter(here)
    files = table.newScan().useRef(branch).filter(here).planFiles().iterator()
    while files.hasNext():
        overwrite.addFile(files.next().file())
    overwrite.validateFromSnapshot(base).conflictDetectionFilter(here)
    overwrite.validateNoConflictingData().validateNoConflictingDeletes().validateAddedFilesMatchOverwriteFilter()
    overwrite.commit()
    transaction.manageSnapshots().removeBranch(branch).commit()
    transaction.commitTransaction()


def main() -> None:
    """Run the days given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("home", "ddl", "sql"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("source", "target", "memory"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--comet", type=Path, help="Comet's jar")
    parser.add_argument("days", type=dt.date.fromisoformat, nargs="+")
    given = parser.parse_args()
    job = Job(given.ddl.read_text(), given.sql.read_text(), given.source, given.target)
    spark = session(given.home, given.memory, given.comet)
    describe(spark, job)
    for day in given.days:
        print(f"{day}: {run_day(spark, job, day):,} rows")
    spark.stop()


if __name__ == "__main__":
    main()
