"""What tests read of tables by PyIceberg: rows at a snapshot, and the files in a table's folder."""

from __future__ import annotations

from pathlib import Path


def rows_at(table, snapshot=None):
    """Return the ids of a table's rows, sorted; now, or at a snapshot."""
    return sorted(table.scan(snapshot_id=snapshot).to_arrow()["id"].to_pylist())


def files_below(table):
    """Return the files in a table's folder."""
    folder = Path("/" + table.metadata.location.removeprefix("file:").lstrip("/"))
    return [it for it in folder.rglob("*") if it.is_file()]
