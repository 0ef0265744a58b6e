"""A range of days of one definition, as a workflow: what `dataflow workflow backfill` runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dataflow.errors import UsageError
from dataflow.workflow.load import EXECUTION_DATE, load_days, load_workflow, new_run_id
from dataflow.workflow.models import SubworkflowJob, SubworkflowSpec
from dataflow.workflow.resolved import EachDate, ForeachStep, SubworkflowStep

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from dataflow.workflow.load import Request
    from dataflow.workflow.resolved import Workflow

STEP = "each_day"
"""The step of a backfill whose turns are its days."""


def load_one_day(file: Path, request: Request, day: dt.date) -> Workflow:
    """Load the definition of a day, to see whether it is one and what it is called.

    Raises:
        UsageError: It is not run by the day, or its day is given as a parameter.
        DefinitionError: There are mistakes in it.
    """
    if EXECUTION_DATE in request.params:
        raise UsageError(f"{EXECUTION_DATE} is each day in turn here", "choose the days by --from and --to")
    found = load_workflow(file, dataclasses.replace(request, date=day))
    if EXECUTION_DATE not in found.params:
        raise UsageError(
            f"{found.id} has no parameter {EXECUTION_DATE}, so it is not run by the day",
            "name the definition of one day, such as main.sch.yaml",
        )
    return found


def load_each_day(file: Path, request: Request, days: Sequence[dt.date], *, parallel: int, fail_fast: bool) -> Workflow:
    """Load a workflow that runs a definition for each of several days, as `workflow run --date` would.

    Args:
        file: The definition of one day.
        request: Parameters and environment; its date does not count.
        days: At least one, in the order in which they are to run.
        parallel: How many run side by side.
        fail_fast: Whether nothing new starts once a day has failed.
    """
    run_id = request.run_id or new_run_id()
    found = load_days(file, request, days, run_id)
    job = SubworkflowJob(
        id="day",
        type="Subworkflow",
        subworkflow=SubworkflowSpec(file=file.name),
        on_failure="stop" if fail_fast else "finish",
    )
    turns = tuple(EachDate(str(day), SubworkflowStep(job, it)) for day, it in zip(days, found, strict=True))
    step = ForeachStep(STEP, parallel, turns, tuple(map(str, days)))
    first = found[0]
    return dataclasses.replace(
        first,
        id=backfill_id(first.id),
        run_id=run_id,
        params={name: value for name, value in first.params.items() if name != EXECUTION_DATE},
        origins={name: origin for name, origin in first.origins.items() if name != EXECUTION_DATE},
        builtins={**first.builtins, "run_id": run_id},
        steps=(step,),
        needs={STEP: frozenset()},
        triggers=(),
    )


def backfill_id(workflow: str) -> str:
    """Return what the backfill of a workflow is called."""
    return f"{workflow}.backfill"
