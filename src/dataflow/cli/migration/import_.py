"""`dataflow migration import`: lineage of other tools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out, say
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.lineage.openlineage.ingest import ImportResult

_SHOWN = 10


def import_(
    events: Annotated[
        Path, typer.Argument(metavar="PATH", help="A file of OpenLineage events, or a folder of such files.")
    ],
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Import lineage that other tools reported in OpenLineage events.

    The same events again change nothing.

    Examples:
        dataflow migration import ./openlineage-events
    """
    from dataflow.lineage.openlineage.ingest import import_events
    from dataflow.state.database import StateDatabase
    from dataflow.workflow.project import environment, find_project

    chosen = environment(find_project(Path.cwd()), env)
    with StateDatabase(chosen.state) as database:
        done = import_events(events, database, chosen.catalog_name)
    output.show(_ImportedEvents(done))


@dataclass(frozen=True)
class _ImportedEvents(Result):
    done: ImportResult

    def text(self) -> None:
        for line in self.done.skipped[:_SHOWN]:
            say(f"left out: {line}")
        out().print(f"{self.done.events:,} events describe {self.done.edges:,} writes")

    def data(self) -> object:
        return {"events": self.done.events, "writes": self.done.edges, "left_out": list(self.done.skipped)}
