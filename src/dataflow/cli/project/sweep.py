"""`dataflow project sweep`: take down what has outlived its time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from dataflow.cli.options import YesOption
from dataflow.cli.output import TEXT, OutputOption
from dataflow.cli.project.take_down import take_down


def sweep(yes: YesOption = False, output: OutputOption = TEXT) -> None:
    """Take down what has outlived its time: sandboxes and branches.

    It is listed first. Production is never taken down.

    Examples:
        dataflow project sweep
        dataflow project sweep --yes
    """
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.destroy import plan_sweep
    from dataflow.workflow.project import find_project

    registry = open_registry(find_project(Path.cwd()))
    take_down(registry, plan_sweep(registry, dt.datetime.now(dt.UTC)), output, yes=yes)
