"""A workflow that is ready to run: parameters put in, templates and dates expanded, in running order."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, did_you_mean, display_path
from dataflow.workflow.models import (
    AuditJob,
    HwmJob,
    MetadataJob,
    NotificationJob,
    Notifications,
    OnFailure,
    SparkJob,
    SubworkflowJob,
    Trigger,
    WapTemplate,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dataflow.workflow.identity import Identity
    from dataflow.workflow.project import Environment

LeafJob = SparkJob | MetadataJob | AuditJob | HwmJob | NotificationJob


@dataclass(frozen=True)
class JobStep:
    """One leaf job."""

    job: LeafJob

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def on_failure(self) -> OnFailure:
        """What a failure of it does to the run."""
        return self.job.on_failure


@dataclass(frozen=True)
class WapStep:
    """A write on a branch, its audits and its publishing."""

    template: WapTemplate

    @property
    def id(self) -> str:
        """The template's id."""
        return self.template.id

    @property
    def on_failure(self) -> OnFailure:
        """What a failure of it does to the run."""
        return self.template.on_failure


@dataclass(frozen=True)
class SubworkflowStep:
    """A job that is a workflow."""

    job: SubworkflowJob
    workflow: Workflow

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def on_failure(self) -> OnFailure:
        """What a failure of it does to the run."""
        return self.job.on_failure


@dataclass(frozen=True)
class EachDate:
    """One turn of a foreach."""

    value: str
    step: JobStep | SubworkflowStep


@dataclass(frozen=True)
class ForeachStep:
    """One job for each of several dates.

    Attributes:
        id: The step's id.
        parallel: How many dates run side by side.
        items: The job for each date; of a plan, for the first and the last alone.
        dates: All dates.
    """

    id: str
    parallel: int
    items: tuple[EachDate, ...]
    dates: tuple[str, ...]

    @property
    def on_failure(self) -> OnFailure:
        """What a failure of one date does to the others and to the run."""
        return self.items[0].step.on_failure


Step = JobStep | WapStep | SubworkflowStep | ForeachStep


@dataclass(frozen=True)
class Workflow:
    """A workflow ready to run.

    Attributes:
        id: The workflow's id, parameters put in.
        file: The definition it came from, absolute.
        run_id: The run that it is resolved for; lower-case letters, digits and underscores.
        params: The user's parameters by name, resolved; secrets stand as `${secret:NAME}`.
        builtins: What each `dataflow.*` was resolved to, without the prefix.
        identity: Whose package it is.
        environment: Where it runs.
        steps: In an order in which each stands after all those that it needs.
        needs: For each step's id the ids that must have finished first.
        trigger: When it runs once it is deployed.
        notifications: Who hears of a run's end.
        origins: Where each parameter's value came from: `--param`, `--date`, `caller`, `environment` or
            `definition`.
        bundle: The bundle that it is run from; None for a run from files.
    """

    id: str
    file: Path
    run_id: str
    description: str
    owner: str
    tags: tuple[str, ...]
    params: Mapping[str, str]
    builtins: Mapping[str, str]
    identity: Identity
    environment: Environment
    steps: tuple[Step, ...]
    needs: Mapping[str, frozenset[str]]
    trigger: Trigger | None = None
    notifications: Notifications = field(default_factory=Notifications)
    origins: Mapping[str, str] = field(default_factory=dict)
    bundle: str | None = None

    @property
    def folder(self) -> Path:
        """The folder that scripts and files are named from."""
        return self.file.parent

    @property
    def script_params(self) -> dict[str, str]:
        """What scripts may use: the parameters, and the built-ins as `dataflow.NAME`."""
        return {**{f"dataflow.{name}": value for name, value in self.builtins.items()}, **self.params}

    @property
    def target_tables(self) -> tuple[str, ...]:
        """The tables that this workflow declares to write, its subworkflows' not included."""
        found: dict[str, None] = {}
        for step in self.steps:
            match step:
                case WapStep():
                    found[step.template.table] = None
                case JobStep(job=MetadataJob() as job):
                    found[job.metadata.table] = None
                case JobStep(job=HwmJob() as job):
                    found[job.hwm.table] = None
                case _:
                    pass
        return tuple(found)

    def choose(self, only: str | None) -> tuple[Step, ...]:
        """Return all steps, or the one of that id.

        Raises:
            UsageError: There is no such step.
        """
        if only is None:
            return self.steps
        chosen = tuple(step for step in self.steps if step.id == only)
        if not chosen:
            valid = [step.id for step in self.steps]
            raise UsageError(f"{display_path(self.file)} has no job '{only}'{did_you_mean(only, valid)}")
        return chosen

    def again(self, attempt: int) -> Workflow:
        """Return the same workflow, with all that it contains, as runs of their own for another attempt."""
        return self._renamed(f"{self.run_id}_r{attempt}")

    def _renamed(self, run_id: str) -> Workflow:
        def inside(step: SubworkflowStep) -> SubworkflowStep:
            own = step.workflow.run_id.removeprefix(self.run_id)
            return dataclasses.replace(step, workflow=step.workflow._renamed(f"{run_id}{own}"))

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
                case _:
                    return step

        builtins = {**self.builtins, "run_id": run_id}
        return dataclasses.replace(self, run_id=run_id, builtins=builtins, steps=tuple(map(renamed, self.steps)))

    def walk(self) -> Iterator[Workflow]:
        """Yield this workflow and all that it contains, outermost first."""
        yield self
        for step in self.steps:
            match step:
                case SubworkflowStep():
                    yield from step.workflow.walk()
                case ForeachStep():
                    for item in step.items:
                        if isinstance(item.step, SubworkflowStep):
                            yield from item.step.workflow.walk()
                case _:
                    pass
