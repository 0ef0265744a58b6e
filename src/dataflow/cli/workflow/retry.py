"""`dataflow workflow retry`: does what an earlier run has not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.console import say
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption


def retry(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or `last`.", show_default=False)
    ],
    step: Annotated[
        str | None,
        typer.Option("--from", metavar="STEP", help="Do this step and all that needs it again, succeeded or not."),
    ] = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Run what did not succeed of a run, as it was asked for.

    The parameters, the bundle and the days are the same.
    Steps and days that succeeded are not done again. A run from files takes them as they are now; one from a bundle
    works wherever the registry and the state address are the same.

    Examples:
        dataflow workflow retry last
        dataflow workflow retry last --from wap

    Exit codes:
        1: it failed again
        2: nothing of it is left to do, or there is no such run
        130: it was stopped
    """
    from dataflow.assets.registry import open_registry
    from dataflow.cli.workflow.options import asset_address
    from dataflow.cli.workflow.records import run_records
    from dataflow.cli.workflow.running import continue_in, run_loaded
    from dataflow.deploy.asked_run import prepare_retry
    from dataflow.workflow.project import find_project

    with run_records(env) as records:
        found = prepare_retry(records, run_id, step, lambda: open_registry(find_project(Path.cwd())), asset_address)
    continue_in(found.asked.python(found.workflow, say))
    if found.changed:
        say(f"note: not as then: {', '.join(found.changed)}")
    run_loaded(found.workflow, found.options, output)
