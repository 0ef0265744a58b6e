"""`dataflow project adopt`: taking over what another repository deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.confirm import YesOption, confirm
from dataflow.cli.console import Output, OutputOption, err, out, print_json
from dataflow.cli.project.plan import InsistOption


def adopt(
    repository: Annotated[
        str | None,
        typer.Argument(
            metavar="[OWNER/REPO]", help="Whose; what has ids of this project when omitted.", show_default=False
        ),
    ] = None,
    env: InsistOption = None,
    yes: YesOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Take over what another repository deployed to this branch's environment: it runs on, and is deployed from here.

    For what was deployed before projects had ids, and for a project that is handed over to another repository.

    Example:  dataflow project adopt alice/films
    """
    from dataflow.deploy.adopt import adopt as take_over
    from dataflow.deploy.adopt import plan_adoption
    from dataflow.deploy.source import open_source

    source = open_source(Path.cwd(), env=env)
    planned = plan_adoption(source, repository)
    for key, package in planned.packages.items():
        err().print(f"  {key}: {', '.join(package.workflows)}", markup=False)
    if planned.known:
        err().print(f"  the id {source.ownership.id}, which {source.name} has from now on", markup=False)
    confirm(f"Deploy this to {planned.environment} from {source.name} from now on?", yes=yes)
    after = take_over(source, planned)
    if output is Output.JSON:
        print_json(
            {"environment": planned.environment, "packages": sorted(planned.packages), "id": source.ownership.id}
        )
        return
    at = f" (#{after.number})" if after else ""
    taken = f"{len(planned.packages)} package{'' if len(planned.packages) == 1 else 's'}"
    out().print(f"{source.name} has {taken} of {planned.environment} now{at}", markup=False)
