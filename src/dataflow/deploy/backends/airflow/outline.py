"""What Airflow is told of a workflow: its steps, and what of its definition Airflow can't do."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, assert_never

from dataflow.deploy.bundle.outline import DatesOutline, StepOutline, WorkflowOutline
from dataflow.jobs.context import PHASES
from dataflow.lineage.model import plain_name
from dataflow.workflow.models import HwmJob, RetryPolicyMixin, SparkJob
from dataflow.workflow.parameters import POINTER, PREFIX, placeholders
from dataflow.workflow.periods import CLOCK
from dataflow.workflow.resolved import ForeachStep, JobStep, Step, SubworkflowStep, WapStep, Workflow
from dataflow.workflow.trigger import trigger_routes

if TYPE_CHECKING:
    from dataflow.errors import Problem
    from dataflow.workflow.render import Rendering
    from dataflow.workflow.yamlfile import YamlFile, YamlPath

EACH = f"{PREFIX}each"
_DATE = "EXECUTION_DATE"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")
"""What Airflow takes as the id of a DAG: at most 250 characters, and runs of a day have the day behind it."""

_LONGEST_TAG = 100


def outline_of(workflow: Workflow, rendering: Rendering) -> WorkflowOutline:
    """Return what Airflow is told of a workflow.

    Args:
        workflow: The workflow, as it would run.
        rendering: Its definition, with what is known when it is deployed.
    """
    split = {step.id for step in workflow.steps if isinstance(step, WapStep) and step.template.split}
    head, params = rendering.data["workflow"], rendering.data.get("params") or {}
    return WorkflowOutline(  # as it is written, not as it is today: the same bytes whenever it is rendered
        description=str(head.get("description") or ""),
        owner=str(head.get("owner") or ""),
        tags=tuple(map(str, head.get("tags") or ())),
        params={name: str(text) for name, text in params.items() if name not in rendering.fixed},
        steps=tuple(it for step in workflow.steps for it in _split(step, _step(workflow, step, rendering), split)),
    )


def _split(step: Step, found: StepOutline, split: Collection[str]) -> Iterator[StepOutline]:
    """Yield a step; where it is a wap that is split, its phases, and what needs it needs the last of those."""
    needs = tuple(f"{it}.{PHASES[-1]}" if it in split else it for it in found.needs)
    if step.id not in split:
        yield found.model_copy(update={"needs": needs})
        return
    for phase in PHASES:
        publishes = found.publishes if phase == PHASES[-1] else ()
        id_ = f"{found.id}.{phase}"
        yield found.model_copy(update={"id": id_, "needs": needs, "publishes": publishes})
        needs = (id_,)


def _step(workflow: Workflow, step: Step, rendering: Rendering) -> StepOutline:
    data = rendering.data
    found: dict[str, Any] = {"id": step.id, "needs": tuple(sorted(workflow.needs.get(step.id, ())))}
    found["publishes"] = tuple(dict.fromkeys(it for it in _published(workflow, step) if _is_lasting(workflow, it)))
    match step:
        case WapStep(template=template):
            return StepOutline(**found, type="wap", does=_told(workflow, template.table), **_attempts(template))
        case JobStep(job=job):
            does = job.spark.label if isinstance(job, SparkJob) else ", ".join(dict.fromkeys((*job.writes, *job.reads)))
            return StepOutline(**found, type=job.type, does=_told(workflow, does), **_attempts(job))
        case SubworkflowStep(job=job):
            return StepOutline(**found, type=job.type, does=step.workflow.id, **_attempts(job))
        case ForeachStep():
            if (dates := _dates(workflow, step, _foreach(data, step.id), rendering.id)) is not None:
                of_day = _attempts(step.items[0].step.job)
                return StepOutline(**{**found, "publishes": ()}, type="Foreach", dates=dates, **of_day)
            does = f"each of its {step.over}, {step.parallel} at a time"
            return StepOutline(**found, type="Foreach", does=does)
        case _:
            assert_never(step)


def _told(workflow: Workflow, does: str) -> str:
    return does if _is_lasting(workflow, does) else ""


def _is_lasting(workflow: Workflow, text: str) -> bool:
    """Say whether a text is the same for each run: dates and ids of one must not stand in what is deployed."""
    of_a_run = (workflow.builtins.get(name) for name in ("run_id", *CLOCK))
    return not text.startswith(POINTER) and not any(value and value in text for value in of_a_run)


def _attempts(job: RetryPolicyMixin) -> dict[str, Any]:
    if job.on_failure == "ignore":  # its process tries again by itself, and then warns
        return {"timeout": job.timeout}
    return {"retries": job.retries, "retry_delay": job.retry_delay, "timeout": job.timeout}


def _published(workflow: Workflow, step: Step) -> Iterator[str]:
    """Yield the tables of which a step is news, with their catalog: what it publishes to, or calls complete.

    Who waits for a table that has a mark waits for the mark, which moves after the rows are there.
    """
    catalog = workflow.environment.catalog_name
    match step:
        case WapStep(template=template):
            yield f"{catalog}.{plain_name(template.table, catalog)}"
        case SubworkflowStep(workflow=inner):
            for own in inner.steps:
                yield from _published(inner, own)
        case ForeachStep():
            for item in step.items[:1]:
                yield from _published(workflow, item.step)
        case JobStep(job=HwmJob(hwm=hwm)):
            yield f"{catalog}.{plain_name(hwm.table, catalog)}"
        case JobStep():
            return
        case _:
            assert_never(step)


def _foreach(data: Mapping[str, Any], step: str) -> Mapping[str, Any]:
    """Return a foreach of a definition, as it is written."""
    found = (it["foreach"] for it in data["jobs"] if isinstance(it, dict) and "foreach" in it)
    return next(it for it in found if it["id"] == step)


def _dates(workflow: Workflow, step: ForeachStep, written: Mapping[str, Any], id_: str) -> DatesOutline | None:
    """Return the dates of a foreach where each can be a run of its own; None where they are one task.

    They are where each is a workflow of the same package and the day is its EXECUTION_DATE; not where one day depends
    on those before it, as Airflow would go on after one that failed, and not by what only a run knows.
    """
    first = step.items[0].step if step.items else None
    if step.over != "dates" or not isinstance(first, SubworkflowStep) or first.job.when is not None:
        return None
    if first.workflow.folder != workflow.folder or first.workflow.cadence != workflow.cadence:
        return None
    params = {name: str(text) for name, text in (written["job"]["subworkflow"].get("params") or {}).items()}
    if params.pop(_DATE, None) != f"${{{EACH}}}" or _in_order(written["dates"]):
        return None
    asked = {it.name for text in params.values() for it in placeholders(text) if not it.escaped}
    if asked - {EACH}:
        return None
    prefix = id_.removesuffix(workflow.id)  # of a branch's deployment
    return DatesOutline(workflow=f"{prefix}{first.workflow.id}", parallel=step.parallel, params=params)


def _in_order(dates: Any) -> bool:
    return isinstance(dates, dict) and "changed" in dates and "from" in dates


# ---------------------------------------------------------------------------------------------------- refusals


def refusals(workflow: Workflow, rendering: Rendering, file: YamlFile) -> Iterator[Problem]:
    """Yield what of a definition Airflow can't do, each where it is written."""
    if not _NAME.fullmatch(rendering.id):
        reason = "Airflow's names have letters, digits, '_', '.' and '-', at most 200"
        yield file.value_place(("workflow", "id")).problem(f"'{rendering.id}' can't name a DAG: {reason}")
    for number, tag in enumerate(workflow.tags):
        if len(tag) > _LONGEST_TAG:
            place = file.value_place(("workflow", "tags", number))
            yield place.problem(f"the tag has {len(tag)} characters, and Airflow takes {_LONGEST_TAG}")
    yield from _of_triggers(workflow, trigger_routes(file.data), file)
    if workflow.concurrency == "supersede":
        message = "Airflow would try again what another run took the place of: 'wait' or 'refuse'"
        yield file.value_place(("concurrency",)).problem(message)
    if workflow.concurrency == "refuse" and not _is_chain(workflow):
        message = "independent steps are runs of the same day in Airflow, and would refuse one another: use 'wait'"
        yield file.value_place(("concurrency",)).problem(message)
    if workflow.notifications.longer_than is not None:
        message = (
            "each step is a task of its own in Airflow, so nobody sees how long a run takes: use 'timeout' of steps"
        )
        yield file.key_place(("notifications", "longer_than")).problem(message)


def _is_chain(workflow: Workflow) -> bool:
    """Say whether each step needs the one before it, so that no two of them are at work at once."""
    pairs = itertools.pairwise(step.id for step in workflow.steps)
    return all(before in workflow.needs.get(step, frozenset()) for before, step in pairs)


def _of_triggers(workflow: Workflow, routes: Sequence[YamlPath], file: YamlFile) -> Iterator[Problem]:
    zones = []
    for route, trigger in zip(routes, workflow.triggers, strict=True):
        zones += [trigger.timezone] if trigger.crons else []
        if trigger.crons and trigger.timezone != zones[0]:
            message = f"a DAG has one time zone for all its schedules: {zones[0]} above, and {trigger.timezone} here"
            yield file.value_place((*route, "timezone")).problem(message)
        if trigger.jitter:
            message = "Airflow has no jitter: leave it out, and limit what runs at once by a pool"
            yield file.key_place((*route, "jitter")).problem(message)
