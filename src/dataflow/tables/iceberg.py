"""Iceberg tables as Java objects: the few calls that Spark SQL has no words for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

COMMIT_RETRIES = "40"
"""`commit.retry.num-retries` of the tables we write: parallel dates meet at one catalog pointer."""


def load(spark: SparkSession, name: str) -> JavaObject:
    """Return the Iceberg table of that name, as the catalog has it now.

    The name is completed first: Iceberg would try its database as a catalog and fill the log with the failure.
    """
    if name.count(".") < 2:
        name = f"{spark.conf.get('spark.sql.defaultCatalog')}.{name}"
    return spark._jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(  # type: ignore[union-attr]
        spark._jsparkSession, name
    )


def exists(spark: SparkSession, name: str) -> bool:
    """Say whether the catalog has a table of that name."""
    return bool(spark.catalog.tableExists(name))


def properties(table: JavaObject) -> dict[str, str]:
    """Return a table's properties."""
    return {str(key): str(value) for key, value in dict(table.properties()).items()}


def set_properties(table: JavaObject, values: Mapping[str, str | None]) -> bool:
    """Set properties in one commit, remove those given as None; say whether anything changed."""
    current = properties(table)
    changed = {key: value for key, value in values.items() if current.get(key) != value}
    if not changed:
        return False
    update = table.updateProperties()
    for key, value in changed.items():
        update.remove(key) if value is None else update.set(key, value)
    update.commit()
    return True


def head(table: JavaObject, ref: str = "main") -> int | None:
    """Return the snapshot that a branch points to, or None where it has none."""
    found = table.refs().get(ref)
    return None if found is None else int(found.snapshotId())


def quoted(name: str) -> str:
    """Quote a dotted table name for SQL."""
    return ".".join(f"`{part.replace('`', '``')}`" for part in name.split("."))
