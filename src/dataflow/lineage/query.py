"""Queries on lineage: resolve the name of a table or column, and traverse from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.lineage.checkout import CheckoutLineage
from dataflow.lineage.graph import LineageSource, Node, Traversal, traverse
from dataflow.lineage.model import plain_name
from dataflow.lineage.store.reader import LineageStore

if TYPE_CHECKING:
    from dataflow.lineage.script_texts import DeployedScripts, WorkflowScripts
    from dataflow.workflow.project import Environment


class CatalogColumns:
    """The columns of the tables of a catalog, read without Spark."""

    def __init__(self, environment: Environment) -> None:
        from dataflow.tables.reader.catalog_tables import TableReader

        self._reader = TableReader(environment)
        self._closed = False

    def __call__(self, table: str) -> list[str] | None:
        """Return the columns of a table; None where the table does not exist or can't be read."""
        try:
            found = self._reader.find(table) if self._is_open else None
            return None if found is None else [*found.column_names]
        except Exception:  # lineage of the other tables is shown all the same
            return None

    def names(self) -> list[str]:
        """Return the tables of the catalog; none where it can't be read."""
        try:
            return self._reader.names() if self._is_open else []
        except Exception:
            return []

    @property
    def _is_open(self) -> bool:
        """Whether the catalog can be reached; one that can't is not tried again."""
        if not self._closed:
            try:
                self._reader.reach()
            except DataflowError:
                self._closed = True
        return not self._closed


@dataclass(frozen=True)
class LineageGraph:
    """All lineage of an environment.

    Attributes:
        environment: The environment.
        store: Recorded, deployed and imported lineage.
        checkouts: Lineage of the workflows on disk.
        columns: The columns of tables, as the catalog has them.
        deployed: The scripts of what is deployed; None where no registry is known.
    """

    environment: Environment
    store: LineageStore
    checkouts: Sequence[CheckoutLineage]
    columns: CatalogColumns
    deployed: DeployedScripts | None = None

    @property
    def sources(self) -> list[LineageSource]:
        """The sources of lineage, most trusted first."""
        return [self.store, *self.checkouts]

    def plain(self, name: str) -> str:
        """Return the name of a table without quotes and without its catalog."""
        return plain_name(name, self.environment.catalog_name)

    def node(self, text: str) -> Node:
        """Return the node that `TABLE` or `TABLE.COLUMN` names.

        Raises:
            UsageError: The table or column does not exist; the message suggests similar names.
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
        raise self.unknown_table(text, name)

    def unknown_table(self, text: str, name: str) -> UsageError:
        """Return an error that suggests tables with similar names."""
        tables = {*self.tables(), *self.columns.names()}
        near = did_you_mean(name, tables) or did_you_mean(name.rpartition(".")[0], tables)
        return UsageError(f"there is no table '{text}', and no known workflow reads or writes one{near}")

    def knows(self, table: str) -> bool:
        """Return whether a table has any lineage."""
        return self.store.knows(table) or any(table in checkout.tables() for checkout in self.checkouts)

    def tables(self) -> set[str]:
        """Return the tables that have any lineage."""
        return {*self.store.tables(), *(name for checkout in self.checkouts for name in checkout.tables())}

    def column(self, table: str, column: str) -> str:
        """Return the name of a column in its original case.

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
        """Return the columns of tables: those declared in checkouts, and for the given tables those in the catalog."""
        entries = (entry for checkout in self.checkouts for entry in checkout.entries)
        found = {table: columns for entry in entries for table, columns in entry.declares.items()}
        return found | {table: columns for table in tables if (columns := self.columns(table)) is not None}

    def scripts_here(self) -> Iterator[WorkflowScripts]:
        """Yield the scripts of the workflows on disk."""
        for checkout in self.checkouts:
            yield from checkout.scripts.values()

    def scripts_of(self, workflow: str) -> Iterator[list[WorkflowScripts]]:
        """Yield the scripts of a workflow: those on disk, then those that are deployed."""
        yield [checkout.scripts[workflow] for checkout in self.checkouts if workflow in checkout.scripts]
        deployed = None if self.deployed is None else self.deployed.of_workflow(workflow)
        yield [] if deployed is None else [deployed]

    def traverse(self, start: Node, *, downstream: bool, depth: int, through_rows: bool = False) -> Traversal:
        """Traverse lineage from a node; see `graph.traverse`."""
        return traverse(self.sources, start, downstream=downstream, depth=depth, through_rows=through_rows)


def open_lineage(environment: Environment, env: str | None, folders: Sequence[Path]) -> LineageGraph:
    """Open the lineage of an environment.

    Args:
        environment: The environment.
        env: The name that was given for it, if any.
        folders: Folders whose workflows are read besides the store.
    """
    columns = CatalogColumns(environment)
    checkouts = [CheckoutLineage(folder, env, columns) for folder in dict.fromkeys(path.resolve() for path in folders)]
    return LineageGraph(environment, LineageStore(environment.state), checkouts, columns)


def checkout_root(start: Path) -> Path:
    """Return the root of a checkout: the folder of dataflow.yaml, else of .git, else the folder itself."""
    start = start.resolve()
    for name in ("dataflow.yaml", ".git"):
        found = next((folder for folder in (start, *start.parents) if (folder / name).exists()), None)
        if found is not None:
            return found
    return start
