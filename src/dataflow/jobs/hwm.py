"""The HWM job: the only one that moves a table's high-water mark."""

from __future__ import annotations

import datetime as dt

from dataflow.jobs.context import JobContext, Outcome
from dataflow.tables.highwater import move
from dataflow.workflow.models import HwmSpec


def run_hwm(spec: HwmSpec, context: JobContext) -> Outcome:
    """Record that a day of a table is finished, and move the mark as far as no day is missing."""
    day = dt.datetime.fromisoformat(spec.datetime).date()
    water = move(
        context.spark,
        spec.table,
        day,
        timezone=spec.timezone,
        sources=context.reads(),
        first=context.first_date,
    )
    waiting = f", {len(water.ahead)} finished beyond a gap" if water.ahead else ""
    return Outcome(detail=f"complete up to {water.mark}{waiting}" if water.mark else f"no mark yet{waiting}")
