"""Which data files a snapshot has and how two differ, read from manifests: a few JVM calls, however many files.

A call into the JVM takes some 0.03 ms, so the sets stay there; only the few files that a run made are looked at one
by one. Two snapshots share most of their manifests, and only the others are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.tables.iceberg import jvm

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession


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
        self._iceberg = jvm(spark).org.apache.iceberg
        self._table = table

    def none(self) -> JavaObject:
        """Return no files."""
        return self._iceberg.util.DataFileSet.create()

    def live(self, snapshot: JavaObject, where: JavaObject) -> JavaObject:
        """Return the files of a snapshot that may have rows of a condition."""
        return self._read(self._listed(snapshot), where)

    def changes(self, old: JavaObject, new: JavaObject, where: JavaObject | None = None) -> Changes:
        """Return how two snapshots differ, among the files that may have rows of a condition."""
        before, after = self._listed(old), self._listed(new)
        removed = self._read(self._without(before, after), where)
        added = self._read(self._without(after, before), where)
        return Changes(self.without(added, removed), self.without(removed, added))

    def has_deletes(self, snapshot: JavaObject, where: JavaObject) -> bool:
        """Say whether delete files may apply to rows of a condition."""
        found = snapshot.deleteManifests(self._table.io())
        return bool(found.size()) and not self._read(found, where, self._iceberg.util.DeleteFileSet.create()).isEmpty()

    def without(self, files: JavaObject, others: JavaObject) -> JavaObject:
        """Return the files that are not among others."""
        return self._set_like(files, "removeAll", others)

    def among(self, files: JavaObject, others: JavaObject) -> JavaObject:
        """Return the files that are among others as well."""
        return self._set_like(files, "retainAll", others)

    def both(self, files: JavaObject, others: JavaObject) -> JavaObject:
        """Return the files of two sets."""
        return self._set_like(files, "addAll", others)

    def labels(self, files: JavaObject) -> Iterator[str]:
        """Yield the partition of each file, as a path."""
        for file in each(files):
            spec = self._table.specs().get(file.specId())
            yield str(spec.partitionToPath(file.partition())) or "the whole table"

    def _set_like(self, files: JavaObject, change: str, others: JavaObject) -> JavaObject:
        found = self._iceberg.util.DataFileSet.create()
        found.addAll(files)
        getattr(found, change)(others)
        return found

    def _listed(self, snapshot: JavaObject) -> JavaObject:
        return snapshot.dataManifests(self._table.io())

    def _without(self, manifests: JavaObject, others: JavaObject) -> Iterable[JavaObject]:
        sets = self._iceberg.relocated.com.google.common.collect.Sets
        return each(sets.difference(sets.newLinkedHashSet(manifests), sets.newHashSet(others)))

    def _read(
        self, manifests: Iterable[JavaObject], where: JavaObject | None, found: JavaObject | None = None
    ) -> JavaObject:
        iceberg, io, specs = self._iceberg, self._table.io(), self._table.specs()
        read = iceberg.ManifestFiles.read if found is None else iceberg.ManifestFiles.readDeleteManifest
        found = iceberg.util.DataFileSet.create() if found is None else found
        matching: dict[int, JavaObject] = {}
        for manifest in manifests:
            spec = manifest.partitionSpecId()
            if where is not None and spec not in matching:
                of = iceberg.expressions.ManifestEvaluator.forRowFilter
                matching[spec] = of(where, specs.get(spec), True)
            if where is None or matching[spec].eval(manifest):
                reader = read(manifest, io, specs)
                try:
                    within = reader if where is None else reader.filterRows(where)
                    iceberg.relocated.com.google.common.collect.Iterables.addAll(found, within)
                finally:
                    reader.close()
        return found


def each(collection: JavaObject) -> Iterator[JavaObject]:
    """Yield what a Java collection holds; py4j makes a list of some, and finds no default methods of others."""
    found = collection.iterator()
    while found.hasNext():
        yield found.next()


def rows(files: JavaObject) -> int:
    """Return how many rows files have."""
    return sum(int(file.recordCount()) for file in each(files))
