"""The plan of a run: what it would do, read and write, from the definition and its scripts alone, without Spark."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from dataflow.errors import display_path
from dataflow.lineage.model import plain_name
from dataflow.lineage.workflow_tables import script_tables
from dataflow.runner.plan_layout import executor_line, layout_lines
from dataflow.runner.plan_text import render_plan
from dataflow.workflow.models import SparkJob
from dataflow.workflow.periods import Cadence
from dataflow.workflow.resolved import DeclaredScript, ForeachStep, JobStep, SubworkflowStep, WapStep
from dataflow.workflow.trigger import strategy_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflow.workflow.audits import Audit
    from dataflow.workflow.models import JobBase, LeafJob
    from dataflow.workflow.resolved import Step, Workflow


@dataclass(frozen=True)
class Parameter:
    """A parameter, its value for this run, and the origin of the value."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True)
class StepPlan:
    """What one step would do.

    Attributes:
        id: The step's id.
        type: The type of its job or template.
        needs: The steps that must have finished first.
        runs: The script, file or message of the step.
        reads: The tables that its text names as read.
        reads_known: False when a script may read more than its text names; the reads are recorded when it runs.
        writes: The tables that it writes.
        partition: The partition that it writes; empty for whole tables.
        empty: What a `wap` write of no rows does.
        existing: What happens to the rows that a `wap` partition had before.
        audits: The audits, with a `!` before those that block publishing.
        retries: How many attempts may follow the first one.
        timeout: Seconds that an attempt may take.
        left_out: Why its `when` leaves it out; None where it runs.
        dates: The dates of a foreach.
        items: The items of a foreach that goes over a list.
        parallel: How many of them run at once.
        contains: The plan of a contained workflow; of a foreach, for its first date.
        reasons: Why each date is to be run, where those are that changed.
        notes: What of the dates could not be told exactly, or is left for the next run.
        cadence: What the dates are: days, or hours, weeks or months.
        layout: How a `wap` write lays out its files, and why; empty where the table can't be seen without Spark.
    """

    id: str
    type: str
    needs: tuple[str, ...]
    runs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    reads_known: bool = True
    writes: tuple[str, ...] = ()
    partition: Mapping[str, str] = dataclasses.field(default_factory=dict)
    empty: str | None = None
    existing: str | None = None
    audits: tuple[str, ...] = ()
    retries: int = 0
    timeout: float | None = None
    left_out: str | None = None
    dates: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    parallel: int = 1
    contains: RunPlan | None = None
    reasons: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    cadence: str = Cadence.DAILY.value
    layout: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedTrigger:
    """One of the triggers of a workflow: when it makes it due, and when it would next; None where nobody can tell."""

    text: str
    next: dt.datetime | None = None


@dataclass(frozen=True)
class RunPlan:
    """What a run of a workflow would do.

    Attributes:
        workflow: The workflow's id.
        file: Its definition, as the user would type it.
        description: What it is for.
        owner: Its owner.
        environment: Where it would run.
        catalog: The catalog that holds its tables.
        spark: Where Spark runs, and how many executors it holds.
        package: The package's id.
        pinned: Whether the package has an identity of its own, or one derived from user and folder.
        schedule: When it runs once it is deployed, with the time zone; None without a schedule.
        strategy: What becomes of moments that were missed; None without a schedule.
        parameters: All parameters.
        steps: In running order.
        accelerator: Whether Comet would be at work, and why; None for a workflow within another.
        triggers: What makes it due, each by itself.
    """

    workflow: str
    file: str
    description: str
    owner: str
    environment: str
    catalog: str
    spark: str
    package: str
    pinned: bool
    schedule: str | None
    strategy: str | None
    parameters: tuple[Parameter, ...]
    steps: tuple[StepPlan, ...]
    accelerator: str | None = None
    triggers: tuple[PlannedTrigger, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables that the run reads and does not write itself, contained workflows included."""
        written = set(self.writes)
        found = (table for step in self._all_steps() for table in step.reads if table not in written)
        return tuple(dict.fromkeys(found))

    @property
    def writes(self) -> tuple[str, ...]:
        """The tables that the run writes, contained workflows included."""
        return tuple(dict.fromkeys(table for step in self._all_steps() for table in step.writes))

    def render_text(self) -> str:
        """Return the plan for people."""
        return render_plan(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan for programs: plain data for JSON."""
        return {**dataclasses.asdict(self), "reads": self.reads, "writes": self.writes}

    def _all_steps(self) -> tuple[StepPlan, ...]:
        inner = tuple(s for step in self.steps if step.contains for s in step.contains._all_steps())
        return (*self.steps, *inner)


def plan_run(workflow: Workflow, accelerator: str | None = None) -> RunPlan:
    """Return the plan of a run of a workflow.

    Args:
        workflow: What would run.
        accelerator: Whether Comet would be at work, and why.
    """
    return RunPlan(
        workflow=workflow.id,
        file=display_path(workflow.file),
        description=workflow.description,
        owner=workflow.owner,
        environment=workflow.environment.name,
        catalog=workflow.environment.catalog_name,
        spark=executor_line(workflow.environment),
        package=workflow.identity.package_id,
        pinned=workflow.identity.pinned,
        schedule="; ".join(it.text for it in workflow.triggers) or None,
        strategy=strategy_text(workflow.strategy) if workflow.triggers else None,
        parameters=tuple(Parameter(n, v, workflow.origins.get(n, "")) for n, v in workflow.params.items()),
        steps=tuple(_step(workflow, step) for step in workflow.steps),
        accelerator=accelerator,
        triggers=tuple(PlannedTrigger(text) for it in workflow.triggers for text in it.texts),
    )


def _step(workflow: Workflow, step: Step) -> StepPlan:
    found = _whole_step(workflow, step)
    return dataclasses.replace(found, left_out=step.left_out) if step.left_out is not None else found


def _whole_step(workflow: Workflow, step: Step) -> StepPlan:
    needs = tuple(sorted(workflow.needs.get(step.id, ())))
    match step:
        case WapStep():
            return _wap(workflow, step, needs)
        case JobStep():
            return _leaf(workflow, step.job, needs)
        case SubworkflowStep():
            inner = plan_run(step.workflow)
            return StepPlan(step.id, "Subworkflow", needs, (inner.file,), contains=inner, **_attempts(step.job))
        case ForeachStep():
            return _foreach(workflow, step, needs)
        case _:
            assert_never(step)


def _foreach(workflow: Workflow, step: ForeachStep, needs: tuple[str, ...]) -> StepPlan:
    reasons, notes = (step.found.reasons, step.found.notes) if step.found else ({}, ())
    if not step.items:
        told = (f"no {step.unit}s: nothing changed",)
        return StepPlan(step.id, "Foreach", needs, told, notes=notes, cadence=step.cadence.value)
    first = step.items[0].step
    one = _leaf(workflow, first.job, ()) if isinstance(first, JobStep) else _step(workflow, first)
    dates, items = (step.dates, ()) if step.over == "dates" else ((), step.dates)
    one = dataclasses.replace(one, id=step.id, needs=needs, parallel=step.parallel, reasons=reasons, notes=notes)
    return dataclasses.replace(one, dates=dates, items=items, cadence=step.cadence.value)


def _wap(workflow: Workflow, step: WapStep, needs: tuple[str, ...]) -> StepPlan:
    template = step.template
    scripts = [DeclaredScript(item.job.id, workflow, item.job.spark, template.table) for item in template.write]
    table = plain_name(template.table, workflow.environment.catalog_name)
    found = [script_tables(script).tables for script in scripts]
    reads = dict.fromkeys(name for tables in found for name in tables.reads if name != table)
    beside = dict.fromkeys(name for tables in found for name in tables.writes if name != table)
    return StepPlan(
        id=template.id,
        type="wap",
        needs=needs,
        runs=tuple(script.spec.label for script in scripts),
        reads=tuple(reads),
        reads_known=all(tables.complete for tables in found),
        writes=(template.table, *beside),
        partition={column: str(value) for column, value in template.partition.items()},
        empty=template.empty,
        existing=template.existing,
        audits=tuple(map(_audit, template.audits)),
        layout=layout_lines(workflow.environment, table, template.partition),
    )


def _leaf(workflow: Workflow, job: LeafJob, needs: tuple[str, ...]) -> StepPlan:
    declared = StepPlan(
        job.id,
        job.type,
        needs,
        job.summary,
        reads=job.reads,
        writes=job.writes,
        audits=tuple(map(_audit, job.audits)),
        **_attempts(job),
    )
    if not isinstance(job, SparkJob):
        return declared
    tables = script_tables(DeclaredScript(job.id, workflow, job.spark)).tables
    return dataclasses.replace(declared, reads=tables.reads, reads_known=tables.complete, writes=tables.writes)


def _attempts(job: JobBase) -> dict[str, Any]:
    return {"retries": job.retries, "timeout": job.timeout}


def _audit(audit: Audit) -> str:
    return f"{'!' if audit.blocking else ''}{audit.label}"
