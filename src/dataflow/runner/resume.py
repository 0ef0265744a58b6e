"""What an earlier run has done, so that a retry of it does only what did not succeed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, did_you_mean
from dataflow.workflow.resolved import ForeachStep, SubworkflowStep

if TYPE_CHECKING:
    from dataflow.state.run_records import RunRecords
    from dataflow.workflow.resolved import Workflow


@dataclass(frozen=True)
class Resume:
    """What an earlier run has done.

    Attributes:
        run_id: The earlier run.
        done: The ids of its steps that succeeded; a day's turn of a foreach is `each_day/2026-01-31`.
        inside: What was done of contained runs that did not succeed, by the step that they are.
    """

    run_id: str
    done: frozenset[str] = frozenset()
    inside: Mapping[str, Resume] = field(default_factory=dict)

    def again_from(self, workflow: Workflow, step: str) -> Resume:
        """Return the same, but for a step and all that needs it, which are to be done again.

        Args:
            workflow: What is run again.
            step: One of its steps, a day's turn of a foreach, or a step of the workflows that it contains.

        Raises:
            UsageError: There is no such step.
        """
        own = step.partition("/")[0]
        if own in {it.id for it in workflow.steps} and step in _steps(workflow):
            again = _needing(workflow, own)
            if step != own:  # one day: the others stay done, and so does not what comes after all of them
                again |= {step}
            else:
                again |= {it for it in _steps(workflow) if it.partition("/")[0] in again}
            inside = {id_: it for id_, it in self.inside.items() if id_ not in again}
            return dataclasses.replace(self, done=self.done - again, inside=inside)
        found = {id_: it for id_, it in _contained(workflow).items() if step in _all_steps(it)}
        if not found:
            known = {*_steps(workflow), *(name for it in _contained(workflow).values() for name in _all_steps(it))}
            raise UsageError(f"{workflow.id} has no step '{step}'{did_you_mean(step, known)}")
        inside = dict(self.inside)
        again = set()
        for id_, child in found.items():
            before = self.inside.get(id_)
            if before is None:
                before = Resume(self.run_id, frozenset(_steps(child)) if id_ in self.done else frozenset())
            inside[id_] = before.again_from(child, step)
            again |= {id_, *_needing(workflow, id_.partition("/")[0])}
        return dataclasses.replace(self, done=self.done - again, inside=inside)


def resume_of(records: RunRecords, run_id: str) -> Resume:
    """Return what a run has done, as it is recorded."""
    found = records.run(run_id)
    done = frozenset(job["job_id"] for job in found["jobs"] if job["status"] == "succeeded")
    last = {child["step"]: child["run_id"] for child in found["children"] if child["step"]}
    inside = {step: resume_of(records, child) for step, child in last.items() if step not in done}
    return Resume(found["run_id"], done, inside)


def _needing(workflow: Workflow, step: str) -> set[str]:
    """Return a step and all that needs it, however many steps lie between."""
    found = {step}
    for each in workflow.steps:  # in an order in which each stands after those that it needs
        if workflow.needs.get(each.id, frozenset()) & found:
            found.add(each.id)
    return found


def _contained(workflow: Workflow) -> dict[str, Workflow]:
    """Return the workflows that a workflow contains, by the step that they are."""
    found = {}
    for step in workflow.steps:
        if isinstance(step, SubworkflowStep):
            found[step.id] = step.workflow
        elif isinstance(step, ForeachStep):
            inner = ((item.value, item.step) for item in step.items)
            found |= {f"{step.id}/{value}": it.workflow for value, it in inner if isinstance(it, SubworkflowStep)}
    return found


def _steps(workflow: Workflow) -> list[str]:
    """Return the ids of a workflow's steps, those of a foreach's turns among them."""
    found = []
    for step in workflow.steps:
        found.append(step.id)
        if isinstance(step, ForeachStep):
            found += [f"{step.id}/{item.value}" for item in step.items]
    return found


def _all_steps(workflow: Workflow) -> Iterator[str]:
    yield from _steps(workflow)
    for inner in _contained(workflow).values():
        yield from _all_steps(inner)
