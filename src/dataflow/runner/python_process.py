"""The Python that a workflow's scripts need: another one than this process, where their project has packages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.build.python import fast_start
from dataflow.report import Report, silent

if TYPE_CHECKING:
    from dataflow.workflow.resolved import Workflow


def python_of(workflow: Workflow, report: Report = silent) -> Path | None:
    """Return the Python that the scripts of a workflow need, its environment made where that is due.

    Args:
        workflow: The workflow.
        report: Receives what takes a while.

    Returns:
        The interpreter, or None where the scripts need no packages beyond Dataflow's.
    """
    from dataflow.workflow.pyproject import project_of

    scripts = workflow.python_scripts
    if not any(project_of(folder) for folder in {it.parent for it in scripts}):
        return None
    from dataflow.build.python.environment import python_for

    return python_for(scripts, report)


def continue_in(python: Path | None, arguments: Sequence[str] | None = None) -> int | None:
    """Continue the command in the Python that the scripts need; return at once where this process is that one.

    Args:
        python: The interpreter; None for Dataflow's own.
        arguments: The command's arguments for it; None for those of this process, which it then replaces.

    Returns:
        The exit code of the other process, when it did the work; None when this process is to do it.
    """
    if arguments is None:
        fast_start.remember(python)
    if python is None:
        fast_start.go_back()
        return None
    if python.parents[1] == Path(sys.prefix):
        return None
    sys.stdout.flush()
    sys.stderr.flush()
    if arguments is None:
        os.execv(python, fast_start.again(str(python)))  # noqa: S606 - no shell is wanted
    words = [str(python), "-P", "-m", "dataflow", *arguments]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        sys.stdout.writelines(process.stdout or ())
    return process.returncode
