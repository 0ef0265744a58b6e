"""`dataflow table maintain`: partitions, snapshots and files that may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import confirm, err, out, say, spark_session, working
from dataflow.cli.options import EnvOption, YesOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.maintenance.plan_text import figures_text, plan_lines
from dataflow.workflow.maintenance_spec import KEEP_DAYS

if TYPE_CHECKING:
    from dataflow.maintenance.maintain import Maintained


def maintain(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TABLE]...",
            help="Tables of the package in this folder; all of them if omitted.",
            show_default=False,
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show; change nothing.")] = False,
    keep: Annotated[
        int,
        typer.Option(
            "--keep-marks",
            metavar="DAYS",
            min=1,
            max=36_500,
            help="How long a reader's mark may need an older snapshot.",
        ),
    ] = KEEP_DAYS,
    yes: YesOption = False,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Keep tables in order: old partitions, snapshots, small files.

    What outlived its lifetime is dropped, what nobody needs expires, small files are compacted; it is listed first.

    Nothing goes that a branch, a tag, a run at work, a rollback, an open campaign or a reader's mark needs. Where there
    is nothing to do, no JVM starts.

    Examples:
        dataflow table maintain --plan
        dataflow table maintain alice_sandbox.alice_playback_results --yes
    """
    from dataflow.cli.table.access import tables
    from dataflow.maintenance.home_files import prune_home
    from dataflow.maintenance.maintain import access_through, maintenances
    from dataflow.state.run_records import open_run_records
    from dataflow.workflow.project import read_identity

    with tables(env) as (where, access), open_run_records(where.state) as records:
        with working("Looking …"):
            found = maintenances(where, access, read_identity(Path.cwd()), records, names or (), keep)
        due = [it for it in found if not it.planned.is_empty]
        for line in () if plan else prune_home():
            say(line)
        if due and not plan:
            for it in due:
                for line in plan_lines(it.planned):
                    err().print(line)
            confirm("Do this? What goes is gone.", yes=yes)
            with spark_session(where, "maintain", "Maintaining …") as spark:
                found = [it.done(spark, access_through(spark), say) if it in due else it for it in found]
    output.show(_Maintained(found))


@dataclass(frozen=True)
class _Maintained(Result):
    found: Sequence[Maintained]

    def text(self) -> None:
        for it in self.found:
            if it.after is not None:
                out().print(f"{it.planned.table}: {figures_text(it.before)}")
                out().print(f"{' ' * len(it.planned.table)}  now {figures_text(it.after)}")
            elif it.planned.is_empty:
                out().print(f"{it.planned.table}: nothing to do ({figures_text(it.before)})")
            else:
                for line in plan_lines(it.planned):
                    out().print(line)

    def data(self) -> object:
        return [
            {
                "table": it.planned.table,
                "done": it.after is not None,
                "branches": it.planned.branches,
                "partitions": [
                    {"partition": each.label, "rows": each.rows, "files": each.paths} for each in it.planned.outlived
                ],
                "compact": [{"partition": each.label, "files": len(each.paths)} for each in it.planned.scattered],
                "manifests": it.planned.manifests,
                "snapshots": it.planned.needed.expired,
                "kept": [{"snapshot": id_, "why": why} for id_, why in it.planned.needed.kept.items()],
                "files": [each.path for each in it.planned.unreachable],
                "orphans": [each.path for each in it.planned.orphans],
                "notes": it.planned.notes,
                "before": asdict(it.before),
                "after": None if it.after is None else asdict(it.after),
            }
            for it in self.found
        ]
