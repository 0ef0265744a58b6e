"""What a plan says of Spark and of files: where a run would work, and how its writes are laid out; without Spark."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment


def executor_line(environment: Environment) -> str:
    """Return the master and how many executors a session there holds."""
    from dataflow.spark.config import is_cluster, settings

    found = settings(environment)
    master = found["spark.master"]
    if not is_cluster(found):
        return master
    if found.get("spark.dynamicAllocation.enabled") != "true":
        number = found.get("spark.executor.instances")
        return f"{master}, {number} executors" if number else f"{master}, a fixed number of executors"
    least = found.get("spark.dynamicAllocation.minExecutors", "0")
    most = found.get("spark.dynamicAllocation.maxExecutors", "as many as it has work for")
    return f"{master}, executors from {least} to {most}"


def layout_lines(environment: Environment, table: str, fixed: Collection[str]) -> tuple[str, ...]:
    """Return how a write to a table is laid out; nothing where it is not there, or only Spark can see it."""
    from dataflow.spark.config import settings
    from dataflow.tables.layout import choose, facts_in
    from dataflow.tables.reader.catalog_tables import TableReader

    tasks = settings(environment).get("spark.sql.shuffle.partitions", "200")
    with contextlib.suppress(Exception):  # a plan is for reading: what can't be seen is left out
        if (found := TableReader(environment).find(table, any_case=True)) is not None:
            return choose(facts_in(found.metadata), fixed, int(tasks)).lines()
    return ()
