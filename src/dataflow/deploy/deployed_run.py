"""Running deployed workflows: found by name or by bundle, checked out, and loaded with their fixed parameters."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.deploy import deployments
from dataflow.deploy.bundle.checkout import BundleCheckout, check_out_bundle, check_out_texts
from dataflow.deploy.bundle.manifest import Bundle, load_bundle
from dataflow.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import Deployment
    from dataflow.workflow.load import Request
    from dataflow.workflow.resolved import Workflow

_BUNDLE = re.compile(r"[0-9a-f]{8,64}")
_WHOLE = 64


@dataclass(frozen=True)
class DeployedWorkflow:
    """A deployed workflow.

    Attributes:
        bundle: Its bundle.
        sha256: The bundle's id.
        file: Its definition's name in the bundle.
        id: Its id.
    """

    bundle: Bundle
    sha256: str
    file: str
    id: str


def find_deployed(registry: Registry, name: str, env: str | None = None, prefer: str | None = None) -> DeployedWorkflow:
    """Find a deployed workflow.

    Args:
        registry: Where deployments are.
        name: A workflow's id, or the end of one; a bundle's id, or its beginning, with `:<workflow>` behind it
            where `main` is not meant.
        env: The deployment to look in; all of them when None.
        prefer: The deployment to choose where several have a workflow of that name.

    Raises:
        UsageError: There is none of that name, or several.
    """
    bundle, _, workflow = name.partition(":")
    if is_bundle(name):
        return _in_bundle(registry, bundle, workflow)
    places = _places(registry, env)
    exact = [place for place in places if name in place.revision.workflows]
    ending = [place for place in places if any(it.endswith(f".{name}") for it in place.revision.workflows)]
    found = exact or ending
    found = [place for place in found if place.name == prefer] or found
    if len(found) > 1:
        where = ", ".join(sorted(it.name for it in found))
        raise UsageError(f"'{name}' is deployed to {where}", f"pass --env {found[0].name}")
    if not found:
        known = {id_ for place in places for id_ in place.revision.workflows}
        where = f"to {env}" if env else "anywhere"
        raise UsageError(
            f"no workflow '{name}' is deployed {where}{did_you_mean(name, known)}",
            "`dataflow project list --deployed` lists what is",
        )
    id_ = found[0].workflow(name)
    package = found[0].revision.packages[found[0].revision.workflows[id_]]
    read = load_bundle(registry, package.bundle)
    file = next(file for file, it in read.workflows.items() if it.id == id_)
    return DeployedWorkflow(read, package.bundle, file, id_)


def is_bundle(name: str) -> bool:
    """Say whether a name is that of a bundle, or of a workflow in one."""
    return _BUNDLE.fullmatch(name.partition(":")[0]) is not None


def prepare_run(registry: Registry, found: DeployedWorkflow, request: Request) -> tuple[BundleCheckout, Workflow]:
    """Check out a workflow's bundle and load the workflow.

    Args:
        registry: Where the bundle is.
        found: The workflow.
        request: Date and parameters.

    Raises:
        UsageError: A parameter is given that was fixed when it was deployed.
        DataflowError: An object is missing or corrupted.
    """
    from dataflow.workflow.load import load_workflow

    full = full_request(found, request)
    checkout = check_out_bundle(registry, found.bundle, found.sha256)
    return checkout, load_workflow(checkout.definition(found.file), full)


def full_request(found: DeployedWorkflow, request: Request) -> Request:
    """Return a request with what a workflow's bundle decides.

    Raises:
        UsageError: A parameter is given that was fixed when it was deployed.
    """
    _refuse_fixed(found, request.params)
    return dataclasses.replace(
        request,
        environment=found.bundle.environment.environment(),
        user=found.bundle.user,
        bundle=found.sha256,
    )


@contextlib.contextmanager
def read_workflows(registry: Registry, bundle: Bundle, sha256: str) -> Iterator[tuple[BundleCheckout, list[Workflow]]]:
    """Load the workflows of a bundle's own package as a run would, with their scripts beside them.

    They are for reading, not for running: what was built is not fetched.

    Raises:
        DataflowError: An object is missing or corrupted.
    """
    from dataflow.workflow.load import Request, load_workflow

    with tempfile.TemporaryDirectory(prefix="dataflow-bundle-") as folder:
        checkout = check_out_texts(registry, bundle, sha256, Path(folder).resolve())
        request = Request(environment=bundle.environment.environment(), user=bundle.user, bundle=sha256)
        yield checkout, [load_workflow(checkout.definition(file), request) for file in bundle.own_workflows]


def assets_of(registry: Registry, sha256: str) -> list[dict[str, Any]]:
    """Return the assets of a bundle, each with its commit."""
    bundle = load_bundle(registry, sha256)
    return [{"id": it.id, "path": it.path, "commit": it.commit, "sha256": it.sha256} for it in bundle.assets]


def _refuse_fixed(found: DeployedWorkflow, params: Mapping[str, str]) -> None:
    fixed = found.bundle.workflows[found.file].fixed
    for name in params:
        if name in fixed:
            raise UsageError(
                f"{name} was fixed when {found.id} was deployed: {fixed[name]}",
                "change it in dataflow.yaml or in the definition, and deploy again",
            )


def _places(registry: Registry, env: str | None) -> list[Deployment]:
    if env is None:
        return list(deployments.all_current(registry))
    found = deployments.current(registry, env)
    if found is None:
        known = [it.name for it in deployments.all_current(registry)]
        raise UsageError(f"nothing is deployed to '{env}'{did_you_mean(env, known)}")
    return [found]


def _in_bundle(registry: Registry, start: str, workflow: str) -> DeployedWorkflow:
    if len(start) == _WHOLE:
        matches = [start]
    else:
        every = {
            package.bundle
            for name in registry.folders(deployments.PREFIX)
            for it in deployments.history(registry, name)
            for package in it.revision.packages.values()
        }
        matches = sorted(it for it in every if it.startswith(start))
    if not matches:
        raise UsageError(f"no deployed bundle starts with '{start}'")
    if len(matches) > 1:
        raise UsageError(f"'{start}' is ambiguous: {len(matches)} bundles")
    bundle = load_bundle(registry, matches[0])
    wanted = workflow or "main"
    own = bundle.own_workflows
    for file, it in own.items():
        if it.id == wanted or it.id.endswith(f".{wanted}"):
            return DeployedWorkflow(bundle, matches[0], file, it.id)
    raise UsageError(f"bundle {start} has no workflow '{wanted}'{did_you_mean(wanted, [it.id for it in own.values()])}")
