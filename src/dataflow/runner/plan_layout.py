"""What a plan says of Spark and of files: where a run would work, and how its writes are laid out; without Spark."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from dataflow.workflow import table_names

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

    tasks = settings(environment).get("spark.sql.shuffle.partitions", "200")
    with contextlib.suppress(Exception):  # a plan is for reading: what can't be seen is left out
        if (metadata := _metadata(environment, table)) is not None:
            return choose(facts_in(metadata), fixed, int(tasks)).lines()
    return ()


def _metadata(environment: Environment, table: str) -> Mapping[str, Any] | None:
    from dataflow.tables import embedded_catalog
    from dataflow.tables.catalog import is_embedded, open_catalog
    from dataflow.tables.pyiceberg_catalog import find_table

    if is_embedded(environment):
        location = embedded_catalog.pointer(environment, table_names.split(table), any_case=True)
        return embedded_catalog.metadata(location) if location else None
    found = find_table(open_catalog(environment), table)
    if found is None:
        return None
    shown: Mapping[str, Any] = json.loads(found.metadata.model_dump_json(by_alias=True))
    return shown
