"""What is known of lineage here, and what looks at live tables, for the commands of this group."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.cli.console import progress, say, spark_session
from dataflow.errors import display_path

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.lineage.query import LineageGraph
    from dataflow.migration.plan.table_schema import TableSchemaLoader
    from dataflow.tables.schema.table_schema import TableSchema


def known_here(env: str | None, checkouts: Sequence[Path] | None, *, hurry: bool = False) -> LineageGraph:
    """Gather what is known of lineage in an environment; without checkouts given, from the one around here.

    A registry that is far away is not asked for what was deployed when there is a hurry: who deployed noted that. The
    scripts of what is deployed are not read then either.
    """
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.lineage_sync import sync_lineage
    from dataflow.lineage.query import checkout_root, open_lineage
    from dataflow.workflow.project import environment, find_project

    here = Path.cwd()
    project = find_project(here)
    chosen = environment(project, env)
    registry = open_registry(project)
    if registry.is_local or not hurry:
        sync_lineage(registry, chosen.state, report=say, progress=progress)
    known = open_lineage(chosen, env, [checkout_root(here)] if checkouts is None else checkouts)
    if hurry:
        return known
    from dataflow.deploy.bundle_scripts import BundleScripts

    return replace(known, deployed=BundleScripts(registry, known.store))


def print_left_out(known: LineageGraph) -> None:
    """Print which definitions were left out, as they have mistakes."""
    broken = [path for checkout in known.checkouts for path in checkout.broken]
    if broken:
        shown = ", ".join(display_path(path) for path in broken[:3]) + (", …" if len(broken) > 3 else "")
        say(f"left out, as it has mistakes: {shown} (see `dataflow workflow validate`)")


def spark_of(
    known: LineageGraph, doing: str = "Working on the table …"
) -> Callable[[], AbstractContextManager[SparkSession]]:
    """Return what starts Spark on an environment's catalog, with a line of progress while it starts and works."""
    return lambda: spark_session(known.environment, "migration", doing)


@contextlib.contextmanager
def live_tables() -> Iterator[TableSchemaLoader]:
    """Give what looks at live tables: PyIceberg, or Spark where that alone can open the catalog."""
    from dataflow.migration.plan.table_schema import load_schema, load_schema_in_spark
    from dataflow.tables.pyiceberg_catalog import SparkOnlyError

    with contextlib.ExitStack() as stack:
        sessions: list[SparkSession] = []

        def look(table: str, known: LineageGraph) -> TableSchema:
            if not sessions:
                try:
                    return load_schema(table, known)
                except SparkOnlyError:
                    sessions.append(stack.enter_context(spark_of(known, "Looking at the table …")()))
            return load_schema_in_spark(sessions[0], table, known)

        yield look
