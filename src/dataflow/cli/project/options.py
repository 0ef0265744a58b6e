"""Options that commands on deployments share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PathsArgument = Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="Folders; here when omitted.")]
SandboxOption = Annotated[bool, typer.Option("--sandbox", help="Use your own sandbox, whatever the branch.")]
TargetOption = Annotated[
    str | None, typer.Option("--env", metavar="NAME", help="Deploy to this environment, or to none.")
]
OlderOption = Annotated[bool, typer.Option("--allow-older", help="Even if what is deployed there is newer.")]
DeploymentOption = Annotated[
    str | None,
    typer.Option("--env", metavar="NAME", help="A deployment's name; the one of this branch when omitted."),
]
