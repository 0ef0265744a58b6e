"""The environment of a deployment, such as a branch's, which no `dataflow.yaml` has."""

from __future__ import annotations

from dataflow.assets.registry import open_registry
from dataflow.deploy import deployments
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.workflow.project import Environment, Project


def deployed_environment(project: Project, name: str) -> Environment | None:
    """Return the environment of what is deployed under a name; None where nothing is.

    Raises:
        DataflowError: The registry can't be asked.
    """
    registry = open_registry(project)
    found = deployments.current(registry, name)
    if found is None:
        return None
    package = next(iter(found.revision.packages.values()))
    return load_bundle(registry, package.bundle).environment.environment()
