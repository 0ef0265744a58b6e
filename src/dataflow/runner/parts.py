"""Parts of a run whose steps a scheduler starts one by one, each in a process of its own: its steps, and its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, assert_never

from dataflow.errors import DataflowError
from dataflow.runner.results import RunResult, StepResult
from dataflow.state.utc import now
from dataflow.workflow.resolved import ForeachStep, JobStep, SubworkflowStep, WapStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dataflow.jobs.context import PartOfRun
    from dataflow.runner.options import RunOptions
    from dataflow.runner.progress import RunProgress
    from dataflow.runner.run_recorder import RunRecorder
    from dataflow.state.run_records import RunRecords
    from dataflow.workflow.models import RetryPolicyMixin
    from dataflow.workflow.resolved import Step, Workflow

_Tried = TypeVar("_Tried", bound="RetryPolicyMixin")
_LOOKED_AT = 200
"""How many of a workflow's last runs are looked at for the parts of one."""


def with_one_attempt(workflow: Workflow, options: RunOptions) -> Workflow:
    """Return a workflow whose step is tried once, where the scheduler that starts it makes the other attempts.

    Failures of the infrastructure, which the scheduler can't tell from others, are tried again as often as they say by
    themselves; a step whose failure only warns makes all its attempts here.
    """
    if options.part is None or options.only is None:
        return workflow
    return replace(workflow, steps=tuple(_once(it) if it.id == options.only else it for it in workflow.steps))


def _once(step: Step) -> Step:
    match step:
        case JobStep():
            return replace(step, job=_tried_once(step.job))
        case SubworkflowStep():
            return replace(step, job=_tried_once(step.job))
        case WapStep():
            return replace(step, template=_tried_once(step.template))
        case ForeachStep():
            return step
        case _:
            assert_never(step)


def _tried_once(job: _Tried) -> _Tried:
    if job.on_failure == "ignore":
        return job
    return job.model_copy(update={"retries": 0, "infrastructure_retries": job.infrastructure_retries or 0})


def is_over(workflow: Workflow, part: PartOfRun) -> bool:
    """Say whether nothing is left to do at the end of a run: all is done, or something failed."""
    return part.failed or all(step.id in part.done for step in workflow.steps)


def end_of_parts(
    workflow: Workflow, options: RunOptions, part: PartOfRun, progress: RunProgress, log: Path
) -> RunResult:
    """Record a run whose parts are over as one, and tell whom its `notifications:` name."""
    from dataflow.runner.run_recorder import RunRecorder
    from dataflow.runner.run_start import asked_of
    from dataflow.state.run_records import open_run_records

    with open_run_records(workflow.environment.state) as records:
        recorder = RunRecorder(records, workflow, log, asked=asked_of(workflow, options))
        steps = tuple(_results(records, workflow, part))
        return end_without_spark(workflow, recorder, progress, log, steps)


def _results(records: RunRecords, workflow: Workflow, part: PartOfRun) -> Iterator[StepResult]:
    failed = _failures(records, workflow, part) if part.failed else {}
    left = [step.id for step in workflow.steps if step.id not in part.done]
    first = next((id_ for id_ in left if id_ in failed), left[0] if left else None)
    for step in workflow.steps:
        if step.id in part.done:
            yield StepResult(step.id, "succeeded", now(), detail=f"done by run {part.run}")
        elif step.id == first or step.id in failed:
            unknown = "the scheduler says that it failed; its own log knows why"
            yield StepResult(step.id, "failed", now(), error=DataflowError(failed.get(step.id) or unknown))
        else:
            yield StepResult(step.id, "skipped", now(), attempts=0)


def _failures(records: RunRecords, workflow: Workflow, part: PartOfRun) -> Mapping[str, str]:
    """Return why steps failed, as the last part of this run that tried each has it."""
    last: dict[str, str | None] = {}
    for run in records.recent(workflow.id, _LOOKED_AT, environment=workflow.environment.name):
        asked = run["asked"] or {}
        if asked.get("part_of") != part.run or asked.get("job") is None or asked["job"] in last:
            continue
        jobs = records.run(run["run_id"])["jobs"] if run["status"] != "succeeded" else []
        errors = [job["error"] for job in jobs if job["status"] == "failed" and job["error"]]
        last[asked["job"]] = None if run["status"] == "succeeded" else (errors[-1] if errors else run["error"])
    return {step: error for step, error in last.items() if error is not None}


def end_without_spark(
    workflow: Workflow,
    recorder: RunRecorder,
    progress: RunProgress,
    log: Path,
    steps: Sequence[StepResult],
) -> RunResult:
    """End a run that was begun and does nothing more, and tell whom its `notifications:` name."""
    from dataflow.jobs.notification import RunEnd, notify_run_end

    failed = next((step for step in steps if step.status == "failed"), None)
    with recorder.record_failure():
        for step in steps:
            recorder.record_step(step)
        unsent = recorder.record_end("failed" if failed else "succeeded", steps, ())
    for step in steps:
        progress.finished(workflow, step.id, step.status, step.seconds, step.detail)
    result = RunResult(
        workflow, "failed" if failed else "succeeded", recorder.seconds, tuple(steps), log, (unsent,) if unsent else ()
    )
    told = workflow.notifications.on_failure if failed else workflow.notifications.on_success
    if told:
        end = RunEnd(
            workflow=workflow.id,
            run_id=workflow.run_id,
            status=result.status,
            params=workflow.params,
            seconds=result.seconds,
            log=str(log),
            failed_step=failed.id if failed else None,
            cause=failed.error.message if failed and failed.error else None,
        )
        lines = notify_run_end(end, workflow.notifications, environment=workflow.environment, owner=workflow.owner)
        for line in lines:
            progress.note(workflow, line)
    return result
