"""Which scripts the steps of a workflow run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.workflow.auditmodels import PythonAudit, SqlAudit
from dataflow.workflow.models import AuditJob, SparkJob
from dataflow.workflow.programs import Kind, program_kind
from dataflow.workflow.tree import ForeachStep, JobStep, WapStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dataflow.workflow.auditmodels import Audit
    from dataflow.workflow.tree import Step, Workflow


def python_scripts(workflow: Workflow) -> list[Path]:
    """Return the Python files that a workflow runs, contained workflows included, each once."""
    found = (run.folder / script for run in workflow.walk() for script, _ in scripts_of(run.steps))
    return [path for path in dict.fromkeys(found) if program_kind(path) is Kind.PYTHON]


def scripts_of(steps: Sequence[Step]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Yield the scripts of jobs and audits, and each one's own parameters; those of contained workflows aside."""
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
                yield from scripts_of([step.items[0].step])
            case _:
                pass


def _audits(audits: Sequence[Audit]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for audit in audits:
        if isinstance(audit, SqlAudit | PythonAudit) and audit.script is not None:
            yield audit.script, ()


def _hashable(params: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(params.items()))
