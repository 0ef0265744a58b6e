"""What a repository holds, or what of it is deployed: assets and workflows, by kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset, Repository
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import PinnedAsset
    from dataflow.deploy.deployments import Deployment

TITLES = {
    "python": "Python Assets",
    "gradle": "Gradle Assets",
    "sbt": "sbt Assets",
    "maven": "Maven Assets",
    "sql": "SQL Assets",
    "py": "Python Scripts",
    "r": "R Scripts",
    "workflow": "Scheduler Workflows",
}
"""The groups, in the order in which they are listed."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "wheels": ("python",),
    "jars": ("gradle", "sbt", "maven"),
    "scripts": ("sql", "py", "r"),
    "workflows": ("workflow",),
    **{name: (name,) for name in ("gradle", "sbt", "maven", "sql", "py", "r")},
}
"""The groups that a word on the command line stands for."""

_SAME = {"eggs": "wheels", "wheel": "wheels", "egg": "wheels", "jar": "jars", "script": "scripts"}
_SAME |= {"workflow": "workflows", "python": "wheels"}


@dataclass(frozen=True)
class Listed:
    """An asset or a workflow.

    Attributes:
        group: The group that it is of.
        shown: What people read.
        facts: What scripts read.
    """

    group: str
    shown: str
    facts: Mapping[str, Any]


def groups_of(kind: str | None) -> tuple[str, ...]:
    """Return the groups that a kind stands for; all when it is None.

    Raises:
        UsageError: There is no such kind; names the nearest.
    """
    if kind is None:
        return tuple(TITLES)
    word = _SAME.get(kind.lower(), kind.lower())
    if word not in KINDS:
        near = did_you_mean(word, [*KINDS, "eggs"], limit=len(KINDS) + 1)
        raise UsageError(f"there is no kind of asset '{kind}'{near}")
    return KINDS[word]


def list_below(folder: Path, groups: Sequence[str], namespace: str | None) -> list[Listed]:
    """Return what of some groups is in a folder of a repository; only of a name, or of its package, if one is given."""
    return [it for it in _below(folder) if it.group in groups and _is_named(it, namespace)]


def list_deployed(
    registry: Registry, groups: Sequence[str], namespace: str | None
) -> list[tuple[Deployment, list[Listed]]]:
    """Return what of some groups is deployed, by deployment."""
    from dataflow.deploy.deployments import all_current

    answers = []
    for deployment in all_current(registry):
        found = {
            (it.group, it.shown): it
            for key in deployment.revision.packages
            for it in _of_package(registry, deployment, key)
            if it.group in groups and _is_named(it, namespace)
        }
        answers.append((deployment, list(found.values())))
    return answers


def _below(folder: Path) -> Iterator[Listed]:
    from dataflow.assets.discover import discover
    from dataflow.repository.checkout import read_checkout

    checkout = read_checkout(folder)
    repository = discover(checkout.root, checkout.repo)
    for asset in repository.assets:
        if asset.path.is_relative_to(folder):
            shown = f"./{asset.path.relative_to(folder).as_posix()}"
            yield Listed(_group_of(asset), shown, _asset_facts(asset, repository))
    for file in repository.workflows:
        if file.is_relative_to(folder):
            package = file.parent.name if file.parent != repository.root else repository.name
            shown = file.relative_to(folder).as_posix()
            yield Listed("workflow", f"./{shown}", {"file": shown, "namespace": package})


def _group_of(asset: Asset) -> str:
    return asset.type if asset.builder == "raw" else asset.builder


def _asset_facts(asset: Asset, repository: Repository) -> dict[str, Any]:
    from dataflow.assets.references import Reference

    return {
        "type": asset.type,
        "namespace": asset.namespace,
        "builder": asset.builder,
        "path": asset.path.relative_to(repository.root).as_posix(),
        "reference": f"${{{Reference(asset.type, asset.namespace)}}}",
    }


def _is_named(it: Listed, wanted: str | None) -> bool:
    name = it.facts["namespace"]
    return wanted is None or name == wanted or name.startswith(f"{wanted}/")


def _of_package(registry: Registry, deployment: Deployment, key: str) -> Iterable[Listed]:
    from dataflow.deploy.bundle.manifest import load_bundle

    package = deployment.revision.packages[key]
    bundle = load_bundle(registry, package.bundle)
    for asset in bundle.assets:
        yield _deployed(asset)
    name = PurePosixPath(bundle.path).name or key.partition(":")[0].rpartition("/")[2]
    for id_, schedule in package.workflows.items():
        cron = schedule.text if schedule else None
        shown = f"{id_}  ({cron})" if cron else id_
        yield Listed("workflow", shown, {"id": id_, "namespace": name, "schedule": cron, "package": key})


def _deployed(asset: PinnedAsset) -> Listed:
    from dataflow.assets.discover import BUILD_FILES
    from dataflow.assets.ids import AssetId

    id_ = AssetId.parse(asset.id)
    built: dict[str, str] = {"wheel": "python", "jar": "sbt"}
    by = BUILD_FILES.get(PurePosixPath(asset.path).name) if asset.path else None
    group = by or built.get(id_.type, id_.type)
    facts = {"id": asset.id, "type": id_.type, "namespace": id_.namespace, "path": asset.path, "sha256": asset.sha256}
    return Listed(group, asset.id, facts)
