"""What is written, and what is known of its table without a JVM: by the catalog's pointer, and by the DDL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError, did_you_mean, display_path
from dataflow.tables.partition import PartitionColumn
from dataflow.tables.schema.columns import Column, of_metadata
from dataflow.tables.schema.ddl import CreateTable, create_tables
from dataflow.workflow import table_names
from dataflow.workflow.audits.unique_key import UniqueKey
from dataflow.workflow.models import MetadataJob
from dataflow.workflow.parameters import PARAMETER_NAME, substitute
from dataflow.workflow.resolved import DeclaredScript, WapStep
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from dataflow.workflow.models import WapTemplate
    from dataflow.workflow.resolved import Workflow

_TRANSFORMS = {"years": "year", "months": "month", "days": "day", "hours": "hour"}
_ICEBERG = {"TIMESTAMP": "timestamptz", "TIMESTAMP_NTZ": "timestamp", "BIGINT": "long"}


@dataclass(frozen=True)
class PreviewedWrite:
    """A template whose write is previewed.

    Attributes:
        job: Its id, behind those of the steps around it.
        workflow: The workflow that it is a step of.
        template: The template.
        scripts: The scripts that write, in order.
        ddl: The scripts that create the table.
    """

    job: str
    workflow: Workflow
    template: WapTemplate
    scripts: tuple[DeclaredScript, ...]
    ddl: tuple[DeclaredScript, ...]

    @property
    def table(self) -> str:
        """The table that is written."""
        return self.template.table

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies a row of it: as an audit says, or its Metadata job; empty where neither does."""
        audited = (tuple(it.columns) for it in self.template.audits if isinstance(it, UniqueKey) and it.columns)
        declared = (
            tuple(job.metadata.primary_key)
            for job in self.workflow.jobs(MetadataJob)
            if job.metadata.table == self.table and job.metadata.primary_key
        )
        return next(audited, next(declared, ()))

    def with_table(self, params: Mapping[str, str], table: str) -> dict[str, str]:
        """Return parameters by which another table is written.

        Raises:
            UsageError: No parameter names the table.
        """
        named = [it for it, value in params.items() if value == self.table and PARAMETER_NAME.fullmatch(it)]
        if not named:
            raise UsageError(
                f"no parameter names {self.table}, so that a preview can't put a table of its own in its place",
                "let the script take the table from a parameter: TARGET_TABLE",
            )
        return {**params, **dict.fromkeys(named, table)}


@dataclass(frozen=True)
class KnownTable:
    """A table's columns and partitioning, as a run would find them once its DDL has run.

    Attributes:
        columns: Its columns, in order.
        partition: What it is partitioned by, in the one spelling.
        partitioned_by: The columns whose value tells the partition.
        metadata: What its metadata file says; None where there is no table yet.
        is_to_change: Whether the DDL has another type for a column than the table.
    """

    columns: tuple[Column, ...]
    partition: tuple[str, ...]
    partitioned_by: tuple[PartitionColumn, ...]
    metadata: Mapping[str, Any] | None
    is_to_change: bool = False

    @property
    def published_columns(self) -> tuple[str, ...]:
        """The columns that the table has now."""
        return () if self.metadata is None else tuple(it.name for it in _live_columns(self.metadata))


def writes_of(workflow: Workflow, job: str | None) -> list[PreviewedWrite]:
    """Return the templates of a workflow, and of those that it contains, that write.

    Args:
        workflow: The workflow, its parameters resolved.
        job: The only one that is wanted, or a job of it.

    Raises:
        UsageError: There is none.
    """
    scripts = list(workflow.spark_specs(contained=True))
    found = []
    for leaf in workflow.leaf_steps(contained=True):
        if not isinstance(leaf.step, WapStep):
            continue
        template = leaf.step.template
        mine = tuple(it for it in scripts if it.workflow is leaf.workflow and it.job.startswith(f"{leaf.id}."))
        ddl = tuple(it for it in scripts if it.workflow is leaf.workflow and _creates(it, template.table))
        found.append(PreviewedWrite(leaf.id, leaf.workflow, template, mine, ddl))
    if not found:
        raise UsageError(
            f"{display_path(workflow.file)} has no write → audit → publish step",
            "a preview shows what such a step would bring; dataflow query shows what is there",
        )
    if job is None:
        return found
    chosen = [it for it in found if job in (it.job, *(script.job for script in it.scripts))]
    if not chosen:
        nearest = did_you_mean(job, [it.job for it in found])
        raise UsageError(f"{display_path(workflow.file)} has no step '{job}' that writes{nearest}")
    return chosen


def known_table(write: PreviewedWrite, metadata: Mapping[str, Any] | None) -> KnownTable | None:
    """Return what is known of the table that is written; None where there is neither a table nor a DDL that says it."""
    declared = _declared(write)
    if metadata is None:
        if declared is None:
            return None
        partition = tuple(filter(None, map(_of_ddl(declared.columns), declared.partition)))
        return KnownTable(declared.columns, declared.partition, partition, None)
    live = _live_columns(metadata)
    have = {it.name.lower() for it in live}
    wanted = declared.columns if declared else ()
    added = [it for it in wanted if it.name.lower() not in have]
    types = {it.name.lower(): (it.type, it.nullable) for it in live}
    changes = any(types.get(it.name.lower(), "") not in ("", (it.type, it.nullable)) for it in wanted)
    partition, spelled = _live_partition(metadata)
    return KnownTable((*live, *added), spelled, partition, metadata, is_to_change=changes)


def _creates(script: DeclaredScript, table: str) -> bool:
    return script.target is None and script.is_sql and any(_name(it, script) == table for it in _created(script))


def _created(script: DeclaredScript) -> Sequence[CreateTable]:
    from sqlglot.errors import SqlglotError

    try:
        return [*create_tables(substitute(read_text(script.path), script.params, where=script.path))]
    except SqlglotError:  # what it is, Spark says
        return []


def _name(found: CreateTable, script: DeclaredScript) -> str:
    catalog = script.workflow.environment.catalog_name
    return table_names.joined(table_names.without_catalog(found.table, catalog))


def _declared(write: PreviewedWrite) -> CreateTable | None:
    found = (it for script in write.ddl for it in _created(script) if _name(it, script) == write.table)
    return next(found, None)


def _live_columns(metadata: Mapping[str, Any]) -> tuple[Column, ...]:
    return tuple(map(of_metadata, _schema(metadata)["fields"]))


def _schema(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    schemas: Sequence[Mapping[str, Any]] = metadata["schemas"]
    return next(it for it in schemas if it["schema-id"] == metadata["current-schema-id"])


def _live_partition(metadata: Mapping[str, Any]) -> tuple[tuple[PartitionColumn, ...], tuple[str, ...]]:
    from dataflow.tables.schema.transforms import transform_of

    spec = next(it for it in metadata["partition-specs"] if it["spec-id"] == metadata["default-spec-id"])
    fields = dict(_fields(_schema(metadata)["fields"]))
    found, spelled = [], []
    for each in spec["fields"]:
        name, kind = fields.get(each["source-id"], ("", ""))
        if each["transform"] == "void" or not name:
            continue
        spelled.append(transform_of(each["transform"], name))
        if each["transform"] in ("identity", *_TRANSFORMS.values()):
            found.append(PartitionColumn(name, str(kind), each["transform"]))
    return tuple(found), tuple(spelled)


def _fields(fields: Sequence[Mapping[str, Any]], above: str = "") -> list[tuple[int, tuple[str, object]]]:
    found = []
    for it in fields:
        name = f"{above}{it['name']}"
        found.append((it["id"], (name, it["type"])))
        if isinstance(it["type"], dict) and it["type"]["type"] == "struct":
            found += _fields(it["type"]["fields"], f"{name}.")
    return found


def _of_ddl(columns: Sequence[Column]) -> Any:
    """Return what reads a DDL's transforms as columns whose value tells the partition; None for others."""
    types = {it.name.lower(): it for it in columns}

    def read(transform: str) -> PartitionColumn | None:
        name, _, rest = transform.partition("(")
        source = types.get((rest.removesuffix(")") if rest else name).lower())
        kind = _TRANSFORMS.get(name) if rest else "identity"
        if source is None or kind is None:
            return None
        return PartitionColumn(source.name, _ICEBERG.get(source.type, source.type.lower()), kind)

    return read
