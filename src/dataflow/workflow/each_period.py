"""A range of days, hours, weeks or months of one definition, as a workflow: what `dataflow workflow backfill` runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dataflow.errors import UsageError
from dataflow.workflow.load import EXECUTION_DATE, load_periods, load_workflow, new_run_id
from dataflow.workflow.models import SubworkflowJob, SubworkflowSpec
from dataflow.workflow.resolved import EachDate, ForeachStep, SubworkflowStep

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dataflow.workflow.load import Request
    from dataflow.workflow.periods import Period
    from dataflow.workflow.resolved import Workflow


def load_one(file: Path, request: Request, period: Period | str) -> Workflow:
    """Load the definition of a period, to see whether it is one, of which cadence, and what it is called.

    Raises:
        UsageError: It is not run by the period, or its period is given as a parameter, or is of another cadence.
        DefinitionError: There are mistakes in it.
    """
    if EXECUTION_DATE in request.params:
        raise UsageError(f"{EXECUTION_DATE} is each date in turn here", "choose the dates by --from and --to")
    found = load_workflow(file, dataclasses.replace(request, date=str(period)))
    if EXECUTION_DATE not in found.params:
        unit = found.cadence.unit
        raise UsageError(
            f"{found.id} has no parameter {EXECUTION_DATE}, so it is not run by the {unit}",
            f"name the definition of one {unit}, such as main.sch.yaml",
        )
    return found


def load_each(file: Path, request: Request, periods: Sequence[Period], *, parallel: int, fail_fast: bool) -> Workflow:
    """Load a workflow that runs a definition for each of several periods, as `workflow run --date` would.

    Args:
        file: The definition of one period.
        request: Parameters and environment; its date does not count.
        periods: At least one, in the order in which they are to run.
        parallel: How many run side by side.
        fail_fast: Whether nothing new starts once one has failed.
    """
    run_id = request.run_id or new_run_id()
    found = load_periods(file, request, periods, run_id)
    first = found[0]
    unit, step_id = first.cadence.unit, f"each_{first.cadence.unit}"
    job = SubworkflowJob(
        id=unit,
        type="Subworkflow",
        subworkflow=SubworkflowSpec(file=file.name),
        on_failure="stop" if fail_fast else "finish",
    )
    turns = tuple(EachDate(str(it), SubworkflowStep(job, one)) for it, one in zip(periods, found, strict=True))
    step = ForeachStep(step_id, parallel, turns, tuple(map(str, periods)), cadence=first.cadence)
    return dataclasses.replace(
        first,
        id=backfill_id(first.id),
        run_id=run_id,
        params={name: value for name, value in first.params.items() if name != EXECUTION_DATE},
        origins={name: origin for name, origin in first.origins.items() if name != EXECUTION_DATE},
        builtins={**first.builtins, "run_id": run_id},
        steps=(step,),
        needs={step_id: frozenset()},
        triggers=(),
    )


def backfill_id(workflow: str) -> str:
    """Return what the backfill of a workflow is called."""
    return f"{workflow}.backfill"
