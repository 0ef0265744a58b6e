"""`dataflow project`: everything that a repository holds, as one."""

from __future__ import annotations

from dataflow.cli.help import Commands
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

app = Commands(
    """Test and deploy all that a repository holds, by branch.

    Examples:
        dataflow project test
        dataflow project plan
        dataflow project deploy
    """
)

app.command("test", rich_help_panel="Every day")(test.run_tests)
app.command("plan", rich_help_panel="Every day")(plan.plan)
app.command("deploy", rich_help_panel="Every day")(deploy.deploy)
app.command("diff-data", rich_help_panel="Every day")(diff_data.diff_data)
app.command("list", rich_help_panel="Every day")(list.list_)

app.command("init", rich_help_panel="Set up")(init.init)
app.command("lock", rich_help_panel="Set up")(lock.lock)

app.command("history", rich_help_panel="Look back, and go back")(history.history)
app.command("rollback", rich_help_panel="Look back, and go back")(rollback.rollback)

app.command("adopt", rich_help_panel="Take over, and take down")(adopt.adopt)
app.command("destroy", rich_help_panel="Take over, and take down")(destroy.destroy)
app.command("sweep", rich_help_panel="Take over, and take down")(sweep.sweep)
