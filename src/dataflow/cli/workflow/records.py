"""The run records that commands look at."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.cli.environments import environment_here

if TYPE_CHECKING:
    from dataflow.deploy.backends.airflow.runs import AirflowRuns
    from dataflow.state.run_records import RunRecords

_OWN_ID = re.compile(r"\d{8}t\d{6}_")
"""How the id of a run begins that is in the run records."""


@contextlib.contextmanager
def run_records(env: str | None) -> Iterator[RunRecords]:
    """Open the run records of an environment."""
    from dataflow.state.run_records import open_run_records

    with open_run_records(environment_here(env).state) as records:
        yield records


def airflow_runs(env: str | None, run_id: str | None = None) -> AirflowRuns | None:
    """Return the runs of an environment in Airflow; None where they are in the run records alone.

    Args:
        env: The environment.
        run_id: The run that is asked for; those that the run records name are there.
    """
    environment = environment_here(env)
    if environment.airflow is None or environment.airflow.api is None or _OWN_ID.match(run_id or ""):
        return None
    from dataflow.assets.registry import open_registry
    from dataflow.deploy import deployments
    from dataflow.deploy.backends.airflow.runs import AirflowRuns
    from dataflow.workflow.project import find_project

    return AirflowRuns.of(environment, deployments.current(open_registry(find_project(Path.cwd())), environment.name))


def all_records() -> Iterator[RunRecords]:
    """Yield the run records of all environments, each database once; one that can't be opened is named."""
    from dataflow.cli.console import say
    from dataflow.errors import DataflowError
    from dataflow.state.run_records import open_run_records
    from dataflow.workflow.project import find_project

    addresses = {each.state: name for name, each in find_project(Path.cwd()).environments.items()}
    for address, name in addresses.items():
        with contextlib.ExitStack() as opened:
            try:
                records = opened.enter_context(open_run_records(address))
            except DataflowError as error:
                say(f"note: the runs in {name} are not known: {error.message}")
                continue
            yield records
