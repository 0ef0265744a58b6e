"""`dataflow project`: everything that a folder holds, taken as one."""

from __future__ import annotations

import typer

from dataflow.cli.project.adopt import adopt
from dataflow.cli.project.deploy import deploy
from dataflow.cli.project.destroy import destroy, sweep
from dataflow.cli.project.diff_data import diff_data
from dataflow.cli.project.history import history
from dataflow.cli.project.init import init
from dataflow.cli.project.list import list_assets
from dataflow.cli.project.lock import lock
from dataflow.cli.project.plan import plan
from dataflow.cli.project.rollback import rollback
from dataflow.cli.project.test import run_tests

app = typer.Typer(no_args_is_help=True, help="Test and deploy all that a repository holds, branch by branch.")


@app.callback()
def _project() -> None:
    """Test and deploy all that a repository holds, branch by branch."""


app.command("init")(init)
app.command("list")(list_assets)
app.command("test")(run_tests)
app.command("lock")(lock)
app.command("plan")(plan)
app.command("deploy")(deploy)
app.command("history")(history)
app.command("rollback")(rollback)
app.command("diff-data")(diff_data)
app.command("adopt")(adopt)
app.command("destroy")(destroy)
app.command("sweep")(sweep)
