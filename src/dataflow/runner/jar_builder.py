"""The jars of a command's workflows: built by sbt where their sources changed, and isolated in Spark."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.build.sbt import build
from dataflow.errors import DataflowError, display_path
from dataflow.report import Report, silent
from dataflow.spark.java import find_java
from dataflow.workflow.program_kind import sbt_project

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment


def with_isolated_jars(environment: Environment) -> Environment:
    """Return an environment in whose Spark each session's jars are its own.

    Executors would else keep the first of two jars with the same classes: that of another job, or from before it
    was built again.
    """
    return dataclasses.replace(environment, spark={"spark.sql.artifact.isolation.enabled": "true", **environment.spark})


class JarBuilder:
    """Returns the jars of jobs, each built at most once."""

    def __init__(self, environment: Environment, report: Report = silent) -> None:
        """Prepare; nothing is built yet.

        Args:
            environment: Where they will run.
            report: Receives what takes a while, and each line that sbt prints.
        """
        self._environment = environment
        self._report = report
        self._built: dict[Path, Path] = {}

    def jar_of(self, path: Path) -> Path:
        """Return the jar of an sbt project's folder, or of a path to a jar.

        Raises:
            DataflowError: It could not be built, or the build makes another jar than the one that is named.
        """
        project = sbt_project(path)
        if project is None:
            return path
        if project not in self._built:
            java = find_java(self._report)
            spark = self._environment.spark
            self._built[project] = build(project, java, spark, output=self._report, report=self._report)
        built = self._built[project]
        if path.suffix == ".jar" and path.resolve() != built.resolve():
            raise DataflowError(
                f"{display_path(project)} builds {display_path(built)}, not {display_path(path)}",
                f"name that jar, or the project's folder: script: {display_path(project)}",
                permanent=True,
            )
        return built
