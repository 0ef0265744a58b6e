"""The history of a deployment: who changed what, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflow.errors import UsageError
from dataflow.ui.page import Asked, Page
from dataflow.ui.read.deployments import DeploymentHistory, deployment_history, deployment_names
from dataflow.ui.source import Source


def read(source: Source, asked: Asked) -> DeploymentHistory:
    """Return the history of a deployment.

    Raises:
        UsageError: Nothing was ever deployed there.
    """
    name = asked.subject["environment"]
    found = deployment_history(source.registry, name) if name in deployment_names(source.registry) else None
    if found is None:
        raise UsageError(f"nothing was ever deployed to {name}", "`dataflow project deploy` deploys the current branch")
    return found


def exported(source: Source) -> Iterable[Mapping[str, str]]:
    """Yield the deployments."""
    return ({"environment": name} for name in deployment_names(source.registry))


PAGE = Page("deployment", "/deployments/{environment}", "Deployment", read, exported=exported)
