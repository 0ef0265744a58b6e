"""`dataflow table history`: what was done to a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.cli.console import out, print_narrowed
from dataflow.cli.options import EnvOption, LimitOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.table.show import TableArgument

if TYPE_CHECKING:
    from dataflow.maintenance.look import Version


def history(table: TableArgument, limit: LimitOption = 20, env: EnvOption = None, output: OutputOption = TEXT) -> None:
    """List what was done to a table, and by which run, newest first.

    Examples:
        dataflow table history dataflow_demo.playback --limit 5
    """
    from dataflow.cli.table.access import tables
    from dataflow.maintenance.look import history_of

    with tables(env) as (_, access):
        output.show(_History(history_of(access.load(table), limit)))


@dataclass(frozen=True)
class _History(Result):
    found: Sequence[Version]

    def text(self) -> None:
        if not self.found:
            out().print("nothing was written to it yet")
            return
        rows = [
            {
                "at": f"{it.at.astimezone():%Y-%m-%d %H:%M:%S}",
                "what": it.what,
                "partition": it.partition or "",
                "rows": "" if it.rows is None else f"{it.rows:,}",
                "run": it.run or "",
                "snapshot": str(it.snapshot),
            }
            for it in self.found
        ]
        print_narrowed(rows, spare=("snapshot", "rows", "run"))

    def data(self) -> object:
        return [dataclasses.asdict(it) for it in self.found]
