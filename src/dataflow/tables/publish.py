"""From a run's branch to main: what the run made of its partition, and that difference in one transaction.

Only the files that the run added and removed move. `fast_forward` works only while main stands still, and
`cherrypick_snapshot` replays one snapshot and silently loses the others. Main's partition is compared with what the
branch began with: whatever changed a row of it refuses the publishing, a compaction does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.tables.branch_publish import Branch
from dataflow.tables.files import Changes, Files, each, rows
from dataflow.tables.iceberg import TOO_LATE, commit, head, jvm, load, quoted
from dataflow.tables.quoting import text

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

_MOVED = "main moved while it was published to"
_AGAIN = (*TOO_LATE, _MOVED)


class PublishConflict(DataflowError):
    """Main's partition changed while the run worked: nothing was published, and a rerun starts from the new main."""


@dataclass(frozen=True)
class Made:
    """What a run made of its partition, on its branch.

    Attributes:
        tip: The branch's snapshot that this holds for.
        files: The table's files, to look further.
        changes: The files that the branch has and main has not, and the other way round.
        rows: The rows that the run wrote; those of a file that it rewrote are all of them.
        total: The rows that the partition has on the branch.
        keeps: Whether the rows that were there already stay, as far as the run did not change them.
        rewritten: Files that held other partitions as well, and were rewritten for those.
    """

    tip: int
    files: Files
    changes: Changes
    rows: int
    total: int
    keeps: bool
    rewritten: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the run made no rows: where old ones stay, none that is there is changed, or none is left."""
        return (not self.changes or self.total == 0) if self.keeps else self.rows == 0


def outcome(spark: SparkSession, branch: Branch) -> Made:
    """Check what a branch holds and count it, from metadata alone.

    Raises:
        DataflowError: The write touched other partitions, or left delete files.
    """
    table = load(spark, branch.table)
    tip = head(table, branch.name)
    if tip is None:
        raise DataflowError(f"the write removed its own branch {branch.name} of {branch.table}")
    files, base, new = Files(spark, table), table.snapshot(branch.base), table.snapshot(tip)
    if files.has_deletes(new, branch.partition.filter):
        raise DataflowError(f"{branch.table} has delete files, and publishing needs copy-on-write")
    changes, beyond = files.changes(base, new, None, branch.partition.rest)
    if beyond:
        _require_same_rest(spark, files, branch, beyond)
    made = rows(files.without(changes.added, beyond.added))
    total = _total(spark, files, branch, tip) if branch.keeps else made
    return Made(tip, files, changes, made, total, branch.keeps)


def clear(spark: SparkSession, branch: Branch, made: Made, session: Callable[[], SparkSession]) -> Made:
    """Take off a branch what its partition held before the run, so that it holds what the run made and no more.

    Files are dropped as a whole, and nothing is written anew, except for those which also hold other partitions, as
    the table was once partitioned in a coarser way: the rows of those stay.

    Args:
        spark: The session.
        branch: The branch.
        made: What the run made on it.
        session: Opens one of the engine's: it is not the job that rewrites, and its lineage should not say so.

    Returns:
        What it holds then, with the number of files that were rewritten for others.

    Raises:
        DataflowError: The run deleted files, and left others: the rows in those were meant to stay.
    """
    files, base = made.files, made.files.table.snapshot(branch.base)
    left = files.without(files.live(base, branch.partition.filter), made.changes.removed)
    if left.isEmpty():
        return made
    if _has_deleted(spark, branch, made):
        raise DataflowError(
            f"DELETE of some rows inside wap leaves others of {branch.table} {branch.partition.label}, and the run "
            "replaces them all",
            "say in the wap template that the others stay, by the line 'existing: keep'",
            permanent=True,
        )
    shared = files.among(left, files.shared(base, branch.partition.edge))
    if not shared.isEmpty():
        session().sql(
            f"INSERT INTO {branch.reference} SELECT * FROM {branch.reference} WHERE {_beyond(branch, shared)}"
        )
    commit(spark, branch.table, lambda fresh: _drop(fresh, branch, files, left))
    return replace(outcome(spark, branch), rewritten=int(shared.size()))


def _has_deleted(spark: SparkSession, branch: Branch, made: Made) -> bool:
    """Say whether a run deleted rows by dropping whole files, which no rule for rows can see."""
    util = jvm(spark).org.apache.iceberg.util.SnapshotUtil
    since = each(util.ancestorsBetween(made.files.table, made.tip, branch.base))
    return any(it.operation() == "delete" for it in since)


def publish(spark: SparkSession, branch: Branch, made: Made, summary: Mapping[str, str]) -> int:
    """Make the declared partition of main what it is on the branch, in one transaction, and drop the branch.

    Args:
        spark: The session.
        branch: What `begin` returned, after the write and its audits.
        made: What `outcome` said of it before the audits.
        summary: Goes into the published snapshot's summary.

    Returns:
        The published snapshot's id.

    Raises:
        PublishConflict: Main's partition changed since the branch was made.
        DataflowError: The branch was written to after its audits began.
    """
    return commit(spark, branch.table, lambda table: _publish_once(spark, table, branch, made, summary), _AGAIN)


def keep(spark: SparkSession, branch: Branch, summary: Mapping[str, str]) -> int:
    """Say in main's history that a run left the partition as it was, and drop the branch; no row changes.

    Returns:
        The id of the snapshot that says so.
    """

    def once(table: JavaObject) -> int:
        transaction = table.newTransaction()
        return _finish(table, branch, transaction, transaction.newOverwrite(), summary)

    return commit(spark, branch.table, once)


def _publish_once(
    spark: SparkSession, table: JavaObject, branch: Branch, made: Made, summary: Mapping[str, str]
) -> int:
    if head(table, branch.name) != made.tip:
        raise DataflowError(
            f"{branch.table} was written to by this run while its audits were running: nothing was published",
            "let the script wait for whatever it starts",
        )
    main = head(table)
    changes = _rebased(spark, table, branch, made)
    transaction = table.newTransaction()
    overwrite = transaction.newOverwrite()
    if not changes.removed.isEmpty():
        overwrite.deleteFiles(changes.removed, made.files.no_deletes())
    for file in each(changes.added):
        overwrite.addFile(file)
    overwrite.validateFromSnapshot(main).conflictDetectionFilter(branch.partition.filter)
    overwrite.validateNoConflictingData().validateNoConflictingDeletes()
    overwrite.validateWith(jvm(spark).dataflow.guard.Unmoved(main))
    return _finish(table, branch, transaction, overwrite, summary)


def _finish(
    table: JavaObject, branch: Branch, transaction: JavaObject, overwrite: JavaObject, summary: Mapping[str, str]
) -> int:
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


# ---------------------------------------------------------------------------------- what others did meanwhile


def _rebased(spark: SparkSession, table: JavaObject, branch: Branch, made: Made) -> Changes:
    """Return what main has to lose and to get, after somebody else may have been at work.

    Raises:
        PublishConflict: Main's partition has other rows than the branch began with, or its files were compacted in
            such a way that nobody can tell any more which of them hold the rows that the run replaced.
    """
    main, base, changes = table.currentSnapshot(), table.snapshot(branch.base), made.changes
    if int(main.snapshotId()) == branch.base:
        return changes
    files, where = Files(spark, table), branch.partition.filter
    if base is None or not _is_compacted_only(spark, table, branch, files):
        raise _conflict(branch)
    theirs, theirs_shared = files.changes(base, main, where, branch.partition.edge)
    gone = files.among(changes.removed, theirs.removed)
    if gone.isEmpty():
        return changes
    kept = files.without(files.live(base, where), changes.removed)
    shared = files.among(changes.removed, files.shared(base, branch.partition.edge))
    are_gone = not files.among(shared, gone).isEmpty()
    if (
        not kept.isEmpty()
        or not theirs_shared.added.isEmpty()
        or (are_gone and not files.without(shared, gone).isEmpty())
    ):
        raise _conflict(branch)
    added = changes.added
    if are_gone:  # what others have in them stands in the compacted files by now
        (beyond,) = files.changes(base, table.snapshot(made.tip), branch.partition.rest)
        added = files.without(added, beyond.added)
    return Changes(added, files.both(files.without(changes.removed, gone), theirs.added))


def _is_compacted_only(spark: SparkSession, table: JavaObject, branch: Branch, files: Files) -> bool:
    """Say whether main's partition still has the rows that the branch began with."""
    util = jvm(spark).org.apache.iceberg.util.SnapshotUtil
    main, base, where = table.currentSnapshot(), table.snapshot(branch.base), branch.partition.filter
    if not util.isAncestorOf(table, main.snapshotId(), branch.base) or files.has_deletes(main, where):
        return False
    if not any(files.changes(base, main, where)):
        return True
    for snapshot in each(util.ancestorsBetween(table, main.snapshotId(), branch.base)):
        before = table.snapshot(snapshot.parentId())
        if snapshot.operation() != "replace" and (before is None or any(files.changes(before, snapshot, where))):
            return False
    return True


def _conflict(branch: Branch) -> PublishConflict:
    return PublishConflict(
        f"{branch.table} {branch.partition.label} was changed by somebody else during this run",
        "nothing was published; run it again to start from what stands there now",
    )


# ------------------------------------------------------------------------------- what lies beyond the partition


def _require_same_rest(spark: SparkSession, files: Files, branch: Branch, beyond: Changes) -> None:
    """Let files pass that hold other partitions as well, if their other rows are the same as before.

    Raises:
        DataflowError: Other partitions were touched.
    """
    shared = files.shared(files.table.snapshot(branch.base), branch.partition.edge)
    if files.without(beyond.removed, shared).isEmpty() and _same_rest(spark, branch, beyond):
        return
    strays = sorted(set(files.labels(files.both(beyond.added, beyond.removed))))
    listed = ", ".join(strays[:5]) + (", …" if len(strays) > 5 else "")
    raise DataflowError(
        f"the write touched partitions of {branch.table} that it did not declare: {listed} "
        f"(declared: {branch.partition.label})",
        "filter the write to its own partition, or declare what it writes under 'partition:'",
    )


def _same_rest(spark: SparkSession, branch: Branch, beyond: Changes) -> bool:
    """Compare the rows beyond the partition in the files that were removed with those in the files added."""
    if beyond.removed.isEmpty():
        return False
    checksums = [
        spark.sql(
            "SELECT count(*), sum(CAST(xxhash64(to_json(struct(*))) AS DECIMAL(38, 0))) "
            f"FROM {source} WHERE {_beyond(branch, files)}"
        ).collect()
        for source, files in (
            (f"{quoted(branch.table)} VERSION AS OF {branch.base}", beyond.removed),
            (branch.reference, beyond.added),
        )
    ]
    return bool(checksums[0] == checksums[1])


def _total(spark: SparkSession, files: Files, branch: Branch, tip: int) -> int:
    """Count the partition's rows on the branch."""
    new = files.table.snapshot(tip)
    if files.shared(new, branch.partition.edge).isEmpty():
        return rows(files.live(new, branch.partition.filter))
    counted = spark.sql(f"SELECT count(*) FROM {branch.reference} WHERE {branch.partition.where}").collect()
    return int(counted[0][0])


def _drop(table: JavaObject, branch: Branch, files: Files, left: JavaObject) -> None:
    overwrite = table.newOverwrite()
    overwrite.deleteFiles(left, files.no_deletes())
    overwrite.toBranch(branch.name)
    overwrite.commit()


def _beyond(branch: Branch, files: JavaObject) -> str:
    """Return the SQL condition for the rows of other partitions in files."""
    named = ", ".join(text(str(file.path())) for file in each(files)) or "NULL"
    return f"NOT coalesce({branch.partition.where}, false) AND _file IN ({named})"
