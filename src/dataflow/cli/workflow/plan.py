"""`dataflow workflow plan`: what a run would do and touch."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.completion import definitions
from dataflow.cli.console import out, spark_session
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.workflow.arguments import DateOption, DeployedOption, ParamOption
from dataflow.cli.workflow.options import definition, request
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.runner.plan import RunPlan
    from dataflow.workflow.changed_dates import Look
    from dataflow.workflow.resolved import Workflow


def plan(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A *.sch.yaml file, or a package's folder for its main.sch.yaml.",
            show_default=False,
            autocompletion=definitions,
        ),
    ] = None,
    date: DateOption = None,
    param: ParamOption = None,
    env: EnvOption = None,
    deployed: DeployedOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Show what a run would do and touch, without starting Spark.

    Of each schedule it says when it would run next, were it deployed; of days that run because their sources changed,
    why. Where only Spark can open the catalog, it starts to look for them.

    Examples:
        dataflow workflow plan main.sch.yaml --date 2026-01-31
        dataflow workflow plan daily.sch.yaml
        dataflow workflow plan --deployed titles.daily --output json
    """
    from dataflow.cli.workflow.run_deployed import asked_definition
    from dataflow.deploy.due import next_of_triggers
    from dataflow.migration.definition_checks import require_valid_sql
    from dataflow.runner.acceleration import acceleration_of
    from dataflow.runner.changed.reload import looked_at, looked_through, needs_spark
    from dataflow.runner.plan import plan_run
    from dataflow.workflow.load import load_workflow

    if (file is None) == (deployed is None):
        raise UsageError("name either a *.sch.yaml file or --deployed ID", "dataflow workflow plan main.sch.yaml")
    asked = asked_definition(None if file is None else definition(file), deployed, request(date, param, env))
    ends = replace(asked.request, ends_only=True)

    def load(look: Look) -> Workflow:
        return load_workflow(asked.file, replace(ends, look=look))

    workflow = looked_at(load_workflow(asked.file, ends), load)
    if needs_spark(workflow):
        with spark_session(workflow.environment, "plan", "looking for days that changed …") as spark:
            workflow = looked_through(workflow, load, spark)
    if deployed is None:  # what is deployed was held to its tables then
        require_valid_sql(workflow, env)
    coming = next_of_triggers(workflow, dt.datetime.now(dt.UTC))
    planned = plan_run(workflow, acceleration_of(load_workflow(asked.file, asked.request)).text)
    triggers = (replace(it, next=moment) for it, moment in zip(planned.triggers, coming, strict=True))
    output.show(_Planned(replace(planned, triggers=tuple(triggers))))


@dataclass(frozen=True)
class _Planned(Result):
    found: RunPlan

    def text(self) -> None:
        out().print(self.found.render_text())

    def data(self) -> object:
        return self.found.to_dict()
