"""The run of a workflow from start to end: environment, jars, Spark, the run itself, and a look at its rows."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflow.runner.results import RunOutcome
from dataflow.workflow.resolved import ForeachStep

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
    from dataflow.state.run_records import RunRecords
    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import Workflow

_PREVIEW_ROWS = 5
_CLOCKS = dt.timedelta(minutes=1)
"""How long a look may take, and how far the clocks of machines may be apart."""


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
    from dataflow.runner.parts import end_of_parts, is_over
    from dataflow.runner.resume import Resume
    from dataflow.spark.session import Engine
    from dataflow.spark.sizing import is_small, size_of
    from dataflow.state.utc import now

    workflow.choose(options.only)  # before a JVM starts
    since = now() - _CLOCKS
    log = subfolder("logs") / f"{workflow.run_id}.log"
    if options.part is not None and options.only is None:
        if is_over(workflow, options.part):
            return RunOutcome(end_of_parts(workflow, options, options.part, progress, log))
        options = replace(options, resume=Resume(options.part.run, options.part.done))
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
        again = LookAgain(workflow, options, reload, since)
        return _run_in(engine, again, progress, jars=jars, log=log, prepare=prepare)


@dataclass(frozen=True)
class LookAgain:
    """What a run that finds its days does once it has its turn: others may have done some of them meanwhile.

    Attributes:
        workflow: The workflow, its days as they were found before.
        options: How it is run.
        reload: Loads it anew with the days that changed.
        since: When it was looked before that.
    """

    workflow: Workflow
    options: RunOptions
    reload: Reload | None
    since: dt.datetime

    def looked(self, records: RunRecords, engine: Engine, progress: RunProgress, *, waited: bool) -> Workflow:
        """Return the workflow with the days that are to be run now."""
        from dataflow.runner.changed.look import look
        from dataflow.runner.changed.reload import finds_days, why_lines

        workflow = self.workflow
        if self.options.left is not None:
            return _with_days(workflow, self.options.left()) if waited else workflow
        if self.reload is None or not finds_days(workflow):
            return workflow
        names = {it.id for it in workflow.walk(every_date=False)}
        if not waited and not records.has_ended(names, workflow.environment.name, self.since):
            return workflow
        workflow = self.reload(look)
        progress.follow(workflow)
        if (lines := [*why_lines(workflow)]) != [*why_lines(self.workflow)]:  # those were said before
            for line in lines:
                progress.say(line)
        return _looked_through(engine, workflow, progress, self.reload)


def _with_days(workflow: Workflow, days: Collection[str]) -> Workflow:
    """Return a backfill that runs some of its days."""
    steps = (
        replace(step, items=tuple(it for it in step.items if it.value in days))
        if isinstance(step, ForeachStep)
        else step
        for step in workflow.steps
    )
    return replace(workflow, steps=tuple(steps))


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
    again: LookAgain,
    progress: RunProgress,
    *,
    jars: JarBuilder,
    log: Path,
    prepare: Prepare | None,
) -> RunOutcome:
    from dataflow.runner.changed.reload import end_with_nothing, has_nothing_to_do
    from dataflow.runner.context import RunContext
    from dataflow.runner.run_start import begun
    from dataflow.runner.runner import Runner
    from dataflow.state.database import StateDatabase
    from dataflow.state.run_records import RunRecords

    workflow, options = again.workflow, again.options
    with (
        StateDatabase(workflow.environment.state) as database,
        begun(RunRecords(database), workflow, log, options) as began,
    ):
        waited = not began.is_free()
        if waited:
            engine.close(0)  # no JVM while it waits
            began.wait(progress.say)
        workflow = again.looked(RunRecords(database), engine, progress, waited=waited)
        if has_nothing_to_do(workflow):
            return RunOutcome(end_with_nothing(workflow, began.recorder, progress, log))
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
