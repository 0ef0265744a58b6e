"""Folders of tables, listed by PyIceberg's own file system; or by the JVM's, where only Spark speaks to a catalog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.maintenance.reachable import ADDRESS

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyiceberg.io.pyarrow import PyArrowFileIO
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

    from dataflow.maintenance.reachable import Listing


def listing_of(table: Table) -> Listing | None:
    """Return what lists a table's folders; None where its file system can't."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    io = table.io
    return _by_arrow(io) if isinstance(io, PyArrowFileIO) else None


def _by_arrow(io: PyArrowFileIO) -> Listing:
    from pyarrow.fs import FileSelector, FileType

    def listed(folder: str) -> Iterator[tuple[str, int, int]]:
        found = ADDRESS.fullmatch(folder)
        if found is None:
            return
        scheme, host, path = found[1] or "file", found[2] or "", found[3]
        files = io.fs_by_scheme(scheme, host)
        inside = path if scheme == "file" else f"{host}{path}"  # a bucket is a part of Arrow's paths
        front = folder.removesuffix(path)
        for it in files.get_file_info(FileSelector(inside, allow_not_found=True, recursive=True)):
            if it.type == FileType.File:
                yield f"{front}{path}{it.path[len(inside) :]}", it.size, (it.mtime_ns or 0) // 1_000_000

    return listed


def by_jvm(spark: SparkSession, files: JavaObject) -> Listing | None:
    """Return what lists folders by an Iceberg FileIO of the JVM; None where it can't."""
    from py4j.java_gateway import is_instance_of

    from dataflow.tables.files import each

    gateway = spark.sparkContext._gateway
    if not is_instance_of(gateway, files, "org.apache.iceberg.io.SupportsPrefixOperations"):
        return None

    def listed(folder: str) -> Iterator[tuple[str, int, int]]:
        for it in each(files.listPrefix(f"{folder}/")):
            yield str(it.location()), int(it.size()), int(it.createdAtMillis())

    return listed
