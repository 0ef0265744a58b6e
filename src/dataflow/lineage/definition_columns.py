"""The columns that a definition references in the tables it writes: in audits, and as primary key."""

from __future__ import annotations

import ast
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from dataflow.lineage.model import plain_name
from dataflow.workflow import table_names
from dataflow.workflow.audits import Audit, PythonAudit, RowAudit, SqlAudit
from dataflow.workflow.models import MetadataJob
from dataflow.workflow.parameters import substitute
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from pathlib import Path

    from dataflow.workflow.resolved import Workflow

_AUDITED = "audited"


def referenced_columns(workflow: Workflow) -> dict[str, frozenset[str]]:
    """Return the columns that audits and metadata jobs reference, by table; subworkflows are not included.

    For an audit in Python these are all identifiers and texts that may be a column.
    """
    found: dict[str, set[str]] = defaultdict(set)
    named = [(it.table, _columns_of_audit(it.audit, workflow)) for it in workflow.audits()]
    named += [(job.metadata.table, job.metadata.primary_key) for job in workflow.jobs(MetadataJob)]
    for table, columns in named:
        found[plain_name(table, workflow.environment.catalog_name)].update(
            table_names.split(column)[0] for column in columns
        )
    return {table: frozenset(columns) for table, columns in found.items()}


def _columns_of_audit(audit: Audit, workflow: Workflow) -> Sequence[str]:
    match audit:
        case RowAudit():
            return audit.named_columns
        case SqlAudit():
            return _in_sql(audit, workflow)
        case PythonAudit():
            return _in_python(workflow.folder / audit.script)
        case _:
            assert_never(audit)


def _in_sql(audit: SqlAudit, workflow: Workflow) -> list[str]:
    from dataflow.lineage.sql.column_lineage import sql_lineage

    where = workflow.file if audit.script is None else workflow.folder / audit.script
    with contextlib.suppress(Exception):  # what can't be read, the run tells by itself
        text = str(audit.sql) if audit.script is None else read_text(where)
        script = sql_lineage(substitute(text, {**workflow.script_params, "AUDITED": _AUDITED}, where=where))
        return [use.column for use in script.references if use.table == _AUDITED and use.column]
    return []


def _in_python(script: Path) -> list[str]:
    with contextlib.suppress(Exception):
        nodes = list(ast.walk(ast.parse(script.read_bytes())))
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        return [*filter(str.isidentifier, texts), *(node.attr for node in nodes if isinstance(node, ast.Attribute))]
    return []
