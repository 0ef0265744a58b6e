"""Letting a deployment take effect where its workflows are run: after each revision, whichever way it came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.deploy.backends import backend
from dataflow.deploy.bundle.manifest import load_bundle

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import Deployment
    from dataflow.workflow.project import Environment


def take_effect(registry: Registry, now: Deployment | None, before: Deployment | None) -> None:
    """Let the backend of a deployment run what it has now, and one that had it before no more.

    Args:
        registry: Where it is deployed.
        now: What it runs; None where it was destroyed.
        before: What it ran; None where that was nothing.

    Raises:
        DataflowError: A backend can't be told; the revision stands, and the same command tells it again.
    """
    if all(it is None or it.revision.backend == "local" for it in (now, before)):
        return
    then, settings = (None if it is None else settings_of(registry, it) for it in (before, now))
    if settings is not None and now is not None and then is not None and settings.backend != now.revision.backend:
        settings = then  # all that a rollback brought back was deployed when something else ran it
    if settings is not None and now is not None:
        backend(settings.backend).follow(now.name, settings, registry)
    if before is not None and then is not None and (settings is None or _place(then) != _place(settings)):
        backend(then.backend).follow(before.name, then, registry, leaves=True)


def _place(environment: Environment) -> tuple[str, str | None]:
    """Return where a backend finds what an environment runs: who leaves it takes that away."""
    return environment.backend, environment.airflow.dags if environment.airflow else None


def settings_of(registry: Registry, deployment: Deployment) -> Environment | None:
    """Return the settings of a deployment, which each of its bundles has; None where it has none."""
    found = None
    for package in deployment.revision.packages.values():
        found = load_bundle(registry, package.bundle).environment.environment()
        if found.backend == deployment.revision.backend:
            break
    return found
