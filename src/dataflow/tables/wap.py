"""Write, audit, publish by Iceberg branch: all of it stands here.

Readers see main. A run writes to a branch of its own; what the branch holds of the declared partition replaces
that partition of main in one transaction, refused when main's partition changed since the branch was made.

The facts behind the calls (Iceberg 1.12): `fast_forward` works only while main stands still;
`cherrypick_snapshot` replays one snapshot and silently loses the others; a null base breaks py4j, hence the empty
first snapshot; the files move by reference, so publishing copies no data and needs copy-on-write tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.tables.iceberg import COMMIT_RETRIES, commit, head, jvm, load, properties, quoted, set_properties
from dataflow.tables.partition import Partition, partition_of

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

    from dataflow.workflow.models import Scalar

PREFIX = "dataflow_"
_RETENTION_MS = 7 * 24 * 3600 * 1000
_MODES = ("write.delete.mode", "write.update.mode", "write.merge.mode")


class PublishConflict(DataflowError):
    """Main's partition changed while the run worked: nothing was published, and a rerun starts from the new main."""


@dataclass(frozen=True)
class Branch:
    """A run's branch of one table.

    Attributes:
        table: The table, `database.table`.
        name: The branch.
        base: The snapshot of main that it started from.
        partition: The rows that the run declared to replace.
    """

    table: str
    name: str
    base: int
    partition: Partition

    @property
    def reference(self) -> str:
        """The branch as SQL names it."""
        return f"{quoted(self.table)}.`branch_{self.name}`"


def branch_name(run_id: str, step_id: str) -> str:
    """Name the branch of a run's step, so that it can be found by the run."""
    return f"{PREFIX}{run_id}_{step_id}".replace("-", "_").lower()


def begin(spark: SparkSession, table: str, values: Mapping[str, Scalar], name: str) -> Branch:
    """Make a branch of main for a run to write to.

    Args:
        spark: The session.
        table: The table, `database.table`; it must exist.
        values: The partition that the run declares to replace.
        name: The branch; an old one of that name, left by a killed run, is dropped first.

    Raises:
        DataflowError: The table is missing, is not copy-on-write, or is not partitioned so.
    """
    if not spark.catalog.tableExists(table):
        raise DataflowError(f"table {table} does not exist", "create it by a DDL job that runs before this one")
    _require_copy_on_write(table, properties(load(spark, table)))
    set_properties(spark, table, {"write.wap.enabled": "true", "commit.retry.num-retries": str(COMMIT_RETRIES)})
    base = commit(spark, table, lambda loaded: _branch_off(loaded, name))
    return Branch(table, name, base, partition_of(spark, load(spark, table), values))


def _branch_off(table: JavaObject, name: str) -> int:
    """Make a branch at main's head, and that head where the table is new; return the head."""
    if not table.snapshots().iterator().hasNext():
        table.newAppend().commit()
        table.refresh()
    base = head(table)
    if base is None:
        raise DataflowError(f"{table.name()} has no main branch", "restore it with Iceberg's rollback procedures")
    manage = table.manageSnapshots()
    if head(table, name) is not None:
        manage = manage.removeBranch(name)
    manage.createBranch(name, base).setMaxRefAgeMs(name, _RETENTION_MS).commit()
    return base


def write_conf(branch: Branch) -> dict[str, str]:
    """Return the session settings under which a script's plain writes go to the branch."""
    return {"spark.wap.branch": branch.name, "spark.sql.sources.partitionOverwriteMode": "dynamic"}


def written_rows(spark: SparkSession, branch: Branch) -> int:
    """Check what the branch holds and count the declared partition's rows, from metadata alone.

    Returns:
        The number of rows; 0 also when nothing was committed at all, whatever main holds.

    Raises:
        DataflowError: The write touched other partitions, left delete files, or took main away.
    """
    table = load(spark, branch.table)
    _restore_main(table, branch)
    if head(table, branch.name) == branch.base:
        return 0
    strays = sorted(set(_strays(spark, table, branch)))
    if strays:
        listed = ", ".join(strays[:5]) + (", …" if len(strays) > 5 else "")
        raise DataflowError(
            f"the write touched partitions of {branch.table} that it did not declare: {listed} "
            f"(declared: {branch.partition.label})",
            "filter the write to its own partition, or declare what it writes under 'partition:'",
        )
    return sum(int(file.recordCount()) for file in _files(table, branch))


def publish(spark: SparkSession, branch: Branch, summary: Mapping[str, str]) -> int:
    """Replace the declared partition of main by the branch's, in one transaction, and drop the branch.

    Args:
        spark: The session.
        branch: What `begin` returned, after the write and its audits.
        summary: Goes into the published snapshot's summary.

    Returns:
        The published snapshot's id.

    Raises:
        PublishConflict: Main's partition changed since the branch was made.
    """
    try:
        return commit(spark, branch.table, lambda table: _publish_once(table, branch, summary))
    except Exception as error:
        if "ValidationException" not in str(error):
            raise
        raise PublishConflict(
            f"{branch.table} {branch.partition.label} was changed by somebody else during this run",
            "nothing was published; run it again to start from what stands there now",
        ) from error


def _publish_once(table: JavaObject, branch: Branch, summary: Mapping[str, str]) -> int:
    transaction = table.newTransaction()
    overwrite = transaction.newOverwrite().overwriteByRowFilter(branch.partition.filter)
    added = False
    if head(table, branch.name) != branch.base:  # else the branch shows main's old rows
        for file in _files(table, branch):
            overwrite.addFile(file)
            added = True
    if added:
        overwrite.validateAddedFilesMatchOverwriteFilter()
    overwrite.validateFromSnapshot(branch.base).conflictDetectionFilter(branch.partition.filter)
    overwrite.validateNoConflictingData().validateNoConflictingDeletes()
    for key, value in summary.items():
        overwrite.set(key, value)
    overwrite.commit()
    transaction.manageSnapshots().removeBranch(branch.name).commit()
    transaction.commitTransaction()
    table.refresh()
    return _own_snapshot(table, branch, summary)


def _own_snapshot(table: JavaObject, branch: Branch, summary: Mapping[str, str]) -> int:
    """Find the snapshot just published: another run may have moved main on already."""
    snapshot = table.currentSnapshot()
    while snapshot is not None and int(snapshot.snapshotId()) != branch.base:
        if all(snapshot.summary().get(key) == value for key, value in summary.items()):
            return int(snapshot.snapshotId())
        parent = snapshot.parentId()
        snapshot = None if parent is None else table.snapshot(parent)
    return int(table.currentSnapshot().snapshotId())


def abandon(spark: SparkSession, branch: Branch) -> None:
    """Drop a branch whose rows will not be published."""

    def drop(table: JavaObject) -> None:
        _restore_main(table, branch)
        _drop_if_there(table, branch.name)

    commit(spark, branch.table, drop)


def sweep(spark: SparkSession, table: str, is_live: Callable[[str], bool]) -> list[str]:
    """Drop the branches that killed runs left on a table.

    Args:
        spark: The session.
        table: The table.
        is_live: Says of a branch's name, without the prefix, whether its run may still be working.

    Returns:
        The names of the dropped branches.
    """
    loaded = load(spark, table)
    left = [str(ref) for ref in loaded.refs() if str(ref).startswith(PREFIX)]
    dead = [name for name in left if not is_live(name.removeprefix(PREFIX))]
    for name in dead:
        commit(spark, table, lambda fresh: _drop_if_there(fresh, name))  # noqa: B023 - called at once
    return dead


def _drop_if_there(table: JavaObject, name: str) -> None:
    if head(table, name) is not None:
        table.manageSnapshots().removeBranch(name).commit()


def newest_publication(spark: SparkSession, table: str, value: str) -> dict[str, str] | None:
    """Return the summary of the snapshot that published a partition last.

    Args:
        spark: The session.
        table: The table.
        value: A value of the partition, such as `2026-01-31`.

    Returns:
        The summary; empty when that partition was never published, or its snapshot has expired; None when the
        table has no published partitions at all, because it is written in other ways.
    """
    publishes = False
    for summary in _summaries(load(spark, table)):
        label = summary.get("dataflow.partition")
        publishes = publishes or label is not None
        if label is not None and value in re.split(r"[=/]", label):
            return summary
    return {} if publishes else None


def _summaries(table: JavaObject) -> Iterator[dict[str, str]]:
    """Yield the summaries of main's snapshots, newest first."""
    snapshot = table.currentSnapshot()
    while snapshot is not None:
        yield {str(key): str(value) for key, value in dict(snapshot.summary()).items()}
        parent = snapshot.parentId()
        snapshot = None if parent is None else table.snapshot(parent)


def row_history(spark: SparkSession, table: str, partition: Partition, limit: int) -> list[int]:
    """Return the row counts of other partitions as last published, newest first.

    They stand in the snapshots' summaries, so the table itself tells them to every environment.
    """
    counts: dict[str, int] = {}
    for summary in _summaries(load(spark, table)):
        label, rows = summary.get("dataflow.partition", ""), summary.get("dataflow.rows")
        if rows is not None and label != partition.label:
            counts.setdefault(label, int(rows))
        if len(counts) == limit:
            break
    return list(counts.values())


def _require_copy_on_write(table: str, current: Mapping[str, str]) -> None:
    for mode in _MODES:
        if current.get(mode, "copy-on-write") != "copy-on-write":
            raise DataflowError(
                f"{table} has {mode} = {current[mode]}, and publishing needs copy-on-write",
                f"ALTER TABLE {table} SET TBLPROPERTIES ('{mode}' = 'copy-on-write')",
            )


def _restore_main(table: JavaObject, branch: Branch) -> None:
    """Give readers main back after a write that replaced the table; the guard stops all of those it can see."""
    if head(table) is None:
        table.manageSnapshots().createBranch("main", branch.base).commit()
        raise DataflowError(
            f"the write replaced {branch.table} as a whole, which takes its rows from readers; main was restored",
            "write rows (INSERT, writeTo().overwrite…) instead of replacing the table",
        )


def _files(table: JavaObject, branch: Branch) -> Iterator[JavaObject]:
    """Yield the branch's live data files of the declared partition."""
    tasks = table.newScan().useRef(branch.name).filter(branch.partition.filter).planFiles()
    try:
        found = tasks.iterator()
        while found.hasNext():
            task = found.next()
            if not task.deletes().isEmpty():
                raise DataflowError(f"{branch.table} has delete files, and publishing needs copy-on-write")
            yield task.file()
    finally:
        tasks.close()


def _strays(spark: SparkSession, table: JavaObject, branch: Branch) -> Iterator[str]:
    """Yield the partitions that the branch changed beyond the declared one."""
    iceberg = jvm(spark).org.apache.iceberg
    inside: dict[int, JavaObject] = {}
    since = iceberg.util.SnapshotUtil.ancestorsBetween(table, head(table, branch.name), branch.base).iterator()
    while since.hasNext():
        snapshot = since.next()
        for files in (snapshot.addedDataFiles(table.io()), snapshot.removedDataFiles(table.io())):
            each = files.iterator()
            while each.hasNext():
                file = each.next()
                spec = table.specs().get(file.specId())
                if file.specId() not in inside:
                    projected = iceberg.expressions.Projections.strict(spec).project(branch.partition.filter)
                    inside[file.specId()] = iceberg.expressions.Evaluator(spec.partitionType(), projected)
                if not inside[file.specId()].eval(file.partition()):
                    yield str(spec.partitionToPath(file.partition())) or "the whole table"
