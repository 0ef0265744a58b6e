"""`dataflow workflow plan`: what a run would do and touch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflow.cli.console import out
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.workflow.arguments import DateOption, FileArgument, ParamOption
from dataflow.cli.workflow.options import definition, request

if TYPE_CHECKING:
    from dataflow.runner.plan import RunPlan


def plan(
    file: FileArgument,
    date: DateOption = None,
    param: ParamOption = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Show what a run would do and touch, without starting Spark.

    Examples:
        dataflow workflow plan main.sch.yaml --date 2026-01-31
    """
    from dataflow.migration.definition_checks import require_valid_sql
    from dataflow.runner.plan import plan_run
    from dataflow.workflow.load import load_workflow

    workflow = load_workflow(definition(file), replace(request(date, param, env), ends_only=True))
    require_valid_sql(workflow, env)
    output.show(_Planned(plan_run(workflow)))


@dataclass(frozen=True)
class _Planned(Result):
    found: RunPlan

    def text(self) -> None:
        out().print(self.found.render_text())

    def data(self) -> object:
        return self.found.to_dict()
