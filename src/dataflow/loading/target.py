"""Which table is loaded, and whether it may be: one's own database may, the rest is judged as for a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError
from dataflow.spark.guard import WriteScope, user_scope
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

_PARTS = 2


def target_table(environment: Environment, name: str, *, write: bool) -> tuple[str, WriteScope]:
    """Return a table's whole name, and what may be written: its own database where none is named.

    Args:
        environment: The environment.
        name: The table, with or without its database.
        write: Whether more than the sandbox may be written, as far as the catalog's login may.

    Raises:
        UsageError: It is not the name of a table.
        DataflowError: It may not be written.
    """
    if not table_names.is_name(name):
        raise UsageError(f"'{name}' is not the name of a table", "write it as orders, or database.orders")
    scope = user_scope(environment, write=write)
    parts = table_names.without_catalog(name, environment.catalog_name)
    if len(parts) == 1:
        parts = (*_own_database(environment, name), parts[0])
    table = table_names.joined(parts)
    if scope.reach == "nothing":
        raise DataflowError(
            f"{table} can't be loaded: {environment.name} is shared, and is written by workflows",
            "load into your sandbox (without --env), or ask for it: --write",
            permanent=True,
        )
    if scope.reach == "database" and scope.database and parts[:-1] != table_names.split(scope.database):
        raise DataflowError(
            f"{table} lies outside {scope.database}, the database of environment {environment.name}",
            f"load into {scope.database}: a name without a database does; or ask for it: --write",
            permanent=True,
        )
    return table, scope


def _own_database(environment: Environment, name: str) -> tuple[str, ...]:
    own = user_scope(environment, write=False).database or environment.params.get("TARGET_DB", "")
    if not own or "${" in own:
        raise UsageError(
            f"environment {environment.name} has no database of its own for '{name}'", f"name one: database.{name}"
        )
    return table_names.split(own)
