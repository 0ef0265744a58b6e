"""Making a deployment plan: the packages of a repository compared with what its target runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.plan.definition import Action, DeployPlan, PackageChange, PreparedPlan
from dataflow.deploy.plan.explainer import explain

if TYPE_CHECKING:
    from dataflow.deploy.bundle.package_index import PreparedPackages
    from dataflow.deploy.deployments import DeployedPackage
    from dataflow.deploy.source import DeploySource


def make_plan(
    source: DeploySource,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    *,
    details: bool = True,
) -> PreparedPlan:
    """Compare a repository with what its target runs.

    Args:
        source: The repository.
        progress: Receives how many of how many packages are done.
        details: Whether changes within packages are explained, for which their old bundles are read.

    Raises:
        DefinitionError: There are mistakes in the definitions: all of them.
    """
    prepared = source.prepared(progress)
    inputs = source.assets.digests_of(prepared)
    before = source.current
    deployed = (
        {} if before is None else {key: it for key, it in before.revision.packages.items() if source.owns(key, it)}
    )
    changes = []
    for key in sorted({*inputs, *deployed}):
        was = deployed.get(key)
        if was is not None and inputs.get(key) == was.inputs:
            continue
        changes.append(_change(source, key, prepared, was, details=details))
    plan = DeployPlan(
        environment=source.target.name,
        number=before.number if before else 0,
        changes=tuple(changes),
        inputs=inputs,
        unchanged=sum(key in inputs and was.inputs == inputs[key] for key, was in deployed.items()),
        commit=source.checkout.commit if source.checkout.is_clean else None,
    )
    return PreparedPlan(plan, prepared, before)


def _change(
    source: DeploySource, key: str, prepared: PreparedPackages, was: DeployedPackage | None, *, details: bool
) -> PackageChange:
    action: Action = "removed" if key not in prepared.facts else "changed" if was else "added"
    if not details:
        return PackageChange(key, action)
    before = load_bundle(source.registry, was.bundle) if was is not None else None
    return explain(source, PackageChange(key, action), before, prepared.get(key))
