"""Where ways to write are tried: a table of one's own, one of another database, and one of another package."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.errors import DataflowError
from dataflow.spark.guard import WriteScope, scoped_session

OWN, FOREIGN, THEIRS = "mine.t", "prod.victim", "mine.theirs"
REFUSED, WRITTEN, PASSES = "refused", "written", "passes"
BRANCH = "dataflow_run_wap"
SANDBOX = WriteScope("database", "dataflow", "sandbox", database="mine", package="u1")

SETUP = [
    "CREATE NAMESPACE prod",
    "CREATE NAMESPACE mine",
    "CREATE TABLE prod.victim (id INT, who STRING) USING iceberg",
    "INSERT INTO prod.victim VALUES (1, 'production')",
    "INSERT INTO prod.victim VALUES (2, 'production')",
    "CREATE TABLE mine.t (id INT, who STRING) USING iceberg",
    "INSERT INTO mine.t VALUES (1, 'published')",
    "CREATE TABLE mine.theirs (id INT, who STRING) USING iceberg "
    "TBLPROPERTIES ('dataflow.package' = 'u2', 'dataflow.package-id' = 'bob.plays', 'dataflow.owner' = 'bob')",
    "INSERT INTO mine.theirs VALUES (1, 'bob')",
    f"ALTER TABLE mine.t CREATE BRANCH {BRANCH}",
]


@dataclass(frozen=True)
class World:
    """What an attack works with: a job's session, and where the tables lie."""

    spark: Any
    warehouse: Path

    @property
    def frame(self) -> Any:
        """Two columns and a row."""
        return self.spark.createDataFrame([(9, "written")], "id int, who string")

    @property
    def stream(self) -> Any:
        """The same without an end."""
        rows = self.spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 1).load()
        return rows.selectExpr("CAST(value AS INT) AS id", "'streamed' AS who").writeStream

    def first(self, table: str) -> int:
        """Return the oldest snapshot of a table."""
        return int(self.spark.sql(f"SELECT min_by(snapshot_id, made_current_at) FROM {table}.history").first()[0])

    def run(self, query: Any) -> None:
        """Wait for a stream, and raise what it ended with."""
        query.awaitTermination(60)
        if query.exception():
            raise query.exception()

    def checkpoint(self, writer: Any) -> Any:
        """Make a stream end after a batch, with a checkpoint of its own."""
        return writer.option("checkpointLocation", tempfile.mkdtemp()).trigger(availableNow=True)


@dataclass(frozen=True)
class Attack:
    """A way to write, and what should come of it in a plain job, and in one inside `wap`.

    Attributes:
        statement: What it is where it is no more than a statement, which any language can run; `{warehouse}` stands in
            it for the folder of the tables.
    """

    do: Callable[[World], Any]
    plain: str
    wap: str
    statement: str = ""


class Tried:
    """Tries attacks, each on tables as they were before: a Hadoop catalog is what lies in its folder."""

    def __init__(self, engine: Any, warehouse: Path) -> None:
        self.engine = engine
        self.warehouse = warehouse
        for statement in SETUP:
            engine.sql(statement)
        self.kept = warehouse.with_name("kept")
        shutil.copytree(warehouse, self.kept)

    def fresh(self) -> None:
        """Put the tables back as they were."""
        shutil.rmtree(self.warehouse)
        shutil.copytree(self.kept, self.warehouse)

    def others(self) -> set[str]:
        """Return all files of others' tables and databases: each change of anything makes or takes one."""
        own = self.warehouse / "mine"
        files = {str(it) for it in self.warehouse.rglob("*") if it.is_file() and not it.is_relative_to(own / "t")}
        return {it for it in files if it.startswith(str(own / "theirs")) or not it.startswith(str(own))}

    def own(self, branch: str) -> Any:
        """Return the snapshot that a branch of the own table is at; None where the table is gone."""
        folder = self.warehouse / "mine" / "t" / "metadata"
        newest = max(folder.glob("v*.metadata.json"), key=lambda it: int(it.name[1:].partition(".")[0]), default=None)
        refs = json.loads(newest.read_text())["refs"] if newest else {}
        return refs.get(branch, {}).get("snapshot-id")

    def attempt(self, attack: Attack, scope: WriteScope) -> dict[str, Any]:
        """Try one, and say what changed."""
        before = self.others(), self.own("main"), self.own(BRANCH)
        said, job_failed = "", ""
        try:
            with scoped_session(self.engine, scope) as job:
                try:
                    attack.do(World(job, self.warehouse))
                except BaseException as error:
                    said = f"{type(error).__name__}: {error}"
        except DataflowError as error:
            job_failed = error.message
        after = self.others(), self.own("main"), self.own(BRANCH)
        others, main, branch = (one != other for one, other in zip(before, after, strict=True))
        self.fresh()
        return {"said": said, "refused": job_failed, "others": others, "main": main, "branch": branch}


def into(table: str) -> Callable[[Any, int], None]:
    return lambda batch, _: batch.writeTo(table).append()


def in_thread(action: Callable[[], Any]) -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def session(_: World) -> Any:
    from pyspark.sql import SparkSession

    return SparkSession


def expr(text: str) -> Any:
    from pyspark.sql.functions import expr

    return expr(text)


def unguarded(world: World) -> Any:
    """Open one with a second catalog of Iceberg's own class."""
    return second(world, "org.apache.iceberg.spark.SparkCatalog")


def second(world: World, cls: str) -> Any:
    """Open a session with one more catalog over the same tables, as a script's settings can say."""
    session = world.spark.newSession()
    session.conf.set("spark.sql.catalog.second", cls)
    session.conf.set("spark.sql.catalog.second.type", "hadoop")
    session.conf.set("spark.sql.catalog.second.warehouse", str(world.warehouse))
    return session
