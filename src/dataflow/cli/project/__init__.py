"""`dataflow project`: everything that a repository holds, as one."""

from __future__ import annotations

import typer

from dataflow.cli.project import (
    adopt,
    deploy,
    destroy,
    diff_data,
    history,
    init,
    list,  # noqa: A004 - as the command is called
    lock,
    plan,
    rollback,
    sweep,
    test,
)

app = typer.Typer(no_args_is_help=True, help="Test and deploy all that a repository holds, branch by branch.")

app.command("init")(init.init)
app.command("list")(list.list_)
app.command("test")(test.run_tests)
app.command("lock")(lock.lock)
app.command("plan")(plan.plan)
app.command("deploy")(deploy.deploy)
app.command("history")(history.history)
app.command("rollback")(rollback.rollback)
app.command("diff-data")(diff_data.diff_data)
app.command("adopt")(adopt.adopt)
app.command("destroy")(destroy.destroy)
app.command("sweep")(sweep.sweep)
