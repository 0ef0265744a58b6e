"""Which data files a snapshot has and how two differ, read from manifests: a few JVM calls, however many files.

A call into the JVM takes some 0.03 ms, so the sets stay there; only the few files that a run made are looked at one
by one. Two snapshots share most of their manifests, and only the others are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.tables.iceberg import java_class

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession


_COLLECT = "org.apache.iceberg.relocated.com.google.common.collect"


@dataclass(frozen=True)
class Changes:
    """How the files of two snapshots differ.

    Attributes:
        added: Those that only the later one has.
        removed: Those that only the earlier one has.
    """

    added: JavaObject
    removed: JavaObject

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return not (self.added.isEmpty() and self.removed.isEmpty())


class Files:
    """The data files of one table's snapshots.

    Args:
        spark: The session.
        table: The Iceberg table.
    """

    def __init__(self, spark: SparkSession, table: JavaObject) -> None:
        self.table = table
        self._io, self._specs = table.io(), table.specs()
        self._several = int(self._specs.size()) > 1
        self._sets = java_class(spark, f"{_COLLECT}.Sets")
        self._iterables = java_class(spark, f"{_COLLECT}.Iterables")
        self._files = java_class(spark, "org.apache.iceberg.util.DataFileSet")
        self._deletes = java_class(spark, "org.apache.iceberg.util.DeleteFileSet")
        self._manifests = java_class(spark, "org.apache.iceberg.ManifestFiles")
        self._evaluator = java_class(spark, "org.apache.iceberg.expressions.ManifestEvaluator")

    def none(self) -> JavaObject:
        """Return no files."""
        return self._files.create()

    def no_deletes(self) -> JavaObject:
        """Return no delete files."""
        return self._deletes.create()

    def live(self, snapshot: JavaObject, where: JavaObject | None) -> JavaObject:
        """Return the files of a snapshot that may have rows of a condition; all of them where there is none."""
        return self._read(each(self._listed(snapshot)), where)

    def shared(self, snapshot: JavaObject, edge: JavaObject) -> JavaObject:
        """Return the files of a snapshot with rows of a partition and of others: only an older spec makes such."""
        return self.live(snapshot, edge) if self._several else self.none()

    def changes(self, old: JavaObject, new: JavaObject, *wheres: JavaObject | None) -> list[Changes]:
        """Return for each condition how two snapshots differ, among the files that may have rows of it."""
        before, after = self._listed(old), self._listed(new)
        gone, come = self._without(before, after), self._without(after, before)
        found = [(self._read(gone, where), self._read(come, where)) for where in wheres]
        return [Changes(self.without(now, then), self.without(then, now)) for then, now in found]

    def has_deletes(self, snapshot: JavaObject, where: JavaObject) -> bool:
        """Say whether delete files may apply to rows of a condition."""
        found = snapshot.deleteManifests(self._io)
        return bool(found.size()) and not self._read(each(found), where, self.no_deletes()).isEmpty()

    def without(self, files: JavaObject, others: JavaObject) -> JavaObject:
        """Return the files that are not among others."""
        return files if others.isEmpty() else self._set_like(files, "removeAll", others)

    def among(self, files: JavaObject, others: JavaObject) -> JavaObject:
        """Return the files that are among others as well."""
        return files if files.isEmpty() else self._set_like(files, "retainAll", others)

    def both(self, files: JavaObject, others: JavaObject) -> JavaObject:
        """Return the files of two sets."""
        return self._set_like(files, "addAll", others)

    def labels(self, files: JavaObject) -> Iterator[str]:
        """Yield the partition of each file, as a path."""
        for file in each(files):
            spec = self._specs.get(file.specId())
            yield str(spec.partitionToPath(file.partition())) or "the whole table"

    def _set_like(self, files: JavaObject, change: str, others: JavaObject) -> JavaObject:
        found = self._files.create()
        found.addAll(files)
        getattr(found, change)(others)
        return found

    def _listed(self, snapshot: JavaObject) -> JavaObject:
        return snapshot.dataManifests(self._io)

    def _without(self, manifests: JavaObject, others: JavaObject) -> list[JavaObject]:
        sets = self._sets
        return [*each(sets.difference(sets.newLinkedHashSet(manifests), sets.newHashSet(others)))]

    def _read(
        self, manifests: Iterable[JavaObject], where: JavaObject | None, found: JavaObject | None = None
    ) -> JavaObject:
        read = self._manifests.read if found is None else self._manifests.readDeleteManifest
        found = self.none() if found is None else found
        matching: dict[int, JavaObject] = {}
        for manifest in manifests:
            spec = manifest.partitionSpecId()
            if where is not None and spec not in matching:
                matching[spec] = self._evaluator.forRowFilter(where, self._specs.get(spec), True)
            if where is None or matching[spec].eval(manifest):
                reader = read(manifest, self._io, self._specs)
                try:
                    self._iterables.addAll(found, reader if where is None else reader.filterRows(where))
                finally:
                    reader.close()
        return found


def each(collection: JavaObject) -> Iterator[JavaObject]:
    """Yield what a Java collection holds; py4j makes a list of some, and finds no default methods of others."""
    found = collection.iterator()  # for a `for` of Python's, py4j lets the JVM raise at the end, which costs 20 ms
    while found.hasNext():
        yield found.next()


def rows(files: JavaObject) -> int:
    """Return how many rows files have."""
    return sum(int(file.recordCount()) for file in each(files))
