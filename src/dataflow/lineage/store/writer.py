"""Stores lineage in the state database: the flows of each write of each run, and the current producers of each table.

The flows of a write are usually the same in each run. So each distinct set of flows, a shape, is stored once under its
hash, and a run stores one short row that refers to it. The current producers of a table are stored separately: queries
read those alone, however many runs there were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dataflow.lineage.model import Flow, Origin, Producer, TableWrite
from dataflow.state.database import UtcDateTime, metadata
from dataflow.state.run_records import runs

_BATCH_SIZE = 500


flows = sa.Table(
    "dataflow_flows",
    metadata,
    sa.Column("shape", sa.String(32), primary_key=True),
    sa.Column("source", sa.String(500), primary_key=True, index=True),
    sa.Column("source_column", sa.String(300), primary_key=True),
    sa.Column("target_column", sa.String(300), primary_key=True),
    sa.Column("indirect", sa.Boolean, primary_key=True),
)
run_writes = sa.Table(
    "dataflow_run_writes",
    metadata,
    sa.Column("run_id", sa.String(100), sa.ForeignKey(runs.c.run_id), primary_key=True),
    sa.Column("target", sa.String(500), primary_key=True),
    sa.Column("shape", sa.String(32), nullable=False),
)
producers = sa.Table(
    "dataflow_lineage",
    metadata,
    sa.Column("origin", sa.String(20), primary_key=True),
    sa.Column("workflow", sa.String(300), primary_key=True),
    sa.Column("target", sa.String(500), primary_key=True, index=True),
    sa.Column("environment", sa.String(100), primary_key=True),  # to try something out elsewhere is not to do it here
    sa.Column("shape", sa.String(32), nullable=False, index=True),
    sa.Column("owner", sa.String(200)),
    sa.Column("bundle", sa.String(100)),
    sa.Column("run_id", sa.String(200)),
    sa.Column("file", sa.Text),
    sa.Column("seen", UtcDateTime, nullable=False),
    sa.Column("constants", sa.Text),  # a column a line
    sa.Column("needed", sa.Text),
)


def hash_of_flows(found: Iterable[Flow]) -> str:
    """Return the hash of a set of flows, which is the name of its shape."""
    lines = (f"{f.source}\0{f.source_column}\0{f.target_column}\0{int(f.indirect)}\n" for f in sorted(found))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def store_lineage(connection: sa.Connection, found: Sequence[tuple[Producer, TableWrite]]) -> None:
    """Store the current writes of producers, replacing earlier ones by table.

    A write that is older than the stored one is ignored, so that events can be imported in any order.

    Args:
        connection: The connection.
        found: The writes by producer.
    """
    if not found:
        return
    shapes = {hash_of_flows(write.flows): write.flows for _, write in found}
    _store_shapes(connection, shapes)
    rows = [
        {
            "origin": producer.origin.value,
            "workflow": producer.workflow,
            "target": producer.target,
            "shape": hash_of_flows(write.flows),
            "owner": producer.owner,
            "environment": producer.environment or "",
            "bundle": producer.bundle,
            "run_id": producer.run_id,
            "file": producer.file,
            "seen": producer.seen,
            "constants": "\n".join(sorted(write.constant_columns)) or None,
            "needed": "\n".join(sorted(write.required_columns)) or None,
        }
        for producer, write in found
    ]
    statement = dialect_insert(connection, producers)
    key = ["origin", "workflow", "target", "environment"]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
    newer = producers.c.seen <= statement.excluded.seen
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed, where=newer), rows)


def store_run_flows(connection: sa.Connection, run_id: str, written: Mapping[str, frozenset[Flow]]) -> None:
    """Store the shape of each write of a run."""
    for target, taken in written.items():
        row = {"run_id": run_id, "target": target, "shape": hash_of_flows(taken)}
        connection.execute(dialect_insert(connection, run_writes).values(row).on_conflict_do_nothing())


def delete_other_targets(
    connection: sa.Connection, origin: Origin, workflow: str, environment: str, targets: Iterable[str] = ()
) -> None:
    """Delete the writes of a workflow in an environment that an origin stored, except to these tables."""
    mine = (producers.c.origin == origin.value) & (producers.c.workflow == workflow)
    mine &= producers.c.environment == environment
    connection.execute(producers.delete().where(mine & producers.c.target.not_in(list(targets))))


def delete_workflows(connection: sa.Connection, origin: Origin, environment: str, workflows: Sequence[str]) -> None:
    """Delete all writes of workflows in an environment that an origin stored."""
    mine = (producers.c.origin == origin.value) & (producers.c.environment == environment)
    for at in range(0, len(workflows), _BATCH_SIZE):
        some = producers.c.workflow.in_(workflows[at : at + _BATCH_SIZE])
        connection.execute(producers.delete().where(mine & some))


def _store_shapes(connection: sa.Connection, shapes: Mapping[str, Iterable[Flow]]) -> None:
    names = list(shapes)
    known: set[str] = set()
    for at in range(0, len(names), _BATCH_SIZE):
        some = flows.c.shape.in_(names[at : at + _BATCH_SIZE])
        known.update(connection.execute(sa.select(flows.c.shape).where(some).distinct()).scalars())
    rows = [
        {
            "shape": shape,
            "source": flow.source,
            "source_column": flow.source_column,
            "target_column": flow.target_column,
            "indirect": flow.indirect,
        }
        for shape in names
        if shape not in known
        for flow in shapes[shape]
    ]
    if rows:
        connection.execute(dialect_insert(connection, flows).on_conflict_do_nothing(), rows)


def dialect_insert(connection: sa.Connection, table: sa.Table) -> Any:
    """Return an INSERT with ON CONFLICT, in the dialect of the database."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table)
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert(table)
