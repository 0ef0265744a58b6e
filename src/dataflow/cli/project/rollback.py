"""`dataflow project rollback`: back to what ran before, at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import confirm, err, out, progress, say
from dataflow.cli.options import YesOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.project.options import DeploymentOption

if TYPE_CHECKING:
    from dataflow.deploy.rollback import RollbackPlan


def rollback(
    workflow: Annotated[
        str | None, typer.Argument(help="Only the package of this workflow; all of this repository's if omitted.")
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision", metavar="ID", help="A number of the history, or a bundle; the last before if omitted."
        ),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", hidden=True)] = None,  # what --revision was called
    env: DeploymentOption = None,
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Return the tables as well, to what that bundle had published.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = TEXT,
) -> None:
    """Return an environment to an earlier bundle, with nothing built.

    With --with-data its tables return to the snapshots which that bundle had published last: they are listed first,
    and it is refused when anybody else wrote to them since.

    Examples:
        dataflow project rollback
        dataflow project rollback --revision 3 --with-data
    """
    from dataflow.deploy.history import deployment_here
    from dataflow.deploy.lineage_sync import sync_lineage
    from dataflow.deploy.rollback import plan_rollback
    from dataflow.migration.deployed_uses import rollback_warnings

    here = deployment_here(Path.cwd(), env)
    planned = plan_rollback(
        here.registry, here.name, workflow=workflow, to=revision or to, owns=here.owns, with_data=with_data
    )
    output.show_part(_Planned(planned))
    warnings = rollback_warnings(here.registry, planned)
    for warning in warnings:
        err().print(f"warning: {warning}", style="yellow")
    if planned.tables:
        _list_tables(planned)
        confirm(f"Return {len(planned.tables)} table(s) of {here.name}?", yes=yes)
        planned.roll_back_tables(here.registry)
    after = planned.apply(here.registry)
    output.show(_RolledBack(here.name, planned, after.number, warnings))
    sync_lineage(here.registry, after.revision.state, report=say, progress=progress)


def _list_tables(planned: RollbackPlan) -> None:
    for it in planned.tables:
        undone = ", ".join(it.undone[:6]) + (f" and {len(it.undone) - 6} more" if len(it.undone) > 6 else "")
        err().print(f"  {it.table}: back to snapshot {it.snapshot} of {it.at:%Y-%m-%d %H:%M}; undoes {undone}")


@dataclass(frozen=True)
class _Planned:
    planned: RollbackPlan

    def text(self) -> None:
        for key, package in self.planned.packages.items():
            was = self.planned.before.revision.packages.get(key)
            path = key.rpartition(":")[2]
            before = was.bundle[:12] if was else "nothing"
            then = f"{package.bundle[:12]} of commit {(package.commit or 'none')[:8]}" if package else "removed"
            out().print(f"  ./{path}: {before} → {then}")


@dataclass(frozen=True)
class _RolledBack(Result):
    name: str
    planned: RollbackPlan
    number: int
    warnings: Sequence[str]

    def text(self) -> None:
        out().print(f"{self.name} is at #{self.number} now, which runs what #{self.planned.to.number} ran")

    def data(self) -> object:
        planned = self.planned
        return {
            "environment": planned.before.name,
            "number": self.number,
            "restores": planned.to.number,
            "packages": {key.rpartition(":")[2]: it.bundle if it else None for key, it in planned.packages.items()},
            "warnings": list(self.warnings),
            "tables": [
                {"table": it.table, "snapshot": it.snapshot, "undone": list(it.undone)} for it in planned.tables
            ],
        }
