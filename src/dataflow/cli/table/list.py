"""`dataflow table list`: the tables of a catalog."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out, print_narrowed
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.wording import size_text

if TYPE_CHECKING:
    from dataflow.maintenance.look import TableFacts


def list_(
    database: Annotated[
        str | None, typer.Option("--database", metavar="NAME", help="Only tables of this database.")
    ] = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """List tables: whose each is, how complete, how large, how old.

    Examples:
        dataflow table list
        dataflow table list --database dataflow_demo --output json
    """
    from dataflow.cli.table.access import tables
    from dataflow.maintenance.look import list_facts

    with tables(env) as (_, access):
        output.show(_Tables(list_facts(access.names(), access.find, database)))


@dataclass(frozen=True)
class _Tables(Result):
    found: Sequence[TableFacts]

    def text(self) -> None:
        if not self.found:
            out().print("no tables yet: `dataflow workflow run main.sch.yaml` makes one")
            return
        rows = [
            {
                "table": it.table,
                "complete up to": it.mark or "",
                "rows": "" if it.rows is None else f"{it.rows:,}",
                "size": "" if it.bytes is None else size_text(it.bytes),
                "owner": it.owner or "",
                "changed": "" if it.changed is None else f"{it.changed.astimezone():%Y-%m-%d %H:%M}",
                "snapshots": f"{it.snapshots:,}",
            }
            for it in self.found
        ]
        print_narrowed(rows, spare=("snapshots", "changed", "owner"))

    def data(self) -> object:
        return [dataclasses.asdict(it) for it in self.found]
