"""The tables of a workflow as a bundle records them, by its DDL and Metadata jobs, and how they change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from dataflow.errors import DefinitionError
from dataflow.tables.schema.ddl import create_tables
from dataflow.tables.schema.type_promotion import widens
from dataflow.workflow.models import MetadataJob
from dataflow.workflow.parameters import substitute
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from dataflow.workflow.resolved import Workflow


class RecordedSchema(BaseModel):
    """A table by its DDL and its Metadata job; types are spelled as the DDL spells them, so that they stay as recorded.

    Attributes:
        columns: Types by name, in order, as Spark writes them; `NOT NULL` behind those that are.
        partitioned_by: Its partitioning.
        primary_key: What identifies a row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, str] = {}
    partitioned_by: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()


def recorded_schemas(workflow: Workflow) -> dict[str, RecordedSchema]:
    """Return the tables that a workflow's DDL scripts create; those of contained workflows are not included."""
    from sqlglot.errors import SqlglotError

    found: dict[str, RecordedSchema] = {}
    for script in workflow.spark_specs():
        if script.target is None and script.is_sql:
            with contextlib.suppress(DefinitionError, OSError, SqlglotError):
                for create in create_tables(substitute(read_text(script.path), script.params, where=script.path)):
                    schema = RecordedSchema(columns=create.types, partitioned_by=create.partitioned_by)
                    found[create.table] = schema
    for job in workflow.jobs(MetadataJob):
        table, key = job.metadata.table, tuple(job.metadata.primary_key)
        found[table] = found.get(table, RecordedSchema()).model_copy(update={"primary_key": key})
    return found


def schema_changes(
    before: Mapping[str, RecordedSchema], after: Mapping[str, RecordedSchema]
) -> Iterator[tuple[str, bool]]:
    """Yield how tables change, each with whether it breaks readers."""
    for table in before.keys() - after.keys():
        yield f"{table}: its definition is gone", True
    for table in sorted(after):
        if table not in before:
            yield f"{table}: new table", False
        else:
            for text, breaking in _changes(before[table], after[table]):
                yield f"{table}: {text}", breaking


def _changes(before: RecordedSchema, after: RecordedSchema) -> Iterator[tuple[str, bool]]:
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
