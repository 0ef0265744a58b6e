"""`dataflow project adopt`: taking over what another repository deployed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import confirm, err, out
from dataflow.cli.options import YesOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.project.options import TargetOption
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.deploy.adopt import AdoptionPlan
    from dataflow.deploy.deployments import Deployment
    from dataflow.deploy.source import DeploySource


def adopt(
    repository: Annotated[
        str | None,
        typer.Argument(
            metavar="[OWNER/REPO]", help="Whose; what has ids of this project if omitted.", show_default=False
        ),
    ] = None,
    env: TargetOption = None,
    yes: YesOption = False,
    output: OutputOption = TEXT,
) -> None:
    """Take over what another repository deployed to an environment.

    It runs on, and is deployed from here. For what was deployed before projects had ids, and for a project that is
    handed over to another repository.

    Examples:
        dataflow project adopt alice/films
    """
    from dataflow.deploy.adopt import adopt as take_over
    from dataflow.deploy.adopt import plan_adoption
    from dataflow.deploy.source import open_source

    source = open_source(Path.cwd(), env=env)
    planned = plan_adoption(source, repository)
    _list(source, planned)
    confirm(f"Deploy this to {planned.environment} from {source.name} from now on?", yes=yes)
    output.show(_Adopted(source, planned, take_over(source, planned)))


def _list(source: DeploySource, planned: AdoptionPlan) -> None:
    for key, package in planned.packages.items():
        err().print(f"  {key}: {', '.join(package.workflows)}", markup=False)
    if planned.known:
        err().print(f"  the id {source.ownership.id}, which {source.name} has from now on", markup=False)


@dataclass(frozen=True)
class _Adopted(Result):
    source: DeploySource
    planned: AdoptionPlan
    after: Deployment | None

    def text(self) -> None:
        at = f" (#{self.after.number})" if self.after else ""
        packages = plural(len(self.planned.packages), "package")
        out().print(f"{self.source.name} has {packages} of {self.planned.environment} now{at}", markup=False)

    def data(self) -> object:
        planned = self.planned
        return {
            "environment": planned.environment,
            "packages": sorted(planned.packages),
            "id": self.source.ownership.id,
        }
