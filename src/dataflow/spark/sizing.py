"""The size of the data that a run will read, by table metadata, before a JVM starts.

A JVM for small data compiles less and collects garbage with one thread, which saves seconds at every start; on
large data the same settings would cost more than they save.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.spark.config import is_local
from dataflow.tables.catalog import catalog_file, is_embedded

if TYPE_CHECKING:
    from dataflow.workflow.resolved import Workflow

SMALL_BYTES = 256 * 1024 * 1024
_MANY_DAYS = 30
"""A range of more runs than these is not small, whatever is there before it starts."""


def is_small(workflow: Workflow) -> bool:
    """Return whether the tables that a workflow names, in its parameters or its scripts, are small.

    Known for the embedded catalog alone; with any other, and with files that can't be read, the answer is no.
    """
    environment = workflow.environment
    runs = list(workflow.walk())
    if not is_embedded(environment) or not is_local(environment.spark) or len(runs) > _MANY_DAYS:
        return False
    try:
        text = "\n".join(_texts(runs))
        return sum(_bytes(metadata) for name, metadata in _tables() if name in text) <= SMALL_BYTES
    except (OSError, ValueError, KeyError, sqlite3.Error):
        return False


def _texts(runs: list[Workflow]) -> Iterator[str]:
    """Yield the texts that may name tables: parameters, and the files beside the definitions."""
    for run in runs:
        yield from run.params.values()
    for folder in {run.folder for run in runs}:
        for path in folder.rglob("*"):
            if path.suffix in {".sql", ".py", ".R", ".scala"}:
                yield path.read_text(encoding="utf-8", errors="replace")


def _tables() -> list[tuple[str, str]]:
    """Return the catalog's tables by name, each with the address of its metadata."""
    catalog = catalog_file()
    if not catalog.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True, timeout=5)) as connection:
        rows = connection.execute("SELECT table_namespace, table_name, metadata_location FROM iceberg_tables")
        return [(f"{namespace}.{name}", metadata) for namespace, name, metadata in rows if metadata]


def _bytes(location: str) -> int:
    """Return the size of a table's data files."""
    metadata = json.loads(Path(location.removeprefix("file:")).read_text(encoding="utf-8"))
    current = metadata.get("current-snapshot-id")
    snapshots = [s for s in metadata.get("snapshots", ()) if s["snapshot-id"] == current]
    return int(snapshots[0]["summary"].get("total-files-size", 0)) if snapshots else 0
