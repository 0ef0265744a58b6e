"""Tables without a JVM: an environment's catalog as PyIceberg opens it, for schemas, previews and mocks.

The embedded catalog's SQLite file is the one that Spark uses; PyIceberg finds the same tables in it when both call the
catalog by the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, did_you_mean, first_line
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

_IMPLEMENTATIONS = {
    "org.apache.iceberg.rest.RESTCatalog": "rest",
    "org.apache.iceberg.hive.HiveCatalog": "hive",
    "org.apache.iceberg.aws.glue.GlueCatalog": "glue",
    "org.apache.iceberg.aws.dynamodb.DynamoDbCatalog": "dynamodb",
    "org.apache.iceberg.jdbc.JdbcCatalog": "jdbc",
}
"""Their classes in Java, by which an environment may name them as well."""

_LIBPQ = {
    "connectTimeout": "connect_timeout",
    "ApplicationName": "application_name",
    **{name: name for name in ("sslmode", "sslcert", "sslkey", "sslrootcert")},
}
"""What PostgreSQL's own library calls the settings of its driver in Java; others have no meaning for it."""


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
        raise DataflowError(f"the catalog '{name}' can't be opened: {first_line(error)}") from error


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
    from sqlalchemy import URL

    # Waits as Spark's driver does: whoever writes holds the file for a moment.
    address = URL.create("sqlite", database=str(file), query={"timeout": "30"})
    return {"type": "sql", "uri": address.render_as_string(hide_password=False), "init_catalog_tables": "false"}


def _translated(name: str, properties: Mapping[str, str]) -> dict[str, str]:
    """Turn the properties of a catalog as Iceberg's Java has them into PyIceberg's; most are the same.

    Raises:
        SparkOnlyError: PyIceberg can't speak to such a catalog.
    """
    found = {key: value for key, value in properties.items() if key not in ("name", "catalog-impl")}
    implementation = properties.get("catalog-impl")
    kind = _IMPLEMENTATIONS.get(implementation, implementation) if implementation else found.get("type")
    kind = kind or ("rest" if "uri" in found else "no type")
    if kind == "jdbc":
        found |= {"type": "sql", "uri": _sqlalchemy_address(found)}
        if found.get("jdbc.schema-version", "").upper() == "V1":  # without it, tables of an older Iceberg stay theirs
            found["schema_version"] = "v1"
    elif kind in _TYPES:
        found["type"] = kind
    else:
        raise SparkOnlyError(f"the catalog '{name}' ({kind}) can be read by Spark alone", permanent=True)
    if found.get("s3.path-style-access", "").lower() == "false":
        found["s3.force-virtual-addressing"] = "true"
    return found


def _sqlalchemy_address(properties: Mapping[str, str]) -> str:
    """Turn a JDBC address into SQLAlchemy's, with the user and password that Iceberg takes apart from it."""
    from urllib.parse import parse_qsl

    from sqlalchemy import make_url

    backend, _, rest = properties.get("uri", "").removeprefix("jdbc:").partition(":")
    if backend == "sqlite":
        address = make_url("sqlite://").set(database=rest.partition("?")[0], query={"timeout": "30"})
        return address.render_as_string(hide_password=False)
    driver = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}.get(backend, backend)
    place, _, query = rest.removeprefix("//").partition("?")
    asked = dict(parse_qsl(query))
    user = properties.get("jdbc.user") or asked.get("user")
    password = properties.get("jdbc.password") or asked.get("password")
    options = {_LIBPQ[key]: value for key, value in asked.items() if key in _LIBPQ}
    if asked.get("ssl") == "true":
        options.setdefault("sslmode", "verify-full")  # as that driver has it
    if schema := asked.get("currentSchema"):
        options["options"] = f"-csearch_path={schema}"
    found = make_url(f"{driver}://{place}").set(username=user, password=password, query=options)
    return found.render_as_string(hide_password=False)
