"""A closer look at the scripts of a workflow, without running them: do they parse?"""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DefinitionError, Problem
from dataflow.workflow.models import AuditJob, PythonAudit, SparkJob, SqlAudit
from dataflow.workflow.parameters import POINTER, substitute
from dataflow.workflow.tree import ForeachStep, JobStep, WapStep
from dataflow.workflow.yamlfile import read_text, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflow.workflow.models import Audit
    from dataflow.workflow.tree import Step, Workflow


def script_doubts(workflow: Workflow) -> Iterator[Problem]:
    """Yield what doesn't parse in the scripts of a workflow; contained workflows are looked at by themselves."""
    for script, params in dict.fromkeys(_scripts(workflow.steps)):
        path = workflow.folder / script
        if script.startswith(POINTER) or path.suffix not in {".sql", ".py"}:
            continue
        try:
            if path.suffix == ".sql":
                text = read_text(path)
                values = {"AUDITED": "audited", **workflow.script_params, **dict(params)}
                yield from _sql(path, substitute(text, values, where=path))
            else:
                yield from _python(path)
        except DefinitionError as error:
            yield from error.problems


def _scripts(steps: Sequence[Step]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for step in steps:
        match step:
            case JobStep(job=SparkJob() as job):
                yield job.spark.script, _hashable(job.spark.params)
            case JobStep(job=AuditJob() as job):
                yield from _audits(job.audit.audits)
            case WapStep():
                for item in step.template.write:
                    yield item.job.spark.script, _hashable(item.job.spark.params)
                yield from _audits(step.template.audits)
            case ForeachStep() if isinstance(step.items[0].step, JobStep):
                yield from _scripts([step.items[0].step])
            case _:
                pass


def _audits(audits: Sequence[Audit]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for audit in audits:
        if isinstance(audit, SqlAudit | PythonAudit) and audit.script is not None:
            yield audit.script, ()


def _hashable(params: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(params.items()))


def _sql(path: Path, text: str) -> Iterator[Problem]:
    import sqlglot
    from sqlglot.errors import ParseError, SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it would tell of every statement that it can't judge
    try:
        sqlglot.parse(text, read="spark")
    except ParseError as error:
        for it in error.errors[:5]:
            near = f" near '{it['highlight']}'" if it.get("highlight") else ""
            yield Problem(path, it.get("line") or 1, it.get("col") or 1, f"SQL: {it['description']}{near}")
    except SqlglotError as error:
        yield Problem(path, 1, 1, f"SQL: {str(error).partition(chr(10))[0]}")


def _python(path: Path) -> Iterator[Problem]:
    try:
        tree = ast.parse(path.read_bytes())  # which say their encoding
    except OSError as error:
        yield Problem(path, 1, 1, unreadable(path, error))
        return
    except (SyntaxError, ValueError) as error:
        line, column = getattr(error, "lineno", 1) or 1, getattr(error, "offset", 1) or 1
        yield Problem(path, line, column, f"Python: {getattr(error, 'msg', error)}")
        return
    if not any(isinstance(it, ast.FunctionDef | ast.ImportFrom | ast.Import | ast.Assign) for it in tree.body):
        yield Problem(path, 1, 1, "Python: it defines nothing")
