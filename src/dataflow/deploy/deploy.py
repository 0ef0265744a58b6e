"""Deploying: build, register, render, bundle, add a revision; a failure before the revision changes nothing that runs.

Each step writes what nobody uses yet, and reuses what an earlier attempt wrote. The new revision is the one moment at
which an environment changes, for all its workflows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.ancestry import check_ancestry
from dataflow.deploy.bundle.manifest import Bundle, PinnedAsset, RenderedWorkflow, pin_text
from dataflow.deploy.deployments import DeployedPackage, Revision
from dataflow.deploy.effect import take_effect
from dataflow.deploy.preconditions import require_deployable, require_unique_ids
from dataflow.errors import DataflowError, display_path
from dataflow.workflow.identity import current_user

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset
    from dataflow.assets.publish import Pin
    from dataflow.deploy.bundle.prepared_package import PreparedPackage
    from dataflow.deploy.deployments import Deployment
    from dataflow.deploy.plan.definition import PreparedPlan
    from dataflow.deploy.source import DeploySource

LIFE = dt.timedelta(days=7)
"""How long a sandbox's or a branch's deployment is kept."""


@dataclass(frozen=True)
class DeployResult:
    """The result of a deployment.

    Attributes:
        deployment: What the environment runs now.
        assets: Every asset of the packages that were deployed, and whether it was built or published for this.
        packages: The packages that changed, by key.
        changed: Whether anything did.
    """

    deployment: Deployment
    assets: tuple[tuple[PinnedAsset, bool], ...]
    packages: Mapping[str, DeployedPackage]
    changed: bool


@dataclass
class Deployer:
    """Deploys a repository once.

    Attributes:
        source: The repository.
        planned: What is to be done.
        output: Receives each line that a build tool prints.
        report: Receives a line about what takes a while.
        progress: Receives how many of how many packages are done.
        life: How long it is kept, where it is isolated.
        allow_older: Whether the commit may be older than what is deployed.
    """

    source: DeploySource
    planned: PreparedPlan
    output: Callable[[str], None] = lambda _: None
    report: Callable[[str], None] = lambda _: None
    progress: Callable[[int, int], None] = lambda _done, _all: None
    life: dt.timedelta = LIFE
    allow_older: bool = False

    def deploy(self) -> DeployResult:
        """Deploy.

        Raises:
            DataflowError: It failed, and the environment runs what it ran before.
        """
        source, planned = self.source, self.planned
        for note in require_deployable(source, planned, allow_older=self.allow_older):
            self.report(f"note: {note}")
        due = {key: planned.prepared[key] for key in planned.packages_to_build}
        pins: dict[Asset, tuple[Pin, bool]] = {}
        bundles = {}
        for number, (key, prepared) in enumerate(due.items()):
            self.progress(number, len(due))
            bundles[key] = self._bundle(prepared, pins)
        packages = {key: self._deployed(key, bundle) for key, bundle in bundles.items()}
        if not source.target.sandbox:
            source.ownership.register(source.registry)
        deployment, changed = self._add_revision(packages)
        take_effect(source.registry, deployment, planned.before)
        new = {str(pin.id) for pin, is_new in pins.values() if is_new}
        assets = {it.id: it for bundle in bundles.values() for it in bundle.assets}
        return DeployResult(deployment, tuple((it, it.id in new) for it in assets.values()), packages, changed)

    # ---------------------------------------------------------------------------------------- assets

    def _publish(self, asset: Asset, pins: dict[Asset, tuple[Pin, bool]]) -> Pin:
        """Build and register an asset, unless it is registered already."""
        from dataflow.assets.builders import build, workspace
        from dataflow.assets.publish import publish

        if asset not in pins:
            source, inputs = self.source, self.source.assets.inputs_of(asset)
            spark = source.target.environment.spark
            with workspace(spark, self.output, self.report) as context:
                pins[asset] = publish(
                    source.registry, asset, source.checkout, inputs, lambda: build(asset, inputs, context)
                )
        return pins[asset][0]

    def _assets(
        self, prepared: PreparedPackage, pins: dict[Asset, tuple[Pin, bool]]
    ) -> tuple[dict[str, Pin], list[PinnedAsset]]:
        """Return a package's assets by the names that its texts have for them, and as its bundle names them."""
        from dataflow.assets.ids import escape

        source = self.source
        named: dict[str, Pin] = {}
        found: list[PinnedAsset] = []
        for path, sha256 in prepared.raw.items():
            asset = source.repository.asset(source.root / path)
            if asset is None:
                raise DataflowError(f"{display_path(source.root / path)} was removed while it was deployed")
            pin = self._publish(asset, pins)
            if pin.sha256 != sha256:
                raise DataflowError(f"{display_path(source.root / path)} was changed while it was deployed: try again")
            named[f"dataflow.{asset.type}.{escape(asset.namespace)}"] = pin
            found.append(_pinned(pin, path))
        for it in prepared.builds:
            asset = source.assets.built(it.type, it.namespace)
            pin = self._publish(asset, pins)
            named[f"dataflow.{it.type}.{escape(it.namespace)}"] = pin
            found.append(_pinned(pin, asset.path.relative_to(source.root).as_posix()))
        for name in prepared.references:
            named[name] = source.assets.pin(name)
            found.append(_pinned(source.assets.pin(name), None))
        assets = sorted({it.id: it for it in found}.values(), key=lambda it: (it.path or "", it.id))
        self._require_one_python(assets)
        return named, assets

    def _require_one_python(self, assets: Sequence[PinnedAsset]) -> None:
        """Refuse wheels that no single Python environment could run."""
        if sum(it.lock is not None for it in assets) < 2:
            return
        from dataflow.build.python.environment import require_agreement
        from dataflow.deploy.bundle.checkout import locks_of

        require_agreement(locks_of(self.source.registry, assets))

    # --------------------------------------------------------------------------------------- bundles

    def _bundle(self, prepared: PreparedPackage, pins: dict[Asset, tuple[Pin, bool]]) -> Bundle:
        source = self.source
        named, assets = self._assets(prepared, pins)
        for path, sha256 in prepared.files.items():
            source.tree.require(source.root / path)
            if source.registry.put(source.root / path) != sha256:
                raise DataflowError(f"{display_path(source.root / path)} was changed while it was deployed: try again")
        return Bundle(
            path=prepared.path,
            packages=prepared.packages,
            user=prepared.user,
            environment=prepared.environment,
            workflows={name: _pinned_workflow(it, named) for name, it in prepared.workflows.items()},
            assets=tuple(assets),
            files=prepared.files,
            schemas=prepared.schemas,
        )

    def _deployed(self, key: str, bundle: Bundle) -> DeployedPackage:
        checkout = self.source.checkout
        return DeployedPackage(
            bundle=self.source.registry.put(bundle.data()),
            inputs=self.planned.plan.inputs[key],
            package_id=bundle.package.id,
            uuid=bundle.package.uuid,
            repository=key.rpartition(":")[0],
            project=self.source.project_id,
            branch=checkout.branch,
            commit=checkout.commit if checkout.is_clean else None,
            workflows={it.id: it.schedule for it in bundle.own_workflows.values()},
            writes=bundle.writes,
        )

    # -------------------------------------------------------------------------------------- revision

    def _add_revision(self, packages: Mapping[str, DeployedPackage]) -> tuple[Deployment, bool]:
        plan, before, target = self.planned.plan, self.planned.before, self.source.target
        now = dt.datetime.now(dt.UTC)
        if before is not None and not plan.changes and not _should_extend(before, now, self.life):
            return before, False
        deployed = {} if before is None else before.revision.packages
        own = {**{key: deployed[key] for key in plan.inputs if key in deployed}, **packages}

        def make(found: Deployment | None) -> Revision:
            others = {} if found is None else found.revision.packages
            kept = {key: it for key, it in others.items() if not self.source.owns(key, it)}
            if before is not found and not target.sandbox:  # somebody deployed meanwhile
                standing_now = [it.commit for key, it in others.items() if key not in kept]
                check_ancestry(self.source.ownership, standing_now, allow_older=self.allow_older, local=True)
            together = {**kept, **{key: _since(it, others.get(key), now) for key, it in own.items()}}
            require_unique_ids({key: it.workflows for key, it in together.items()}, kept)
            return Revision(
                action="deploy",
                at=now,
                by=current_user(),
                packages=dict(sorted(together.items())),
                database=target.database,
                expires=now + self.life if target.isolated else None,
                state=target.environment.state,
                backend=target.environment.backend,
            )

        return deployments.revise(self.source.registry, target.name, make), True


def _since(package: DeployedPackage, before: DeployedPackage | None, now: dt.datetime) -> DeployedPackage:
    return package.model_copy(update={"since": before.since if before is not None else now})


def _should_extend(before: Deployment, now: dt.datetime, life: dt.timedelta) -> bool:
    """Say whether an unchanged deployment should get a new expiry date."""
    expires = before.revision.expires
    return expires is not None and (expires - now < life / 2 or expires > now + life)


def _pinned(pin: Pin, path: str | None) -> PinnedAsset:
    return PinnedAsset(
        id=str(pin.id),
        sha256=pin.sha256,
        name=pin.name,
        inputs=pin.inputs,
        path=path,
        lock=pin.lock,
        python=pin.python,
    )


def _pinned_workflow(workflow: RenderedWorkflow, pins: Mapping[str, Pin]) -> RenderedWorkflow:
    texts = {name: pin_text(value, pins) for name, value in workflow.fixed.items()}
    return workflow.model_copy(update={"text": pin_text(workflow.text, pins), "fixed": texts})
