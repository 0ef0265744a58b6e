"""An environment's catalog without a JVM; the embedded one's database, there in full before a JVM looks for it.

Iceberg makes that database in three steps, and two first runs at the same moment fail in one another's ("duplicate
column name: iceberg_type").
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.home import home, private_file, subfolder
from dataflow.tables import pyiceberg_catalog
from dataflow.workflow.parameters import resolve_secrets

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from dataflow.workflow.project import Environment

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE iceberg_tables (
  catalog_name VARCHAR(255) NOT NULL,
  table_namespace VARCHAR(255) NOT NULL,
  table_name VARCHAR(255) NOT NULL,
  metadata_location VARCHAR(1000),
  previous_metadata_location VARCHAR(1000),
  iceberg_type VARCHAR(5),
  PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE iceberg_namespace_properties (
  catalog_name VARCHAR(255) NOT NULL,
  namespace VARCHAR(255) NOT NULL,
  property_key VARCHAR(255),
  property_value VARCHAR(1000),
  PRIMARY KEY (catalog_name, namespace, property_key)
);
"""
"""What Iceberg 1.12 makes with `jdbc.schema-version=V1`; a test compares the two."""


def catalog_file() -> Path:
    """Return the embedded catalog's database file."""
    return home() / "catalog.db"


def warehouse() -> Path:
    """Return the folder of the embedded catalog's tables."""
    return home() / "warehouse"


def is_embedded(environment: Environment) -> bool:
    """Say whether an environment uses the catalog in the Dataflow home, for want of one of its own."""
    return not set(environment.catalog) - {"name"}


def ensure_catalog() -> None:
    """Make the embedded catalog's database unless there is one; whoever comes first makes it for all."""
    file = catalog_file()
    if file.exists():
        return
    with tempfile.TemporaryDirectory(prefix=".catalog-", dir=subfolder()) as folder:
        made = private_file(Path(folder) / file.name)
        with contextlib.closing(sqlite3.connect(made)) as connection:
            connection.executescript(_SCHEMA)
        with contextlib.suppress(OSError):  # somebody was faster; or the disk knows no links, and Iceberg makes it
            file.hardlink_to(made)


def open_catalog(environment: Environment) -> Catalog:
    """Open an environment's catalog by PyIceberg: for schemas, previews and mocks no JVM is needed.

    Raises:
        DataflowError: PyIceberg can't speak to it, or a secret is not there.
    """
    name = environment.catalog_name
    if is_embedded(environment):
        ensure_catalog()
        return pyiceberg_catalog.open_catalog(name, {}, catalog_file())
    return pyiceberg_catalog.open_catalog(
        name, {key: resolve_secrets(value) for key, value in environment.catalog.items()}
    )
