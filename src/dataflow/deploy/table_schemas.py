"""What the tables of a workflow look like, by its DDL and its Metadata jobs; and whether a change breaks readers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dataflow.deploy.bundle import TableSchema
from dataflow.errors import DefinitionError
from dataflow.tables.schema.type_promotion import widens
from dataflow.workflow.models import MetadataJob
from dataflow.workflow.parameters import substitute
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from sqlglot import exp

    from dataflow.workflow.resolved import Workflow


def schemas_of(workflow: Workflow) -> dict[str, TableSchema]:
    """Return the tables that a workflow's DDL scripts make; those of contained workflows are theirs to tell."""
    found: dict[str, TableSchema] = {}
    for script in workflow.spark_specs():
        if script.target is None and script.path.suffix == ".sql":
            with contextlib.suppress(DefinitionError, OSError):
                found.update(_created(substitute(read_text(script.path), script.params, where=script.path)))
    keys = {job.metadata.table: tuple(job.metadata.primary_key) for job in workflow.jobs(MetadataJob)}
    for table, key in keys.items():
        found[table] = found.get(table, TableSchema()).model_copy(update={"primary_key": key})
    return found


def _created(script: str) -> Iterator[tuple[str, TableSchema]]:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    with contextlib.suppress(SqlglotError):
        for statement in sqlglot.parse(script, read="spark"):
            if isinstance(statement, exp.Create) and statement.kind == "TABLE" and _is_schema(statement.this):
                yield ".".join(part.name for part in statement.this.this.parts), _schema(statement)


def _is_schema(found: Any) -> bool:
    from sqlglot import exp

    return isinstance(found, exp.Schema)


def _schema(statement: exp.Create) -> TableSchema:
    from sqlglot import exp

    columns = {}
    for column in statement.this.expressions:
        if isinstance(column, exp.ColumnDef) and column.kind is not None:
            required = any(
                isinstance(it.kind, exp.NotNullColumnConstraint) and not it.kind.args.get("allow_null")
                for it in column.constraints
            )
            columns[column.name] = column.kind.sql("spark") + (" NOT NULL" if required else "")
    found = statement.find(exp.PartitionedByProperty)
    parts = [] if found is None else getattr(found.this, "expressions", [])
    return TableSchema(columns=columns, partitioned_by=tuple(part.sql("spark") for part in parts))


def changes(before: Mapping[str, TableSchema], after: Mapping[str, TableSchema]) -> Iterator[tuple[str, bool]]:
    """Yield how tables change, each with whether it breaks readers."""
    for table in before.keys() - after.keys():
        yield f"{table}: its definition is gone", True
    for table in sorted(after):
        if table not in before:
            yield f"{table}: new table", False
        else:
            for text, breaking in _table(before[table], after[table]):
                yield f"{table}: {text}", breaking


def _table(before: TableSchema, after: TableSchema) -> Iterator[tuple[str, bool]]:
    for name in before.columns.keys() - after.columns.keys():
        yield f"column {name} removed", True
    for name, kind in after.columns.items():
        if name not in before.columns:
            yield f"column {name} {kind} added", kind.endswith(" NOT NULL")
        elif (was := before.columns[name]) != kind:
            yield f"column {name}: {was} to {kind}", not _is_safe(was, kind)
    for what, old, new in (
        ("partitioning", before.partitioned_by, after.partitioned_by),
        ("key", before.primary_key, after.primary_key),
    ):
        if old != new:
            yield f"{what}: {', '.join(old) or 'none'} to {', '.join(new) or 'none'}", True


def _is_safe(was: str, now: str) -> bool:
    return now == was.removesuffix(" NOT NULL") or widens(was, now)
