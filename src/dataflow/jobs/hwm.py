"""The HWM job: the only one that moves a table's high-water mark."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping

from dataflow.errors import DataflowError
from dataflow.jobs.context import JobContext, Outcome
from dataflow.tables.highwater import Sources, move
from dataflow.tables.publications import newest_publication
from dataflow.workflow.models import HwmSpec


def run_hwm(spec: HwmSpec, context: JobContext) -> Outcome:
    """Record that a day of a table is finished, and move the mark as far as no day is missing.

    Raises:
        DataflowError: The table publishes its days, and this day is not among them.
    """
    day = dt.datetime.fromisoformat(spec.datetime).date()
    published = newest_publication(context.spark, spec.table, str(day))
    if published is not None and not published:
        raise DataflowError(
            f"{spec.table} has no published {day}, so it can't be called complete",
            "run the whole workflow for that day; a mark says that readers can see it",
        )
    water = move(
        context.spark,
        spec.table,
        day,
        timezone=spec.timezone,
        sources=context.reads() or _sources_of(published or {}),
        first=context.first_date,
    )
    waiting = f", {len(water.ahead)} finished beyond a gap" if water.ahead else ""
    return Outcome(detail=f"complete up to {water.mark}{waiting}" if water.mark else f"no mark yet{waiting}")


def _sources_of(published: Mapping[str, str]) -> Sources:
    """Return what a day was computed from as its own snapshot tells it, for a job that runs alone."""
    found = json.loads(published.get("dataflow.sources", "{}"))
    return {table: (sequence, snapshot) for table, (sequence, snapshot) in found.items()}
