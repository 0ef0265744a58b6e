"""A workflow as runs of their own, for another attempt."""

from __future__ import annotations

import dataclasses
from typing import assert_never

from dataflow.workflow.resolved import ForeachStep, JobStep, Step, SubworkflowStep, WapStep, Workflow


def again(workflow: Workflow, attempt: int) -> Workflow:
    """Return the same workflow, with all that it contains, as runs of their own for another attempt."""
    return _renamed(workflow, f"{workflow.run_id}_r{attempt}")


def _renamed(workflow: Workflow, run_id: str) -> Workflow:
    def inside(step: SubworkflowStep) -> SubworkflowStep:
        own = step.workflow.run_id.removeprefix(workflow.run_id)
        return dataclasses.replace(step, workflow=_renamed(step.workflow, f"{run_id}{own}"))

    def renamed(step: Step) -> Step:
        match step:
            case SubworkflowStep():
                return inside(step)
            case ForeachStep():
                items = tuple(
                    dataclasses.replace(item, step=inside(item.step))
                    if isinstance(item.step, SubworkflowStep)
                    else item
                    for item in step.items
                )
                return dataclasses.replace(step, items=items)
            case JobStep() | WapStep():
                return step
            case _:
                assert_never(step)

    builtins = {**workflow.builtins, "run_id": run_id}
    return dataclasses.replace(workflow, run_id=run_id, builtins=builtins, steps=tuple(map(renamed, workflow.steps)))
