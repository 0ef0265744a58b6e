"""Maintenance of real tables: what it does, what it leaves, and Iceberg's own hazards by name."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from dataflow.errors import DataflowError
from dataflow.maintenance.maintain import Maintenance, access_through
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import RunRecords
from dataflow.tables import branch_publish
from dataflow.tables.iceberg import load, set_properties
from dataflow.tables.properties import PACKAGE, RUN_ID
from dataflow.tables.publish import outcome, publish
from dataflow.workflow.identity import Identity
from dataflow.workflow.project import Environment

pytestmark = pytest.mark.spark

ME = Identity("alice", "alice.films", "uuid-1")
DAY = dt.timedelta(days=1)


class Kept:
    """A table of a package, its maintenance at any time, and what is in its folder."""

    def __init__(self, spark, folder, name, columns="id INT, date DATE", by="date", **properties):
        self.spark, self.name = spark, name
        spark.sql(f"CREATE TABLE {name} ({columns}) USING iceberg PARTITIONED BY ({by})")
        set_properties(spark, name, {PACKAGE: ME.uuid, **properties})
        self.records = RunRecords(StateDatabase(f"sqlite:///{folder}/state.db"))
        self.folder = Path(str(load(spark, name).location()).removeprefix("file:"))
        self.lines = []

    def task(self, days_ahead=0, keep=30):
        catalog = str(self.spark.conf.get("spark.sql.defaultCatalog"))
        now = dt.datetime.now(dt.UTC) + days_ahead * DAY
        where = Environment("sandbox", catalog={"name": catalog})
        return Maintenance(self.name, where, ME, self.records, keep, lambda: now)

    def plan(self, days_ahead=0, keep=30):
        return self.task(days_ahead, keep).plan(access_through(self.spark))

    def maintain(self, days_ahead=0, keep=30):
        task, access = self.task(days_ahead, keep), access_through(self.spark)
        planned = task.plan(access)
        task.run(self.spark, access, planned, self.lines.append)
        return planned

    def insert(self, *ids, day="2026-01-01"):
        for id_ in ids:
            self.spark.sql(f"INSERT INTO {self.name} VALUES ({id_}, DATE '{day}')")
        return self.head

    @property
    def head(self):
        return int(load(self.spark, self.name).currentSnapshot().snapshotId())

    @property
    def snapshots(self):
        return [row[0] for row in self.spark.sql(f"SELECT snapshot_id FROM {self.name}.snapshots ORDER BY 1").collect()]

    def ids(self, at=None):
        of = "" if at is None else f" VERSION AS OF {at if isinstance(at, int) else repr(at)}"
        return sorted(row.id for row in self.spark.sql(f"SELECT id FROM {self.name}{of}").collect())

    @property
    def files(self):
        return {it for it in self.folder.rglob("*") if it.is_file() and not it.name.startswith(".")}

    def unused(self):
        """Return what maintenance would call orphans if all files were old."""
        return self.plan(days_ahead=10).orphans


@pytest.fixture
def made(spark, namespace, tmp_path):
    return lambda name="kept", **options: Kept(spark, tmp_path, f"{namespace}.{name}", **options)


@pytest.fixture
def namespace(spark):
    name = f"maintained_{os.getpid()}_{time.monotonic_ns()}"
    spark.sql(f"CREATE NAMESPACE {name}")
    return name


def test_small_files_are_put_together_and_old_snapshots_expire_with_their_files_alone(made):
    table = made()
    table.insert(*range(8))
    assert table.plan().needed.expired == ()  # all of them are new
    planned = table.maintain(days_ahead=10)
    assert [(it.label, len(it.paths)) for it in planned.scattered] == [("date=2026-01-01", 8)]
    assert table.ids() == list(range(8))
    assert planned.needed.expired
    after = table.plan(days_ahead=20)
    assert after.before.files == 1
    table.maintain(days_ahead=20)
    assert table.snapshots == [table.head]
    assert table.ids() == list(range(8))
    last = table.plan(days_ahead=20)
    assert (last.is_empty, last.before.snapshots) == (True, 1)
    assert sum(it.suffix == ".parquet" for it in table.files) == 1
    assert table.lines[0] == "put 8 files together to 1"


def test_partitions_beyond_their_lifetime_go_and_no_other_row(made):
    table = made(**{"dataflow.lifetime-days": "30"})
    today = dt.datetime.now(dt.UTC).date()
    for age in (0, 29, 30, 31, 400):
        table.insert(age, day=today - age * DAY)
    table.spark.sql(f"INSERT INTO {table.name} VALUES (-1, NULL)")
    planned = table.maintain()
    assert [it.label for it in planned.outlived] == [f"date={today - 400 * DAY}", f"date={today - 31 * DAY}"]
    assert table.ids() == [-1, 0, 29, 30]
    assert table.plan().is_empty


@pytest.mark.parametrize(
    ("columns", "by", "kept"),
    [
        ("id INT, at TIMESTAMP", "days(at)", [0, 9]),
        ("id INT, at TIMESTAMP", "months(at)", [0, 9, 11]),
        ("id INT, at TIMESTAMP_NTZ", "hours(at)", [0, 9]),
        ("id INT, at STRING", "at", [0, 9, 11, 400]),  # `at` is not called as a day is
        ("id INT, `odd day` STRING", "`odd day`", [0, 9, 11, 400]),
        ("id INT, day STRING", "day", [0, 9]),
        ("id INT, date DATE", "bucket(4, id)", [0, 9, 11, 400]),
    ],
)
def test_the_partition_says_how_old_a_row_is_whatever_it_is_cut_by(made, columns, by, kept):
    table = made(columns=columns, by=by, **{"dataflow.lifetime-days": "10"})
    now = dt.datetime.now(dt.UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    if by == "months(at)":
        now = now.replace(day=1)
        kept = [0] if (dt.datetime.now(dt.UTC) - now).days > 10 else kept
    column = columns.rpartition(" ")[0].partition(", ")[2]
    kind = columns.rpartition(" ")[2]
    cast = "date" if kind == "STRING" else kind.lower()
    for age in (0, 9, 11, 400):
        value = f"CAST(CAST('{now - age * DAY:%Y-%m-%d %H:%M:%S}' AS {cast}) AS {kind})"
        table.spark.sql(f"INSERT INTO {table.name} SELECT {age}, {value} AS {column}")
    table.maintain()
    assert set(table.ids()) >= set(kept if by != "months(at)" else [0])
    if by != "months(at)":
        assert table.ids() == kept
    else:
        assert 400 not in table.ids()


def test_expiry_with_refs_takes_no_branch_and_no_tag(made):
    """Iceberg's expireSnapshots drops references that are older than their own time, and live files with them."""
    table = made()
    first = table.insert(1)
    table.spark.sql(f"ALTER TABLE {table.name} CREATE TAG released AS OF VERSION {first} RETAIN 1 DAYS")
    table.spark.sql(f"ALTER TABLE {table.name} CREATE BRANCH theirs RETAIN 1 DAYS")
    table.spark.sql(f"INSERT INTO {table.name}.branch_theirs VALUES (9, DATE '2026-01-09')")
    table.spark.sql(f"INSERT OVERWRITE {table.name} VALUES (2, DATE '2026-01-01')")
    table.insert(3)
    table.maintain(days_ahead=50)
    assert (table.ids("released"), table.ids("theirs"), table.ids()) == ([1], [1, 9], [2, 3])
    assert len(table.snapshots) == 3
    assert not table.unused()


def test_a_re_added_file_stays_although_an_expired_snapshot_deleted_it(made):
    """Incremental clean-up deletes what an expired snapshot removed, although a later one has it again."""
    table = made()
    table.insert(1)
    kept = load(table.spark, table.name)
    (file,) = [task.file() for task in _each(kept.newScan().planFiles())]
    table.spark.sql(f"DELETE FROM {table.name}")
    load(table.spark, table.name).newAppend().appendFile(file).commit()
    table.insert(2)
    planned = table.maintain(days_ahead=50)
    assert len(planned.needed.expired) == 3
    assert table.ids() == [1, 2]


def test_deletes_below_a_compaction_still_hold(made):
    """A compaction that loses what delete files say of the rows it moves brings deleted rows back."""
    table = made(**{"format-version": "2", "write.delete.mode": "merge-on-read"})
    table.insert(*range(6))
    table.spark.sql(f"INSERT INTO {table.name} SELECT id, DATE '2026-01-01' FROM range(10, 20)")
    table.spark.sql(f"DELETE FROM {table.name} WHERE id IN (11, 12)")
    before = table.ids()
    assert table.maintain(days_ahead=10).scattered
    table.maintain(days_ahead=20)
    assert table.ids() == before == [*range(6), 10, *range(13, 20)]
    assert not table.unused()


def test_a_run_at_work_publishes_after_maintenance_and_what_it_read_from_is_there(made):
    table = made()
    table.insert(*range(6))
    branch = branch_publish.begin(table.spark, table.name, {"date": "2026-01-01"}, "dataflow_r1_w")
    table.spark.sql(f"INSERT OVERWRITE {branch.reference} PARTITION (date = DATE '2026-01-01') SELECT 7")
    planned = table.maintain(days_ahead=5.5)  # the run is not on record here, and its branch is not a week old
    assert planned.scattered
    assert branch.base in table.snapshots
    publish(table.spark, branch, outcome(table.spark, branch), {RUN_ID: "r1"})
    assert table.ids() == [7]


def test_a_run_that_published_meanwhile_wins_over_a_compaction_and_a_lifetime(made):
    table = made(**{"dataflow.lifetime-days": "30"})
    today = dt.datetime.now(dt.UTC).date()
    old, new = today - 40 * DAY, today
    table.insert(1, day=old)
    table.insert(*range(2, 8), day=new)
    task, access = table.task(), access_through(table.spark)
    planned = task.plan(access)
    for day, id_ in ((old, 10), (new, 20)):
        table.spark.sql(f"INSERT OVERWRITE {table.name} PARTITION (date = DATE '{day}') SELECT {id_}")
    task.run(table.spark, access, planned, table.lines.append)
    assert table.ids() == [10, 20]
    assert "dataflow.maintenance" not in dict(load(table.spark, table.name).currentSnapshot().summary())
    table.maintain()
    assert table.ids() == [20]  # what a run wrote of an old day lives until the next time


def test_branches_that_runs_left_are_swept(made):
    table = made()
    table.insert(1)
    table.spark.sql(f"ALTER TABLE {table.name} CREATE BRANCH dataflow_gone_w RETAIN 7 DAYS")
    assert table.plan(days_ahead=6).branches == ()
    assert table.maintain(days_ahead=8).branches == ("dataflow_gone_w",)
    assert {str(it) for it in load(table.spark, table.name).refs()} == {"main"}


def test_orphans_are_listed_first_and_removed_when_they_are_old(made):
    table = made()
    table.insert(1)
    orphan, fresh = table.folder / "data/left behind.parquet", table.folder / "metadata/new.avro"
    other = table.folder / "notes.txt"
    for file in (orphan, fresh, other):
        file.write_text("x")
    past = time.time() - 4 * 86_400
    for file in table.files - {fresh}:
        os.utime(file, (past, past))
    assert [it.path.rpartition("/")[2] for it in table.plan().orphans] == [orphan.name]
    table.maintain()
    assert (orphan.exists(), fresh.exists(), other.exists()) == (False, True, True)
    assert table.lines == ["removed 1 file of 1 byte that nothing refers to"]
    assert table.ids() == [1]


def test_tables_of_others_and_tables_whose_files_are_anothers_are_left(made):
    table = made(**{"gc.enabled": "false", "dataflow.lifetime-days": "1"})
    table.insert(1, 2)
    planned = table.plan(days_ahead=50)
    assert planned.is_empty
    assert planned.notes == ("gc.enabled is false: its files may be another table's, and nothing is removed",)
    set_properties(table.spark, table.name, {PACKAGE: "other", "dataflow.owner": "bob"})
    with pytest.raises(DataflowError, match="belongs to package other of bob, not to alice"):
        table.plan()


def test_manifests_are_written_anew_where_there_are_many_small_ones(made):
    table = made(**{"commit.manifest-merge.enabled": "false"})
    for number in range(12):
        table.insert(number, day=f"2026-01-{number + 1:02}")
    assert table.maintain().manifests == 12
    after = table.plan()
    assert (after.manifests, after.before.manifests) == (0, 1)
    assert table.ids() == list(range(12))


def _each(closeable):
    found = closeable.iterator()
    while found.hasNext():
        yield found.next()
