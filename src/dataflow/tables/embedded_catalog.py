"""The embedded catalog's tables as its files say, read without PyIceberg or a JVM: to look, and fast."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from collections.abc import Sequence
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
SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?
"""
_FIND_WHATEVER_CASE = """
SELECT metadata_location FROM iceberg_tables
WHERE catalog_name = ? AND lower(table_namespace) = lower(?) AND lower(table_name) = lower(?)
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
    with contextlib.suppress(sqlite3.Error, OSError, ValueError, KeyError):  # what can't be read is not known
        if location := pointer(environment, table_names.split(name), any_case=True):
            return _table(metadata(location))
    return None


def pointer(environment: Environment, parts: Sequence[str], *, any_case: bool = False) -> str | None:
    """Return the metadata file to which the embedded catalog points; None where there is no table, or another catalog.

    Args:
        environment: The environment.
        parts: The table's name, without the catalog's.
        any_case: Whether upper and lower case are the same; to Spark they are not.

    Raises:
        sqlite3.Error: The catalog can't be read.
    """
    file = catalog_file()
    if not is_embedded(environment) or not file.exists() or len(parts) < 2:
        return None
    wanted = (environment.catalog_name, ".".join(parts[:-1]), parts[-1])
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as connection:
        row = connection.execute(_FIND_WHATEVER_CASE if any_case else _FIND, wanted).fetchone()
    return row[0] if row and row[0] else None


def metadata(location: str) -> dict[str, Any]:
    """Return what a metadata file on this machine says.

    Raises:
        OSError: It can't be read.
        ValueError: It is not one.
    """
    text = content(location)
    found: dict[str, Any] = json.loads(gzip.decompress(text) if text.startswith(b"\x1f\x8b") else text)
    return found


def content(location: str) -> bytes:
    """Return what a file of a table on this machine holds, by its address or path.

    Raises:
        OSError: It can't be read.
    """
    plain = location.removeprefix("file://").removeprefix("file:")  # Iceberg's addresses are not escaped, but may be
    file = Path(plain) if plain == location or Path(plain).exists() else Path(unquote(urlsplit(location).path))
    return file.read_bytes()


def _table(metadata: dict[str, Any]) -> LiveTable:
    schemas = {schema["schema-id"]: schema for schema in metadata.get("schemas", ())}
    schema = schemas[metadata["current-schema-id"]] if schemas else metadata["schema"]
    columns = tuple(field["name"] for field in schema["fields"])
    return LiveTable(columns, bool(migrating_columns(metadata.get("properties") or {})))
