"""Whether Comet executes a run: decided before the JVM starts, by its data and by what fell back in earlier runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.spark.comet import Acceleration, hindrance, is_fetched, lacking
from dataflow.spark.jars import COMET
from dataflow.spark.sizing import FEW_ROWS, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflow.tables.day_size import Size
    from dataflow.workflow.resolved import Workflow

_LEAST_SHARE = 0.5
"""Of an earlier run's operators so many had to be Comet's: rows that go back and forth cost more than they save."""


def acceleration_of(workflow: Workflow) -> Acceleration:
    """Decide whether Comet would execute a run of a workflow, from what its tables hold now."""
    return decide(workflow, size_of(workflow))


def decide(workflow: Workflow, size: Size | None) -> Acceleration:
    """Decide whether Comet executes a run of a workflow, and say why.

    Args:
        workflow: What is run.
        size: How much it reads; None where nobody knows.
    """
    environment = workflow.environment
    if environment.accelerator == "none":
        return Acceleration(False, "the environment has accelerator: none")
    by_name = environment.accelerator == "comet"
    if why := hindrance(environment):
        return Acceleration(False, why, required=by_name)
    if by_name:
        return Acceleration(True, "the environment has accelerator: comet", required=True)
    return _by_size(workflow, size)


def _by_size(workflow: Workflow, size: Size | None) -> Acceleration:
    if size is None:
        return Acceleration(False, "how much the run reads is not known")
    rows = f"the run reads at most {size.rows:,} rows"
    if size.rows <= FEW_ROWS:
        return Acceleration(False, f"{rows}, with which Spark alone is as fast")
    if why_not := lacking() or _fell_back(workflow):
        return Acceleration(False, why_not)
    fetched = "" if is_fetched() else f"; its jar is fetched once, {COMET.size / 1e6:.0f} MB"
    return Acceleration(True, f"{rows}{fetched}")


def _fell_back(workflow: Workflow) -> str | None:
    """Return why the last run of the same definitions with Comet speaks against another; None where none does."""
    from dataflow.state.run_records import open_run_records
    from dataflow.workflow.definitions import definitions_of

    try:
        with open_run_records(workflow.environment.state) as records:
            found = records.accelerated(workflow.id, workflow.environment.name, definitions_of(workflow))
    except DataflowError:  # whoever records the run says so
        return None
    native, operators = (sum(it.get(key, 0) for it in found) for key in ("native", "operators"))
    if not operators or native / operators >= _LEAST_SHARE:
        return None
    reasons = [why for it in found for why in it.get("fell_back", ())]
    return f"{operators - native} of {operators} operators of its last run fell back to Spark{_first(reasons)}"


def _first(reasons: list[Mapping[str, Any]]) -> str:
    return f", such as {reasons[0]['operator']} ({reasons[0]['reason']})" if reasons else ""
