"""The state of a table that a query reads, by the catalog's own pointer: one metadata file, at most one snapshot of it.

Sail by itself would take the newest file of the table's folder, which is not what the catalog says after a rollback, or
while somebody writes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dataflow.sail.judgement import SparkDecides, TableUse
from dataflow.sail.kinds import kind_of_column
from dataflow.sail.names import Schema
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from dataflow.workflow.project import Environment

_LATEST = 2  # the version of Iceberg's format up to which Sail's reading was compared
_PLAIN_FOLDER = re.compile(r"[\w./=+,@:~-]+", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
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
    """

    location: str
    metadata: str
    snapshot: int | None
    schema: Schema
    size: int | None

    def options(self) -> dict[str, str]:
        """Return what Sail has to be told for it to read just this."""
        found = {"table_type": "ICEBERG", "metadata_location": self.metadata}
        return found if self.snapshot is None else found | {"snapshot_id": str(self.snapshot)}


class Pins:
    """The tables of an environment's catalog, each as it stands when a query first names it."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._catalog: Catalog | None = None
        self._tables: dict[tuple[str, ...], tuple[str, Metadata]] = {}

    def pin(self, use: TableUse) -> PinnedTable:
        """Return the state of a table that a query means.

        Raises:
            SparkDecides: Only Spark can read it, or there is none: Spark knows best what to say then.
        """
        name = table_names.without_catalog(table_names.joined(use.parts), self._environment.catalog_name)
        if name not in self._tables:
            self._tables[name] = self._loaded(name)
        return pinned(table_names.joined(name), *self._tables[name], use)

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
        except Exception as error:  # each catalog, file system and later version of the format raises its own
            raise SparkDecides(f"the catalog does not show {shown} without Spark") from error
        raise SparkDecides(f"the catalog has no table {shown}")

    def _by_pyiceberg(self, name: tuple[str, ...]) -> tuple[str, Metadata]:
        from dataflow.tables.catalog import open_catalog

        if self._catalog is None:
            self._catalog = open_catalog(self._environment)
        table = self._catalog.load_table(name)
        return table.metadata_location, json.loads(table.metadata.model_dump_json(by_alias=True))


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
    _require_readable(name, file, metadata)
    schema = _schema(metadata)
    snapshots = {it["snapshot-id"]: it for it in metadata.get("snapshots", ())}
    current = metadata.get("current-snapshot-id")
    wanted = current if use.version is None else _snapshot_id(metadata, use)
    if use.version is not None and wanted not in snapshots:
        raise SparkDecides(f"'{use.version}' is not a state of {name}")
    read = snapshots.get(wanted, {})
    if use.version is not None and read.get("schema-id") != metadata["current-schema-id"]:
        raise SparkDecides(f"{name} had other columns then")
    size = read.get("summary", {}).get("total-files-size", None if read else "0")
    return PinnedTable(
        metadata["location"],
        file,
        None if wanted == current else wanted,
        {it["name"]: kind_of_column(it["type"]) for it in schema["fields"]},
        None if size is None else int(size),
    )


def _require_readable(name: str, file: str, metadata: Metadata) -> None:
    """Let through only what was compared: files of this machine, in a version of the format that both read alike."""
    if "view-uuid" in metadata:
        raise SparkDecides(f"{name} is a view")
    properties = metadata.get("properties", {})
    moved = [properties[key] for key in ("write.data.path", "write.object-storage.path") if key in properties]
    places = [urlsplit(place) for place in (metadata["location"], file, *moved)]
    if any(place.scheme not in ("", "file") for place in places):
        raise SparkDecides(f"the files of {name} are not on this machine")
    if not all(_PLAIN_FOLDER.fullmatch(place.path) for place in places):
        raise SparkDecides(f"the folder of {name} has unusual characters in its name")
    if metadata["format-version"] > _LATEST:
        raise SparkDecides(f"{name} is of version {metadata['format-version']} of Iceberg's format")
    if "schema.name-mapping.default" in properties:
        raise SparkDecides(f"{name} has files that were not written for it")


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
