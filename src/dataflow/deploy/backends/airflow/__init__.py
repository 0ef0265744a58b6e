"""The Airflow backend: each deployed workflow is a DAG file, and Airflow runs it on its schedule.

Nothing here imports Airflow, and a DAG file imports nothing of ours: its tasks call the `dataflow` command.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.backends import RunRequest
    from dataflow.deploy.bundle.outline import WorkflowOutline
    from dataflow.deploy.deployments import Deployment
    from dataflow.errors import Problem
    from dataflow.workflow.project import Environment
    from dataflow.workflow.render import Rendering
    from dataflow.workflow.resolved import Workflow
    from dataflow.workflow.yamlfile import YamlFile


class AirflowBackend:
    """Lets Airflow run deployed workflows."""

    def outline(
        self, workflow: Workflow, rendering: Rendering, file: YamlFile
    ) -> tuple[WorkflowOutline | None, Sequence[Problem]]:
        """Return what Airflow is told of a workflow, and what of its definition it can't do."""
        from dataflow.deploy.backends.airflow.outline import outline_of, refusals

        return outline_of(workflow, rendering), list(refusals(workflow, rendering, file))

    def check(self, name: str, environment: Environment, workflows: Iterable[str]) -> Sequence[str]:
        """Return which workflows another environment runs by the same Airflow."""
        from dataflow.deploy.backends.airflow.dag_folder import taken
        from dataflow.deploy.backends.airflow.dag_repository import DagRepository

        dags = _dags(environment)
        if DagRepository.parse(dags) is not None:
            return []  # seen by Airflow, which names both files
        return list(taken(Path(dags), Path(dags) / name, workflows))

    def follow(self, name: str, environment: Environment, registry: Registry, *, leaves: bool = False) -> None:
        """Make the DAG files those of what an environment runs now."""
        from dataflow.deploy.backends.airflow.dag_folder import follow, locked
        from dataflow.deploy.backends.airflow.dag_repository import DagRepository

        def wanted() -> Deployment | None:  # looked up once nobody else writes: the last to write knows the last
            return None if leaves else deployments.current(registry, name)

        dags = _dags(environment)
        repository = DagRepository.parse(dags)
        if repository is None:
            folder = Path(dags) / name
            with locked(folder):
                follow(folder, wanted(), registry)
            return
        repository.change(name, lambda checkout: follow(checkout / name, wanted(), registry))

    def start(self, start: RunRequest, registry: Registry) -> int:
        """Ask Airflow to run a workflow, wait until it has, and return its exit code."""
        from dataflow.deploy.backends.airflow.runs import start_and_wait
        from dataflow.deploy.effect import settings_of

        environment = settings_of(registry, start.deployment)
        if environment is None:
            raise DataflowError(f"{start.deployment.name} runs nothing")
        return 0 if start_and_wait(environment, start).status == "succeeded" else 1


BACKEND = AirflowBackend()


def _dags(environment: Environment) -> str:
    if environment.airflow is None:
        raise DataflowError(f"{environment.name} is run by Airflow, and nothing says where its DAG files are")
    return environment.airflow.dags
