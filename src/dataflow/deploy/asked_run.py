"""Definitions that are asked to run: a file, what is deployed, or what an earlier run was asked for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.deploy.bundle.checkout import BundleCheckout, check_out_bundle
from dataflow.deploy.bundle.checkout import python_of as python_of_bundle
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.deployed_run import DeployedWorkflow, full_request
from dataflow.errors import DataflowError, UsageError
from dataflow.runner.changed.look import look
from dataflow.runner.options import RunOptions
from dataflow.runner.python_process import python_of
from dataflow.runner.resume import resume_of
from dataflow.state.run_records import UNENDED
from dataflow.workflow.changed_dates import DatesFound, Look
from dataflow.workflow.each_period import load_each, load_one
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.periods import period_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dataflow.assets.registry import Registry
    from dataflow.report import Report
    from dataflow.state.run_records import RunRecords
    from dataflow.workflow.resolved import Workflow


@dataclass(frozen=True)
class AskedDefinition:
    """A definition that is asked to run, here.

    Attributes:
        file: The definition.
        request: What it is asked for.
        checkout: Where its bundle is laid out; None for a run from files.
    """

    file: Path
    request: Request
    checkout: BundleCheckout | None = None

    def python(self, workflow: Workflow, report: Report) -> Path | None:
        """Return the Python that it runs in; None for the current one."""
        return python_of(workflow, report) if self.checkout is None else python_of_bundle(self.checkout, report)


@dataclass(frozen=True)
class RetriedRun:
    """An earlier run that is to go on.

    Attributes:
        asked: Its definition.
        workflow: What runs.
        options: How, with what was done already.
        changed: The parameters that have another value than then.
    """

    asked: AskedDefinition
    workflow: Workflow
    options: RunOptions
    changed: tuple[str, ...]


def asked_of_bundle(registry: Registry, found: DeployedWorkflow, request: Request) -> AskedDefinition:
    """Lay out the bundle of a deployed workflow, and return its definition.

    Raises:
        UsageError: A parameter is given that was fixed when it was deployed.
        DataflowError: An object is missing or corrupted.
    """
    full = full_request(found, request)
    checkout = check_out_bundle(registry, found.bundle, found.sha256)
    return AskedDefinition(checkout.definition(found.file), full, checkout)


def prepare_retry(
    records: RunRecords,
    run_id: str,
    step: str | None,
    registry: Callable[[], Registry],
    reference: Callable[[str], str],
) -> RetriedRun:
    """Prepare a run that does what an earlier one has not: with its parameters, its bundle, its days.

    Args:
        records: Where it is recorded.
        run_id: The earlier run.
        step: The step from which on all is done again; None for what did not succeed.
        registry: Opens the registry that has its bundle.
        reference: Says what the name of an asset stands for.

    Raises:
        UsageError: There is no such run, it is still at work, or nothing of it is left.
        DataflowError: What it was made from is not here.
    """
    earlier = records.root_of(records.one(run_id))
    _require_left(earlier, step)
    given = earlier["asked"]
    if given is None:
        raise UsageError(f"run {earlier['run_id']} was recorded by an earlier version, which kept too little for that")
    request = Request(
        params=given["params"],
        date=given["date"],
        clock=given.get("clock") or {"yesterday": given["yesterday"]},
        env=earlier["environment"],
        reference=reference,
        look=_same_days(records, earlier["run_id"]),
    )
    asked = _asked(earlier, request, registry)
    workflow = _load(asked, given)
    resume = resume_of(records, earlier["run_id"])
    if step is not None:
        resume = resume.again_from(workflow, step)
    changed = tuple(sorted(n for n, v in earlier["params"].items() if workflow.params.get(n) != v))
    options = RunOptions(only=given["job"], resume=resume, days=tuple(given["days"]), parallel=given["parallel"])
    return RetriedRun(asked, workflow, options, changed)


def _same_days(records: RunRecords, run_id: str) -> Look:
    """Return what answers with the days that an earlier run had, where those were days that changed.

    Nothing is remembered by it as looked at: each day that is done is remembered by itself.
    """
    turns = (job["job_id"].partition("/")[2] for job in records.run(run_id)["jobs"])
    days = tuple(sorted({turn for turn in turns if period_of(turn) is not None}))
    return lambda question: DatesFound(days, is_all=False, cadence=question.cadence) if days else look(question)


def _require_left(earlier: Mapping[str, Any], step: str | None) -> None:
    own, status = earlier["run_id"], earlier["status"]
    if status in UNENDED:
        raise UsageError(f"run {own} is still at work", f"stop it first: dataflow workflow cancel {own}")
    if status == "succeeded" and step is None:
        raise UsageError(f"run {own} has succeeded: nothing of it is left to do", "--from STEP does a part of it again")


def _asked(earlier: Mapping[str, Any], request: Request, registry: Callable[[], Registry]) -> AskedDefinition:
    if earlier["bundle"] is None:
        file = Path(earlier["file"])
        if not file.is_file():
            raise DataflowError(f"run {earlier['run_id']} was made from {file} on {earlier['host']}, which is not here")
        return AskedDefinition(file, request)
    opened = registry()
    bundle = load_bundle(opened, earlier["bundle"])
    id_ = _definition_id(earlier)
    name = next((name for name, it in bundle.workflows.items() if it.id == id_), None)
    if name is None:
        raise DataflowError(f"bundle {earlier['bundle'][:12]} has no workflow '{id_}'")
    return asked_of_bundle(opened, DeployedWorkflow(bundle, earlier["bundle"], name, id_), request)


def _definition_id(earlier: Mapping[str, Any]) -> str:
    """Return the id of the definition: a backfill has one behind that of its day's."""
    id_: str = earlier["workflow_id"]
    return id_.rpartition(".")[0] if earlier["asked"]["days"] else id_


def _load(asked: AskedDefinition, given: Mapping[str, Any]) -> Workflow:
    if not given["days"]:
        return load_workflow(asked.file, asked.request)
    request = dataclasses.replace(asked.request, date=None)
    cadence = load_one(asked.file, request, given["days"][0]).cadence
    days = [cadence.parse(day) for day in given["days"]]
    return load_each(asked.file, request, days, parallel=given["parallel"], fail_fast=False)
