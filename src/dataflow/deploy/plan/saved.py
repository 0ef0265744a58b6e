"""Saved plans: `plan --save` writes one, and `deploy --plan` refuses one that no longer holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from dataflow.deploy.bundle.manifest import BundleModel
from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.files import write_file

if TYPE_CHECKING:
    from dataflow.deploy.plan.definition import PreparedPlan
    from dataflow.deploy.source import DeploySource


class SavedPlan(BundleModel):
    """A plan as `--save` writes it: what would be deployed, and the revision that it would replace."""

    version: Literal[1] = 1
    environment: str
    repository: str
    number: int
    inputs: dict[str, str]


def save_plan(planned: PreparedPlan, source: DeploySource, file: Path) -> None:
    """Write a plan to a file, for `deploy --plan`.

    Raises:
        DataflowError: It can't be written.
    """
    plan = planned.plan
    saved = SavedPlan(
        environment=plan.environment, repository=source.name, number=plan.number, inputs=dict(plan.inputs)
    )
    try:
        write_file(file, saved.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise DataflowError(f"can't write {display_path(file)}: {error.strerror}") from None


def check_saved(planned: PreparedPlan, source: DeploySource, file: Path) -> None:
    """Refuse a saved plan that differs from what would be deployed now.

    Raises:
        UsageError: The file is not a plan, or is one of another repository.
        DataflowError: The checkout or the environment has changed since.
    """
    try:
        saved = SavedPlan.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "it was not written by `plan --save`"
        raise UsageError(f"{display_path(file)} can't be read as a plan: {why}") from None
    again = "look at it again: dataflow project plan --save FILE"
    if (saved.repository, saved.environment) != (source.name, source.target.name):
        raise UsageError(
            f"the plan is for {saved.environment} of {saved.repository}, and this is {source.target.name} of "
            f"{source.name}"
        )
    if saved.number != planned.plan.number:
        raise DataflowError(
            f"{saved.environment} has changed since the plan was made: from #{saved.number} to #{planned.plan.number}",
            again,
            permanent=True,
        )
    if saved.inputs != planned.plan.inputs:
        now = planned.plan.inputs
        moved = sorted(key for key in {*saved.inputs, *now} if saved.inputs.get(key) != now.get(key))
        listed = ", ".join(key.rpartition(":")[2] for key in moved[:5]) + (", …" if len(moved) > 5 else "")
        raise DataflowError(f"the repository has changed since the plan was made: {listed}", again, permanent=True)
