"""The assets of a repository about to be deployed: what it builds, and what it refers to elsewhere."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from dataflow.deploy.bundle.manifest import digest
from dataflow.deploy.bundle.prepared_package import PreparedPackage

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset, Repository
    from dataflow.assets.inputs import Inputs
    from dataflow.assets.publish import Pin
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.package_index import PreparedPackages
    from dataflow.repository.checkout import Checkout


class SourceAssets:
    """Looks up assets, each once."""

    def __init__(self, repository: Repository, checkout: Checkout, registry: Registry, *, unclean: bool) -> None:
        """Prepare; nothing is looked up yet.

        Args:
            repository: What the repository holds.
            checkout: What git knows of it.
            registry: Where builds are kept.
            unclean: Whether builds of uncommitted files may be referred to.
        """
        from dataflow.assets.inputs import Toolchain, read_inputs
        from dataflow.assets.references import References

        tools = Toolchain()
        self._repository, self._checkout, self._registry = repository, checkout, registry
        self._references = References(registry, checkout, unclean=unclean)
        self._read_inputs = functools.cache(lambda asset: read_inputs(asset, tools, repository.tree))
        self._resolve = functools.cache(self._references.resolve)

    def built(self, kind: str, namespace: str) -> Asset:
        """Return the asset of the repository that has this type and name."""
        return next(it for it in self._repository.assets if (it.type, it.namespace) == (kind, namespace))

    def inputs_of(self, asset: Asset) -> Inputs:
        """Return what an asset of the repository is built from."""
        return self._read_inputs(asset)

    def pin(self, reference: str) -> Pin:
        """Return the build that a reference to another repository, branch or build stands for now.

        Raises:
            DataflowError: There is none.
        """
        return self._resolve(reference)

    def published(self, prepared: PreparedPackage) -> dict[str, Pin]:
        """Return those assets of a package that are built already, by the names that its definitions have for them."""
        from dataflow.assets.ids import escape
        from dataflow.assets.publish import published

        found = {name: self.pin(name) for name in prepared.references}
        assets = [self.built(it.type, it.namespace) for it in prepared.builds]
        root = self._repository.root
        assets += [it for path in prepared.raw if (it := self._repository.asset(root / path))]
        for asset in assets:
            pin = published(self._registry, asset, self._checkout, self.inputs_of(asset))
            if pin is not None:
                found[f"dataflow.{asset.type}.{escape(asset.namespace)}"] = pin
        return found

    def digests_of(self, prepared: PreparedPackages) -> dict[str, str]:
        """Return the hash of all that each package's bundle is made of, by the package's key.

        Raises:
            DataflowError: A reference means nothing, or a build tool is missing.
        """
        found = {key: self._digest_of(key, prepared) for key in prepared}
        prepared.index.keep()
        return found

    def _digest_of(self, key: str, prepared: PreparedPackages) -> str:
        facts = prepared.facts[key]
        assets = [self.built(it.type, it.namespace) for it in facts.builds]
        builds = [[it.type, it.namespace, self.inputs_of(it).sha256] for it in assets]
        pins = [[name, self.pin(name).sha256] for name in facts.references]

        def whole() -> str:
            left_out = PreparedPackage.NOT_DEPLOYED
            package = prepared[key].model_dump(mode="json", exclude_defaults=True, exclude=left_out)
            return digest([package, builds, pins])

        return prepared.index.inputs(facts, digest([builds, pins]), whole)
