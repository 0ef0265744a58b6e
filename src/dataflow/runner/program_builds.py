"""The programs of a workflow that are more than a script: what they need is looked at before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.build.sbt import build
from dataflow.errors import DataflowError, display_path
from dataflow.report import Report, silent
from dataflow.spark.java import find_java
from dataflow.workflow.program_kind import Kind, program_kind, sbt_project

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import Workflow


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


def isolated(environment: Environment) -> Environment:
    """Return an environment in whose Spark each session's jars are its own.

    Executors would else keep the first of two jars with the same classes: that of another job, or from before it
    was built again.
    """
    return dataclasses.replace(environment, spark={"spark.sql.artifact.isolation.enabled": "true", **environment.spark})


class Jars:
    """The jars of a command's workflows, each built at most once, when its sources changed."""

    def __init__(self, environment: Environment, output: Callable[[str], None] = silent, report: Report = silent):
        """Prepare; nothing is built yet.

        Args:
            environment: Where they will run.
            output: Told each line that sbt prints.
            report: Told of what takes a while.
        """
        self._environment = environment
        self._output = output
        self._report = report
        self._made: dict[Path, Path] = {}

    def of(self, path: Path) -> Path:
        """Return the jar of an sbt project's folder, or of a path to a jar.

        Raises:
            DataflowError: It could not be built, or the build makes another jar than the one that is named.
        """
        project = sbt_project(path)
        if project is None:
            return path
        if project not in self._made:
            java = find_java(self._report)
            self._made[project] = build(
                project, java, self._environment.spark, output=self._output, report=self._report
            )
        made = self._made[project]
        if path.suffix == ".jar" and path.resolve() != made.resolve():
            raise DataflowError(
                f"{display_path(project)} builds {display_path(made)}, not {display_path(path)}",
                f"name that jar, or the project's folder: script: {display_path(project)}",
                permanent=True,
            )
        return made


def prepare(workflow: Workflow, jars: Jars) -> None:
    """Make sure that a workflow's programs can run, before the first of its steps does.

    Raises:
        DataflowError: R or a package of it is missing, or a jar could not be built.
    """
    found = programs(workflow)
    for program in found:
        if program.kind is Kind.R:
            from dataflow.jobs.spark.r_script import project_of, require_r

            require_r(folder=project_of(program.path))
        elif program.kind is Kind.JAR:
            jars.of(program.path)
