"""The environment that `--env` names."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment


def environment_here(name: str | None) -> Environment:
    """Return the environment of a name: one of the project around this folder, or that of a deployment.

    Raises:
        UsageError: There is none of this name.
    """
    from dataflow.workflow.project import environment, find_project

    project = find_project(Path.cwd())
    if name is not None and name not in project.environments:
        from dataflow.deploy.deployed_environment import deployed_environment

        with contextlib.suppress(DataflowError):  # then it is the name that is wrong
            if found := deployed_environment(project, name):
                return found
    return environment(project, name)
