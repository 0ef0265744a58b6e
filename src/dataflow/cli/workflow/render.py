"""`dataflow workflow render`: the SQL of a workflow as a run would have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import write
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.workflow.arguments import DateOption, FileArgument, ParamOption
from dataflow.cli.workflow.options import definition, request
from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.runner.rendered_sql import RenderedScript


def render(
    file: FileArgument,
    date: DateOption = None,
    param: ParamOption = None,
    job: Annotated[str | None, typer.Option("--job", metavar="NAME", help="One job alone; print its script.")] = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Print the SQL of a workflow with its parameters put in.

    It is what a run would have; secrets stay as they stand.

    Examples:
        dataflow workflow render main.sch.yaml --date 2026-01-31
    """
    from dataflow.runner.rendered_sql import rendered_scripts
    from dataflow.workflow.load import load_workflow

    workflow = load_workflow(definition(file), replace(request(date, param, env), ends_only=True))
    output.show(_Rendered(rendered_scripts(workflow, job)))


@dataclass(frozen=True)
class _Rendered(Result):
    scripts: Sequence[RenderedScript]

    def text(self) -> None:
        from dataflow.runner.rendered_sql import as_text

        write(as_text(self.scripts))

    def data(self) -> object:
        return [{"job": it.job, "script": display_path(it.script), "sql": it.sql} for it in self.scripts]
