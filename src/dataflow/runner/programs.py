"""The programs of a workflow: what its Spark jobs run, and whether the machine can run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.workflow.program_kind import Kind, program_kind
from dataflow.workflow.resolved import Workflow

if TYPE_CHECKING:
    from dataflow.runner.context import Jars


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
    found = dict.fromkeys(script.path for script in workflow.spark_specs(contained=True, every_date=True))
    return tuple(Program(path, program_kind(path)) for path in found)


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
