"""Builds a plan: classifies each change and finds the workflows that it affects; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dataflow.errors import UsageError
from dataflow.migration.changes import ChangeRequest, TableChange, changes_of, new_name, shared_columns
from dataflow.migration.impact import affected_by, select_star_users
from dataflow.migration.plan.definition import MigrationPlan
from dataflow.migration.plan.table_schema import TableSchemaLoader, load_schema
from dataflow.migration.steps import Step, steps_for
from dataflow.tables.iceberg import quoted
from dataflow.tables.properties import PRIMARY_KEY
from dataflow.tables.quoting import text
from dataflow.tables.schema.table_schema import TableSchema, declared, is_name
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from dataflow.lineage.query import LineageGraph


def build_plan(
    table: str, request: ChangeRequest, lineage: LineageGraph, load: TableSchemaLoader | None = None
) -> MigrationPlan:
    """Compare a request with the current schema of the table, and find the affected workflows.

    Args:
        table: The table.
        request: The requested changes.
        lineage: The lineage.
        load: Loads a table's schema; by PyIceberg, without Spark, when None.

    Raises:
        UsageError: The table or a column does not exist, a type is invalid, or nothing would change.
        DataflowError: The catalog can't be read.
    """
    load = load or load_schema
    shape = load(table, lineage)
    shared: tuple[str, ...] = ()
    if request.replace_by is not None:
        other = load(request.replace_by, lineage)
        if other.table == shape.table:
            raise UsageError(f"{shape.table} can't be replaced by itself")
        if not any(other.has(column.name) for column in shape.columns):
            raise UsageError(f"{other.table} has none of the columns of {shape.table}")
        request, shared = replace(request, replace_by=other.table), shared_columns(shape, other)
    changes = [replace(change, shared=shared) for change in changes_of(shape, request)]
    touched = affected_by(shape.table, changes, lineage) if any(not change.safe for change in changes) else []
    by_place = select_star_users(shape.table, lineage) if any(map(_adds_column, changes)) else []
    notes = list(notes_for(shape, request, changes))
    steps: list[Step] = []
    try:
        steps = steps_for(shape.table, changes)
    except UsageError as error:  # the affected workflows are worth knowing all the same
        notes.insert(0, f"{error.message}; {error.hint}")
    return MigrationPlan(
        shape.table,
        lineage.environment.name,
        tuple(changes),
        tuple(touched),
        tuple(steps),
        tuple(by_place),
        tuple(notes),
    )


def _adds_column(change: TableChange) -> bool:
    """Return whether a change adds a column, permanently or while readers move."""
    return (change.kind == "add" and not change.within) or (change.kind in {"rename", "type"} and not change.safe)


def notes_for(shape: TableSchema, request: ChangeRequest, changes: Sequence[TableChange]) -> Iterator[str]:
    """Yield notes for the owner of a table, besides the steps.

    Args:
        shape: The current schema.
        request: The requested changes.
        changes: The classified changes.
    """
    if request.ddl is not None:
        said = declared(request.ddl).table
        if "." not in said and is_name(said) and said.lower() != table_names.split(shape.table)[-1].lower():
            yield f"the new definition is of '{said}'; it is used for {shape.table}"
    moved = {change.column.lower(): new_name(change) for change in changes if change.column and not change.safe}
    for change in changes:
        if change.kind == "type" and not change.safe:
            name, other = new_name(change), f"--type '{change.column}={change.to.lower()}:NAME'"
            yield (
                f"{change.column} does not widen and becomes {name}: the DDL has to use {name} after the contract; "
                f"another name: {other}"
            )
    key = shape.key or ()
    if any(name.lower() in moved for name in key):
        left = [name for name in (moved.get(name.lower(), name) for name in key) if name]
        gone = [name for name in key if moved.get(name.lower()) == ""]
        yield _key_note(shape.table, key, left, gone)


def _key_note(table: str, key: Sequence[str], left: Sequence[str], gone: Sequence[str]) -> str:
    then = f"ALTER TABLE {quoted(table)} SET TBLPROPERTIES ({text(PRIMARY_KEY)} = {text(','.join(left))})"
    if not left:
        then = f"ALTER TABLE {quoted(table)} UNSET TBLPROPERTIES ({text(PRIMARY_KEY)})"
    why = f" (without {', '.join(gone)} it has to be unique still)" if gone and left else ""
    return (
        f"primary key ({', '.join(key)}): after the move, set primary_key in its Metadata job to "
        f"[{', '.join(left)}]{why}, or run {then}"
    )
