"""Lineage that stands in the text of workflows: what each of them would read and write, and on which lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.lineage.definition_columns import referenced_columns
from dataflow.lineage.graph import ColumnEdge
from dataflow.lineage.model import Flow, TableWrite, plain_name, with_references
from dataflow.lineage.sql.column_lineage import SqlLineage, sql_lineage
from dataflow.lineage.workflow_tables import parameters_of, script_tables
from dataflow.workflow.models import SparkJob
from dataflow.workflow.parameters import substitute
from dataflow.workflow.program_kind import Kind, program_kind
from dataflow.workflow.resolved import ForeachStep, JobStep, SubworkflowStep, WapStep
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from dataflow.lineage.sql.relations import Schema
    from dataflow.workflow.models import SparkSpec
    from dataflow.workflow.resolved import Step, Workflow


@dataclass(frozen=True)
class Reference:
    """A line that names a table, or a column of it.

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
    """What one workflow's files say.

    Attributes:
        workflow: Its id.
        owner: Whose it is.
        file: Its definition.
        writes: What goes into each table that it writes.
        mentions: Where SQL names tables and columns.
        by_position: Where it takes all columns of a table, which go on by their position.
        declares: The columns of tables that its DDL makes.
        programs: Its scripts that are not SQL.
        params: What its scripts' parameters stand for.
        changed: When one of its files changed last, in seconds since 1970.
    """

    workflow: str
    owner: str
    file: str
    writes: Mapping[str, Sequence[ColumnEdge]]
    mentions: Sequence[Reference]
    by_position: Sequence[Reference]
    declares: Mapping[str, Sequence[str]]
    programs: Sequence[str]
    params: Mapping[str, str]
    changed: float


@dataclass
class ScriptLineage:
    """What a workflow's scripts say.

    Attributes:
        workflow: The workflow's id.
        owner: Whose it is.
        file: Its definition.
        writes: What goes into each table that it writes, from where.
        mentions: Where SQL names tables and columns.
        by_position: Where it takes all columns of a table, which go on by their position.
        declares: The columns of tables that its DDL makes.
        programs: Its scripts that are not SQL.
        params: What its scripts' parameters stand for.
        files: All files that this was read from.
        blind: Whether it runs what can't be read: a jar without its source, a program that names no table it reads.
    """

    workflow: str
    owner: str
    file: Path
    writes: dict[str, TableWrite] = field(default_factory=dict)
    mentions: set[Reference] = field(default_factory=set)
    by_position: set[Reference] = field(default_factory=set)
    declares: dict[str, tuple[str, ...]] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    blind: bool = False

    def entry(self) -> WorkflowLineage:
        """Return it as it is kept."""
        return WorkflowLineage(
            workflow=self.workflow,
            owner=self.owner,
            file=str(self.file),
            writes={
                target: [_column_edge(flow) for flow in sorted(write.flows)] for target, write in self.writes.items()
            },
            mentions=sorted(self.mentions, key=lambda mention: (mention.file, mention.line)),
            by_position=sorted(self.by_position, key=lambda mention: (mention.file, mention.line)),
            declares=self.declares,
            programs=self.programs,
            params=self.params,
            changed=max(file.stat().st_mtime for file in self.files),
        )


def read_script_lineage(workflow: Workflow, schema: Schema, known: Collection[str] = ()) -> list[ScriptLineage]:
    """Read the scripts of a workflow, and of those that it contains; dates of one foreach are the same text.

    Args:
        workflow: The workflow, parameters put in.
        schema: The columns of tables, as far as they are known.
        known: Names of tables that there are.
    """
    found: dict[tuple[str, Path], ScriptLineage] = {}
    for each in _contained(workflow):
        key = (each.id, each.file)
        texts = found.setdefault(key, ScriptLineage(each.id, each.owner, each.file, files={each.file}))
        _WorkflowReader(each, schema, known, texts).read()
    return list(found.values())


def _column_edge(flow: Flow) -> ColumnEdge:
    return (flow.source, flow.source_column, flow.target_column, flow.indirect)


def _contained(workflow: Workflow) -> Iterator[Workflow]:
    yield workflow
    for step in workflow.steps:
        if isinstance(step, ForeachStep):
            step = step.items[0].step  # noqa: PLW2901  # its first date stands for all
        if isinstance(step, SubworkflowStep):
            yield from _contained(step.workflow)


@dataclass
class _WorkflowReader:
    workflow: Workflow
    schema: Schema
    known: Collection[str]
    texts: ScriptLineage

    def read(self) -> None:
        for step in self.workflow.steps:
            for spec, target in _specs_with_target(step):
                self._script(spec, target)
        names = {(mention.table, mention.column) for mention in self.texts.mentions if mention.column}
        self.texts.writes = {write.target: write for write in with_references(self.texts.writes.values(), names)}
        for table, columns in referenced_columns(self.workflow).items():
            if table in self.texts.writes:
                self.texts.writes[table] = replace(self.texts.writes[table], needed=columns)

    def _script(self, spec: SparkSpec, target: str | None) -> None:
        path = self.workflow.folder / spec.script
        params = parameters_of(self.workflow, spec)
        if program_kind(path) is Kind.SQL:
            self._sql(path, params)
            return
        found = script_tables(self.workflow, spec, target, self.known)
        self.texts.files.update(found.files)
        self.texts.programs += map(str, found.files)
        self.texts.blind = self.texts.blind or found.guessed
        for written in (target,) if target is not None else found.tables.writes:
            self._add(TableWrite(written, frozenset(Flow(table) for table in found.tables.reads)))

    def _sql(self, path: Path, params: Mapping[str, str]) -> None:
        self.texts.files.add(path)
        self.texts.params.update(params)
        script = self._parsed(path, params)
        self.texts.declares.update(script.declares)
        self.texts.blind = self.texts.blind or script.unreadable
        for write in script.writes:
            self._add(write)
        self.texts.mentions |= {
            Reference(self._plain(use.table), use.column, str(path), use.line) for use in script.uses
        }
        self.texts.by_position |= {
            Reference(self._plain(table), "", str(path), line) for table, line in script.by_position
        }

    def _parsed(self, path: Path, params: Mapping[str, str]) -> SqlLineage:
        text = substitute(read_text(path), params, where=path)
        return sql_lineage(text, {**self.schema, **self.texts.declares})

    def _add(self, write: TableWrite) -> None:
        target = self._plain(write.target)
        plain = TableWrite(
            target, frozenset(replace(f, source=self._plain(f.source)) for f in write.flows), write.given
        )
        before = self.texts.writes.get(target)
        self.texts.writes[target] = plain if before is None else before | plain

    def _plain(self, name: str) -> str:
        return plain_name(name, self.workflow.environment.catalog_name)


def _specs_with_target(step: Step) -> Iterator[tuple[SparkSpec, str | None]]:
    """Yield what a step runs, and the table that it declares to write."""
    match step:
        case WapStep():
            yield from ((item.job.spark, step.template.table) for item in step.template.write)
        case JobStep(job=SparkJob() as job):
            yield job.spark, None
        case ForeachStep():
            if isinstance(step.items[0].step, JobStep):
                yield from _specs_with_target(step.items[0].step)
        case _:
            pass
