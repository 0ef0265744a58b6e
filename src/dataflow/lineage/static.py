"""Lineage read from the text of workflows: what each reads and writes, and on which lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.lineage.definition_columns import referenced_columns
from dataflow.lineage.graph import ColumnEdge
from dataflow.lineage.model import Flow, TableWrite, plain_name, with_references
from dataflow.lineage.sql.column_lineage import SqlLineage, sql_lineage
from dataflow.lineage.workflow_tables import script_tables
from dataflow.workflow.parameters import substitute
from dataflow.workflow.program_kind import Kind, program_kind
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from dataflow.lineage.sql.relations import Schema
    from dataflow.workflow.resolved import DeclaredScript, Workflow


@dataclass(frozen=True)
class Reference:
    """A line of a script that references a table or a column.

    Attributes:
        table: The table.
        column: Its column; empty for the table itself.
        file: The script.
        line: Line, counted from 1.
    """

    table: str
    column: str
    file: str
    line: int


@dataclass(frozen=True)
class WorkflowLineage:
    """The lineage of a workflow as plain data, which can be cached.

    Attributes:
        workflow: Its id.
        owner: Its owner.
        file: Its definition.
        writes: The column edges into each table that it writes.
        references: Where SQL references tables and columns.
        select_stars: Where SQL selects all columns of a table and uses them by position.
        declares: The columns of tables that its DDL creates.
        programs: Its scripts that are not SQL.
        params: The values of script parameters.
        changed: When one of its files last changed, in seconds since 1970.
    """

    workflow: str
    owner: str
    file: str
    writes: Mapping[str, Sequence[ColumnEdge]]
    references: Sequence[Reference]
    select_stars: Sequence[Reference]
    declares: Mapping[str, Sequence[str]]
    programs: Sequence[str]
    params: Mapping[str, str]
    changed: float


@dataclass
class ScriptLineage:
    """The lineage of the scripts of a workflow.

    Attributes:
        workflow: The id of the workflow.
        owner: Its owner.
        file: Its definition.
        writes: The write of each table.
        references: Where SQL references tables and columns.
        select_stars: Where SQL selects all columns of a table and uses them by position.
        declares: The columns of tables that its DDL creates.
        programs: Its scripts that are not SQL.
        params: The values of script parameters.
        files: All files that were read.
        is_incomplete: Whether a program can't be read: a jar without source, or a program that names no source table.
    """

    workflow: str
    owner: str
    file: Path
    writes: dict[str, TableWrite] = field(default_factory=dict)
    references: set[Reference] = field(default_factory=set)
    select_stars: set[Reference] = field(default_factory=set)
    declares: dict[str, tuple[str, ...]] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    is_incomplete: bool = False

    def entry(self) -> WorkflowLineage:
        """Return the lineage as plain data."""
        return WorkflowLineage(
            workflow=self.workflow,
            owner=self.owner,
            file=str(self.file),
            writes={
                target: [_column_edge(flow) for flow in sorted(write.flows)] for target, write in self.writes.items()
            },
            references=sorted(self.references, key=lambda mention: (mention.file, mention.line)),
            select_stars=sorted(self.select_stars, key=lambda mention: (mention.file, mention.line)),
            declares=self.declares,
            programs=self.programs,
            params=self.params,
            changed=max(file.stat().st_mtime for file in self.files),
        )


def read_script_lineage(workflow: Workflow, schema: Schema, known: Collection[str] = ()) -> list[ScriptLineage]:
    """Read the scripts of a workflow and of its subworkflows; the first item of a foreach stands for all.

    Args:
        workflow: The workflow, with parameters substituted.
        schema: The known columns of tables.
        known: Names of existing tables.
    """
    found: dict[tuple[str, Path], ScriptLineage] = {}
    for each in workflow.walk(every_date=False):
        key = (each.id, each.file)
        texts = found.setdefault(key, ScriptLineage(each.id, each.owner, each.file, files={each.file}))
        _WorkflowReader(each, schema, known, texts).read()
    return list(found.values())


def _column_edge(flow: Flow) -> ColumnEdge:
    return (flow.source, flow.source_column, flow.target_column, flow.indirect)


@dataclass
class _WorkflowReader:
    workflow: Workflow
    schema: Schema
    known: Collection[str]
    texts: ScriptLineage

    def read(self) -> None:
        for script in self.workflow.spark_specs():
            self._script(script)
        names = {(mention.table, mention.column) for mention in self.texts.references if mention.column}
        self.texts.writes = {write.target: write for write in with_references(self.texts.writes.values(), names)}
        for table, columns in referenced_columns(self.workflow).items():
            if table in self.texts.writes:
                self.texts.writes[table] = replace(self.texts.writes[table], required_columns=columns)

    def _script(self, script: DeclaredScript) -> None:
        if program_kind(script.path) is Kind.SQL:
            self._sql(script.path, script.params)
            return
        found = script_tables(script, self.known)
        self.texts.files.update(found.files)
        self.texts.programs += map(str, found.files)
        self.texts.is_incomplete = self.texts.is_incomplete or found.guessed
        for written in (script.target,) if script.target is not None else found.tables.writes:
            self._add(TableWrite(written, frozenset(Flow(table) for table in found.tables.reads)))

    def _sql(self, path: Path, params: Mapping[str, str]) -> None:
        self.texts.files.add(path)
        self.texts.params.update(params)
        script = self._parsed(path, params)
        self.texts.declares.update(script.declares)
        self.texts.is_incomplete = self.texts.is_incomplete or script.unreadable
        for write in script.writes:
            self._add(write)
        self.texts.references |= {
            Reference(self._plain(use.table), use.column, str(path), use.line) for use in script.references
        }
        self.texts.select_stars |= {
            Reference(self._plain(table), "", str(path), line) for table, line in script.select_stars
        }

    def _parsed(self, path: Path, params: Mapping[str, str]) -> SqlLineage:
        text = substitute(read_text(path), params, where=path)
        return sql_lineage(text, {**self.schema, **self.texts.declares})

    def _add(self, write: TableWrite) -> None:
        target = self._plain(write.target)
        plain = TableWrite(
            target, frozenset(replace(f, source=self._plain(f.source)) for f in write.flows), write.assigned_columns
        )
        before = self.texts.writes.get(target)
        self.texts.writes[target] = plain if before is None else before | plain

    def _plain(self, name: str) -> str:
        return plain_name(name, self.workflow.environment.catalog_name)
