"""Doing what maintenance planned, by Spark: each step is one commit, and whoever wrote meanwhile wins.

Files go last, and only those that no snapshot refers to after the commit: what a kill leaves is found as orphans.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.maintenance.plan import SEVERAL, SMALL, MaintenancePlan, target_size
from dataflow.maintenance.promises import Promises, dead_branches, needed
from dataflow.maintenance.reachable import File, normalized, reachable_paths, unreachable
from dataflow.spark.guard import EVERYTHING, open_session
from dataflow.tables.branch_publish import PREFIX, sweep
from dataflow.tables.files import Files, each
from dataflow.tables.iceberg import TOO_LATE, commit, java_class, load, properties
from dataflow.tables.properties import MAINTENANCE
from dataflow.wording import plural, size_text

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyspark.sql import SparkSession

    from dataflow.report import Report

_GONE = (*TOO_LATE, "Missing required files")
"""Failures after which a step looks again: somebody else has taken the files."""


@dataclass(frozen=True)
class Maintainer:
    """What maintenance works with.

    Attributes:
        spark: A session.
        name: The table.
        find: Returns the table as PyIceberg has it now.
        promises: What is known now of those who need its snapshots; asked again before something expires.
        report: Called with a line for each thing that is done.
    """

    spark: SparkSession
    name: str
    find: Callable[[], Table]
    promises: Callable[[], Promises]
    report: Report

    def run(self, planned: MaintenancePlan) -> None:
        """Do what was planned, and what follows from it.

        Raises:
            DataflowError: A step failed; those before it are done.
        """
        if planned.branches:
            self._sweep()
        if planned.outlived:
            self._drop_outlived(planned)
        if planned.scattered:
            self._compact()
        if planned.manifests:
            self._rewrite_manifests()
        if planned.needed.expired:
            self._expire()
        if planned.orphans:
            self._remove_orphans(planned.orphans)

    def _sweep(self) -> None:
        dead = set(dead_branches(self.find().metadata, self.promises()))
        dropped = sweep(self.spark, self.name, lambda run: f"{PREFIX}{run}" not in dead)
        self.report(f"dropped {len(dropped):,} of the branches that runs left")

    def _drop_outlived(self, planned: MaintenancePlan) -> None:
        """Drop the files that outlived their lifetime; what a run wrote anew meanwhile stays until the next time."""
        paths = {path for it in planned.outlived for path in it.paths}
        dropped = commit(self.spark, self.name, lambda table: self._delete_from_table(table, paths), _GONE)
        rows = sum(int(it.recordCount()) for it in dropped)
        self.report(f"dropped {plural(len(dropped), 'file')} with {plural(rows, 'row')} beyond their lifetime")

    def _delete_from_table(self, table: JavaObject, paths: Collection[str]) -> list[JavaObject]:
        """Take files out of the current snapshot, all of them or none; they stay on disk for those who look back."""
        every = each(Files(self.spark, table).live(table.currentSnapshot(), None))
        found = [file for file in every if str(file.path()) in paths]
        delete = table.newDelete()
        for file in found:  # not by its path: py4j finds a method of that name that removes the file from the disk
            delete.deleteFile(file)
        if found:
            delete.validateFilesExist().set(MAINTENANCE, "lifetime").commit()
        return found

    def _compact(self) -> None:
        """Put small files together; what somebody else has taken meanwhile stays as that left it."""
        table = load(self.spark, self.name)
        session = open_session(self.spark, EVERYTHING)
        target = target_size(properties(table))
        actions = java_class(self.spark, "org.apache.iceberg.spark.actions.SparkActions")
        action = actions.get(session._jsparkSession).rewriteDataFiles(table)
        options = {
            "target-file-size-bytes": target,
            "min-file-size-bytes": int(SMALL * target),
            "max-file-size-bytes": int(1.8 * target),
            "min-input-files": SEVERAL,
            "partial-progress.enabled": "true",
            "partial-progress.max-commits": 10,
            "partial-progress.max-failed-commits": 10,
        }
        for key, value in options.items():
            action = action.option(key, str(value))
        result = action.snapshotProperty(MAINTENANCE, "compaction").execute()
        came, went = int(result.addedDataFilesCount()), int(result.rewrittenDataFilesCount())
        failed = int(result.failedDataFilesCount())
        kept = f"; {plural(failed, 'file')} stay, as somebody else wrote there" if failed else ""
        self.report(f"put {plural(went, 'file')} together to {came:,}{kept}")

    def _rewrite_manifests(self) -> None:
        actions = java_class(self.spark, "org.apache.iceberg.spark.actions.SparkActions")
        action = actions.get(self.spark._jsparkSession).rewriteManifests(load(self.spark, self.name))
        result = action.snapshotProperty(MAINTENANCE, "manifests").execute()
        went, came = _count(result.rewrittenManifests()), _count(result.addedManifests())
        self.report(f"wrote {plural(went, 'manifest')} anew as {came:,}")

    def _expire(self) -> None:
        """Let snapshots expire that nobody needs as the table is at this moment, and remove what only they had."""
        before = self.find()
        promises = self.promises()
        gone = commit(self.spark, self.name, lambda table: self._expire_once(table, promises))
        after = self.find()
        files = unreachable(before.io, before.metadata, gone, after.metadata)
        self._delete(files)
        self.report(f"{plural(len(gone), 'snapshot')} expired; removed {_told(files)}")

    def _expire_once(self, table: JavaObject, promises: Promises) -> list[int]:
        """Take exactly the snapshots out of the metadata that nothing needs, if it is still as it was looked at.

        Iceberg's own `expireSnapshots` adds to the ids that it is given whatever is older than a default, and drops
        branches and tags that have outlived a time of theirs.
        """
        operations = table.operations()
        base = operations.current()
        metadata = _parsed(self.spark, base)
        gone = list(needed(metadata, promises).expired)
        if gone:
            ids = java_class(self.spark, "java.util.ArrayList")()
            for snapshot in metadata.snapshots:
                if snapshot.snapshot_id in set(gone):
                    ids.add(base.snapshot(snapshot.snapshot_id))
            built = java_class(self.spark, "org.apache.iceberg.TableMetadata").buildFrom(base).removeSnapshots(ids)
            operations.commit(base, built.build())
        return gone

    def _remove_orphans(self, found: Sequence[File]) -> None:
        """Remove the orphans that were listed, if nothing refers to them by now."""
        known = {normalized(path) for path in reachable_paths(self.find())}
        files = [it for it in found if normalized(it.path) not in known]
        self._delete(files)
        self.report(f"removed {_told(files)} that nothing refers to")

    def _delete(self, files: Sequence[File]) -> None:
        if not files:
            return
        paths = java_class(self.spark, "java.util.ArrayList")()
        for file in files:
            paths.add(file.path)
        delete = java_class(self.spark, "org.apache.iceberg.CatalogUtil").deleteFiles
        delete(load(self.spark, self.name).io(), paths, "garbage", True)


def _parsed(spark: SparkSession, base: JavaObject) -> TableMetadata:
    from pyiceberg.table.metadata import TableMetadataUtil

    return TableMetadataUtil.parse_raw(str(java_class(spark, "org.apache.iceberg.TableMetadataParser").toJson(base)))


def _count(files: JavaObject) -> int:
    return sum(1 for _ in each(files))


def _told(files: Sequence[File]) -> str:
    return f"{plural(len(files), 'file')} of {size_text(sum(it.bytes for it in files))}"
