"""Loads into the embedded catalog without a JVM: PyIceberg writes what Spark finds, in one commit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, first_line
from dataflow.home import UMASK
from dataflow.loading.partition import part_text
from dataflow.loading.standing import ROWS_OF_A_BATCH, Load, Standing, loaded_files
from dataflow.mocks.arrow import spark_type
from dataflow.tables.catalog import open_catalog, warehouse
from dataflow.workflow import table_names

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table, Transaction

    from dataflow.workflow.project import Environment


class EmbeddedTables:
    """The tables of the embedded catalog."""

    def __init__(self, environment: Environment) -> None:
        self._catalog = open_catalog(environment)

    def look(self, table: str) -> Standing | None:
        """Return a table, or None if it does not exist."""
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        try:
            found = self._catalog.load_table(table_names.split(table))
        except (NoSuchTableError, NoSuchNamespaceError):
            return None
        fields = found.schema().fields
        try:
            types = {field.name: spark_type(field.field_type) for field in fields}
        except ValueError as error:
            raise DataflowError(f"{table} can't be loaded: {error}", permanent=True) from error
        names = {field.field_id: field.name for field in fields}
        parts = (part_text(names.get(it.source_id, ""), str(it.transform)) for it in found.spec().fields)
        snapshot = found.current_snapshot()
        return Standing(
            types,
            frozenset(field.name for field in fields if field.required),
            tuple(parts),
            found.properties,
            loaded_files(_summaries(found)),
            int(_summary(snapshot).get("total-records", 0)) if snapshot else 0,
        )

    def write(self, load: Load, batches: Iterator[pa.RecordBatch]) -> None:
        """Put rows into a table by one commit.

        Raises:
            DataflowError: Somebody else changed the table meanwhile, or it can't be written.
        """
        from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError

        before = os.umask(UMASK)
        try:
            with self._transaction(load, batches) as (transaction, rest):
                if load.mode == "replace":
                    _empty(transaction, load)
                for some in rest:
                    transaction.append(some, snapshot_properties=load.snapshot_properties)
        except (CommitFailedException, TableAlreadyExistsError) as error:
            raise DataflowError(
                f"{load.table} was changed by somebody else meanwhile; nothing was loaded", "load once more"
            ) from error
        except OSError as error:
            raise DataflowError(f"{load.table} can't be written: {first_line(error)}; nothing was loaded") from error
        finally:
            os.umask(before)

    @contextlib.contextmanager
    def _transaction(
        self, load: Load, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[tuple[Transaction, Iterator[pa.Table]]]:
        name = table_names.split(load.table)
        tables = _gathered(batches)
        if load.mode != "create":
            with self._catalog.load_table(name).transaction() as transaction:
                yield transaction, tables
            return
        self._catalog.create_namespace_if_not_exists(name[:-1])
        first = next(tables)
        transaction = self._catalog.create_table_transaction(
            name, first.schema, location=str(warehouse().joinpath(*name))
        )
        if load.partition:
            with transaction.update_spec() as spec:
                spec.add_identity(load.partition.column)
        yield transaction, _after(first, tables)
        transaction.commit_transaction()


def _after(first: pa.Table, others: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from others


def _empty(transaction: Transaction, load: Load) -> None:
    from pyiceberg.expressions import AlwaysTrue

    if transaction.table_metadata.current_snapshot() is not None:
        transaction.delete(AlwaysTrue(), snapshot_properties=load.snapshot_properties)


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Gather small batches into those that become a file each."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= ROWS_OF_A_BATCH:
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if rows:
        yield pa.Table.from_batches(held)


def _summaries(table: Table) -> Iterator[dict[str, str]]:
    snapshot = table.current_snapshot()
    while snapshot is not None:
        yield _summary(snapshot)
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None


def _summary(snapshot: Any) -> dict[str, str]:
    return dict(snapshot.summary.additional_properties) if snapshot.summary else {}
