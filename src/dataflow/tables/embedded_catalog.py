"""The embedded catalog's tables as its files say, read without PyIceberg or a JVM: to look, and fast."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from dataflow.tables.catalog import catalog_file, is_embedded
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
_ALL = "SELECT table_namespace, table_name, metadata_location FROM iceberg_tables WHERE catalog_name = ?"


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
    with _opened() as connection:
        row = connection.execute(_FIND_WHATEVER_CASE if any_case else _FIND, wanted).fetchone()
    return row[0] if row and row[0] else None


def pointers(environment: Environment) -> dict[str, str]:
    """Return the tables of the embedded catalog by name, each with its metadata file; none of another catalog.

    Raises:
        sqlite3.Error: The catalog can't be read.
    """
    if not is_embedded(environment) or not catalog_file().exists():
        return {}
    with _opened() as connection:
        rows = connection.execute(_ALL, [environment.catalog_name]).fetchall()
    return {table_names.joined((*space.split("."), name)): file for space, name, file in rows if file}


def _opened() -> contextlib.closing[sqlite3.Connection]:
    # As an address, in which a folder's name may have no `?`, `#` or `%`.
    return contextlib.closing(sqlite3.connect(f"file:{quote(str(catalog_file()))}?mode=ro", uri=True, timeout=5))


def metadata(location: str) -> dict[str, Any]:
    """Return what a metadata file on this machine says.

    Raises:
        OSError: It can't be read.
        ValueError: It is not one.
    """
    found: dict[str, Any] = json.loads(unpacked(content(location)))
    return found


def unpacked(content: bytes) -> bytes:
    """Return what a metadata file holds, which may be packed by gzip, whatever it is called."""
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def content(location: str) -> bytes:
    """Return what a file of a table on this machine holds, by its address or path.

    Raises:
        OSError: It can't be read.
    """
    plain = location.removeprefix("file://").removeprefix("file:")  # Iceberg's addresses are not escaped, but may be
    file = Path(plain) if plain == location or Path(plain).exists() else Path(unquote(urlsplit(location).path))
    return file.read_bytes()
