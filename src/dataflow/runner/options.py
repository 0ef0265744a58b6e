"""What a user may ask of a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """How to run a workflow: each option of `dataflow workflow run` that is not part of the workflow is a field.

    Attributes:
        only: Id of the one step to run, without the steps that it needs; None for all steps.
        adopt: Take over tables that belong to another package.
    """

    only: str | None = None
    adopt: bool = False


DEFAULTS = RunOptions()
