"""`dataflow table show`: a table's own facts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.wording import plural, size_text

if TYPE_CHECKING:
    from dataflow.maintenance.look import TableFacts

TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help="The table, as database.table.")]


def show(table: TableArgument, env: EnvOption = None, output: OutputOption = TEXT) -> None:
    """Show a table: whose it is, how complete, how large, how old.

    Examples:
        dataflow table show dataflow_demo.playback
    """
    from dataflow.cli.table.access import tables
    from dataflow.maintenance.look import facts_of

    with tables(env) as (_, access):
        output.show(_Table(facts_of(*access.named(table))))


@dataclass(frozen=True)
class _Table(Result):
    found: TableFacts

    def text(self) -> None:
        it = self.found
        files = "" if it.files is None else f" in {plural(it.files, 'data file')}"
        facts = {
            "table": it.table,
            "owner": it.owner,
            "package": it.package,
            "tags": ", ".join(it.tags),
            "key": ", ".join(it.key),
            "partitioned by": ", ".join(it.partitioned_by),
            "complete up to": it.mark,
            "rows": None if it.rows is None else f"{it.rows:,}",
            "size": None if it.bytes is None else f"{size_text(it.bytes)}{files}",
            "changed": None if it.changed is None else f"{it.changed.astimezone():%Y-%m-%d %H:%M:%S}",
            "lifetime": None if it.lifetime_days is None else plural(it.lifetime_days, "day"),
            "snapshots": f"{it.snapshots:,}",
            "branches, tags": ", ".join(it.references),
            "folder": it.location,
        }
        width = max(map(len, facts))
        for name, value in facts.items():
            out().print(f"{name:<{width}}  {value or '-'}")

    def data(self) -> object:
        return dataclasses.asdict(self.found)
