"""Whose table it is: the uuid of a package in the table's properties keeps every other package out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.tables.iceberg import exists, load, properties, set_properties
from dataflow.tables.properties import OWNER, PACKAGE, PACKAGE_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import SparkSession

    from dataflow.workflow.identity import Identity


def require_own(spark: SparkSession, table: str, identity: Identity) -> None:
    """Refuse a table that another package made.

    Raises:
        DataflowError: The table carries another package's uuid; names its owner and the ways out.
    """
    if not exists(spark, table):
        return
    _require(table, properties(load(spark, table)), identity)


def _require(table: str, found: Mapping[str, str], identity: Identity) -> None:
    if found.get(PACKAGE, identity.uuid) == identity.uuid:
        return
    whose = found.get(PACKAGE_ID, found[PACKAGE])
    raise DataflowError(
        f"table {table} belongs to package {whose} of {found.get(OWNER, 'an unknown owner')}, "
        f"not to {identity.package_id}: nothing was written",
        "generate with another --workflow-shortname, or take the table over with --adopt if it was handed to you",
        permanent=True,
    )


def claim(
    spark: SparkSession,
    table: str,
    identity: Identity,
    more: Mapping[str, str | None] | None = None,
    *,
    adopt: bool = False,
) -> bool:
    """Write into a table that it is this package's, unless it is another's.

    Args:
        spark: The session.
        table: The table.
        identity: The package.
        more: Further properties to set in the same commit; None removes one.
        adopt: Take it from the package that it belongs to.

    Returns:
        Whether anything changed.

    Raises:
        DataflowError: It belongs to another package, which may have come first just now.
    """
    own = {PACKAGE: identity.uuid, PACKAGE_ID: identity.package_id, OWNER: identity.owner}

    def allowed(found: Mapping[str, str]) -> None:
        if not adopt:
            _require(table, found, identity)

    return set_properties(spark, table, {**own, **(more or {})}, allowed=allowed)
