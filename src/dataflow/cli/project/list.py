"""`dataflow project list`: what a repository holds, or what of it is deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import Output, OutputOption, out, print_json
from dataflow.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset, Repository
    from dataflow.deploy.bundle import PinnedAsset
    from dataflow.deploy.deployments import Deployment

_TITLES = {
    "python": "Python Assets",
    "gradle": "Gradle Assets",
    "sbt": "sbt Assets",
    "maven": "Maven Assets",
    "sql": "SQL Assets",
    "py": "Python Scripts",
    "r": "R Scripts",
    "workflow": "Scheduler Workflows",
}
_KINDS: Mapping[str, tuple[str, ...]] = {
    "wheels": ("python",),
    "jars": ("gradle", "sbt", "maven"),
    "scripts": ("sql", "py", "r"),
    "workflows": ("workflow",),
    **{name: (name,) for name in ("gradle", "sbt", "maven", "sql", "py", "r")},
}
_SAME = {"eggs": "wheels", "wheel": "wheels", "egg": "wheels", "jar": "jars", "script": "scripts"}
_SAME |= {"workflow": "workflows", "python": "wheels"}

Row = tuple[str, str, dict[str, Any]]
"""What group it is of, what is shown, and the facts for a script."""


def list_assets(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help=f"One of {', '.join(_KINDS)}; all when omitted.", show_default=False),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", metavar="NAME", help="Only what has this name, or is in its package.")
    ] = None,
    deployed: Annotated[
        bool, typer.Option("--deployed", help="What is deployed, by environment, rather than what is here.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the assets and workflows below the current folder, or those that are deployed.

    Example:  dataflow project list wheels
    """
    groups = _groups(kind)
    if deployed:
        _list_deployed(groups, namespace, output, asked=kind is not None)
        return
    rows = [it for it in _here() if it[0] in groups and _is_named(it[2]["namespace"], namespace)]
    if output is Output.JSON:
        print_json(_facts(rows))
    else:
        _print(rows, groups if kind else ())


def _groups(kind: str | None) -> tuple[str, ...]:
    if kind is None:
        return tuple(_TITLES)
    word = _SAME.get(kind.lower(), kind.lower())
    if word not in _KINDS:
        near = did_you_mean(word, [*_KINDS, "eggs"], limit=len(_KINDS) + 1)
        raise UsageError(f"there is no kind of asset '{kind}'{near}")
    return _KINDS[word]


def _here() -> Iterable[Row]:
    from dataflow.assets.discover import discover
    from dataflow.repository.checkout import read_checkout

    here = Path.cwd()
    checkout = read_checkout(here)
    repository = discover(checkout.root, checkout.repo)
    for asset in repository.assets:
        if asset.path.is_relative_to(here):
            yield _group_of(asset), f"./{asset.path.relative_to(here).as_posix()}", _asset_facts(asset, repository)
    for file in repository.workflows:
        if file.is_relative_to(here):
            package = file.parent.name if file.parent != repository.root else repository.name
            shown = file.relative_to(here).as_posix()
            yield "workflow", f"./{shown}", {"file": shown, "namespace": package}


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


def _is_named(name: str, wanted: str | None) -> bool:
    return wanted is None or name == wanted or name.startswith(f"{wanted}/")


def _list_deployed(groups: tuple[str, ...], namespace: str | None, output: Output, *, asked: bool) -> None:
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.deployments import all_current
    from dataflow.workflow.project import find_project

    registry = open_registry(find_project(Path.cwd()))
    answers = []
    for deployment in all_current(registry):
        rows = {
            (group, shown): facts
            for key in deployment.revision.packages
            for group, shown, facts in _of_package(registry, deployment, key)
            if group in groups and _is_named(facts["namespace"], namespace)
        }
        found = [(group, shown, facts) for (group, shown), facts in rows.items()]
        answers.append({"environment": deployment.name, "number": deployment.number, **_facts(found)})
        if output is Output.TEXT and (found or not namespace):
            out().print(f"{deployment.name} (#{deployment.number})", style="bold")
            _print(found, groups if asked else ())
    if output is Output.JSON:
        print_json({"environments": answers})
    elif not answers:
        out().print(f"nothing is deployed in {registry.address}")


def _of_package(registry: Any, deployment: Deployment, key: str) -> Iterable[Row]:
    from dataflow.deploy.bundle import load_bundle

    package = deployment.revision.packages[key]
    bundle = load_bundle(registry, package.bundle)
    for asset in bundle.assets:
        yield _deployed(asset)
    name = PurePosixPath(bundle.path).name or key.partition(":")[0].rpartition("/")[2]
    for id_, schedule in package.workflows.items():
        cron = f"{schedule.cron} {schedule.timezone}" if schedule else None
        shown = f"{id_}  ({cron})" if cron else id_
        yield "workflow", shown, {"id": id_, "namespace": name, "schedule": cron, "package": key}


def _deployed(asset: PinnedAsset) -> Row:
    from dataflow.assets.discover import BUILD_FILES
    from dataflow.assets.ids import AssetId

    id_ = AssetId.parse(asset.id)
    built: dict[str, str] = {"wheel": "python", "jar": "sbt"}
    by = BUILD_FILES.get(PurePosixPath(asset.path).name) if asset.path else None
    group = by or built.get(id_.type, id_.type)
    facts = {"id": asset.id, "type": id_.type, "namespace": id_.namespace, "path": asset.path, "sha256": asset.sha256}
    return group, asset.id, facts


def _facts(rows: Iterable[Row]) -> dict[str, Any]:
    found = list(rows)
    return {
        "assets": [facts for group, _, facts in found if group != "workflow"],
        "workflows": [facts for group, _, facts in found if group == "workflow"],
    }


def _print(rows: list[Row], always: tuple[str, ...]) -> None:
    """Print groups with what is in them; empty ones only where they were asked for."""
    shown = [group for group in _TITLES if group in always or any(row[0] == group for row in rows)]
    for group in shown:
        names = [name for found, name, _ in rows if found == group]
        out().print("\n".join([f"{_TITLES[group]}:", *(f" -> {name}" for name in names)]))
        out().print(f"Summary: {len(names)} found.")
    if not shown:
        out().print("No assets and no workflows were found here.")
