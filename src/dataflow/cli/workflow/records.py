"""The run records that commands look at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.cli.environments import environment_here

if TYPE_CHECKING:
    from dataflow.state.run_records import RunRecords


@contextlib.contextmanager
def run_records(env: str | None) -> Iterator[RunRecords]:
    """Open the run records of an environment."""
    from dataflow.state.run_records import open_run_records

    with open_run_records(environment_here(env).state) as records:
        yield records


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
