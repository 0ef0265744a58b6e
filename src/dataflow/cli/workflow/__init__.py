"""`dataflow workflow`: validate, plan, run, and look back."""

from __future__ import annotations

import typer

from dataflow.cli.workflow import due, plan, render, run, runs, schedules, show, validate

app = typer.Typer(no_args_is_help=True, help="Validate, plan and run workflows; look at past runs.")

app.command("due")(due.due)
app.command("validate")(validate.validate)
app.command("plan")(plan.plan)
app.command("render")(render.render)
app.command("run")(run.run)
app.command("runs")(runs.runs)
app.command("schedules")(schedules.schedules)
app.command("show")(show.show)
