"""`dataflow workflow`: validate, plan, run, stop, go on, and look back."""

from __future__ import annotations

import typer

from dataflow.cli.workflow import backfill, cancel, due, logs, plan, render, retry, run, runs, schedules, show, validate

app = typer.Typer(no_args_is_help=True, help="Validate, plan and run workflows; look at past runs.")

app.command("backfill")(backfill.backfill)
app.command("cancel")(cancel.cancel)
app.command("due")(due.due)
app.command("logs")(logs.logs)
app.command("validate")(validate.validate)
app.command("plan")(plan.plan)
app.command("render")(render.render)
app.command("retry")(retry.retry)
app.command("run")(run.run)
app.command("runs")(runs.runs)
app.command("schedules")(schedules.schedules)
app.command("show")(show.show)
