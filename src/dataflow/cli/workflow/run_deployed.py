"""`dataflow workflow run --deployed`: runs what is deployed, from the registry alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dataflow.cli.console import out, say
from dataflow.cli.output import Output, Result
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.deploy.asked_run import AskedDefinition
    from dataflow.deploy.backends import RunRequest
    from dataflow.deploy.backends.airflow.runs import AirflowRun
    from dataflow.runner.options import RunOptions
    from dataflow.workflow.load import Request
    from dataflow.workflow.project import Environment, Project


def run_deployed(name: str, request: Request, options: RunOptions, output: Output) -> None:
    """Run a deployed workflow and show its result; raises as `run_definition` does."""
    from dataflow.cli.workflow.running import continue_in, run_loaded, same_run
    from dataflow.workflow.load import load_workflow

    if options.part is None and (start := _for_airflow(name, request)) is not None:
        _run_in_airflow(*start, options, output)
        return
    asked = asked_definition(None, name, request)
    workflow = load_workflow(asked.file, asked.request)
    workflow.choose(options.only)
    continue_in(asked.python(workflow, say))
    run_loaded(
        workflow, options, output, lambda look: load_workflow(asked.file, same_run(asked.request, workflow, look))
    )


def _for_airflow(name: str, request: Request) -> tuple[Environment, RunRequest] | None:
    """Return what Airflow is to be asked for; None where a run is made here, as by the id of a bundle."""
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.deployed_run import find_deployed, full_request, is_bundle
    from dataflow.deploy.deployments import require_current
    from dataflow.workflow.project import find_project

    if is_bundle(name):
        return None
    project = find_project(Path.cwd())
    registry = open_registry(project)
    found = find_deployed(registry, name, request.env, _own_deployment(project))
    environment = found.bundle.environment.environment()
    if environment.backend != "airflow":
        return None
    from dataflow.deploy.backends import RunRequest

    full_request(found, request)  # refuses what is fixed
    return environment, RunRequest(require_current(registry, environment.name), found.id, request.date, request.params)


def _run_in_airflow(environment: Environment, start: RunRequest, options: RunOptions, output: Output) -> None:
    from dataflow.deploy.backends.airflow.runs import start_and_wait

    if options.only is not None or options.adopt:
        raise UsageError(
            f"{start.workflow} is run by Airflow, as a whole",
            "a part of it runs here by its bundle: BUNDLE:WORKFLOW",
        )
    run = start_and_wait(environment, start, say)
    output.show(_InAirflow(run, environment.name))
    if run.status != "succeeded":
        raise typer.Exit(1)


@dataclass(frozen=True)
class _InAirflow(Result):
    run: AirflowRun
    environment: str

    def text(self) -> None:
        out().print(f"run {self.run.run_id} of {self.run.workflow} {self.run.status}")

    def data(self) -> object:
        return self.run.record(self.environment)


def asked_definition(file: Path | None, deployed: str | None, request: Request) -> AskedDefinition:
    """Return what a command is asked to run: a file, or else a deployed workflow, laid out here."""
    from dataflow.deploy.asked_run import AskedDefinition, asked_of_bundle

    if file is not None:
        return AskedDefinition(file, request)
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.deployed_run import find_deployed
    from dataflow.workflow.project import find_project

    project = find_project(Path.cwd())
    registry = open_registry(project)
    found = find_deployed(registry, deployed or "", request.env, _own_deployment(project))
    return asked_of_bundle(registry, found, request)


def _own_deployment(project: Project) -> str | None:
    """Return the deployment of the branch that is checked out here, which comes before others; None without one."""
    from dataflow.deploy.targets import target_of
    from dataflow.errors import DataflowError
    from dataflow.repository.checkout import read_checkout

    try:
        return target_of(read_checkout(project.file.parent if project.file else Path.cwd()), project).name
    except DataflowError:  # it goes nowhere, or git can't be asked: what runs is in the registry all the same
        return None
