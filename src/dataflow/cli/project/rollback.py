"""`dataflow project rollback`: back to what ran before, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.confirm import YesOption, confirm
from dataflow.cli.console import Output, OutputOption, err, out, print_json
from dataflow.cli.project.history import DeploymentOption, here

if TYPE_CHECKING:
    from dataflow.deploy.rollback import RollbackPlan


def rollback(
    workflow: Annotated[
        str | None, typer.Argument(help="Only the package of this workflow; all of this repository's when omitted.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="ID", help="A number of the history, or a bundle; the last before.")
    ] = None,
    env: DeploymentOption = None,
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Also return the tables to what that bundle had published.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Return the environment of this branch to an earlier bundle at once, with nothing built.

    With --with-data its tables return to the snapshots which that bundle had published last: they are listed first,
    and it is refused when anybody else wrote to them since.

    Example:  dataflow project rollback
    """
    from dataflow.cli.project.sync_lineage import sync_deployed_lineage
    from dataflow.deploy.bundle import load_bundle
    from dataflow.deploy.rollback import plan_rollback

    registry, name, owns = here(env)
    planned = plan_rollback(registry, name, workflow=workflow, to=to, owns=owns, with_data=with_data)
    if output is Output.TEXT:
        _print(planned)
    if planned.tables:
        _list_tables(planned)
        confirm(f"Return {len(planned.tables)} table(s) of {name}?", yes=yes)
        from dataflow.tables.catalog import open_catalog
        from dataflow.tables.rollback import roll_back

        packages = [it for it in planned.packages.values() if it is not None]
        settings = load_bundle(registry, packages[0].bundle).environment.environment()
        catalog = open_catalog(settings)
        for table in planned.tables:  # before the switch: what ends it in between is finished by doing it again
            roll_back(catalog, table)
    after = planned.apply(registry)
    if output is Output.JSON:
        print_json(_facts(planned, after.number))
    else:
        out().print(f"{name} is at #{after.number} now, which runs what #{planned.to.number} ran")
    sync_deployed_lineage(registry, after.revision.state)


def _print(planned: RollbackPlan) -> None:
    for key, package in planned.packages.items():
        was = planned.before.revision.packages.get(key)
        path = key.rpartition(":")[2]
        before = was.bundle[:12] if was else "nothing"
        then = f"{package.bundle[:12]} of commit {(package.commit or 'none')[:8]}" if package else "removed"
        out().print(f"  ./{path}: {before} → {then}")


def _list_tables(planned: RollbackPlan) -> None:
    for it in planned.tables:
        undone = ", ".join(it.undone[:6]) + (f" and {len(it.undone) - 6} more" if len(it.undone) > 6 else "")
        err().print(f"  {it.table}: back to snapshot {it.snapshot} of {it.at:%Y-%m-%d %H:%M}; undoes {undone}")


def _facts(planned: RollbackPlan, number: int) -> dict[str, Any]:
    return {
        "environment": planned.before.name,
        "number": number,
        "restores": planned.to.number,
        "packages": {key.rpartition(":")[2]: it.bundle if it else None for key, it in planned.packages.items()},
        "tables": [{"table": it.table, "snapshot": it.snapshot, "undone": list(it.undone)} for it in planned.tables],
    }
