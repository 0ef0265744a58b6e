"""Options that commands on deployments share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.options import env_option

PathsArgument = Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="Folders; here if omitted.")]
SandboxOption = Annotated[bool, typer.Option("--sandbox", help="Your own sandbox; whatever the branch.")]
TargetOption = Annotated[str | None, env_option("this branch's", " Another one is refused.")]
OlderOption = Annotated[bool, typer.Option("--allow-older", help="Go on; even if what is deployed there is newer.")]
DeploymentOption = Annotated[str | None, env_option("this branch's")]
BranchOption = Annotated[str | None, typer.Option("--branch", metavar="NAME", help="Your deployment of a branch.")]


class TestEngine(StrEnum):
    """What runs SQL in tests."""

    SPARK = "spark"
    SAIL = "sail"
    BOTH = "both"
