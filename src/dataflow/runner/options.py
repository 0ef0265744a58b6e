"""What a user may ask of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from dataflow.jobs.context import PartOfRun
    from dataflow.runner.resume import Resume


@dataclass(frozen=True)
class RunOptions:
    """How to run a workflow: each option of `dataflow workflow run` that is not part of the workflow is a field.

    Attributes:
        only: Id of the one step to run, without the steps that it needs; None for all steps.
        adopt: Take over tables that belong to another package.
        resume: What an earlier run has done, and this one does not do again; None for a run of its own.
        days: The days of a backfill, as its record keeps them; empty for other runs.
        parallel: How many of them run side by side.
        left: Returns the days of a backfill that are still to be run; None for other runs.
        part: Which part it is of a run whose steps a scheduler starts one by one; None for other runs.
    """

    only: str | None = None
    adopt: bool = False
    resume: Resume | None = None
    days: tuple[str, ...] = ()
    parallel: int = 1
    left: Callable[[], Collection[str]] | None = None
    part: PartOfRun | None = None


DEFAULTS = RunOptions()
