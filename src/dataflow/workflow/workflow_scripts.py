"""Which scripts the steps of a workflow run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.workflow.audit_models import PythonAudit, SqlAudit
from dataflow.workflow.models import AuditJob, SparkJob
from dataflow.workflow.program_kind import Kind, program_kind
from dataflow.workflow.resolved import ForeachStep, JobStep, WapStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dataflow.workflow.audit_models import Audit
    from dataflow.workflow.models import SparkSpec
    from dataflow.workflow.resolved import Step, Workflow


def python_scripts(workflow: Workflow) -> list[Path]:
    """Return the Python files that a workflow runs, contained workflows included, each once."""
    found = (run.folder / script for run in workflow.walk() for script, _ in scripts_of(run.steps))
    return [path for path in dict.fromkeys(found) if program_kind(path) is Kind.PYTHON]


def scripts_of(steps: Sequence[Step]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Yield the scripts of jobs and audits, and each one's own parameters; those of contained workflows aside."""
    for spec in specs_of(steps):
        yield spec.script, _hashable(spec.params)
    for _, audit in audits_of(steps):
        if isinstance(audit, SqlAudit | PythonAudit) and audit.script is not None:
            yield audit.script, ()


def specs_of(steps: Sequence[Step]) -> Iterator[SparkSpec]:
    """Yield the scripts and programs of jobs; those of contained workflows aside."""
    for step in steps:
        match step:
            case JobStep(job=SparkJob() as job):
                yield job.spark
            case WapStep():
                yield from (item.job.spark for item in step.template.write)
            case ForeachStep() if isinstance(step.items[0].step, JobStep):
                yield from specs_of([step.items[0].step])
            case _:
                pass


def audits_of(steps: Sequence[Step]) -> Iterator[tuple[str, Audit]]:
    """Yield each audit behind the table whose rows it looks at; those of contained workflows aside."""
    for step in steps:
        match step:
            case JobStep(job=AuditJob() as job):
                yield from ((job.audit.table, audit) for audit in job.audit.audits)
            case WapStep():
                yield from ((step.template.table, audit) for audit in step.template.audits)
            case ForeachStep() if isinstance(step.items[0].step, JobStep):
                yield from audits_of([step.items[0].step])
            case _:
                pass


def _hashable(params: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(params.items()))
