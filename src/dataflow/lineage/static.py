"""Lineage that stands in the text of workflows: what each of them would read and write, and on which lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.lineage.definition_columns import named_columns
from dataflow.lineage.graph import Taken
from dataflow.lineage.model import Flow, Written, plain_name, with_names
from dataflow.lineage.sql.column_lineage import Script, columns_of
from dataflow.lineage.workflow_tables import touched
from dataflow.workflow.parameters import substitute
from dataflow.workflow.program_kind import Kind, program_kind
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from dataflow.lineage.sql.relations import Schema
    from dataflow.workflow.resolved import DeclaredScript, Workflow


@dataclass(frozen=True)
class Mention:
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
class Entry:
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
    writes: Mapping[str, Sequence[Taken]]
    mentions: Sequence[Mention]
    by_position: Sequence[Mention]
    declares: Mapping[str, Sequence[str]]
    programs: Sequence[str]
    params: Mapping[str, str]
    changed: float


@dataclass
class Texts:
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
    writes: dict[str, Written] = field(default_factory=dict)
    mentions: set[Mention] = field(default_factory=set)
    by_position: set[Mention] = field(default_factory=set)
    declares: dict[str, tuple[str, ...]] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    blind: bool = False

    def entry(self) -> Entry:
        """Return it as it is kept."""
        return Entry(
            workflow=self.workflow,
            owner=self.owner,
            file=str(self.file),
            writes={target: [_taken(flow) for flow in sorted(write.flows)] for target, write in self.writes.items()},
            mentions=sorted(self.mentions, key=lambda mention: (mention.file, mention.line)),
            by_position=sorted(self.by_position, key=lambda mention: (mention.file, mention.line)),
            declares=self.declares,
            programs=self.programs,
            params=self.params,
            changed=max(file.stat().st_mtime for file in self.files),
        )


def read_texts(workflow: Workflow, schema: Schema, known: Collection[str] = ()) -> list[Texts]:
    """Read the scripts of a workflow, and of those that it contains; dates of one foreach are the same text.

    Args:
        workflow: The workflow, parameters put in.
        schema: The columns of tables, as far as they are known.
        known: Names of tables that there are.
    """
    found: dict[tuple[str, Path], Texts] = {}
    for each in workflow.walk(every_date=False):
        key = (each.id, each.file)
        texts = found.setdefault(key, Texts(each.id, each.owner, each.file, files={each.file}))
        _Reader(each, schema, known, texts).read()
    return list(found.values())


def _taken(flow: Flow) -> Taken:
    return (flow.source, flow.source_column, flow.target_column, flow.indirect)


@dataclass
class _Reader:
    workflow: Workflow
    schema: Schema
    known: Collection[str]
    texts: Texts

    def read(self) -> None:
        for script in self.workflow.spark_specs():
            self._script(script)
        names = {(mention.table, mention.column) for mention in self.texts.mentions if mention.column}
        self.texts.writes = {write.target: write for write in with_names(self.texts.writes.values(), names)}
        for table, columns in named_columns(self.workflow).items():
            if table in self.texts.writes:
                self.texts.writes[table] = replace(self.texts.writes[table], needed=columns)

    def _script(self, script: DeclaredScript) -> None:
        if program_kind(script.path) is Kind.SQL:
            self._sql(script.path, script.params)
            return
        found = touched(script, self.known)
        self.texts.files.update(found.files)
        self.texts.programs += map(str, found.files)
        self.texts.blind = self.texts.blind or found.guessed
        for written in (script.target,) if script.target is not None else found.tables.writes:
            self._add(Written(written, frozenset(Flow(table) for table in found.tables.reads)))

    def _sql(self, path: Path, params: Mapping[str, str]) -> None:
        self.texts.files.add(path)
        self.texts.params.update(params)
        script = self._parsed(path, params)
        self.texts.declares.update(script.declares)
        self.texts.blind = self.texts.blind or script.unreadable
        for write in script.writes:
            self._add(write)
        self.texts.mentions |= {Mention(self._plain(use.table), use.column, str(path), use.line) for use in script.uses}
        self.texts.by_position |= {
            Mention(self._plain(table), "", str(path), line) for table, line in script.by_position
        }

    def _parsed(self, path: Path, params: Mapping[str, str]) -> Script:
        text = substitute(read_text(path), params, where=path)
        return columns_of(text, {**self.schema, **self.texts.declares})

    def _add(self, write: Written) -> None:
        target = self._plain(write.target)
        plain = Written(target, frozenset(replace(f, source=self._plain(f.source)) for f in write.flows), write.given)
        before = self.texts.writes.get(target)
        self.texts.writes[target] = plain if before is None else before | plain

    def _plain(self, name: str) -> str:
        return plain_name(name, self.workflow.environment.catalog_name)
