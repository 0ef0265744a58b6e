"""The names of the tables of the catalog, asked for now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, first_line
from dataflow.tables.pyiceberg_catalog import list_tables
from dataflow.ui.read.catalog import open_catalog

if TYPE_CHECKING:
    from dataflow.ui.source import Source

_SECONDS = 30.0


def tables_of(source: Source) -> list[str]:
    """Return the tables of the catalog, sorted.

    Raises:
        DataflowError: It can't be read.
    """

    def find() -> list[str]:
        try:
            return list_tables(open_catalog(source))
        except DataflowError:
            raise
        except Exception as error:  # each kind of catalog raises its own
            raise DataflowError(f"the tables of the catalog can't be listed: {first_line(error)}") from error

    return source.kept("tables", _SECONDS, find)
