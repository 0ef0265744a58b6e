"""How much data a run is going to meet, told by table metadata before a JVM starts.

A JVM for small data compiles less and collects garbage with one thread, which saves seconds at every start; on
large data the same settings would cost more than they save.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.engine.config import catalog_file

if TYPE_CHECKING:
    from dataflow.workflow.tree import Workflow

SMALL_BYTES = 256 * 1024 * 1024


def is_small(workflow: Workflow) -> bool:
    """Say whether the tables that a workflow's parameters name are small.

    Known for the embedded catalog alone; with any other, and with local files that can't be read, the answer is no.
    """
    environment = workflow.environment
    if environment.catalog or not environment.spark.get("spark.master", "local").startswith("local"):
        return False
    names = {value for inner in workflow.walk() for value in inner.params.values()}
    try:
        return sum(_bytes(name) for name in names if "." in name) <= SMALL_BYTES
    except (OSError, ValueError, KeyError, sqlite3.Error):
        return False


def _bytes(table: str) -> int:
    """Return the size of a table's data files, 0 for one that does not exist yet."""
    catalog = catalog_file()
    if not catalog.exists():
        return 0
    namespace, _, name = table.rpartition(".")
    with sqlite3.connect(f"file:{catalog}?mode=ro", uri=True, timeout=5) as connection:
        row = connection.execute(
            "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = ? AND table_name = ?",
            (namespace, name),
        ).fetchone()
    if row is None:
        return 0
    metadata = json.loads(Path(row[0].removeprefix("file:")).read_text(encoding="utf-8"))
    current = metadata.get("current-snapshot-id")
    snapshots = [s for s in metadata.get("snapshots", ()) if s["snapshot-id"] == current]
    return int(snapshots[0]["summary"].get("total-files-size", 0)) if snapshots else 0
