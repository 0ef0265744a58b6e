"""`dataflow workflow`: validate, plan, run, stop, go on, and look back."""

from __future__ import annotations

from dataflow.cli.help import Commands
from dataflow.cli.workflow import (
    backfill,
    cancel,
    due,
    logs,
    plan,
    preview,
    render,
    report,
    retry,
    run,
    runs,
    schedules,
    show,
    validate,
)

app = Commands(
    """Validate, plan, preview and run workflows; look at past runs.

    Examples:
        dataflow workflow validate .
        dataflow workflow run main.sch.yaml --date 2026-01-31
        dataflow workflow show last
    """
)

app.command("run", rich_help_panel="Every day")(run.run)
app.command("validate", rich_help_panel="Every day")(validate.validate)
app.command("plan", rich_help_panel="Every day")(plan.plan)
app.command("preview", rich_help_panel="Every day")(preview.preview)
app.command("render", rich_help_panel="Every day")(render.render)
app.command("runs", rich_help_panel="Every day")(runs.runs)
app.command("show", rich_help_panel="Every day")(show.show)
app.command("logs", rich_help_panel="Every day")(logs.logs)
app.command("report", rich_help_panel="Every day")(report.report)

app.command("backfill", rich_help_panel="When a night went wrong")(backfill.backfill)
app.command("retry", rich_help_panel="When a night went wrong")(retry.retry)
app.command("cancel", rich_help_panel="When a night went wrong")(cancel.cancel)

app.command("schedules", rich_help_panel="What is deployed")(schedules.schedules)
app.command("due", rich_help_panel="What is deployed")(due.due)
