"""Running a workflow before somebody's eyes: what happens while it runs, and how it went."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.build.python import fast_start
from dataflow.cli.console import say
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, Output, OutputOption
from dataflow.cli.streams import silence_stdout
from dataflow.cli.workflow.arguments import DateOption, ParamOption
from dataflow.cli.workflow.options import definition, request
from dataflow.errors import DataflowError, UsageError
from dataflow.trouble import trouble

if TYPE_CHECKING:
    from dataflow.jobs.context import Published
    from dataflow.runner.results import RunResult
    from dataflow.workflow.load import Request
    from dataflow.workflow.resolved import Workflow

_PREVIEW_ROWS = 5


def run(
    file: Annotated[
        Path | None,
        typer.Argument(help="A *.sch.yaml file, or a package's folder for its main.sch.yaml.", show_default=False),
    ] = None,
    date: DateOption = None,
    param: ParamOption = None,
    job: Annotated[str | None, typer.Option("--job", help="Run this one job, without those before it.")] = None,
    env: EnvOption = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over tables that another package made and handed to you.")
    ] = False,
    deployed: Annotated[
        str | None,
        typer.Option("--deployed", metavar="ID", help="Instead of a file: a deployed workflow, or a bundle."),
    ] = None,
    output: OutputOption = TEXT,
) -> None:
    """Run a workflow: write on a branch, audit, publish. Reaches your own sandbox unless --env says otherwise.

    With --deployed it runs what was deployed, from the registry alone.

    Example:  dataflow workflow run main.sch.yaml --date 2026-01-31
    """
    if (file is None) == (deployed is None):
        raise UsageError("name either a *.sch.yaml file or --deployed ID", "dataflow workflow run main.sch.yaml")
    if deployed is not None:
        from dataflow.cli.workflow.run_deployed import run_deployed

        run_deployed(deployed, request(date, param, env), only=job, adopt=adopt, output=output)
        return
    if file is None:
        raise AssertionError("one of both is given")
    run_definition(definition(file), request(date, param, env), only=job, adopt=adopt, output=output)


def run_definition(
    file: Path,
    request: Request,
    *,
    only: str | None = None,
    adopt: bool = False,
    output: Output = TEXT,
    again: Sequence[str] | None = None,
) -> None:
    """Run a definition and tell how it went; `sample workflow --run` comes here as well.

    Args:
        file: The definition.
        request: What is asked for.
        only: The one job to run.
        adopt: Whether to take over tables that another package made.
        output: How to tell it.
        again: The arguments that say the same once more, to another Python; this command's own when omitted.

    Raises:
        typer.Exit: With 1 when the run failed, 130 when the user stopped it.
        dataflow.errors.DataflowError: It could not start.
    """
    from dataflow.workflow.load import load_workflow

    workflow = load_workflow(file, request)
    workflow.choose(only)
    go_on_in(_python_of(workflow), again)
    run_loaded(workflow, only=only, adopt=adopt, output=output)


def _python_of(workflow: Workflow) -> Path | None:
    """Return the Python that the scripts of a workflow need; most have none, or need no more than Dataflow has."""
    from dataflow.workflow.pyproject import project_of

    scripts = workflow.python_scripts
    if not any(project_of(folder) for folder in {it.parent for it in scripts}):
        return None
    from dataflow.build.python.environment import python_for

    return python_for(scripts, say)


def go_on_in(python: Path | None, arguments: Sequence[str] | None = None) -> None:
    """Go on as the Python that people's code needs, with the same command; return where this is the one.

    Args:
        python: Which; None for this one.
        arguments: What to say to it, where this command has done more than it would be asked for again.

    Raises:
        typer.Exit: The other one has ended.
    """
    if arguments is None:
        fast_start.remember(python)
    if python is None:
        fast_start.go_back()
        return
    if python.parents[1] == Path(sys.prefix):
        return
    sys.stdout.flush()
    sys.stderr.flush()
    if arguments is None:
        os.execv(python, fast_start.again(str(python)))  # noqa: S606 - no shell is wanted
    words = [str(python), "-P", "-m", "dataflow", *arguments]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        sys.stdout.writelines(process.stdout or ())
    raise typer.Exit(process.returncode)


def run_loaded(workflow: Workflow, *, only: str | None = None, adopt: bool = False, output: Output = TEXT) -> None:
    """Run a workflow and tell how it went; raises as `run_definition` does."""
    workflow.choose(only)  # a mistyped --job is told before a JVM starts
    result, preview = _execute(workflow, only=only, adopt=adopt, output=output)
    try:
        _show(result, preview, output)
    except Exception as error:  # what is published is published: how it is shown must not say otherwise
        silence_stdout()
        told = trouble(error) or DataflowError(f"{type(error).__name__}: {error}")
        say(f"the run is over and recorded, but its summary can't be shown: {told.message}")
    if result.status != "succeeded":
        raise typer.Exit(1)


def _show(result: RunResult, preview: Sequence[Mapping[str, object]], output: Output) -> None:
    from dataflow.cli.workflow.summary import RunSummary

    output.show(RunSummary(result, preview))
    sys.stdout.flush()


def _execute(
    workflow: Workflow, *, only: str | None, adopt: bool, output: Output
) -> tuple[RunResult, Sequence[Mapping[str, object]]]:
    from dataflow.cli.workflow.progress import Live
    from dataflow.home import subfolder
    from dataflow.runner.program_builds import Jars, isolated, programs
    from dataflow.runner.program_builds import prepare as prepare_programs
    from dataflow.spark.session import Engine
    from dataflow.spark.sizing import is_small
    from dataflow.tables.catalog import is_embedded
    from dataflow.workflow.program_kind import Kind

    live = Live(workflow)
    log = subfolder("logs") / f"{workflow.run_id}.log"
    has_jars = any(program.kind is Kind.JAR for program in programs(workflow))
    environment = isolated(workflow.environment) if has_jars else workflow.environment
    if sys.prefix != sys.base_prefix:
        from dataflow.build.python.executors import with_packages

        environment = with_packages(environment, live.say)
    engine = Engine(environment, log, small=is_small(workflow), report=live.say)
    jars = Jars(environment, live.say, live.say)
    say(f"run {workflow.run_id} of {workflow.id} in {workflow.environment.name}")
    with engine, live.showing():
        engine.begin()  # the JVM comes up while Python imports the rest, and while jars are built
        prepare_programs(workflow, jars)
        from dataflow.runner.runner import Runner
        from dataflow.sample.demo_source import prepare
        from dataflow.state.database import StateDatabase
        from dataflow.state.run_records import RunRecords

        database = StateDatabase(workflow.environment.state)
        with live.waiting("starting Spark"):
            spark = engine.spark
        # In a team's catalog nothing is made up.
        demo = live.during("looking at the demo source", prepare) if is_embedded(workflow.environment) else None
        runner = Runner(
            spark,
            RunRecords(database),
            live,
            log,
            death=lambda: engine.death,
            settings=engine.settings,
            java_home=engine.java_home,
            jar_of=jars.of,
            adopt=adopt,
            prepare=demo,
        )
        try:
            with output.reserved():
                result = runner.run(workflow, only=only)
            preview = [] if runner.stuck else _preview(spark, result)
        finally:
            database.close()
    return result, preview


def _preview(spark: Any, result: RunResult) -> list[dict[str, object]]:
    """Return a few rows of what was published last."""
    if not result.published:
        return []
    last = result.published[-1]
    with contextlib.suppress(Exception):  # the run is done and recorded; a look at its rows must not fail it
        return _first_rows(spark, last)
    return []


def _first_rows(spark: Any, last: Published) -> list[dict[str, object]]:
    from dataflow.tables.iceberg import quoted

    rows = spark.sql(f"SELECT * FROM {quoted(last.table)} WHERE {last.where} LIMIT {_PREVIEW_ROWS}").collect()
    return [row.asDict() for row in rows]
