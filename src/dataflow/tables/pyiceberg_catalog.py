"""Tables without a JVM: an environment's catalog as PyIceberg opens it, for schemas, previews and mocks.

The embedded catalog's SQLite file is the one that Spark uses; PyIceberg finds the same tables in it when both call the
catalog by the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, did_you_mean
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


class SparkOnlyError(DataflowError):
    """PyIceberg has no way into a catalog, or its driver is not installed here; Spark may have one."""


_TYPES = {"rest", "hive", "glue", "dynamodb", "sql", "bigquery"}
"""Catalogs that PyIceberg speaks to; a JDBC one is its `sql`, a Hadoop one has no counterpart."""


def open_catalog(name: str, properties: Mapping[str, str], embedded: Path | None = None) -> Catalog:
    """Open a catalog.

    Args:
        name: What Spark calls it.
        properties: Its Iceberg properties, secrets put in; ignored for the embedded one.
        embedded: The embedded catalog's SQLite file, where that is the one.

    Raises:
        SparkOnlyError: PyIceberg can't speak to such a catalog.
        DataflowError: It can't be reached.
    """
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NotInstalledError

    wanted = _embedded(embedded) if embedded else _translated(name, properties)
    try:
        return load_catalog(name, **wanted)
    except (NotInstalledError, ImportError) as error:
        raise SparkOnlyError(f"the catalog '{name}' can't be opened: {error}", permanent=True) from error
    except Exception as error:  # each kind of catalog raises its own
        raise DataflowError(f"the catalog '{name}' can't be opened: {error}") from error


def load_table(catalog: Catalog, name: str) -> Table:
    """Load a table by its name, `database.table` or `catalog.database.table`.

    Raises:
        DataflowError: There is none; the message names the nearest.
    """
    found = find_table(catalog, name)
    if found is None:
        raise no_table(name, split_name(catalog.name, name), list_tables(catalog))
    return found


def find_table(catalog: Catalog, name: str) -> Table | None:
    """Load a table by its name, `database.table` or `catalog.database.table`; None where there is none."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    parts = split_name(catalog.name, name)
    if is_full(parts):
        try:
            return catalog.load_table(parts)
        except (NoSuchTableError, NoSuchNamespaceError):
            pass
    return None


def is_full(parts: Sequence[str]) -> bool:
    """Say whether a name can be a table's: a database and a table, neither empty; catalogs fail on others."""
    return len(parts) > 1 and all(parts)


def no_table(name: str, parts: Sequence[str], valid: Sequence[str]) -> DataflowError:
    """Return the failure that names the nearest tables: of a name without a database those called so in any."""
    alike = [each for each in valid if table_names.split(each)[-1] == parts[-1]] if len(parts) == 1 else []
    one = f"; did you mean '{alike[0]}'?" if len(alike) == 1 else None
    nearest = one or did_you_mean(table_names.joined(parts), alike or valid)
    return DataflowError(f"there is no table '{name}'{nearest}", permanent=True)


def list_tables(catalog: Catalog) -> list[str]:
    """Return all tables of a catalog as `database.table`, sorted."""
    spaces = _namespaces(catalog, ())
    return sorted(table_names.joined(table) for space in spaces for table in catalog.list_tables(space))


def split_name(catalog: str, name: str) -> tuple[str, ...]:
    """Split a table's name into database and table; the catalog's own name in front is dropped."""
    return table_names.without_catalog(name, catalog)


def _namespaces(catalog: Catalog, above: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = [tuple(space) for space in catalog.list_namespaces(above)]
    return [*found, *(below for space in found for below in _namespaces(catalog, space) if below not in found)]


def _embedded(file: Path) -> dict[str, str]:
    # Waits as Spark's driver does: whoever writes holds the file for a moment.
    return {"type": "sql", "uri": f"sqlite:///{file}?timeout=30", "init_catalog_tables": "false"}


def _translated(name: str, properties: Mapping[str, str]) -> dict[str, str]:
    found = {key: value for key, value in properties.items() if key != "name"}
    kind = found.get("type", "rest" if "uri" in found else "")
    if kind == "jdbc":
        found |= {"type": "sql", "uri": _sqlalchemy_address(found)}
    elif kind not in _TYPES:
        raise SparkOnlyError(
            f"the catalog '{name}' ({kind or found.get('catalog-impl', 'no type')}) can be read by Spark alone",
            permanent=True,
        )
    return found


def _sqlalchemy_address(properties: Mapping[str, str]) -> str:
    """Turn a JDBC address into SQLAlchemy's, with the user and password that Iceberg takes apart from it."""
    from urllib.parse import quote_plus

    backend, _, rest = properties.get("uri", "").removeprefix("jdbc:").partition(":")
    if backend == "sqlite":
        return f"sqlite:///{rest.partition('?')[0]}?timeout=30"
    user, password = properties.get("jdbc.user"), properties.get("jdbc.password")
    login = f"{quote_plus(user)}{f':{quote_plus(password)}' if password else ''}@" if user else ""
    driver = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}.get(backend, backend)
    return f"{driver}://{login}{rest.removeprefix('//')}"
