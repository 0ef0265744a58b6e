"""The state of a table that a query reads, by the catalog's own pointer: one metadata file, at most one snapshot of it.

Sail by itself would take the newest file of the table's folder, which is not what the catalog says after a rollback, or
while somebody writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dataflow.sail.judgement import SparkDecides, TableUse
from dataflow.sail.kinds import kind_of_column
from dataflow.sail.names import Schema
from dataflow.workflow import table_names

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from dataflow.sail.server import Sail
    from dataflow.workflow.project import Environment

_LATEST = 2  # the version of Iceberg's format up to which Sail's reading was compared
_READ_WHOLE = 64_000_000  # bytes of files up to which PyIceberg reads a table that Sail can't
_PLAIN_FOLDER = re.compile(r"[\w./=+,@:~-]+", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_STATE = re.compile(r"(branch|tag|snapshot_id)_(?P<name>.+)", re.S)  # behind a table, as Iceberg's catalog reads it
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class PinnedTable:
    """A table as it stood at one moment.

    Attributes:
        location: Its folder.
        metadata: Its metadata file.
        snapshot: The snapshot that is read; None for the current one.
        schema: The kinds of its columns, as `kinds.py` calls them.
        size: How many bytes its files have; None where its summary does not say.
        foreign: Why Sail does not find its files by itself; None where it does.
        is_changed: Whether it has rows that are deleted, or had other columns: PyIceberg makes null lists empty then.
    """

    location: str
    metadata: str
    snapshot: int | None
    schema: Schema
    size: int | None
    foreign: str | None = None
    is_changed: bool = False

    def options(self) -> dict[str, str]:
        """Return what Sail has to be told for it to read just this."""
        found = {"table_type": "ICEBERG", "metadata_location": self.metadata}
        return found if self.snapshot is None else found | {"snapshot_id": str(self.snapshot)}


class NoTableError(SparkDecides):
    """The catalog has no such table."""


class Pins:
    """The tables of an environment's catalog, each as it stands when a query first names it."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._catalog: Catalog | None = None
        self._tables: dict[tuple[str, ...], tuple[str, Metadata]] = {}
        self._opened: dict[str, Table] = {}

    def pin(self, use: TableUse) -> PinnedTable:
        """Return the state of a table that a query means.

        Raises:
            SparkDecides: Only Spark can read it, or there is none: Spark knows best what to say then.
        """
        name = table_names.without_catalog(table_names.joined(use.parts), self._environment.catalog_name)
        try:
            self._load(name)
        except NoTableError:
            state = _STATE.fullmatch(name[-1])
            if state is None or use.version is not None or len(name) < 3:
                raise
            name = name[:-1]
            self._load(name)
            use = dataclasses.replace(use, version=state["name"])
        return pinned(table_names.joined(name), *self._tables[name], use)

    def show(self, sail: Sail, view: str, table: PinnedTable, columns: Collection[str] | None = None) -> None:
        """Let queries read a table: its files, or where Sail does not find them its rows, read by PyIceberg.

        Args:
            sail: The server.
            view: What queries call the table.
            table: The table.
            columns: The columns that are needed, in lower case; None for all.

        Raises:
            SparkDecides: PyIceberg can't read the rows, or they are too many.
            SailError: Sail can't read it.
        """
        if table.foreign is None:
            sail.show(view, table)
        else:
            sail.show_rows(view, self._rows(table, columns))

    def _rows(self, table: PinnedTable, columns: Collection[str] | None) -> pa.Table:
        if table.size is None or table.size > _READ_WHOLE:
            raise SparkDecides(f"{table.foreign}, and they are too large to be read whole")
        lists = [
            it for it, kind in table.schema.items() if kind == "nested" and (columns is None or it.lower() in columns)
        ]
        if lists and table.is_changed:
            raise SparkDecides(f"{table.foreign}, and PyIceberg can't tell null from empty in {', '.join(lists)}")
        try:
            return rows_by_pyiceberg(table, columns, self._opened.get(table.metadata))
        except Exception as error:  # each file system, and each part of the format that it does not know, its own
            raise SparkDecides(f"{table.foreign}, and PyIceberg can't read them") from error

    def _load(self, name: tuple[str, ...]) -> None:
        if name not in self._tables:
            self._tables[name] = self._loaded(name)

    def _loaded(self, name: tuple[str, ...]) -> tuple[str, Metadata]:
        from dataflow.tables import embedded_catalog
        from dataflow.tables.catalog import is_embedded

        shown = table_names.joined(name)
        if len(name) < 2 or not all(name):
            raise SparkDecides(f"'{shown}' is not the name of a table with its database")
        try:
            if not is_embedded(self._environment):
                return self._by_pyiceberg(name)
            if location := embedded_catalog.pointer(self._environment, name):
                return location, embedded_catalog.metadata(location)
        except NoTableError:
            raise
        except Exception as error:  # each catalog, file system and later version of the format raises its own
            raise SparkDecides(f"the catalog does not show {shown} without Spark") from error
        raise NoTableError(f"the catalog has no table {shown}")

    def _by_pyiceberg(self, name: tuple[str, ...]) -> tuple[str, Metadata]:
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        from dataflow.tables.catalog import open_catalog

        if self._catalog is None:
            self._catalog = open_catalog(self._environment)
        try:
            table = self._catalog.load_table(name)
        except (NoSuchTableError, NoSuchNamespaceError) as error:
            raise NoTableError(f"the catalog has no table {table_names.joined(name)}") from error
        self._opened[table.metadata_location] = table
        return table.metadata_location, json.loads(table.metadata.model_dump_json(by_alias=True))


def rows_by_pyiceberg(
    table: PinnedTable, columns: Collection[str] | None = None, opened: Table | None = None
) -> pa.Table:
    """Return the rows of a table, read by PyIceberg.

    Args:
        table: The table.
        columns: The columns that are needed, in lower case; None for all.
        opened: The table as a catalog has it, with what it takes to read its files; they are this machine's if omitted.
    """
    from pyiceberg.table import StaticTable

    names = tuple(it for it in table.schema if columns is None or it.lower() in columns)
    wanted = names or tuple(table.schema)[:1]  # rows are counted even so
    scan = (opened or StaticTable.from_metadata(table.metadata)).scan(
        selected_fields=wanted, snapshot_id=table.snapshot
    )
    return scan.to_arrow().select(list(wanted))


def pinned(name: str, file: str, metadata: Metadata, use: TableUse) -> PinnedTable:
    """Return the state of a table that a query means, by a metadata file of it.

    Args:
        name: The table, for messages.
        file: The metadata file.
        metadata: What it says.
        use: What the query wants of it.

    Raises:
        SparkDecides: Only Spark can read it.
    """
    foreign = _foreign(name, file, metadata)
    schema = _schema(metadata)
    snapshots = {it["snapshot-id"]: it for it in metadata.get("snapshots", ())}
    current = metadata.get("current-snapshot-id")
    wanted = current if use.version is None else _snapshot_id(metadata, use)
    if use.version is not None and wanted not in snapshots:
        raise SparkDecides(f"'{use.version}' is not a state of {name}")
    read = snapshots.get(wanted, {})
    if use.version is not None and read.get("schema-id") != metadata["current-schema-id"]:
        raise SparkDecides(f"{name} had other columns then")
    summary = read.get("summary", {})
    if summary.get("total-equality-deletes", "0") != "0":
        raise SparkDecides(f"{name} has deletes by values")
    size = summary.get("total-files-size", None if read else "0")
    return PinnedTable(
        metadata["location"],
        file,
        None if wanted == current else wanted,
        {it["name"]: kind_of_column(it["type"]) for it in schema["fields"]},
        None if size is None else int(size),
        foreign,
        len(metadata["schemas"]) > 1 or summary.get("total-delete-files", "0") != "0",
    )


def _foreign(name: str, file: str, metadata: Metadata) -> str | None:
    """Return why Sail does not read a table by itself; it was compared for files of this machine, and plain addresses.

    Raises:
        SparkDecides: Only Spark can read it.
    """
    if "view-uuid" in metadata:
        raise SparkDecides(f"{name} is a view")
    properties = metadata.get("properties", {})
    moved = [properties[key] for key in ("write.data.path", "write.object-storage.path") if key in properties]
    places = [urlsplit(place) for place in (metadata["location"], file, *moved)]
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


def _schema(metadata: Metadata) -> Mapping[str, Any]:
    schemas = {it["schema-id"]: it for it in metadata.get("schemas", ())}
    if "current-schema-id" not in metadata:
        raise SparkDecides("its metadata is of an early version of Iceberg's format")
    found: Mapping[str, Any] = schemas[metadata["current-schema-id"]]
    return found


def _snapshot_id(metadata: Metadata, use: TableUse) -> int | None:
    """Return the snapshot that a query names, by its number, a branch, a tag or a moment."""
    version = str(use.version)
    if use.is_moment:
        moment = _milliseconds(version)
        if moment is None:
            raise SparkDecides(f"'{version}' is a moment for Spark to read")
        return next(
            (it["snapshot-id"] for it in reversed(metadata.get("snapshot-log", ())) if it["timestamp-ms"] <= moment),
            None,
        )
    if _NUMBER.fullmatch(version):
        return int(version)
    found = metadata.get("refs", {}).get(version)
    return None if found is None else int(found["snapshot-id"])


def _milliseconds(moment: str) -> int | None:
    """Read a moment as Spark does, where that is certain; one without a zone is UTC's, as the session is."""
    if not _MOMENT.fullmatch(moment):
        return None
    with contextlib.suppress(ValueError):
        found = dt.datetime.fromisoformat(moment)
        return (found.replace(tzinfo=found.tzinfo or dt.UTC) - _EPOCH) // dt.timedelta(milliseconds=1)
    return None
