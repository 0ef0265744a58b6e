"""What a run ran: which step needs which, and its SQL with the parameters of that run put in."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, display_path

if TYPE_CHECKING:
    from dataflow.runner.rendered_sql import RenderedScript
    from dataflow.ui.source import Source
    from dataflow.workflow.resolved import Workflow


@dataclass(frozen=True)
class Script:
    """A script of a run.

    Attributes:
        job: The job that runs it, after the steps around it.
        name: Its file.
        sql: Its text, with parameters.
    """

    job: str
    name: str
    sql: str


@dataclass(frozen=True)
class Ran:
    """What a run ran.

    Attributes:
        needs: What each step needs.
        scripts: Its SQL, in running order.
        is_same: Whether it still is what it was then, as far as that is known.
    """

    needs: Mapping[str, frozenset[str]]
    scripts: Sequence[Script]
    is_same: bool


def what_ran(source: Source, run: Mapping[str, Any]) -> Ran:
    """Return what a run ran: from its bundle, or from its file as it is now.

    Raises:
        DataflowError: Neither can be read here.
    """
    from dataflow.workflow.definitions import definitions_of

    with _workflow(source, run) as workflow:
        scripts = _scripts(workflow)
        is_known = run["definitions"] is not None and workflow.id == run["workflow_id"] and not workflow.bundle
        return Ran(workflow.needs, scripts, not is_known or run["definitions"] == definitions_of(workflow))


@contextlib.contextmanager
def _workflow(source: Source, run: Mapping[str, Any]) -> Iterator[Workflow]:
    if run["bundle"]:
        from dataflow.deploy.bundle.manifest import load_bundle
        from dataflow.deploy.deployed_run import read_workflows

        bundle = load_bundle(source.registry, run["bundle"])
        with read_workflows(source.registry, bundle, run["bundle"]) as (_, workflows):
            found = next((it for it in workflows if it.id == run["workflow_id"]), None)
            if found is None:
                raise DataflowError(f"bundle {run['bundle'][:12]} has no workflow {run['workflow_id']}")
            yield found
        return
    yield _from_file(source, run)


def _from_file(source: Source, run: Mapping[str, Any]) -> Workflow:
    """Load a definition once for its own parameters, and then with those that were others in the run."""
    from dataflow.workflow.discovery import DEFINITION
    from dataflow.workflow.load import Request, load_workflow

    if run["host"] != socket.gethostname():
        raise DataflowError(f"what it ran is on {run['host']}", f"look there: {run['file']}")
    file = Path(run["file"] or "")
    if not file.name.endswith(DEFINITION) or not file.is_file():
        raise DataflowError(f"what it ran is not there any more: {display_path(file)}")
    request = Request(environment=source.environment, run_id=run["run_id"], ends_only=True)
    declared = load_workflow(file, request)
    known = declared.params
    had = {name: value for name, value in (run["params"] or {}).items() if known.get(name, value) != value}
    return load_workflow(file, dataclasses.replace(request, params=had)) if had else declared


def _scripts(workflow: Workflow) -> list[Script]:
    from dataflow.errors import UsageError
    from dataflow.runner.rendered_sql import rendered_scripts

    try:
        found: Sequence[RenderedScript] = rendered_scripts(workflow)
    except UsageError:  # it runs no SQL, or a script that has gone
        return []
    return [Script(it.job, it.script.name, it.sql) for it in found]
