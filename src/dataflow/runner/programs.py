"""The programs of a workflow: what its Spark jobs run, and whether the machine can run it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.workflow.models import SparkJob
from dataflow.workflow.program_kind import Kind, program_kind
from dataflow.workflow.resolved import ForeachStep, JobStep, WapStep, Workflow

if TYPE_CHECKING:
    from dataflow.runner.context import Jars
    from dataflow.workflow.models import SparkSpec
    from dataflow.workflow.resolved import Step


@dataclass(frozen=True)
class Program:
    """What a Spark job runs.

    Attributes:
        path: The script, jar or folder.
        kind: How it is run.
    """

    path: Path
    kind: Kind | None


def programs(workflow: Workflow) -> tuple[Program, ...]:
    """Return what the Spark jobs of a workflow run, contained workflows included, each once."""
    found: dict[Path, None] = {}
    for run in workflow.walk():
        for step in run.steps:
            for spec in _specs(step):
                found[run.folder / spec.script] = None
    return tuple(Program(path, program_kind(path)) for path in found)


def _specs(step: Step) -> Iterator[SparkSpec]:
    match step:
        case WapStep():
            yield from (item.job.spark for item in step.template.write)
        case JobStep(job=SparkJob() as job):
            yield job.spark
        case ForeachStep():
            for item in step.items:
                if isinstance(item.step, JobStep):
                    yield from _specs(item.step)
        case _:
            pass


def has_jars(workflow: Workflow) -> bool:
    """Return whether a job of a workflow runs a jar."""
    return any(program.kind is Kind.JAR for program in programs(workflow))


def require_programs(workflow: Workflow, jars: Jars) -> None:
    """Build a workflow's jars and look for R, before the first of its steps runs.

    Raises:
        DataflowError: R or a package of it is missing, or a jar could not be built.
    """
    for program in programs(workflow):
        if program.kind is Kind.R:
            from dataflow.jobs.spark.r_script import project_of, require_r

            require_r(folder=project_of(program.path))
        elif program.kind is Kind.JAR:
            jars.jar_of(program.path)
