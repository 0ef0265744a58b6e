"""Checks the SQL of a workflow against the columns of its tables, from DDL, mocks, the checkout and a local catalog.

No network is used: tables that none of these has are reported as unchecked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, Problem, display_path
from dataflow.lineage.model import plain_name
from dataflow.lineage.sql.checks import ScriptCheck, TableColumns, check_script
from dataflow.lineage.sql.column_lineage import sql_lineage
from dataflow.lineage.workflow_tables import script_tables
from dataflow.tables.catalog import is_embedded
from dataflow.tables.reader.catalog_tables import TableReader
from dataflow.workflow import table_names
from dataflow.workflow.audits import SqlAudit
from dataflow.workflow.parameters import POINTER, substitute
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from dataflow.lineage.checkout import CheckoutLineage
    from dataflow.workflow.resolved import DeclaredScript, Workflow

_RESHAPES = re.compile(r"(?i)\bALTER\s+TABLE\b|createOrReplace|\.replace\(\)|saveAsTable|merge-?schema")
"""Code of a program that may give a table other columns than its DDL."""

_OF_TABLE = re.compile(r"(?m)^table:\s*[\"']?([^\"'#\n]+?)[\"']?\s*(?:#.*)?$")


@dataclass
class WorkflowScriptChecks:
    """The result of checking the scripts of a workflow.

    Attributes:
        problems: The problems, each with its place.
        unchecked: A line for each table or statement that could not be checked.
        reads: The tables that are read.
        declares: The tables that its DDL creates.
    """

    problems: list[Problem] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    reads: set[str] = field(default_factory=set)
    declares: set[str] = field(default_factory=set)


def check_scripts(
    workflow: Workflow, checkout: Callable[[], CheckoutLineage | None] | None = None
) -> WorkflowScriptChecks:
    """Check the SQL scripts of a workflow; contained workflows are checked by themselves.

    Args:
        workflow: The workflow, its parameters put in.
        checkout: Gives the workflows around it, whose DDL tells of tables that its own does not.

    Raises:
        DefinitionError: A script can't be read, or a parameter has no value.
    """
    found, schemas = WorkflowScriptChecks(), _TableColumnsLookup(workflow, checkout)
    scripts = {(it.path, *sorted(it.spec.params.items())): it for it in workflow.spark_specs() if it.is_sql}
    for script in scripts.values():
        _check(script.path, read_text(script.path), script.params, schemas, found)
    for declared in workflow.audits():
        if isinstance(declared.audit, SqlAudit):
            _check_audit(workflow, declared.table, declared.audit, schemas, found)
    found.declares = set(schemas.declared)
    return found


def _check(
    path: Path,
    text: str,
    values: Mapping[str, str],
    schemas: _TableColumnsLookup,
    found: WorkflowScriptChecks,
    *,
    begins: int = 0,
) -> None:
    """Check a SQL text and note what is found.

    Args:
        path: The file that it stands in.
        text: The text.
        values: Its parameters.
        schemas: Tells the columns of tables.
        found: Takes what is found.
        begins: The line of the file on which it begins; 0 where it is the whole file.
    """
    first = check_script(path, text, values, {})  # which tables are there
    checked = check_script(path, text, values, schemas.of(first))
    above = max(0, begins - 1)
    found.problems += (replace(it, line=it.line + above, column=1) if begins else it for it in checked.problems)
    found.reads |= set(map(schemas.key, checked.script.reads))
    where = display_path(path)
    found.unchecked += [f"{where}:{line + above}: a statement can't be parsed" for line in checked.unread]
    found.unchecked += [f"{where}: the columns of {name} are unknown" for name in checked.unchecked]


def _check_audit(
    workflow: Workflow, table: str, audit: SqlAudit, schemas: _TableColumnsLookup, found: WorkflowScriptChecks
) -> None:
    """Check an audit's query on the whole table: its columns are those of the rows under audit."""
    values = {**workflow.script_params, "AUDITED": table_names.quoted(table)}
    if audit.script is None:
        text = str(audit.sql)
        _check(workflow.file, text, values, schemas, found, begins=_line_of(workflow.file, text))
    elif not audit.script.startswith(POINTER):
        path = workflow.folder / audit.script
        _check(path, read_text(path), values, schemas, found)


def _line_of(definition: Path, text: str) -> int:
    """Return the line of a definition on which a text in it begins; the first where its parameters were put in."""
    begins = next((line.strip() for line in text.splitlines() if line.strip()), "")
    lines = read_text(definition).splitlines()
    return next((number for number, line in enumerate(lines, 1) if begins and begins in line), 1)


def downstream_problems(
    workflow: Workflow,
    found: WorkflowScriptChecks,
    checkout: CheckoutLineage,
    env: str | None,
    looked_at: Collection[Path] = (),
) -> Iterator[Problem]:
    """Yield problems of other workflows in a checkout that read tables which the DDL of a workflow creates.

    Args:
        workflow: The workflow.
        found: What was found in its own scripts.
        checkout: The workflows around it.
        env: The environment whose parameters are put in.
        looked_at: Definitions that are checked anyway.
    """
    from dataflow.workflow.load import Request, load_workflow

    readers = {
        Path(producer.file)
        for _, producers in checkout.readers(_names_in_checkout(checkout, found.declares))
        for producer in producers
        if producer.file is not None
    }
    known = {*looked_at, *(inner.file.resolve() for inner in workflow.walk())}
    for file in sorted(readers - known):
        try:
            other = load_workflow(file, Request(env=env, ends_only=True))
            theirs = check_scripts(other, lambda: checkout)
        except DataflowError:
            continue  # its own validate tells
        if theirs.reads & found.declares:
            yield from theirs.problems


def _names_in_checkout(checkout: CheckoutLineage, tables: Collection[str]) -> list[str]:
    return [name for name in checkout.tables() if name.lower() in tables]


class _TableColumnsLookup:
    """The columns of tables, from whoever knows them."""

    def __init__(self, workflow: Workflow, checkout: Callable[[], CheckoutLineage | None] | None) -> None:
        self._workflow, self._checkout = workflow, checkout
        self._catalog = workflow.environment.catalog_name
        self._known: dict[str, TableColumns | None] = {}
        self._mocks: dict[str, Path] | None = None
        self.declared: dict[str, tuple[str, ...]] = {}
        self._reshaped: set[str] = set()
        self._replaced: set[str] = set()
        self._read_scripts()

    def of(self, script: ScriptCheck) -> dict[str, TableColumns]:
        """Return the columns of the tables that a script touches, by the names that it calls them by."""
        names = {*script.script.reads, *script.script.changes, *script.script.declares}
        found = {name.lower(): self._of(plain_name(name, self._catalog)) for name in names}
        own = {name.lower() for name in script.script.reshaped}  # which it follows by itself
        return {
            name: known
            for name, known in found.items()
            if known is not None and (self.key(name) not in self._reshaped or name in own)
        }

    def _of(self, table: str) -> TableColumns | None:
        key = table.lower()
        if key not in self._known:
            self._known[key] = self._live(table) or self._declared(key) or self._mocked(key)
        return self._known[key]

    def _live(self, table: str) -> TableColumns | None:
        """Return a table as it is, with what its DDL will add to it."""
        environment = self._workflow.environment
        if table.lower() in self._replaced or not is_embedded(environment):  # others take a second to be asked
            return None
        try:
            live = TableReader(environment).find(table, any_case=True)
            columns = () if live is None else live.column_names
        except (DataflowError, KeyError):  # what can't be read is not known
            return None
        if live is None:
            return None
        declared = self._declared(table.lower())
        there = {column.lower() for column in columns}
        more = [column for column in (declared.columns if declared else ()) if column.lower() not in there]
        return TableColumns((*columns, *more), may_leave_out=live.moves_columns)

    def _declared(self, key: str) -> TableColumns | None:
        columns: Sequence[str] | None = self.declared.get(key)
        around = self._checkout() if columns is None and self._checkout is not None else None
        if around is not None:
            everywhere = (entry.declares.items() for entry in around.entries)
            columns = next((found for each in everywhere for name, found in each if name.lower() == key), None)
        remote = not is_embedded(self._workflow.environment)  # where a migration may be under way
        return None if columns is None else TableColumns(tuple(columns), may_leave_out=remote)

    def _mocked(self, key: str) -> TableColumns | None:
        from dataflow.mocks.load import load_mock

        if self._mocks is None:
            files = sorted(self._workflow.folder.rglob("mocks/*.yaml"))
            self._mocks = {name.lower(): file for file in files if (name := _table_of(file)) is not None}
        file = self._mocks.get(key)
        if file is None:
            return None
        try:
            mock = load_mock(file)
        except DataflowError:
            return None
        return None if mock.partial else TableColumns(tuple(column.name for column in mock.columns), may_leave_out=True)

    def _read_scripts(self) -> None:
        """Note what the workflow's DDL declares, and the tables that something in it gives other columns."""
        for script in (script for inner in self._workflow.walk() for script in inner.spark_specs()):
            if not script.is_sql:
                self._reshaped |= self._by_program(script)
                continue
            read = sql_lineage(substitute(read_text(script.path), script.params, where=script.path))
            self.declared |= {self.key(name): columns for name, columns in read.declares.items()}
            self._reshaped |= set(map(self.key, read.reshaped))
            self._replaced |= set(map(self.key, read.replaces))

    def key(self, name: str) -> str:
        """Return how a table is looked for: without the catalog, in lower case."""
        return plain_name(name, self._catalog).lower()

    def _by_program(self, script: DeclaredScript) -> set[str]:
        found = script_tables(replace(script, target=None))  # only what its text says that it writes
        texts = (file.read_text(encoding="utf-8-sig", errors="replace") for file in found.files)
        return {table.lower() for table in found.tables.writes} if any(map(_RESHAPES.search, texts)) else set()


def _table_of(file: Path) -> str | None:
    try:
        match = _OF_TABLE.search(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return match[1] if match else None
