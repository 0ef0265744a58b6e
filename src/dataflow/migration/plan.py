"""What a change would come to: each change classed, everybody who is touched, and the steps; nothing is done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.migration.changes import ChangeRequest, TableChange, changes_of, new_name, shared_columns
from dataflow.migration.impact import AffectedWorkflow, affected_by, select_star_users
from dataflow.migration.steps import Step, steps_for
from dataflow.tables.iceberg import quoted
from dataflow.tables.properties import PRIMARY_KEY
from dataflow.tables.quoting import text
from dataflow.tables.schema.table_schema import Shape, declared, is_name, shape_in_spark, shape_of
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.lineage.query import LineageGraph

_DOWNSTREAM_SHOWN = 20


@dataclass(frozen=True)
class MigrationPlan:
    """What a change would come to.

    Attributes:
        table: The table.
        environment: Where it is.
        changes: What changes, each classed.
        touched: Who is touched, readers first.
        steps: The way there; none where it takes another table.
        by_position: Who fails once the table has a column more.
        notes: What its owner has to know besides, and to do.
    """

    table: str
    environment: str
    changes: tuple[TableChange, ...]
    touched: tuple[AffectedWorkflow, ...]
    steps: tuple[Step, ...]
    by_position: tuple[AffectedWorkflow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def breaking(self) -> bool:
        """Whether any reader can break."""
        return not all(change.safe for change in self.changes)

    @property
    def must_move(self) -> tuple[AffectedWorkflow, ...]:
        """The workflows that have to change: those that use what goes, or may."""
        return tuple(each for each in self.touched if each.role != "downstream")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan for programs."""
        return {
            "table": self.table,
            "environment": self.environment,
            "breaking": self.breaking,
            "changes": [
                {**asdict(change), "says": str(change), "becomes": new_name(change)} for change in self.changes
            ],
            "touched": [asdict(each) for each in self.touched],
            "by_position": [asdict(each) for each in self.by_position],
            "owners": workflows_by_owner([*self.touched, *self.by_position]),
            "steps": [{**asdict(step), "irreversible": step.irreversible} for step in self.steps],
            "notes": list(self.notes),
        }


TableSchemaLoader = Callable[[str, "LineageGraph"], Shape]
"""Looks at a table as it is now."""


def build_plan(
    table: str, request: ChangeRequest, lineage: LineageGraph, now: dt.datetime, load: TableSchemaLoader | None = None
) -> MigrationPlan:
    """Compare a request with the live table, and look up who is touched.

    Args:
        table: The table.
        request: What is asked for.
        lineage: What is known of lineage.
        now: This moment.
        load: Loads a table's schema; by PyIceberg, without Spark, when None.

    Raises:
        UsageError: There is no such table or column, a type can't be read, or nothing would change.
        DataflowError: The catalog can't be asked.
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
    touched = affected_by(shape.table, changes, lineage, now) if any(not change.safe for change in changes) else []
    by_place = select_star_users(shape.table, lineage, now) if any(map(_adds_column, changes)) else []
    notes = list(notes_for(shape, request, changes))
    steps: list[Step] = []
    try:
        steps = steps_for(shape.table, changes)
    except UsageError as error:  # who is touched is worth knowing all the same
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
    """Say whether a change gives the table a column more, for good or for as long as readers move."""
    return (change.kind == "add" and not change.within) or (change.kind in {"rename", "type"} and not change.safe)


def load_schema(table: str, lineage: LineageGraph) -> Shape:
    """Return a table as the catalog has it now, without Spark.

    Raises:
        UsageError: There is none; with the nearest.
        SparkOnlyError: PyIceberg can't open the catalog.
        DataflowError: It can't be reached.
    """
    from dataflow.tables.catalog import open_catalog
    from dataflow.tables.pyiceberg_catalog import load_table

    name = lineage.plain(table)
    catalog = open_catalog(lineage.environment)
    try:
        return shape_of(name, load_table(catalog, name))
    except DataflowError as error:
        raise UsageError(error.message, error.hint) from error


def load_schema_in_spark(spark: SparkSession, table: str, lineage: LineageGraph) -> Shape:
    """Return a table as the catalog has it now, where Spark alone can open that.

    Raises:
        UsageError: There is none; with the nearest.
    """
    from dataflow.tables.iceberg import exists, list_tables, quoted
    from dataflow.tables.pyiceberg_catalog import is_full, no_table

    name = lineage.plain(table)
    parts = table_names.split(name)
    if not (is_full(parts) and exists(spark, quoted(name))):
        raise UsageError(no_table(table, parts, list_tables(spark)).message)
    return shape_in_spark(spark, name)


def notes_for(shape: Shape, request: ChangeRequest, changes: Sequence[TableChange]) -> Iterator[str]:
    """Yield what the owner of a table has to know besides its steps.

    Args:
        shape: The table as it is.
        request: What was asked for.
        changes: What that comes to.
    """
    if request.ddl is not None:
        said = declared(request.ddl).table
        if "." not in said and is_name(said) and said.lower() != table_names.split(shape.table)[-1].lower():
            yield f"the new definition is of '{said}'; it was taken for {shape.table}'s"
    moved = {change.column.lower(): new_name(change) for change in changes if change.column and not change.safe}
    for change in changes:
        if change.kind == "type" and not change.safe:
            name, other = new_name(change), f"--type '{change.column}={change.to.lower()}:NAME'"
            yield (
                f"{change.column} will be called {name} in the end, as a type that does not widen needs a column "
                f"of its own: from the contract on, the DDL has to name it {name}; for another name: {other}"
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
    why = f", which does without {', '.join(gone)} only if the others tell rows apart" if gone and left else ""
    return (
        f"the table says that its primary key is ({', '.join(key)}), and no step changes that: once workflows have "
        f"moved, let primary_key in its Metadata job be [{', '.join(left)}]{why}; where no job says it: {then}"
    )


def workflows_by_owner(touched: Sequence[AffectedWorkflow]) -> dict[str, list[str]]:
    """Return each owner's workflows; whose owner nobody knows stand under an empty name."""
    found: dict[str, list[str]] = {}
    for each in touched:
        found.setdefault(each.owner or "", []).append(each.workflow)
    return found


def render(found: MigrationPlan) -> Iterator[str]:
    """Yield a plan's lines for people."""
    yield f"{found.table} in {found.environment}"
    yield ""
    for change in found.changes:
        yield f"  {'safe    ' if change.safe else 'breaking'}  {change}{f': {change.why}' if change.why else ''}"
    if found.breaking:
        yield ""
        yield from _affected_lines(found.touched)
    if found.by_position:
        yield ""
        yield "takes all columns by position: fails once a column is added"
        yield from (line for each in found.by_position for line in _with_lines(each))
    yield ""
    yield "steps" if found.steps else "steps: none, see the note"
    for step in found.steps:
        yield f"  {step.name:<11} {step.says}"
        yield from (f"  {'':<11} {line}" for line in step.sql.splitlines())
    for note in found.notes:
        yield ""
        yield f"note: {note}"
    if found.breaking and found.steps:
        yield ""
        yield "nothing was changed; `dataflow migration start` with the same options opens a campaign"


def _affected_lines(touched: Sequence[AffectedWorkflow]) -> Iterator[str]:
    if not touched:
        yield "nobody is known to read or write what changes"
        return
    for role, says in (
        ("reads", "reads what changes"),
        ("may read", "may read what changes (its columns are not known)"),
        ("writes", "writes the table"),
        ("downstream", "further down, by what is made of it"),
    ):
        mine = [each for each in touched if each.role == role]
        if not mine:
            continue
        yield f"{says}: {len(mine)} workflow{'' if len(mine) == 1 else 's'}"
        shown = mine if role != "downstream" else mine[:_DOWNSTREAM_SHOWN]
        yield from (line for each in shown for line in _with_lines(each))
        if len(mine) > len(shown):
            yield f"  … and {len(mine) - len(shown):,} more: --output json names all"


def _with_lines(touched: AffectedWorkflow) -> Iterator[str]:
    columns = touched.columns
    uses = f" uses {', '.join(columns[:4])}{', …' if len(columns) > 4 else ''}" if columns else ""
    yield f"  {touched.workflow} ({touched.owner or 'no owner'}){uses} · {touched.known}"
    for line in touched.lines:
        yield f"      {display_path(Path(line.file))}:{line.number}: {line.text}"
