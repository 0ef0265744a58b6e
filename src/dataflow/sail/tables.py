"""The state of a table that a query reads, by the catalog's own pointer: one metadata file, at most one snapshot of it.

Sail by itself would take the newest file of the table's folder, which is not what the catalog says after a rollback, or
while somebody writes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dataflow.sail.judgement import SparkDecides, TableUse
from dataflow.sail.kinds import kind_of_column
from dataflow.sail.names import Schema
from dataflow.tables.reader.catalog_tables import FoundTable, TableReader
from dataflow.tables.reader.state import NoStateError, TableState, state_of
from dataflow.workflow import table_names

if TYPE_CHECKING:
    import pyarrow as pa

    from dataflow.sail.server import Sail
    from dataflow.workflow.project import Environment

_LATEST = 2  # the version of Iceberg's format up to which Sail's reading was compared
_READ_WHOLE = 64_000_000  # bytes of files up to which PyIceberg reads a table that Sail can't
_PLAIN_FOLDER = re.compile(r"[\w./=+,@:~-]+", re.ASCII)
_STATE = re.compile(r"(branch|tag|snapshot_id)_(?P<name>.+)", re.S)  # behind a table, as Iceberg's catalog reads it


@dataclass(frozen=True)
class PinnedTable:
    """A table as it stood at one moment, and how Sail comes by its rows.

    Attributes:
        state: The table, and its state.
        schema: The kinds of its columns, as `kinds.py` calls them.
        foreign: Why Sail does not find its files by itself; None where it does.
    """

    state: TableState
    schema: Schema
    foreign: str | None = None

    @property
    def size(self) -> int | None:
        """How many bytes its files have; None where nobody knows."""
        return self.state.size

    @property
    def location(self) -> str:
        """The table's folder."""
        return str(self.state.table.metadata["location"])

    def options(self) -> dict[str, str]:
        """Return what Sail has to be told for it to read just this."""
        found = {"table_type": "ICEBERG", "metadata_location": self.state.table.file}
        current = self.state.table.metadata.get("current-snapshot-id")
        return (
            found if self.state.snapshot_id in (None, current) else found | {"snapshot_id": str(self.state.snapshot_id)}
        )

    def rows(self, columns: Collection[str] | None = None) -> pa.Table:
        """Return its rows without Sail; raises as `RowReader.rows`.

        Args:
            columns: The columns that are needed, in lower case; None for all.
        """
        from dataflow.tables.reader.rows import RowReader

        names = [it for it in self.schema if columns is None or it.lower() in columns]
        return RowReader(self.state, names or list(self.schema)[:1]).rows()  # rows are counted even so


class NoTableError(SparkDecides):
    """The catalog has no such table."""


class Pins:
    """The tables of an environment's catalog, each as it stands when it is first named."""

    def __init__(self, environment: Environment) -> None:
        self._reader = TableReader(environment)
        self._tables: dict[tuple[str, ...], FoundTable | None] = {}

    def pin(self, use: TableUse) -> PinnedTable:
        """Return the state of a table that a query means.

        Raises:
            SparkDecides: Only Spark can read it, or there is none: Spark knows best what to say then.
        """
        name = table_names.without_catalog(table_names.joined(use.parts), self._reader.environment.catalog_name)
        try:
            found = self._load(name)
        except NoTableError:
            if len(name) < 3:
                raise
            found, state = self._load(name[:-1]), _STATE.fullmatch(name[-1])
            if state is None or use.version is not None:
                shown = table_names.joined(name[:-1])
                raise SparkDecides(f"'{name[-1]}' of {shown} is Iceberg's metadata") from None
            use = dataclasses.replace(use, version=state["name"])
        return pinned(found, use)

    def found(self, name: str) -> FoundTable | None:
        """Return a table as queries see it; None where there is none.

        Raises:
            SparkDecides: Only Spark can look.
        """
        parts = table_names.without_catalog(name, self._reader.environment.catalog_name)
        if parts not in self._tables:
            try:
                self._tables[parts] = self._reader.find(table_names.joined(parts))
            except Exception as error:  # each catalog, file system and later version of the format raises its own
                shown = table_names.joined(parts)
                raise SparkDecides(f"the catalog does not show {shown} without Spark") from error
        return self._tables[parts]

    def show(self, sail: Sail, view: str, table: PinnedTable, columns: Collection[str] | None = None) -> None:
        """Let queries read a table: its files, or where Sail does not find them its rows.

        Args:
            sail: The server.
            view: What queries call the table.
            table: The table.
            columns: The columns that are needed, in lower case; None for all.

        Raises:
            SparkDecides: The rows can't be read without Spark, or they are too many.
            SailError: Sail can't read it.
        """
        if table.foreign is None:
            sail.show(view, table)
        else:
            sail.show_rows(view, _rows(table, columns))

    def _load(self, name: tuple[str, ...]) -> FoundTable:
        shown = table_names.joined(name)
        if len(name) < 2 or not all(name):
            raise SparkDecides(f"'{shown}' is not the name of a table with its database")
        found = self.found(shown)
        if found is None:
            raise NoTableError(f"the catalog has no table {shown}")
        return found


def _rows(table: PinnedTable, columns: Collection[str] | None) -> pa.Table:
    from dataflow.tables.reader.rows import SparkRequiredError

    if table.size is None or table.size > _READ_WHOLE:
        raise SparkDecides(f"{table.foreign}, and they are too large to be read whole")
    try:
        return table.rows(columns)
    except SparkRequiredError as error:
        raise SparkDecides(f"{table.foreign}, and {error}") from error
    except Exception as error:  # each file system, and each part of the format that PyIceberg does not know, its own
        raise SparkDecides(f"{table.foreign}, and PyIceberg can't read them") from error


def pinned(table: FoundTable, use: TableUse) -> PinnedTable:
    """Return the state of a table that a query means.

    Args:
        table: The table.
        use: What the query wants of it.

    Raises:
        SparkDecides: Only Spark can read it.
    """
    foreign = _foreign(table)
    schema = _schema(table.metadata)
    try:
        state = state_of(table, use.version, is_moment=use.is_moment)
    except NoStateError as error:
        raise SparkDecides(error.message) from error
    if state.has_other_columns:
        raise SparkDecides(f"{table.name} had other columns then")
    if state.summary.get("total-equality-deletes", "0") != "0":
        raise SparkDecides(f"{table.name} has deletes by values")
    return PinnedTable(state, {it["name"]: kind_of_column(it["type"]) for it in schema["fields"]}, foreign)


def _foreign(table: FoundTable) -> str | None:
    """Return why Sail does not read a table by itself; it was compared for files of this machine, and plain addresses.

    Raises:
        SparkDecides: Only Spark can read it.
    """
    name, metadata = table.name, table.metadata
    if "view-uuid" in metadata:
        raise SparkDecides(f"{name} is a view")
    properties = metadata.get("properties", {})
    moved = [properties[key] for key in ("write.data.path", "write.object-storage.path") if key in properties]
    places = [urlsplit(place) for place in (metadata["location"], table.file, *moved)]
    if metadata["format-version"] > _LATEST:
        raise SparkDecides(f"{name} is of version {metadata['format-version']} of Iceberg's format")
    if any(place.query or place.fragment for place in places):
        raise SparkDecides(f"the address of {name} is Spark's alone to read")
    if any(place.scheme not in ("", "file") for place in places):
        return f"the files of {name} are not on this machine"
    if not all(_PLAIN_FOLDER.fullmatch(place.path) for place in places):
        return f"the files of {name} have unusual characters in their folder's name"
    if "schema.name-mapping.default" in properties:
        return f"the files of {name} were not written for it"
    return None


def _schema(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    schemas = {it["schema-id"]: it for it in metadata.get("schemas", ())}
    if "current-schema-id" not in metadata:
        raise SparkDecides("its metadata is of an early version of Iceberg's format")
    found: Mapping[str, Any] = schemas[metadata["current-schema-id"]]
    return found
