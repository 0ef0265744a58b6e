"""The embedded catalog's tables as its files say, read without PyIceberg or a JVM: to look, and fast."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from dataflow.tables.catalog import catalog_file, is_embedded
from dataflow.tables.column_migration import migrating_columns
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

_FIND = """
SELECT metadata_location FROM iceberg_tables
WHERE catalog_name = ? AND lower(table_namespace) = ? AND lower(table_name) = ?
"""


@dataclass(frozen=True)
class LiveTable:
    """A table that is there.

    Attributes:
        columns: The names of its columns, in order.
        moves: Whether a migration moves some of them.
    """

    columns: tuple[str, ...]
    moves: bool


def live_table(environment: Environment, name: str) -> LiveTable | None:
    """Return a table of the embedded catalog; None where there is none, or the environment has another catalog.

    Args:
        environment: The environment.
        name: The table, without the catalog's name.
    """
    file, parts = catalog_file(), table_names.split(name.lower())
    if not is_embedded(environment) or not file.exists() or len(parts) < 2:
        return None
    wanted = (environment.catalog_name, ".".join(parts[:-1]), parts[-1])
    with contextlib.suppress(sqlite3.Error, OSError, ValueError, KeyError):  # what can't be read is not known
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as connection:
            row = connection.execute(_FIND, wanted).fetchone()
        if row and row[0]:
            return _table(_metadata(row[0]))
    return None


def _metadata(location: str) -> dict[str, Any]:
    address = urlsplit(location)
    content = Path(unquote(address.path) if address.scheme else location).read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)
    return found


def _table(metadata: dict[str, Any]) -> LiveTable:
    schemas = {schema["schema-id"]: schema for schema in metadata.get("schemas", ())}
    schema = schemas[metadata["current-schema-id"]] if schemas else metadata["schema"]
    columns = tuple(field["name"] for field in schema["fields"])
    return LiveTable(columns, bool(migrating_columns(metadata.get("properties") or {})))
