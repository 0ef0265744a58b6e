"""The run records that commands look at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.state.run_records import RunRecords


@contextlib.contextmanager
def run_records(env: str | None) -> Iterator[RunRecords]:
    """Open the run records of an environment."""
    from dataflow.state.run_records import open_run_records
    from dataflow.workflow.project import environment, find_project

    with open_run_records(environment(find_project(Path.cwd()), env).state) as records:
        yield records
