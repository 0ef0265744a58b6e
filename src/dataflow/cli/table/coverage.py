"""`dataflow table coverage`: which days a table has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import cell, out, print_narrowed
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.table.show import TableArgument
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.maintenance.look import Coverage

_STYLES = {"there": "green", "missing": "yellow", "failed": "red", "empty": "dim"}


def coverage(
    table: TableArgument,
    day: Annotated[
        str | None,
        typer.Option("--day", metavar="COLUMN", help="The column that says which day a row is of; found if omitted."),
    ] = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Show which days of a table are there, missing, or failed.

    Or its hours, weeks or months. A day that a run found nothing for is empty; one whose last run failed has failed,
    whatever it has from before.

    Examples:
        dataflow table coverage dataflow_demo.playback
    """
    from dataflow.cli.table.access import tables
    from dataflow.maintenance.look import coverage_of
    from dataflow.state.run_records import open_run_records

    with tables(env) as (where, access), open_run_records(where.state) as records:
        output.show(_Coverage(coverage_of(*access.named(table), records, where.name, day)))


@dataclass(frozen=True)
class _Coverage(Result):
    found: Coverage

    def text(self) -> None:
        from dataflow.maintenance.look import spans

        found = self.found
        unit = found.cadence.unit
        mark = "no mark" if found.mark is None else f"complete up to {found.mark.label}"
        if not found.days:
            out().print(f"{found.table}: no {unit}s, {mark}")
            return
        rows = [
            {
                unit: first.label if first == last else f"{first.label} to {last.label}",
                "state": cell(state, _STYLES[state]),
                f"{unit}s": f"{first.count_to(last):,}",
                "rows": f"{sum(found.rows.get(it) or 0 for it in first.upto(last)):,}",
            }
            for first, last, state in spans(found.days)
        ]
        print_narrowed(rows)
        counts = Counter(found.days.values())
        told = ", ".join(f"{counts[it]:,} {it}" for it in _STYLES if counts[it])
        out().print(f"{plural(len(found.days), unit)}: {told}; {mark}")

    def data(self) -> object:
        found = self.found
        return {
            "table": found.table,
            "column": found.column,
            "cadence": found.cadence,
            "mark": found.mark.label if found.mark else None,
            "days": [
                {
                    "day": period.label,
                    "state": state,
                    "rows": found.rows.get(period, 0),
                    "failed": found.failures.get(period),
                }
                for period, state in found.days.items()
            ],
        }
