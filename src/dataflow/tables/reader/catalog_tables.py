"""Tables as their catalog points to them: one metadata file each, whatever else lies in the table's folder.

The embedded catalog is asked by its own database, and its metadata read as JSON, which takes milliseconds; other
catalogs are opened by PyIceberg. Its objects are made of either where rows are wanted, and not before.
"""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dataflow.errors import DataflowError, first_line
from dataflow.tables import embedded_catalog, pyiceberg_catalog
from dataflow.tables.catalog import is_embedded, open_catalog
from dataflow.tables.column_migration import migrating_columns
from dataflow.tables.pyiceberg_catalog import SparkOnlyError
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

    from dataflow.workflow.project import Environment


class FoundTable:
    """A table as it stood when it was found.

    Args:
        parts: Its name, without the catalog.
        file: The metadata file to which the catalog points.
        content: What that holds, unpacked; PyIceberg has read it where it is omitted.
        opened: The table as PyIceberg's catalog has it; made of the metadata where it is omitted.
    """

    def __init__(
        self, parts: Sequence[str], file: str, *, content: bytes | None = None, opened: Table | None = None
    ) -> None:
        self.parts = tuple(parts)
        self.file = file
        self._content, self._opened = content, opened

    @property
    def name(self) -> str:
        """What messages call it."""
        return table_names.joined(self.parts)

    @functools.cached_property
    def metadata(self) -> Mapping[str, Any]:
        """What the metadata file says.

        Raises:
            DataflowError: It is not one.
        """
        try:
            text = self._text if self._opened is None else self._opened.metadata.model_dump_json(by_alias=True)
            found: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise DataflowError(f"the metadata of {self.name} can't be read: {first_line(error)}") from error
        return found

    @functools.cached_property
    def opened(self) -> Table:
        """The table as PyIceberg has it, to read.

        Raises:
            SparkOnlyError: PyIceberg does not know what its metadata says.
        """
        if self._opened is not None:
            return self._opened
        from pyiceberg.io import load_file_io

        metadata = parsed_metadata(self.name, self._text)
        return table_to_read(self.parts, metadata, self.file, load_file_io({**metadata.properties}, self.file))

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of its columns, in order."""
        schemas = {it["schema-id"]: it for it in self.metadata.get("schemas", ())}
        schema = schemas[self.metadata["current-schema-id"]] if schemas else self.metadata["schema"]
        return tuple(it["name"] for it in schema["fields"])

    @property
    def moves_columns(self) -> bool:
        """Whether a migration moves some of its columns."""
        return bool(migrating_columns(self.metadata.get("properties") or {}))

    @property
    def _text(self) -> str:
        return (self._content or b"").decode()


class TableReader:
    """Finds the tables of an environment's catalog; each look is a new one, and catalogs are opened once.

    Args:
        environment: Where the tables are.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    @functools.cached_property
    def catalog(self) -> Catalog:
        """The catalog, opened by PyIceberg; as `open_catalog` raises."""
        return open_catalog(self.environment)

    def find(self, name: str, *, any_case: bool = False) -> FoundTable | None:
        """Return a table; None where there is none.

        Args:
            name: The table, with or without the catalog in front.
            any_case: Whether the embedded catalog takes upper and lower case for the same; to Spark they are not.

        Raises:
            SparkOnlyError: PyIceberg has no way into the catalog, or does not know what the metadata says.
            DataflowError: The catalog, or the metadata, can't be read.
        """
        parts = self._parts(name)
        if not pyiceberg_catalog.is_full(parts):
            return None
        if not is_embedded(self.environment):
            return self._by_pyiceberg(parts)
        file = self._pointer(parts, any_case=any_case)
        return None if file is None else FoundTable(parts, file, content=_content(table_names.joined(parts), file))

    def get(self, name: str) -> FoundTable:
        """Return a table; raises as `find`, and where there is none with the nearest names."""
        found = self.find(name)
        if found is None:
            raise self.no_table(name)
        return found

    def no_table(self, name: str) -> DataflowError:
        """Return the failure that names the nearest tables."""
        return pyiceberg_catalog.no_table(name, self._parts(name), self.names())

    def reach(self) -> None:
        """Open the catalog, unless it is the embedded one, which needs no opening. Raises as `find`."""
        if not is_embedded(self.environment):
            self.catalog  # noqa: B018

    def table(self, name: str) -> Table | None:
        """Return a table as PyIceberg has it, to read; None where there is none. Raises as `find`."""
        found = self.find(name)
        return None if found is None else found.opened

    def has(self, name: str) -> bool:
        """Say whether there is a table; its metadata is not looked at. Raises as `find`."""
        parts = self._parts(name)
        if not pyiceberg_catalog.is_full(parts):
            return False
        if is_embedded(self.environment):
            return self._pointer(parts) is not None
        return bool(self.catalog.table_exists(parts))

    def names(self) -> list[str]:
        """Return all tables as `database.table`, sorted. Raises as `find`."""
        if is_embedded(self.environment):
            return sorted(embedded_catalog.pointers(self.environment))
        return pyiceberg_catalog.list_tables(self.catalog)

    def _parts(self, name: str) -> tuple[str, ...]:
        return table_names.without_catalog(name, self.environment.catalog_name)

    def _pointer(self, parts: Sequence[str], *, any_case: bool = False) -> str | None:
        try:
            return embedded_catalog.pointer(self.environment, parts, any_case=any_case)
        except sqlite3.Error as error:
            name = self.environment.catalog_name
            raise DataflowError(f"the catalog '{name}' can't be read: {first_line(error)}") from error

    def _by_pyiceberg(self, parts: tuple[str, ...]) -> FoundTable | None:
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        name = table_names.joined(parts)
        with _naming(name):
            try:
                opened = self.catalog.load_table(parts)
            except (NoSuchTableError, NoSuchNamespaceError):
                return None
        return FoundTable(parts, opened.metadata_location, opened=opened)


class _naming:  # noqa: N801 - a context manager reads as a verb
    """Turns what PyIceberg raises while a table's metadata is read into one message that names the table."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, DataflowError) or not isinstance(error, Exception):
            return
        from pydantic import ValidationError
        from pyiceberg.exceptions import ValidationError as TypesUnknown

        if isinstance(error, (ValidationError, TypesUnknown)):  # a type of a later version of the format
            raise SparkOnlyError(f"PyIceberg can't read the metadata of {self._name}", permanent=True) from error
        raise DataflowError(f"the metadata of {self._name} can't be read: {first_line(error)}") from error


def parsed_metadata(name: str, text: str) -> TableMetadata:
    """Return what a metadata file says, as PyIceberg has it.

    Raises:
        SparkOnlyError: PyIceberg does not know what it says.
    """
    from pyiceberg.table.metadata import TableMetadataUtil

    with _naming(name):
        return TableMetadataUtil.parse_raw(text)


def table_to_read(parts: Sequence[str], metadata: TableMetadata, file: str, io: FileIO, catalog: str = "") -> Table:
    """Put a table together that reads files, and that nothing can be committed to."""
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.table import Table

    return Table(tuple(parts), metadata, file, io, NoopCatalog(catalog))


def _content(name: str, file: str) -> bytes:
    """Return what a metadata file holds, which the embedded catalog may have on another machine.

    Raises:
        DataflowError: It can't be read.
    """
    with _naming(name):
        if urlsplit(file).scheme in ("", "file"):
            return embedded_catalog.unpacked(embedded_catalog.content(file))
        from pyiceberg.io import load_file_io

        with load_file_io({}, file).new_input(file).open() as stream:
            return embedded_catalog.unpacked(bytes(stream.read()))
