"""The tables that commands look at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.cli.environments import environment_here

if TYPE_CHECKING:
    from dataflow.maintenance.maintain import Access
    from dataflow.workflow.project import Environment


@contextlib.contextmanager
def tables(env: str | None) -> Iterator[tuple[Environment, Access]]:
    """Open the catalog of an environment: without a JVM, where not only Spark speaks to it."""
    from dataflow.cli.console import spark_session
    from dataflow.maintenance.maintain import access_through, access_without_spark
    from dataflow.tables.pyiceberg_catalog import SparkOnlyError

    where = environment_here(env)
    try:
        access = access_without_spark(where)
    except SparkOnlyError:
        with spark_session(where, "table", "Reading …") as spark:
            yield where, access_through(spark)
        return
    yield where, access
