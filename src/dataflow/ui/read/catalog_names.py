"""The catalog of what is looked at: opened once, and asked for the names of its tables now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, first_line
from dataflow.tables.catalog import catalog_file, is_embedded, open_catalog
from dataflow.tables.pyiceberg_catalog import list_tables

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from dataflow.ui.source import Source

_CATALOG_SECONDS = 300.0
_NAMES_SECONDS = 30.0


def catalog_of(source: Source) -> Catalog:
    """Return the catalog of the environment.

    Raises:
        DataflowError: There is none yet, or it can't be opened.
    """
    environment = source.environment
    if is_embedded(environment) and not catalog_file().exists():
        raise DataflowError("there is no catalog yet", "the first run makes it: `dataflow workflow run main.sch.yaml`")
    return source.kept("catalog", _CATALOG_SECONDS, lambda: open_catalog(environment))


def tables_of(source: Source) -> list[str]:
    """Return the tables of the catalog, sorted.

    Raises:
        DataflowError: It can't be read.
    """

    def find() -> list[str]:
        try:
            return list_tables(catalog_of(source))
        except DataflowError:
            raise
        except Exception as error:  # each kind of catalog raises its own
            raise DataflowError(f"the tables of the catalog can't be listed: {first_line(error)}") from error

    return source.kept("tables", _NAMES_SECONDS, find)
