"""`dataflow workflow run --deployed`: runs what is deployed, from the registry alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.cli.console import say
from dataflow.cli.output import Output

if TYPE_CHECKING:
    from dataflow.deploy.asked_run import AskedDefinition
    from dataflow.runner.options import RunOptions
    from dataflow.workflow.load import Request
    from dataflow.workflow.project import Project


def run_deployed(name: str, request: Request, options: RunOptions, output: Output) -> None:
    """Run a deployed workflow and show its result; raises as `run_definition` does."""
    from dataflow.cli.workflow.running import continue_in, run_loaded, same_run
    from dataflow.workflow.load import load_workflow

    asked = asked_definition(None, name, request)
    workflow = load_workflow(asked.file, asked.request)
    workflow.choose(options.only)
    continue_in(asked.python(workflow, say))
    run_loaded(
        workflow, options, output, lambda look: load_workflow(asked.file, same_run(asked.request, workflow, look))
    )


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
