"""What is deployed where, and who changed it last."""

from __future__ import annotations

from dataflow.ui.page import Asked, Page
from dataflow.ui.read.deployments import DeploymentSummary, deployment_list
from dataflow.ui.source import Source


def read(source: Source, _: Asked) -> list[DeploymentSummary]:
    """Return the deployments."""
    return deployment_list(source.registry)


PAGE = Page("deployments", "/deployments", "Deployments", read, listed=True)
