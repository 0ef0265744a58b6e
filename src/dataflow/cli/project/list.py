"""`dataflow project list`: what a repository holds, or what of it is deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import out
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.deploy.inventory import KINDS, TITLES

if TYPE_CHECKING:
    from dataflow.deploy.deployments import Deployment
    from dataflow.deploy.inventory import Listed


def _kinds(incomplete: str) -> list[str]:
    return [kind for kind in KINDS if kind.startswith(incomplete)]


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help=f"One of {', '.join(KINDS)}; all if omitted.",
            show_default=False,
            autocompletion=_kinds,
        ),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", metavar="NAME", help="Only what has this name, or is in its package.")
    ] = None,
    deployed: Annotated[
        bool, typer.Option("--deployed", help="What is deployed; by environment, rather than what is here.")
    ] = False,
    output: OutputOption = TEXT,
) -> None:
    """List the assets and workflows here, or those that are deployed.

    Examples:
        dataflow project list wheels
        dataflow project list --deployed --output json
    """
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.inventory import groups_of, list_below, list_deployed
    from dataflow.workflow.project import find_project

    groups = groups_of(kind)
    named = groups if kind else ()
    if deployed:
        registry = open_registry(find_project(Path.cwd()))
        found = list_deployed(registry, groups, namespace)
        output.show(_Deployed(registry.address, found, named, hide_empty=bool(namespace)))
    else:
        output.show(_Here(list_below(Path.cwd(), groups, namespace), named))


@dataclass(frozen=True)
class _Here(Result):
    """What is listed, and the groups that are shown even when nothing is in them."""

    found: Sequence[Listed]
    named: Sequence[str]

    def text(self) -> None:
        shown = [group for group in TITLES if group in self.named or any(it.group == group for it in self.found)]
        for group in shown:
            names = [it.shown for it in self.found if it.group == group]
            out().print("\n".join([f"{TITLES[group]}:", *(f" -> {name}" for name in names)]))
            out().print(f"Summary: {len(names)} found")
        if not shown:
            out().print("no assets and no workflows were found here")

    def data(self) -> dict[str, Any]:
        return {
            "assets": [it.facts for it in self.found if it.group != "workflow"],
            "workflows": [it.facts for it in self.found if it.group == "workflow"],
        }


@dataclass(frozen=True)
class _Deployed(Result):
    address: str
    found: Sequence[tuple[Deployment, Sequence[Listed]]]
    named: Sequence[str]
    hide_empty: bool

    def text(self) -> None:
        for deployment, listed in self.found:
            if listed or not self.hide_empty:
                out().print(f"{deployment.name} (#{deployment.number})", style="bold")
                _Here(listed, self.named).text()
        if not self.found:
            out().print(f"nothing is deployed in {self.address}")

    def data(self) -> object:
        answers = [
            {"environment": deployment.name, "number": deployment.number, **_Here(listed, ()).data()}
            for deployment, listed in self.found
        ]
        return {"environments": answers}
