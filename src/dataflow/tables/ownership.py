"""Whose table it is: the uuid of a package in the table's properties keeps every other package out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.tables.iceberg import load, properties, set_properties

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.workflow.identity import Identity

PACKAGE = "dataflow.package"
PACKAGE_ID = "dataflow.package-id"
OWNER = "dataflow.owner"  # `owner` itself is reserved by Iceberg


def require_own(spark: SparkSession, table: str, identity: Identity) -> None:
    """Refuse a table that another package made.

    Raises:
        DataflowError: The table carries another package's uuid; names its owner and the ways out.
    """
    if not spark.catalog.tableExists(table):
        return
    found = properties(load(spark, table))
    if found.get(PACKAGE, identity.uuid) == identity.uuid:
        return
    whose = found.get(PACKAGE_ID, found[PACKAGE])
    raise DataflowError(
        f"table {table} belongs to package {whose} of {found.get(OWNER, 'an unknown owner')}, "
        f"not to {identity.package_id}: nothing was written",
        "generate with another --workflow-shortname, or take the table over with --adopt if it was handed to you",
        permanent=True,
    )


def claim(spark: SparkSession, table: str, identity: Identity) -> None:
    """Write into a table that it is this package's."""
    set_properties(
        spark,
        table,
        {PACKAGE: identity.uuid, PACKAGE_ID: identity.package_id, OWNER: identity.owner},
    )
