"""The tables that a workflow reads and writes, as far as a test of its script needs them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, display_path
from dataflow.lineage.table_parameters import source_tables
from dataflow.lineage.workflow_tables import script_tables
from dataflow.tables.pyiceberg_catalog import split_name
from dataflow.workflow.models import MetadataJob
from dataflow.workflow.parameters import PARAMETER_NAME, sql_placeholders
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from dataflow.workflow.resolved import DeclaredScript, Workflow

_TESTABLE = frozenset({".sql", ".py"})


@dataclass(frozen=True)
class Transformation:
    """A script, and all that a test of it needs.

    Attributes:
        workflow: The workflow that runs it.
        script: The script.
        params: Its parameters, without those that name tables.
        target: The table that it writes.
        target_param: The parameter that names it, or None.
        sources: The tables that it reads, with the parameter that names each, or None.
        origin: How they are known: `sql`, `recorded`, `parameters` or `asked`.
        ddl: The script that creates the target, or None.
        key: The target's primary key.
    """

    workflow: Workflow
    script: Path
    params: Mapping[str, str]
    target: str
    target_param: str | None
    sources: Mapping[str, str | None]
    origin: str
    ddl: Path | None
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """What a test of it is called: after the script, and the day that it is about."""
        day = re.sub(r"\W", "_", self.params.get("EXECUTION_DATE", ""))
        return f"{self.script.stem}_{day or 'today'}"

    @property
    def why_untestable(self) -> str:
        """Why no test of it can be made; empty where one can."""
        if self.script.suffix not in _TESTABLE:
            return f"only .sql and .py scripts can be run on mocks here: test {self.script.name} in its own language"
        if self.target_param is None:
            return f"no parameter names {self.target}, so a test can't put a table of its own in its place"
        if self.ddl is None:
            return f"no .sql script of the workflow creates {self.target}"
        return ""


def transformations(workflow: Workflow, asked: Sequence[str]) -> list[Transformation]:
    """Find the scripts of a workflow, and of those that it contains, that read some tables and write one.

    Args:
        workflow: The workflow, its parameters put in.
        asked: Tables that the user says it reads; they win.

    Raises:
        UsageError: It has no such script, or what a script reads is not known.
    """
    found: dict[Path, Transformation] = {}
    for script in (script for inner in workflow.walk() for script in inner.spark_specs()):
        if script.target is not None:
            one = _transformation(script, script.target, asked)
            found.setdefault(one.script, one)
    if not found:
        raise UsageError(
            f"{display_path(workflow.file)} has no write → audit → publish step",
            "make the mocks one by one: dataflow mock create TABLE",
        )
    return list(found.values())


def _transformation(declared: DeclaredScript, target: str, asked: Sequence[str]) -> Transformation:
    workflow, script, values = declared.workflow, declared.path, declared.params
    sources, origin = _sources(declared, target, asked)
    named = {table: _parameter(values, table) for table in sources}
    target_param = _parameter(values, target)
    tables = {*named.values(), target_param}
    used = _used(workflow, script)
    params = {name: values[name] for name in sorted(used) if name in values and name not in tables}
    return Transformation(
        workflow, script, params, target, target_param, named, origin, _ddl(workflow, target), _key(workflow, target)
    )


def _used(workflow: Workflow, script: Path) -> set[str]:
    """Return the parameters that a script may ask for: a program's own, not those of the user's environment."""
    if script.suffix == ".sql":
        return {placeholder.name for placeholder in sql_placeholders(read_text(script))}
    return {name for name in workflow.params if workflow.origins.get(name) != "environment"}


def _sources(script: DeclaredScript, target: str, asked: Sequence[str]) -> tuple[list[str], str]:
    """Return what a script reads, and how that is known: from its SQL, a recorded run, or names of parameters."""
    if asked:
        return list(asked), "asked"
    tables = script_tables(script).tables
    if tables.complete and (reads := [table for table in tables.reads if table != target]):
        return reads, "sql"
    if recorded := _recorded(script.workflow, target):
        return recorded, "recorded"
    hinted = source_tables(script.params)
    if hinted or tables.reads:
        return list(dict.fromkeys([*hinted, *tables.reads])), "parameters"
    raise UsageError(
        f"what {display_path(script.path)} reads is not known: it is not in its text, and no run has recorded it",
        "name the tables: --source database.table, once for each; or run the workflow once",
    )


def _recorded(workflow: Workflow, target: str) -> list[str]:
    from dataflow.state.run_records import open_run_records

    catalog = workflow.environment.catalog_name
    with open_run_records(workflow.environment.state) as records:
        found = records.sources_of(workflow.id, f"{catalog}.{'.'.join(split_name(catalog, target))}")
    return [".".join(split_name(catalog, table)) for table in found]


def _parameter(values: Mapping[str, str], table: str) -> str | None:
    """Return the user's parameter that holds a table's name."""
    return next((n for n, value in values.items() if value == table and PARAMETER_NAME.fullmatch(n)), None)


def _ddl(workflow: Workflow, target: str) -> Path | None:
    for script in workflow.spark_specs():
        if script.target is None and script.path.suffix == ".sql":
            tables = script_tables(script).tables
            if target in tables.writes and not tables.reads:
                return script.path
    return None


def _key(workflow: Workflow, target: str) -> tuple[str, ...]:
    keys = (job.metadata.primary_key for job in workflow.jobs(MetadataJob) if job.metadata.table == target)
    return tuple(next(keys, ()))
