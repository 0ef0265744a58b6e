"""Asking for lineage: what a name means, and what is up and down from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.lineage.checkout import CheckoutLineage
from dataflow.lineage.graph import LineageSource, Node, Traversal, traverse
from dataflow.lineage.model import plain_name
from dataflow.lineage.store.reader import LineageStore

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from dataflow.workflow.project import Environment


class CatalogColumns:
    """The columns of a catalog's tables, as far as it can be asked without Spark."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._catalog: Catalog | None = None
        self._closed = False

    def __call__(self, table: str) -> list[str] | None:
        """Return a table's columns; None where there is no such table, or no such catalog."""
        from dataflow.tables.pyiceberg_catalog import load_table

        catalog = self.catalog
        if catalog is None:
            return None
        try:
            return [str(field.name) for field in load_table(catalog, table).schema().fields]
        except Exception:  # a table that can't be read tells nothing; what can be is told all the same
            return None

    def names(self) -> list[str]:
        """Return the tables of the catalog."""
        from dataflow.tables.pyiceberg_catalog import list_tables

        try:
            return [] if self.catalog is None else list_tables(self.catalog)
        except Exception:
            return []

    @property
    def catalog(self) -> Catalog | None:
        """The catalog, opened when it is first asked for."""
        from dataflow.tables.catalog import open_catalog

        if self._catalog is None and not self._closed:
            try:
                self._catalog = open_catalog(self._environment)
            except DataflowError:
                self._closed = True
        return self._catalog


@dataclass(frozen=True)
class LineageGraph:
    """All that is known of lineage for an environment.

    Attributes:
        environment: The environment.
        store: What was recorded, deployed and imported.
        checkouts: The workflows on disk.
        columns: The catalog's own word on columns.
    """

    environment: Environment
    store: LineageStore
    checkouts: Sequence[CheckoutLineage]
    columns: CatalogColumns

    @property
    def sources(self) -> list[LineageSource]:
        """Where lineage is known from, in the order of trust."""
        return [self.store, *self.checkouts]

    def plain(self, name: str) -> str:
        """Leave the catalog's name and quotes out of a table's name."""
        return plain_name(name, self.environment.catalog_name)

    def node(self, text: str) -> Node:
        """Return what `TABLE` or `TABLE.COLUMN` means.

        Raises:
            UsageError: There is no such table, or it has no such column; with the nearest names.
        """
        name = self.plain(text)
        if self.knows(name):
            return (name, "")
        table, _, column = name.rpartition(".")
        if table and self.knows(table):
            return (table, self.column(table, column))
        if self.columns(name) is not None:
            return (name, "")
        if table and self.columns(table) is not None:
            return (table, self.column(table, column))
        raise self.no_table(text, name)

    def no_table(self, text: str, name: str) -> UsageError:
        """Return the failure that names the nearest tables."""
        tables = {*self.tables(), *self.columns.names()}
        near = did_you_mean(name, tables) or did_you_mean(name.rpartition(".")[0], tables)
        return UsageError(f"there is no table '{text}', and no workflow that is known reads or writes one{near}")

    def knows(self, table: str) -> bool:
        """Say whether any lineage is known of a table."""
        return self.store.knows(table) or any(table in checkout.tables() for checkout in self.checkouts)

    def tables(self) -> set[str]:
        """Return the tables that any lineage is known of."""
        return {*self.store.tables(), *(name for checkout in self.checkouts for name in checkout.tables())}

    def column(self, table: str, column: str) -> str:
        """Return a column as it is spelled.

        Raises:
            UsageError: The table has no such column.
        """
        known = {*self.store.columns(table), *(name for found in self.checkouts for name in found.columns(table))}
        spelled = {name.lower(): name for name in known}
        if column.lower() not in spelled:
            own = self.columns(table) or []
            spelled |= {name.lower(): name for name in own}
        if column.lower() not in spelled:
            raise UsageError(f"{table} has no column '{column}'{did_you_mean(column, spelled.values())}")
        return spelled[column.lower()]

    def schema(self, *tables: str) -> dict[str, Sequence[str]]:
        """Return the columns of tables: those that DDL here declares, and of the given ones the catalog's own."""
        entries = (entry for checkout in self.checkouts for entry in checkout.entries)
        found = {table: columns for entry in entries for table, columns in entry.declares.items()}
        return found | {table: columns for table in tables if (columns := self.columns(table)) is not None}

    def reach(self, start: Node, *, downstream: bool, depth: int, through_rows: bool = False) -> Traversal:
        """Follow lineage from a node; see `graph.reach`."""
        return traverse(self.sources, start, downstream=downstream, depth=depth, through_rows=through_rows)


def open_lineage(environment: Environment, env: str | None, folders: Sequence[Path]) -> LineageGraph:
    """Gather all that is known.

    Args:
        environment: The environment.
        env: Its name as it was asked for.
        folders: Checkouts to read besides what was recorded.
    """
    columns = CatalogColumns(environment)
    checkouts = [CheckoutLineage(folder, env, columns) for folder in dict.fromkeys(path.resolve() for path in folders)]
    return LineageGraph(environment, LineageStore(environment.state), checkouts, columns)


def checkout_root(start: Path) -> Path:
    """Return the folder whose workflows belong together: that of dataflow.yaml, else of git, else the folder itself."""
    start = start.resolve()
    for name in ("dataflow.yaml", ".git"):
        found = next((folder for folder in (start, *start.parents) if (folder / name).exists()), None)
        if found is not None:
            return found
    return start
