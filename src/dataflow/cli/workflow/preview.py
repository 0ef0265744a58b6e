"""`dataflow workflow preview`: the rows that a write would bring, without writing them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import say, spark_session, working
from dataflow.cli.options import EnvOption
from dataflow.cli.output import CSV, JSON, MARKDOWN, TEXT, Output, Result, output_option
from dataflow.cli.workflow.arguments import DateOption, FileArgument, ParamOption
from dataflow.cli.workflow.options import definition, request
from dataflow.runner.engine_choice import QueryEngine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.preview.model import Preview
    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import Workflow


def preview(
    file: FileArgument,
    date: DateOption = None,
    param: ParamOption = None,
    job: Annotated[
        str | None, typer.Option("--job", metavar="NAME", help="One job alone; or one step that writes.")
    ] = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="CTE", help="The rows of this CTE; without audits and difference.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many; 20 rows if omitted.")] = 20,
    env: EnvOption = None,
    engine: Annotated[
        QueryEngine,
        typer.Option(
            "--engine", help="`spark` or `sail` alone; `auto`: Sail, which starts at once, where both answer the same."
        ),
    ] = QueryEngine.AUTO,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and on each save run again what the saved file affects.")
    ] = False,
    output: Annotated[
        Output,
        output_option(
            TEXT, JSON, MARKDOWN, CSV, help="`markdown` is for a pull request, `csv` is the rows, `json` for scripts."
        ),
    ] = TEXT,
) -> None:
    """Show the rows that a write would bring, and write nothing.

    Below them is what the audits find, and what readers would see change by the key. SQL is answered by Sail, at once,
    where it is known to answer as Spark does; a line says why Spark has to. With --watch it is the data beside the
    code: each save shows it again; keys of a terminal are r (again) and q (quit).

    Examples:
        dataflow workflow preview main.sch.yaml --date 2026-01-31
        dataflow workflow preview main.sch.yaml --date 2026-01-31 --step ranked --limit 5
        dataflow workflow preview main.sch.yaml --watch

    Exit codes:
        1: a script fails, a blocking audit does, or rows lie outside of the partition: a run would publish nothing
    """
    from dataflow.cli.workflow.running import continue_in
    from dataflow.preview.model import PreviewRequest
    from dataflow.preview.preview import Previewer
    from dataflow.runner.python_process import python_of
    from dataflow.workflow.load import load_workflow

    path, asked = definition(file), request(date, param, env)

    def load() -> Workflow:
        return load_workflow(path, asked)

    wanted = PreviewRequest(limit, step, job, engine, say)
    if watch:
        from dataflow.cli.workflow.preview_watch import watch_previews

        output.require_events("--watch")
        watch_previews(path, load, wanted, sessions, output)
        return
    workflow = load()
    continue_in(python_of(workflow, say))
    began = time.monotonic()
    with Previewer(sessions) as previewer, output.reserved(), working("Previewing …"):
        found = [*previewer.previews(workflow, wanted)]
    output.show(Previews(found, time.monotonic() - began))
    if any(it.would_fail for it in found):
        raise typer.Exit(1)


def sessions(environment: Environment) -> AbstractContextManager[SparkSession]:
    """Open Spark for a preview."""
    return spark_session(environment, "preview", "Previewing …")


@dataclass(frozen=True)
class Previews(Result):
    """What each step that writes would bring, and how long it took to know."""

    found: Sequence[Preview]
    seconds: float

    def text(self) -> None:
        """Print it for people."""
        from dataflow.cli.workflow.preview_text import print_preview

        for it in self.found:
            print_preview(it, self.seconds)

    def data(self) -> dict[str, Any]:
        """Return it as plain data."""
        from dataflow.cli.workflow.preview_text import preview_data

        return {"seconds": round(self.seconds, 3), "previews": [*map(preview_data, self.found)]}

    def markdown(self) -> str:
        """Return it as Markdown."""
        from dataflow.cli.workflow.preview_text import as_markdown

        return "\n\n".join(map(as_markdown, self.found))

    def rows(self) -> Iterator[Sequence[Any]]:
        """Return the rows that are shown."""
        from dataflow.cli.query import QueryRows

        for it in self.found:
            yield from QueryRows(it.columns, it.rows).rows()
