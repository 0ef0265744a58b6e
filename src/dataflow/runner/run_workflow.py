"""The run of a workflow from start to end: environment, jars, Spark, the run itself, and a look at its rows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dataflow.runner.results import RunOutcome

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from dataflow.runner.changed.reload import Reload
    from dataflow.runner.jar_builder import JarBuilder
    from dataflow.runner.options import RunOptions
    from dataflow.runner.progress import RunProgress
    from dataflow.runner.results import RunResult
    from dataflow.runner.runner import Prepare
    from dataflow.spark.session import Engine
    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import Workflow

_PREVIEW_ROWS = 5


def run_workflow(
    workflow: Workflow,
    options: RunOptions,
    progress: RunProgress,
    *,
    prepare: Prepare | None = None,
    reload: Reload | None = None,
) -> RunOutcome:
    """Run a workflow in a Spark of its own.

    Args:
        workflow: What to run.
        options: How to run it.
        progress: Receives its progress.
        prepare: Makes what must exist before the first step.
        reload: Loads it anew where only Spark can find the days that changed.

    Returns:
        The run's result, and the first rows of what it published; a failed run is a result too.

    Raises:
        UsageError: There is no step of the id that the options name.
        DataflowError: The run could not start.
        KeyboardInterrupt: The user cancelled it.
    """
    from dataflow.home import subfolder
    from dataflow.runner.acceleration import decide
    from dataflow.runner.changed.reload import has_nothing_to_do, run_nothing
    from dataflow.spark.session import Engine
    from dataflow.spark.sizing import is_small, size_of

    workflow.choose(options.only)  # before a JVM starts
    log = subfolder("logs") / f"{workflow.run_id}.log"
    if has_nothing_to_do(workflow):
        return RunOutcome(run_nothing(workflow, progress, log))
    environment = _spark_environment(workflow, progress)
    small = is_small(workflow, size := size_of(workflow))
    acceleration = decide(workflow, size)
    with Engine(environment, log, small=small, report=progress.say) as engine:
        engine.accelerate(acceleration)
        engine.begin()  # the JVM starts while Python imports the rest, and while jars are built
        from dataflow.runner.jar_builder import JarBuilder
        from dataflow.runner.programs import require_programs

        jars = JarBuilder(environment, progress.say)
        require_programs(workflow, jars)
        if reload is not None:
            workflow = _looked_through(engine, workflow, progress, reload)
        return _run_in(engine, workflow, options, progress, jars=jars, log=log, prepare=prepare)


def _looked_through(engine: Engine, workflow: Workflow, progress: RunProgress, reload: Reload) -> Workflow:
    """Return the workflow with the days that changed, where it takes Spark to find them."""
    from dataflow.runner.changed.reload import looked_through, needs_spark, why_lines

    if not needs_spark(workflow):
        return workflow
    with progress.waiting("looking for days that changed"):
        workflow = looked_through(workflow, reload, engine.spark)
    progress.follow(workflow)
    for line in why_lines(workflow):
        progress.say(line)
    return workflow


def _spark_environment(workflow: Workflow, progress: RunProgress) -> Environment:
    """Return the workflow's environment with what its jars and its Python packages need of Spark."""
    from dataflow.runner.programs import has_jars

    environment = workflow.environment
    if has_jars(workflow):
        from dataflow.runner.jar_builder import with_isolated_jars

        environment = with_isolated_jars(environment)
    if sys.prefix != sys.base_prefix:
        from dataflow.build.python.executors import with_packages

        environment = with_packages(environment, progress.say)
    return environment


def _run_in(
    engine: Engine,
    workflow: Workflow,
    options: RunOptions,
    progress: RunProgress,
    *,
    jars: JarBuilder,
    log: Path,
    prepare: Prepare | None,
) -> RunOutcome:
    from dataflow.runner.context import RunContext
    from dataflow.runner.run_start import begun
    from dataflow.runner.runner import Runner
    from dataflow.state.database import StateDatabase
    from dataflow.state.run_records import RunRecords

    with (
        StateDatabase(workflow.environment.state) as database,
        begun(RunRecords(database), workflow, log, options) as began,
    ):
        if not began.is_free():
            engine.close(0)  # no JVM while it waits
            began.wait(progress.say)
        with progress.waiting("starting Spark"):
            spark = engine.spark
        context = RunContext(
            spark,
            RunRecords(database),
            progress,
            log,
            jvm=engine,
            jars=jars,
            launch=engine.launch,
            begun=began,
            acceleration=engine.acceleration,
        )
        result = Runner(context, prepare).run(workflow, options)
        return RunOutcome(result, () if result.left_running else _preview(spark, result))


def _preview(spark: SparkSession, result: RunResult) -> Sequence[Mapping[str, object]]:
    """Return the first rows of what was published last; none where they can't be read."""
    from dataflow.tables.iceberg import quoted

    if not result.published:
        return ()
    last = result.published[-1]
    with contextlib.suppress(Exception):  # the run is done and recorded, and must not fail by a look at its rows
        query = f"SELECT * FROM {quoted(last.table)} WHERE {last.where} LIMIT {_PREVIEW_ROWS}"
        return [row.asDict() for row in spark.sql(query).collect()]
    return ()
