"""A workflow that is ready to run: parameters put in, templates and dates expanded, in running order."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar, assert_never

from dataflow.errors import UsageError, did_you_mean, display_path
from dataflow.workflow.models import AuditJob, JobBase, Notifications, SparkJob
from dataflow.workflow.parameters import POINTER
from dataflow.workflow.periods import Cadence
from dataflow.workflow.program_kind import Kind, program_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dataflow.workflow.audits import Audit
    from dataflow.workflow.changed_dates import DatesFound
    from dataflow.workflow.identity import Identity
    from dataflow.workflow.models import (
        Concurrency,
        LeafJob,
        OnFailure,
        SparkSpec,
        SubworkflowJob,
        WapTemplate,
    )
    from dataflow.workflow.periods import Period
    from dataflow.workflow.project import Environment
    from dataflow.workflow.trigger import NamedStrategy, Trigger

_Job = TypeVar("_Job", bound=JobBase)


class _OfJob:
    """What a step has of its job."""

    job: JobBase

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def on_failure(self) -> OnFailure:
        """What a failure of it does to the run."""
        return self.job.on_failure


@dataclass(frozen=True)
class JobStep(_OfJob):
    """One leaf job.

    Attributes:
        job: The job.
        left_out: Why it does not run, by its `when`; None where it does.
    """

    job: LeafJob
    left_out: str | None = None


@dataclass(frozen=True)
class WapStep:
    """A write on a branch, its audits and its publishing; `left_out` as of a job."""

    template: WapTemplate
    left_out: str | None = None

    @property
    def id(self) -> str:
        """The template's id."""
        return self.template.id

    @property
    def on_failure(self) -> OnFailure:
        """What a failure of it does to the run."""
        return self.template.on_failure


@dataclass(frozen=True)
class SubworkflowStep(_OfJob):
    """A job that is a workflow; `left_out` as of any job."""

    job: SubworkflowJob
    workflow: Workflow
    left_out: str | None = None


@dataclass(frozen=True)
class EachDate:
    """One turn of a foreach."""

    value: str
    step: JobStep | SubworkflowStep


@dataclass(frozen=True)
class ForeachStep:
    """One job for each of several dates, or of the items of a list.

    Attributes:
        id: The step's id.
        parallel: How many of them run side by side.
        items: The job for each; of a plan, for the first and the last alone.
        dates: All dates, or all items.
        found: How the dates were found, where they are those that changed; there may be none then.
        over: Which of both it goes over.
        left_out: Why none of it runs; as of a job.
        cadence: What its dates are: days, or hours, weeks or months.
    """

    id: str
    parallel: int
    items: tuple[EachDate, ...]
    dates: tuple[str, ...]
    found: DatesFound | None = None
    over: Literal["dates", "items"] = "dates"
    left_out: str | None = None
    cadence: Cadence = Cadence.DAILY

    @property
    def on_failure(self) -> OnFailure:
        """What a failure of one date does to the others and to the run."""
        return self.items[0].step.on_failure if self.items else "stop"

    @property
    def unit(self) -> str:
        """What it goes over, one of them: a day, or an hour, a week, a month; or an item."""
        return self.cadence.unit if self.over == "dates" else "item"


Step = JobStep | WapStep | SubworkflowStep | ForeachStep


@dataclass(frozen=True)
class LeafStep:
    """A step that does something itself, and where it stands.

    Attributes:
        id: Its id, behind those of the steps around it: `each_day.wap`.
        workflow: The workflow that it is a step of.
        step: The step.
        in_foreach: Whether it, or a workflow around it, is the item of a foreach.
    """

    id: str
    workflow: Workflow
    step: JobStep | WapStep
    in_foreach: bool = False


@dataclass(frozen=True)
class DeclaredScript:
    """A script or program that a step runs.

    Attributes:
        job: The id of its job, behind those of the steps around it: `ddl`, `wap.write`.
        workflow: The workflow that runs it.
        spec: What the definition says of it.
        target: The table that the template around it publishes; None for a job by itself.
    """

    job: str
    workflow: Workflow
    spec: SparkSpec
    target: str | None = None

    @property
    def path(self) -> Path:
        """The script, jar or folder."""
        return self.workflow.folder / self.spec.script

    @property
    def params(self) -> dict[str, str]:
        """Its parameters: those of the workflow and its own, and the built-ins as `dataflow.NAME`."""
        return {**self.workflow.script_params, **self.spec.params}

    @property
    def is_asset(self) -> bool:
        """Whether it is named as an asset, and not as a file."""
        return self.spec.script.startswith(POINTER)

    @property
    def is_sql(self) -> bool:
        """Whether it is a SQL script that can be read here."""
        return not self.is_asset and program_kind(self.path) is Kind.SQL


@dataclass(frozen=True)
class DeclaredAudit:
    """An audit, and the table whose rows it checks."""

    table: str
    audit: Audit


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
        triggers: What makes it due once it is deployed, each by itself.
        strategy: What becomes of moments that were missed: `latest only`, `sequential`, or how many run at once.
        notifications: Recipients at the end of a run.
        origins: Where each parameter's value came from: `--param`, `--date`, `caller`, `environment` or
            `definition`.
        concurrency: What it does while another run of it, for the same day, is at work.
        bundle: The bundle that it is run from; None for a run from files.
        cadence: Which periods it runs for.
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
    triggers: tuple[Trigger, ...] = ()
    notifications: Notifications = field(default_factory=Notifications)
    origins: Mapping[str, str] = field(default_factory=dict)
    bundle: str | None = None
    concurrency: Concurrency = "wait"
    strategy: NamedStrategy | int = "latest only"
    cadence: Cadence = Cadence.DAILY

    @property
    def period(self) -> Period | None:
        """The period that it runs for; None where it runs for none."""
        return self.cadence.read(self.params.get("EXECUTION_DATE", ""))

    @property
    def trigger(self) -> Trigger | None:
        """The first of its triggers, whose time zone is that of its days; None without any."""
        return self.triggers[0] if self.triggers else None

    @property
    def folder(self) -> Path:
        """The folder that scripts and files are named from."""
        return self.file.parent

    @property
    def script_params(self) -> dict[str, str]:
        """What scripts may use: the parameters, and the built-ins as `dataflow.NAME`."""
        return {**{f"dataflow.{name}": value for name, value in self.builtins.items()}, **self.params}

    def walk(self, *, every_date: bool = True) -> Iterator[Workflow]:
        """Yield this workflow and all that it contains, outermost first.

        Args:
            every_date: Whether to yield the contained workflow of each date of a foreach, or the first date's alone.
        """
        yield self
        for _, step, _ in self._unfolded(every_date=every_date):
            if isinstance(step, SubworkflowStep):
                yield from step.workflow.walk(every_date=every_date)

    def leaf_steps(self, *, contained: bool = False, every_date: bool = False) -> Iterator[LeafStep]:
        """Yield the jobs and templates that do something themselves, in running order.

        Args:
            contained: Whether to yield those of contained workflows as well, in their steps' places.
            every_date: Whether to yield the job of each date of a foreach, or the first date's alone.
        """
        for id_, step, in_foreach in self._unfolded(every_date=every_date):
            if not isinstance(step, SubworkflowStep):
                yield LeafStep(id_, self, step, in_foreach)
            elif contained:
                for leaf in step.workflow.leaf_steps(contained=True, every_date=every_date):
                    around = in_foreach or leaf.in_foreach
                    yield dataclasses.replace(leaf, id=f"{id_}.{leaf.id}", in_foreach=around)

    def jobs(self, kind: type[_Job], *, every_date: bool = False) -> Iterator[_Job]:
        """Yield the jobs of one type; those of contained workflows not included.

        Args:
            kind: The type, as its model.
            every_date: Whether to yield the job of each date of a foreach, or the first date's alone.
        """
        for leaf in self.leaf_steps(every_date=every_date):
            if isinstance(leaf.step, JobStep) and isinstance(leaf.step.job, kind):
                yield leaf.step.job

    def templates(self) -> Iterator[WapTemplate]:
        """Yield the templates that write, audit and publish; those of contained workflows not included."""
        return (leaf.step.template for leaf in self.leaf_steps() if isinstance(leaf.step, WapStep))

    def spark_specs(self, *, contained: bool = False, every_date: bool = False) -> Iterator[DeclaredScript]:
        """Yield the scripts and programs that jobs and templates run; arguments as of `leaf_steps`."""
        for leaf in self.leaf_steps(contained=contained, every_date=every_date):
            match leaf.step:
                case WapStep(template=template):
                    for item in template.write:
                        id_ = f"{leaf.id}.{item.job.id}"
                        yield DeclaredScript(id_, leaf.workflow, item.job.spark, template.table)
                case JobStep(job=SparkJob() as job):
                    yield DeclaredScript(leaf.id, leaf.workflow, job.spark)
                case JobStep():
                    pass
                case _:
                    assert_never(leaf.step)

    def audits(self) -> Iterator[DeclaredAudit]:
        """Yield the audits of jobs and templates; those of contained workflows not included."""
        for leaf in self.leaf_steps():
            match leaf.step:
                case WapStep(template=template):
                    yield from (DeclaredAudit(template.table, audit) for audit in template.audits)
                case JobStep(job=AuditJob() as job):
                    yield from (DeclaredAudit(job.audit.table, audit) for audit in job.audit.audits)
                case JobStep():
                    pass
                case _:
                    assert_never(leaf.step)

    def script_names(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the scripts of jobs and audits as the definition names them, each with its own parameters."""
        yield from ((script.spec.script, script.spec.params) for script in self.spark_specs())
        yield from ((name, {}) for it in self.audits() if (name := it.audit.script_name) is not None)

    @property
    def python_scripts(self) -> tuple[Path, ...]:
        """The Python files of this workflow and all that it contains, each once."""
        found = (run.folder / name for run in self.walk() for name, _ in run.script_names())
        return tuple(path for path in dict.fromkeys(found) if program_kind(path) is Kind.PYTHON)

    @property
    def target_tables(self) -> tuple[str, ...]:
        """The tables that this workflow declares to write; those of contained workflows not included."""
        found: dict[str, None] = {}
        for leaf in self.leaf_steps(every_date=True):
            match leaf.step:
                case WapStep(template=template):
                    found[template.table] = None
                case JobStep(job=job):
                    found.update(dict.fromkeys(job.writes))
                case _:
                    assert_never(leaf.step)
        return tuple(found)

    def _unfolded(self, *, every_date: bool) -> Iterator[tuple[str, JobStep | WapStep | SubworkflowStep, bool]]:
        """Yield the steps, those of a foreach in its place and marked, each with the id that it goes by here."""
        for step in self.steps:
            match step:
                case ForeachStep():
                    for item in step.items if every_date else step.items[:1]:
                        yield step.id, item.step, True
                case JobStep() | WapStep() | SubworkflowStep():
                    yield step.id, step, False
                case _:
                    assert_never(step)

    def choose(self, only: str | None) -> tuple[Step, ...]:
        """Return all steps, or the one of that id.

        Raises:
            UsageError: There is no such step.
        """
        if only is None:
            return self.steps
        chosen = tuple(step for step in self.steps if step.id == only)
        if not chosen:
            raise UsageError(f"{display_path(self.file)} has no job '{only}'{self._nearest(only)}")
        return chosen

    def _nearest(self, job: str) -> str:
        """Say which job is near to a word; a part of one, such as `wap.write`, is run with its job alone."""
        for step in self.steps:
            if isinstance(step, WapStep):
                parts = {"write", "audit", "publish", *(it.job.id for it in step.template.write)}
                if job in parts or job in {f"{step.id}.{part}" for part in parts}:
                    return f", which is a part of one; did you mean '{step.id}'?"
        return did_you_mean(job, [step.id for step in self.steps])
