"""The tables that a script of a workflow reads and writes, for plans, bundles, lineage, mocks and data diffs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflow.errors import DefinitionError, Problem
from dataflow.lineage.model import plain_name
from dataflow.lineage.program_tables import tables_in_params, tables_in_program
from dataflow.lineage.sql.tables import Tables, tables_of
from dataflow.workflow.parameters import substitute
from dataflow.workflow.program_kind import Kind, program_kind, sbt_project
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from dataflow.workflow.resolved import DeclaredScript, Workflow

_SOURCES = {Kind.JAR: "*.scala", Kind.R: "*.R", Kind.PYTHON: "*.py"}


@dataclass(frozen=True)
class ScriptTables:
    """The tables of a script.

    Attributes:
        tables: Its tables, without the name of the environment's catalog.
        files: The files that were read.
        guessed: Whether its text names no source table, so that reads are guessed by the names of parameters.
    """

    tables: Tables
    files: tuple[Path, ...]
    guessed: bool = False


def script_tables(script: DeclaredScript, known: Collection[str] = ()) -> ScriptTables:
    """Return the tables of a script: exactly for SQL, as far as its text shows for a program.

    Args:
        script: The script.
        known: Names of existing tables: a parameter with such a value is a table, whatever its name.

    Raises:
        DefinitionError: A SQL script can't be read, or a parameter has no value.
    """
    workflow, path, params = script.workflow, script.path, script.params
    if script.is_sql:
        tables = tables_of(substitute(read_text(path), params, where=path))
        if tables.too_deep is not None:
            raise DefinitionError([Problem(path, tables.too_deep, 1, "a statement is nested too deep to be read")])
        return ScriptTables(_without_catalog(tables, workflow), (path,))
    files = source_files(path)
    found = [_tables_of_file(file, params, known, script.target) for file in files]
    if guessed := not any(each.reads for each in found):
        found.append(tables_in_params(params))
    reads = dict.fromkeys(table for each in found for table in each.reads)
    writes = dict.fromkeys(table for each in found for table in each.writes)
    tables = Tables(tuple(table for table in reads if table not in writes), tuple(writes), complete=False)
    return ScriptTables(_without_catalog(tables, workflow), tuple(files), guessed)


def _tables_of_file(file: Path, params: Mapping[str, str], known: Collection[str], target: str | None) -> Tables:
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    return tables_in_program(text, file.suffix, params, known, [target] if target else [])


def _without_catalog(tables: Tables, workflow: Workflow) -> Tables:
    def plain(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(plain_name(name, workflow.environment.catalog_name) for name in names))

    return replace(tables, reads=plain(tables.reads), writes=plain(tables.writes))


def source_files(path: Path) -> list[Path]:
    """Return the source files of a program: its own, those that it imports, or those of its sbt project."""
    kind = program_kind(path)
    if kind is Kind.JAR:
        project = sbt_project(path)
        return sorted((project / "src" / "main").rglob("*.scala")) if project else []
    if kind is None or not path.is_file():
        return []
    beside = sorted(path.parent.glob(_SOURCES[kind]))
    imported = _imported_names(path.read_text(encoding="utf-8-sig", errors="replace"))
    return [path, *(file for file in beside if file != path and file.stem in imported)]


def _imported_names(text: str) -> set[str]:
    """Return the names that a script imports (Python) or sources (R)."""
    python = re.findall(r"(?m)^\s*(?:from|import)\s+(\w+)", text)
    r = re.findall(r"""source\(["'](?:.*/)?([^"'/]+)\.R["']""", text)
    return {*python, *r}
